"""One record in a run: its way through the blocks. The list of this model is Approvals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from integrations.models import Operation
from people.admin.common import sight_for
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin
from people.history import Entry, labels_of, read_event
from people.models import Event
from workflows.admin.approvals import ApprovalPages
from workflows.admin.shown import (
    HIDDEN_NOTE,
    VIEW_ITEMS,
    block_label,
    operation_link,
    payload_is_theirs,
    record_url,
    show_under,
    standing,
    trail,
    veil_for,
)
from workflows.admin.unseen import unseen_in_run
from workflows.approvals import DECIDE, asked_of, may_decide
from workflows.engine.moves import STOPPED
from workflows.models import BlockRun, RunItem

_MOST_STEPS = 200
_MOST_EVENTS = 50
_LONGEST_PAYLOAD = 20_000
_EXITS = {STOPPED: "Stopped: a person has to mend something"}


@dataclass(frozen=True)
class StepShown:
    """One block that the record has left. `request` and `answer` are empty for most readers."""

    row: BlockRun
    exit: str
    good: str
    note: str
    operation: SafeString | str
    asks: bool
    request: str
    answer: str


@admin.register(RunItem)
class RunItemAdmin(ApprovalPages, ReadOnlyMixin, SafeQueryMixin, ModelAdmin):
    """Items are looked at; what waits for an approval is decided on, by who is named there."""

    actions = None

    def get_urls(self) -> list[URLPattern]:
        return [*self.approval_urls(), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The way of one record. Some eight queries, however long it is.

        Whoever is named as an approver, and may not read runs, sees only what they are asked.
        """
        item = find_item(object_id)
        user: Any = request.user
        if not request.user.has_perm(VIEW_ITEMS):
            return self.only_approval(request, item)
        now = timezone.now()
        workflow = item.run.workflow
        veil = veil_for(request, workflow, [item.record_id])
        waits = item.waits_for == RunItem.WaitsFor.APPROVAL
        decides = waits and may_decide(user, item)
        if not decides:
            show_under(request, "workflows.WorkflowRun")
        context = {
            **self.admin_site.each_context(request),
            "title": item.label,
            "trail": _trail(item),
            "opts": self.model._meta,
            "original": item,
            "item": item,
            "run": item.run,
            "record_url": record_url(request, workflow, item.record_id),
            "where": block_label(item),
            "standing": standing(request, item, now),
            "note": _note(request, item, veil),
            "asks": _asks(item),
            "steps": _steps(request, item, veil),
            "shows_payload": payload_is_theirs(request),
            "entries": _written(request, item),
            "decides": decides,
            "approval": self.asked(item) if decides else None,
            "may_hold": request.user.has_perm(DECIDE),
            "decided": asked_of(item.context).get("decision", ""),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/workflows/runitem/item.html", context)


def _trail(item: RunItem) -> list[dict[str, Any]]:
    runs = reverse("admin:workflows_workflowrun_changelist")
    run = reverse("admin:workflows_workflowrun_change", args=(item.run_id,))
    return trail(("Workflow runs", runs), (str(item.run), run), (item.label, ""))


def find_item(object_id: str) -> RunItem:
    """The item with its run, workflow and version. One query. Raises Http404."""
    pk = unquote(object_id)
    known = pk.isascii() and pk.isdecimal() and len(pk) < len(str(2**63))
    rows = RunItem.objects.select_related(
        "run__workflow__application", "run__version", "version", "operation"
    )
    item = rows.filter(pk=int(pk)).first() if known else None
    if item is None:
        raise Http404
    return item


def _steps(request: HttpRequest, item: RunItem, veil: Callable[[str], str]) -> Sequence[StepShown]:
    """The way in its order. Two queries."""
    rows = BlockRun.objects.filter(item=item.pk).annotate(version_number=F("version__number"))
    unseen = unseen_in_run(request, item.run)
    theirs = payload_is_theirs(request)
    rows = (rows if theirs else rows.defer("request", "answer")).order_by("pk")
    found = list(rows[:_MOST_STEPS])
    keys = [row.operation_id for row in found if row.operation_id is not None]
    asking = Operation.objects.filter(pk__in=keys, state=Operation.State.ASKS)
    asks = set(asking.values_list("pk", flat=True)) if keys else set()
    return [
        StepShown(
            row=row,
            exit=_EXITS.get(row.exit, row.exit.replace("_", " ").capitalize()),
            good={"failure": "bad", STOPPED: "bad"}.get(row.exit, "good"),
            note=HIDDEN_NOTE if row.block in unseen else veil(row.note),
            operation=operation_link(request, row.operation_id) if row.operation_id else "",
            asks=row.operation_id in asks,
            request=_payload(row.request) if theirs else "",
            answer=_payload(row.answer) if theirs else "",
        )
        for row in found
    ]


def _note(request: HttpRequest, item: RunItem, veil: Callable[[str], str]) -> str:
    """The last note of an item, which may be of any block of its way. No query."""
    unseen = unseen_in_run(request, item.run)
    return HIDDEN_NOTE if item.note and unseen else veil(item.note)


def _asks(item: RunItem) -> bool:
    """Whether it waits for a call of which a person has to say how it ended. No query."""
    if item.waits_for != RunItem.WaitsFor.OPERATION or item.operation is None:
        return False
    return item.operation.state == Operation.State.ASKS


def _payload(value: Any) -> str:
    """As text that people can read; masked when it was stored."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= _LONGEST_PAYLOAD else f"{text[:_LONGEST_PAYLOAD]}…"


def _written(request: HttpRequest, item: RunItem) -> list[Entry]:
    """What this run wrote to the record, as the reader may see it. At most two queries."""
    if not request.user.has_perm("people.view_event"):
        return []
    kind = item.run.workflow.object
    events = Event.objects.filter(
        object=kind, object_id=item.record_id, workflow_run_id=item.run_id
    ).order_by("pk")[:_MOST_EVENTS]
    sight = sight_for(request, kind)
    labels = labels_of(kind, sight)
    found = [read_event(event, sight, labels) for event in events]
    return [entry for entry in found if entry is not None]
