"""What a run of a workflow holds: tick records, read their names, decide (M-14, M-15, M-17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integrations.admin import reauth
from integrations.admin.decision import DecisionForm
from integrations.admin.standing import read_tokens
from people.counting import counted_to
from workflows.admin.activation import is_destructive
from workflows.admin.shown import HIDDEN_NOTE, read_number, veil_for
from workflows.admin.unseen import unseen_in_run
from workflows.approvals import DECIDE
from workflows.counters import rooms_exceeded
from workflows.held import HeldItem, approve, held_items, held_rows, reject
from workflows.models import RunItem, WorkflowRun
from workflows.versions import definition_of

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

PAGE = 100
MOST_AT_ONCE = 10_000
_NAMES = 50
_REFUSED_NAMES = 20


class HeldPages(_Base):
    """For the WorkflowRunAdmin: the list of what is held, and the page that asks twice."""

    def held_urls(self) -> list[URLPattern]:
        """Looking is for who reads runs; deciding needs a permission of its own."""
        wrap = self.admin_site.admin_view
        views: dict[str, Any] = {"held": self.held_view, "decide": self.decide_view}
        return [
            path(f"<path:object_id>/{name}/", wrap(view), name=f"workflows_workflowrun_{name}")
            for name, view in views.items()
        ]

    def held_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What is held, a page at a time. Three queries besides the run's."""
        run: WorkflowRun = self.find_run(request, object_id)
        after = read_number(request.GET.get("after"))
        rows = held_rows().filter(run=run.pk)
        ids = list(
            rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[: PAGE + 1]
        )
        context = {
            "title": f"Held in {run}",
            "rows": _veiled(request, run, held_items(run, ids[:PAGE])) if ids else [],
            "next": ids[PAGE - 1] if len(ids) > PAGE else None,
            "is_first": after == 0,
            "held_here": counted_to(rows.order_by()[: MOST_AT_ONCE + 1].count(), MOST_AT_ONCE),
            "may_decide": request.user.has_perm(DECIDE),
            "most_at_once": MOST_AT_ONCE,
            "second_person": settings.SECOND_PERSON,
        }
        answer: HttpResponse = self.run_page(request, run, "held", context)
        return answer

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """List who is meant and ask; confirmed, decide. Some thirty queries, however many rows."""
        if not request.user.has_perm(DECIDE):
            raise PermissionDenied
        run: WorkflowRun = self.find_run(request, object_id)
        shown = _read_shown(run, request.POST)
        verdict = request.POST.get("verdict", "")
        if request.method != "POST" or verdict not in {"approve", "reject"} or not shown:
            if request.method == "POST":
                messages.warning(request, "Nothing was selected: tick records, then decide.")
            return redirect("admin:workflows_workflowrun_held", run.pk)
        items = held_items(run, [pk for pk, _mark in shown])
        approving = verdict == "approve"
        removals = [item for item in items if not item.starts]
        meant = [item.id for item in removals] if approving else []
        rooms = rooms_exceeded(run.workflow, meant, timezone.now())
        form = DecisionForm(
            request.POST if "confirmed" in request.POST else None,
            request=request,
            number=len(removals) if rooms else None,
            ask_password=approving and _asks_password(request, run, removals),
        )
        if form.is_bound and form.is_valid():
            return _decide(request, run, verdict, shown)
        context = {
            "title": "Approve what is held" if approving else "Reject what is held",
            "approving": approving,
            "verdict": verdict,
            "form": form,
            "rooms": rooms,
            "count": len(shown),
            "starts": sum(item.starts for item in items),
            "removals": len(removals),
            "tokens": " ".join(f"{pk}:{mark}" for pk, mark in shown),
            "names": _veiled(request, run, items[:_NAMES]),
            "more": max(len(shown) - _NAMES, 0),
            "second_person": settings.SECOND_PERSON,
        }
        answer: HttpResponse = self.run_page(request, run, "decide", context)
        return answer


def _veiled(request: HttpRequest, run: WorkflowRun, items: Sequence[HeldItem]) -> list[HeldItem]:
    """Without what speaks of fields hidden from the reader (M-36); hashes are of the whole."""
    veil = veil_for(request, run.workflow, [item.record_id for item in items])
    unseen = unseen_in_run(request, run)
    return [
        replace(item, why=HIDDEN_NOTE if item.block in unseen else veil(item.why)) for item in items
    ]


def _read_shown(run: WorkflowRun, asked: QueryDict) -> list[tuple[int, str]]:
    """(id, hash) of the records that were ticked; or of all that are held, as they are now."""
    if "every" not in asked:
        ticked = list(dict(read_tokens(asked.getlist("row"))).items())[:MOST_AT_ONCE]
        rows = RunItem.objects.filter(run=run.pk, pk__among=[pk for pk, _mark in ticked])
        mine = set(rows.values_list("pk", flat=True))
        return [one for one in ticked if one[0] in mine]
    ids = list(
        held_rows().filter(run=run.pk).order_by("pk").values_list("pk", flat=True)[:MOST_AT_ONCE]
    )
    return [(item.id, item.hash) for item in held_items(run, ids)]


def _asks_password(request: HttpRequest, run: WorkflowRun, removals: Sequence[HeldItem]) -> bool:
    """For removals, and for letting begin what takes accounts or access away."""
    serious = bool(removals) or is_destructive(definition_of(run.version))
    return serious and not reauth.is_confirmed(request)


def _decide(
    request: HttpRequest, run: WorkflowRun, verdict: str, shown: Sequence[tuple[int, str]]
) -> HttpResponse:
    by = request.user.get_username()
    decision = approve(shown, by=by) if verdict == "approve" else reject(shown, by=by)
    if decision.decided and verdict == "approve":
        messages.success(request, f"{_records(decision.decided)} approved, and go on now.")
    elif decision.decided:
        said = f"{_records(decision.decided)} rejected: nothing is done with them."
        messages.success(request, said)
    if decision.waiting:
        messages.info(
            request,
            f"You approved {decision.waiting:,}: a second person has to approve them too. Nothing "
            "happens before.",
        )
    if decision.refused:
        messages.warning(request, refusals(decision.refused, "Not decided on:"))
    still = held_rows().filter(run=run.pk).exists()
    return redirect(f"admin:workflows_workflowrun_{'held' if still else 'change'}", run.pk)


def _records(count: int) -> str:
    return "1 record is" if count == 1 else f"{count:,} records are"


def refusals(refused: Sequence[tuple[str, str]], words: str) -> SafeString:
    """For whom something was not done and why, by name."""
    more = len(refused) - _REFUSED_NAMES
    listed = format_html_join("", "<li>{}: {}</li>", refused[:_REFUSED_NAMES])
    rest = format_html("<li>and {} more</li>", f"{more:,}") if more > 0 else ""
    return format_html("{}<ul>{}{}</ul>", words, listed, rest)
