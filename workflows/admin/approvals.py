"""Approvals: what waits for the word of whoever is signed in, and saying it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST

from integrations.show import moment
from workflows.admin.held import refusals
from workflows.admin.shown import (
    VIEW_ITEMS,
    VIEW_RUNS,
    block_label,
    read_ids,
    read_number,
    record_url,
    trail,
)
from workflows.approvals import (
    DECIDE,
    KIND,
    LONGEST_REASON,
    asked_of,
    decide,
    may_decide,
    named_in,
    waiting_for,
)
from workflows.errors import WorkflowsError
from workflows.models import Block, BlockRun, RunItem

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

PAGE = 50
_LIST = "admin:workflows_runitem_changelist"


@dataclass(frozen=True)
class Asked:
    """What an approver is asked about one record."""

    item: RunItem
    block: str
    message: str
    since: str
    until: str
    record_url: str = ""


class ApprovalPages(_Base):
    """For the RunItemAdmin. The list is open to all staff: it holds only what waits for them."""

    def approval_urls(self) -> list[URLPattern]:
        say = self.admin_site.admin_view(require_POST(self.say_view))
        return [path("say/", say, name="workflows_runitem_say")]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of the list, which the side bar asks for: who decides, or for whom something waits."""
        if obj is not None:
            return request.user.has_perm(VIEW_ITEMS)
        staff = bool(getattr(request.user, "is_staff", False))
        return staff and (request.user.has_perm(DECIDE) or waits_for_them(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_authenticated)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What waits for this user, most urgent first, or of one run (`?run=`). Six queries."""
        user: Any = request.user
        run = read_number(request.GET.get("run"))
        page = min(max(read_number(request.GET.get("page")), 1), 1_000)
        rows = waiting_for(user)
        if run:
            rows = rows.filter(run=run)
        rows = rows.select_related("run__workflow", "version").defer("version__begin")
        first = (page - 1) * PAGE
        found = list(rows[first : first + PAGE + 1])
        context = {
            **self.admin_site.each_context(request),
            "title": "Approvals",
            "trail": trail(("Approvals", reverse(_LIST))),
            "opts": self.model._meta,
            "rows": [self.asked(item, request) for item in found[:PAGE]],
            "run": run,
            "page": page,
            "more": len(found) > PAGE,
            "longest": LONGEST_REASON,
            "reads_runs": request.user.has_perm(VIEW_RUNS),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/workflows/runitem/approvals.html", context)

    def asked(self, item: RunItem, request: HttpRequest | None = None) -> Asked:
        """What is asked about an item. No query where its version is known."""
        said = asked_of(item.context)
        page = record_url(request, item.run.workflow, item.record_id) if request else ""
        return Asked(
            item=item,
            block=block_label(item),
            message=str(said.get("message", "")),
            since=moment(_read_moment(said, "asked_at")),
            until=moment(item.due_at),
            record_url=page,
        )

    def only_approval(self, request: HttpRequest, item: RunItem) -> HttpResponse:
        """The page of an item for who may not read runs: what they are, or were, asked there."""
        user: Any = request.user
        waits = item.waits_for == RunItem.WaitsFor.APPROVAL and may_decide(user, item)
        if not waits and not _was_asked(user, item):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"Approval: {item.label}",
            "trail": trail(("Approvals", reverse(_LIST)), (item.label, "")),
            "opts": self.model._meta,
            "item": item,
            "decides": waits,
            "approval": self.asked(item, request) if waits else None,
            "longest": LONGEST_REASON,
        }
        return TemplateResponse(request, "admin/workflows/runitem/approval.html", context)

    def say_view(self, request: HttpRequest) -> HttpResponse:
        """Approve or reject what was ticked, each once. About six queries for each."""
        user: Any = request.user
        ids = read_ids(request.POST.getlist("item"))[:PAGE]
        verdict = request.POST.get("verdict", "")
        if not ids or verdict not in {"approve", "reject"}:
            messages.warning(request, "Nothing was selected: tick records, then decide.")
            return _back(request)
        done, refused = 0, []
        labels = dict(waiting_for(user).filter(pk__in=ids).values_list("pk", "label"))
        for pk in ids:
            try:
                decide(
                    pk,
                    user=user,
                    approve=verdict == "approve",
                    reason=request.POST.get("reason", ""),
                )
            except WorkflowsError as problem:
                # The name of a record is not told to whom it was never shown.
                refused.append((labels.get(pk, f"Record {pk} of the list"), problem.message))
            else:
                done += 1
        _tell(request, done, verdict, refused)
        return _back(request)


def waits_for_them(request: HttpRequest) -> bool:
    """Whether an approval waits for this user. Asked once per request; at most three queries."""
    known = request.__dict__.get("_approval_waits")
    if known is None:
        user: Any = request.user
        # One cheap look first: nearly always nothing waits for anybody.
        waiting = RunItem.objects.filter(
            state=RunItem.State.WAITING, waits_for=RunItem.WaitsFor.APPROVAL
        )
        known = isinstance(user, User) and waiting.exists() and waiting_for(user).exists()
        request.__dict__["_approval_waits"] = known
    return bool(known)


def _was_asked(user: User, item: RunItem) -> bool:
    """Whether the item is, or was, at an approval block that names them. Three queries."""
    names = {user.get_username().lower(), user.email.lower()} - {""}
    names |= {name.lower() for name in user.groups.values_list("name", flat=True)}
    blocks = Block.objects.filter(version=item.version_id, kind=KIND)
    mine = {
        key
        for key, settings in blocks.values_list("key", "settings")
        if any(name.strip().lower() in names for name in named_in(settings))
    }
    return item.block in mine or BlockRun.objects.filter(item=item.pk, block__in=mine).exists()


def _read_moment(said: Mapping[str, Any], key: str) -> datetime | None:
    try:
        return parse_datetime(str(said.get(key, "")))
    except ValueError:
        return None


def _tell(request: HttpRequest, done: int, verdict: str, refused: list[tuple[str, str]]) -> None:
    word = "approved" if verdict == "approve" else "rejected"
    if done:
        which = "1 record is" if done == 1 else f"{done:,} records are"
        messages.success(request, f"{which} {word}. The workflow goes on by itself.")
    if refused:
        messages.warning(request, refusals(refused, "Not decided on:"))


def _back(request: HttpRequest) -> HttpResponse:
    """To the item's page where it came from there, else to the list."""
    item = read_number(request.POST.get("from"))
    if item:
        return redirect("admin:workflows_runitem_change", item)
    run = read_number(request.POST.get("run"))
    page = reverse(_LIST)
    return redirect(f"{page}?run={run}" if run else page)
