"""The schedules of workflows: due slots become queued runs, by the rules of integrations (M-32)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from integrations.due_times import Slot
from integrations.models import DueSlot
from integrations.schedules import Schedule
from integrations.slots import Scheduled, readable_schedule, start_due
from integrations.timetable import SlotOverview, next_slots_of, overview_of
from workflows.errors import CannotStart
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.starts import start_run

_OWNER = "workflow:"
_BUSY = (RunItem.State.READY, RunItem.State.WORKING)


def owner_of(workflow: Workflow) -> str:
    """The name under which a workflow owns its slots."""
    return f"{_OWNER}{workflow.pk}"


def find_schedule(workflow: Workflow) -> Schedule | None:
    """The schedule of the version that runs; None where Schedule is not one of its actions.

    No query where `active_version` was read with the workflow.
    """
    version = workflow.active_version
    if version is None or "schedule" not in (version.begin.get("actions") or ()):
        return None
    return readable_schedule(version.begin.get("schedule") or {}, workflow.name)


def make_due_workflow_runs(now: datetime) -> int:
    """Queue a run for each slot of a workflow that is due; gives how many. Safe to repeat.

    Three queries when nothing is due, two without a schedule; a fixed number per due slot.
    """
    return start_due(_scheduled, now)


def _scheduled() -> Iterable[Scheduled]:
    """The active workflows with a schedule that workers may start. One query."""
    rows = Workflow.objects.filter(
        state=Workflow.State.ACTIVE, schedule_since__isnull=False, active_version__local=False
    ).select_related("active_version")
    for workflow in rows.order_by("pk"):
        schedule, since = find_schedule(workflow), workflow.schedule_since
        if schedule is not None and since is not None:
            yield Scheduled(owner_of(workflow), workflow.name, schedule, since, _starter(workflow))


def _starter(workflow: Workflow) -> Callable[[DueSlot, str, datetime], bool]:
    def start(row: DueSlot, started_by: str, now: datetime) -> bool:
        # Whoever else starts this workflow at this moment waits, or made its run before.
        Workflow.objects.select_for_update().get(pk=workflow.pk)
        if is_busy(workflow):
            return False
        trigger = WorkflowRun.Trigger.SCHEDULE
        try:
            start_run(workflow, trigger=trigger, started_by=started_by, ids=None, slot=row, now=now)
        except CannotStart:
            return False
        return True

    return start


def is_busy(workflow: Workflow) -> bool:
    """Whether a run is queued or has items to work on; those that wait do not count. Two queries.

    What was started by events is not the schedule's business, nor what waits for a command (M-35).
    """
    event, shared = WorkflowRun.Trigger.EVENT, {"workflow": workflow, "version__local": False}
    runs = WorkflowRun.objects.filter(**shared).exclude(trigger=event)
    if runs.filter(state=WorkflowRun.State.QUEUED).exists():
        return True
    items = RunItem.objects.filter(**shared, state__in=_BUSY)
    return items.exclude(run__trigger=event).exists()


def slot_overview(workflow: Workflow, now: datetime) -> SlotOverview:
    """The next three runs of an active workflow, and its last five slots. One query."""
    is_active = workflow.state == Workflow.State.ACTIVE
    return overview_of(owner_of(workflow), find_schedule(workflow), now, is_active=is_active)


def next_runs(workflows: Iterable[Workflow], now: datetime) -> Mapping[int, Slot]:
    """The next slot of each active workflow that has one, by its id. One query.

    None more where `active_version` was read with the workflows.
    """
    rows = list(workflows)
    active = Workflow.State.ACTIVE
    schedules = {owner_of(row): find_schedule(row) if row.state == active else None for row in rows}
    coming = next_slots_of(schedules, now)
    return {row.pk: coming[owner_of(row)] for row in rows if owner_of(row) in coming}
