"""What holds of workflows after a restore: nothing that perhaps went on since goes on by itself."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Max

from people.models import Event
from workflows.engine.finish import refresh_runs
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.storms import code_of_end

CODE = "restored"


def let_go(because: str, now: datetime) -> int:
    """End what was under way when the backup was made; gives how many records (F-43).

    What waits for a later time has certainly not gone on, so it keeps waiting. Events and due
    times of before start nothing: they did since, most likely. Some eight queries.
    """
    waits = RunItem.objects.filter(
        state=RunItem.State.WAITING, waits_for=RunItem.WaitsFor.TIME, due_at__gt=now
    )
    perhaps = RunItem.objects.filter(state__in=RunItem.OPEN_STATES).exclude(pk__in=waits)
    runs = sorted(set(perhaps.values_list("run_id", flat=True)))
    number = perhaps.update(
        state=RunItem.State.CANCELLED,
        fence=F("fence") + 1,
        leased_until=None,
        worker="",
        waits_for="",
        decided_by="",
        seconded_by="",
        code=code_of_end(CODE),
        note=(
            f"Perhaps it went on since the backup was made: {because}. Look at what was done, at "
            "the vendor too; then retry it from here, or leave it."
        ),
        finished_at=now,
    )
    WorkflowRun.objects.filter(state=WorkflowRun.State.QUEUED).update(
        state=WorkflowRun.State.CANCELLED,
        error_code=CODE,
        error_message=f"It had not begun when the backup was made: {because}. Start it again.",
        finished_at=now,
    )
    refresh_runs(runs, now)
    last = Event.objects.aggregate(last=Max("pk"))["last"] or 0
    Workflow.objects.exclude(state=Workflow.State.DRAFT).update(
        events_after=last, schedule_since=now
    )
    return number
