"""Ending runs, or single records of them, before their time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.models import Operation
from integrations.operations.unsent import leave_unsent
from workflows.engine.finish import counts_of, refresh_runs
from workflows.errors import CannotDecide
from workflows.kinds import operation_key
from workflows.models import RunItem, WorkflowRun
from workflows.storms import code_of_end

_ENDED = (
    WorkflowRun.State.DONE,
    WorkflowRun.State.PARTIAL,
    WorkflowRun.State.FAILED,
    WorkflowRun.State.CANCELLED,
)


def cancel_run(run: WorkflowRun, *, by: str, now: datetime | None = None) -> int:
    """End a run with all that is open in it; gives how many records that were.

    What was done is kept. Whoever works on one of them notices at the next write; a call that was
    sent already stays in the journal until its end is known. Raises CannotDecide for a run that has
    ended. About nine queries.
    """
    at = now or timezone.now()
    with transaction.atomic():
        hold_open(RunItem.objects.filter(run=run.pk))
        row = WorkflowRun.objects.select_for_update().get(pk=run.pk)
        if row.state in _ENDED:
            raise CannotDecide(f"{row} has ended already ({row.get_state_display().lower()}).")
        number = _cancel(RunItem.objects.filter(run=row), by, at)
        row.state, row.finished_at = WorkflowRun.State.CANCELLED, at
        row.error_code = "cancelled"
        row.error_message = f"Stopped by {by}; what it had done is kept."
        row.counts = counts_of([row.pk])[row.pk]
        row.save(update_fields=["state", "finished_at", "error_code", "error_message", "counts"])
    return number


def cancel_items(ids: Sequence[int], *, by: str, now: datetime | None = None) -> int:
    """End some records of runs; gives how many were open still. About five queries."""
    at = now or timezone.now()
    with transaction.atomic():
        items = RunItem.objects.filter(pk__among=list(ids))
        runs = sorted(set(items.values_list("run_id", flat=True)))
        number = _cancel(items, by, at)
        refresh_runs(runs, at)
    return number


def hold_open(items: QuerySet[RunItem]) -> None:
    """Lock what is open, before its run and workflow: whoever moves or decides does so too.

    In the other order the two would wait for each other. One query; inside a transaction.
    """
    is_open = items.filter(state__in=RunItem.OPEN_STATES).select_for_update().order_by("pk")
    list(is_open.values_list("pk"))


def _cancel(items: QuerySet[RunItem], by: str, now: datetime) -> int:
    """Raise the fence of what is open, so that nobody moves it on. Up to five queries.

    An item that is worked on does not name its call yet, so calls are found by their keys; one that
    a person asked for again, and that an item waits for, by its id.
    """
    is_open = items.filter(state__in=RunItem.OPEN_STATES).select_for_update().order_by("pk")
    found = list(is_open.values_list("pk", "block", "retry", "operation_id"))
    ids = [pk for pk, *_rest in found]
    named = {call for *_rest, call in found if call is not None}
    repeats = Operation.objects.filter(pk__among=list(named), retry__gt=0) if named else ()
    leave_unsent(
        [*(operation_key(*one[:3]) for one in found), *(call.key for call in repeats)],
        code="cancelled",
        note=f"It was not sent: {by} stopped the workflow that asked for it.",
        now=now,
    )
    return RunItem.objects.filter(pk__among=ids, state__in=RunItem.OPEN_STATES).update(
        state=RunItem.State.CANCELLED,
        fence=F("fence") + 1,
        leased_until=None,
        worker="",
        waits_for="",
        code=code_of_end("cancelled"),
        note=f"Stopped by {by}.",
        finished_at=now,
    )
