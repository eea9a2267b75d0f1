"""Runs that are done in this process, from their start to where only time or a person helps."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db.models import Q
from django.utils import timezone

from integrations.operations.perform import carry_on
from workflows.engine.advance import advance_one
from workflows.engine.finish import refresh_runs
from workflows.engine.leases import free_lost_items, wake_waiting
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.starts import select_records
from workflows.together import AGAIN

# For calls of which nobody knows yet how they ended, and for what another process works on.
PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.25
State = RunItem.State
Show = Callable[[str, int, int | None], None]


def work_here(
    run_id: int,
    *,
    show: Show = lambda _step, _done, _total: None,
    patience: float = PATIENCE_SECONDS,
) -> WorkflowRun:
    """Do a run until nothing of it is ready or worked on; gives it back as it is then.

    Calls that have not ended are waited for up to `patience` seconds in all. `show(step, done,
    total)` is called after each batch. Not in a transaction.
    """
    run = WorkflowRun.objects.select_related("workflow__application").get(pk=run_id)
    if run.state == WorkflowRun.State.QUEUED:
        select_records(run, timezone.now())
    until = time.monotonic() + patience
    while True:
        now = timezone.now()
        wake_waiting(now, only_run=run_id)
        if advance_one(now, only_run=run_id):
            _tell(run_id, show)
            continue
        if not _waits_for_others(run_id) or time.monotonic() >= until:
            break
        if not _carry_on_calls(run_id):
            time.sleep(_LOOK_SECONDS)
            free_lost_items()
    refresh_runs([run_id], timezone.now())
    return WorkflowRun.objects.select_related("workflow", "version").get(pk=run_id)


def _tell(run_id: int, show: Show) -> None:
    items = RunItem.objects.filter(run=run_id)
    total = items.count()
    show("records", total - items.filter(state__in=RunItem.OPEN_STATES).count(), total)


def _waits_for_others(run_id: int) -> bool:
    """Whether a call has not ended, another process is at work, or a part waits for the rest.

    One query.
    """
    items = RunItem.objects.filter(run=run_id, workflow__state=Workflow.State.ACTIVE)
    called = Q(waits_for=RunItem.WaitsFor.OPERATION)
    soon = Q(waits_for=RunItem.WaitsFor.TIME, code="", due_at__lte=timezone.now() + AGAIN)
    return items.filter(Q(state=State.WORKING) | Q(state=State.WAITING) & (called | soon)).exists()


def _carry_on_calls(run_id: int) -> bool:
    """Take the steps that calls of this run are due for; gives whether there was one."""
    items = RunItem.objects.filter(
        run=run_id, state=State.WAITING, waits_for=RunItem.WaitsFor.OPERATION
    )
    calls = set(items.exclude(operation=None).values_list("operation_id", flat=True))
    steps = [carry_on(pk) for pk in sorted(pk for pk in calls if pk is not None)]
    return any(steps)


def carry_on_local(workflow: Workflow, *, show: Show) -> None:
    """Go on with earlier runs that no worker may: only commands read their secrets (M-35).

    Also with those whose command was killed, maybe before it had chosen their records.
    """
    free_lost_items()
    local = {"workflow": workflow, "version__local": True}
    is_open = RunItem.objects.filter(**local, state__in=RunItem.OPEN_STATES)
    queued = WorkflowRun.objects.filter(
        **local, state=WorkflowRun.State.QUEUED, workflow__state=Workflow.State.ACTIVE
    )
    runs = {*is_open.values_list("run_id", flat=True), *queued.values_list("pk", flat=True)}
    for run_id in sorted(runs):
        work_here(run_id, show=show, patience=0)


def go_on_here(run_id: int) -> str:
    """After an approval: do what only a command may do, or say that a worker does it."""
    items = RunItem.objects.filter(run=run_id, state=State.READY)
    if not items.filter(version__local=True).exists():
        return "A worker goes on with them."
    run = work_here(run_id)
    return f"{run}: {run.get_state_display().lower()}."
