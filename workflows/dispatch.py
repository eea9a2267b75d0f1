"""Events become runs of workflows: those of a sync run together, others in batches (M-18 to M-20).

A repeat is harmless: a workflow has one run per sync run and one item per event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from integrations.installation import is_paused
from integrations.models import SyncRun
from people.models import Event
from workflows.candidates import BATCH, COLUMNS, Taker, events_of_run, find_starts, find_takers
from workflows.items import Start, insert_items
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.settling import judge_settling
from workflows.storms import has_held_starts, judge_starts, tell_held


class _Moved(Exception):
    """A workflow changed while its starts were judged: nothing is written."""


def runs_to_dispatch() -> QuerySet[SyncRun]:
    """Sync runs whose events are released, and that workflows have not looked at."""
    return SyncRun.objects.filter(
        events_released_at__isnull=False, events_dispatched_at__isnull=True
    ).order_by("events_released_at", "pk")


def events_to_dispatch() -> QuerySet[Event]:
    """Events without a sync run that workflows have not looked at."""
    return Event.objects.filter(dispatched=False, run_id__isnull=True).order_by("pk")


def dispatch_one(now: datetime) -> bool:
    """Look at the events of one sync run, or at a batch of others; False when there are none.

    While Rolecall is paused they wait. Not in a transaction.
    """
    run = runs_to_dispatch().defer("counts", "warnings").first()
    if run is None and not events_to_dispatch().exists():
        return False
    if is_paused():
        return False
    if run is not None:
        dispatch_run(run, now)
        return True
    return dispatch_batch(now) > 0


# The events of a sync run ----------------------------------------------------------------------


def dispatch_run(run: SyncRun, now: datetime) -> None:
    """Start what the events of a sync run start, and mark the run.

    All starts are counted before the first is made. A fixed number of queries per batch of events
    and per workflow.
    """
    takers = find_takers(now)
    settling = judge_settling(run)
    starts: dict[int, list[Start]] = defaultdict(list)
    if takers:
        for batch in events_of_run(run.pk):
            for workflow_id, found in find_starts(batch, takers, settling=settling).items():
                starts[workflow_id] += found
    for taker in takers:
        if not _start_by_run(run, taker, starts[taker.workflow.pk], now):
            return  # something moved: it is looked at again
    SyncRun.objects.filter(pk=run.pk, events_dispatched_at=None).update(
        events_dispatched_at=now, settling=settling
    )


def _start_by_run(source: SyncRun, taker: Taker, starts: Sequence[Start], now: datetime) -> bool:
    """Write the run of one workflow with its items; False when the workflow is another now."""
    if not starts:
        return True
    try:
        with transaction.atomic():
            workflow = _lock(taker)
            if workflow is None:
                return False
            if workflow.runs.filter(source_run=source).exists():
                return True
            _write_run(taker, starts, source=source, now=now)
    except IntegrityError:
        # Another process dispatches the same run at this moment.
        return WorkflowRun.objects.filter(workflow=taker.workflow, source_run=source).exists()
    return True


def _lock(taker: Taker) -> Workflow | None:
    """The workflow, so that nobody else counts its starts; None when it changed since it was read.

    One query.
    """
    return (
        Workflow.objects.select_for_update()
        .filter(pk=taker.workflow.pk, state=Workflow.State.ACTIVE, active_version=taker.version_id)
        .first()
    )


def _write_run(
    taker: Taker,
    starts: Sequence[Start],
    *,
    now: datetime,
    source: SyncRun | None = None,
) -> None:
    """Judge how many they are, then write runs and items. Inside a transaction."""
    judged = judge_starts(taker.workflow, _not_begun(taker.workflow, starts), now=now)
    already = judged.held > 0 and has_held_starts(taker.workflow)
    first = None
    for chain, part in _in_runs(judged.starts):
        is_held = all(start.code for start in part)
        run = WorkflowRun.objects.create(
            workflow=taker.workflow,
            version_id=taker.version_id,
            name=taker.workflow.name,
            trigger=WorkflowRun.Trigger.EVENT,
            started_by=_started_by(source, chain),
            source_run=source,
            chain=chain,
            state=WorkflowRun.State.HELD if is_held else WorkflowRun.State.RUNNING,
            matched=len(part),
            held_because=(judged.because or next((one.note for one in part if one.code), ""))[:500],
            queued_at=now,
            started_at=now,
        )
        insert_items(run, taker.first, part, now=now)
        first = first or run
    if first is not None:
        tell_held(first, judged, already=already)


def _not_begun(workflow: Workflow, starts: Sequence[Start]) -> list[Start]:
    """Without events that somebody has started the workflow for by name. One query."""
    wanted = [start.event_id or 0 for start in starts]
    begun = RunItem.objects.filter(workflow=workflow, event_id__range=(min(wanted), max(wanted)))
    known = set(begun.order_by().values_list("event_id", flat=True))
    return [start for start in starts if start.event_id not in known]


def _started_by(source: SyncRun | None, chain: int) -> str:
    if source is not None:
        return f"{source.name}, run {source.pk}"[:200]
    return "Another workflow" if chain else "Changes by hand or by a command"


def _in_runs(starts: Sequence[Start]) -> list[tuple[int, list[Start]]]:
    """(chain, starts) of each run to be made: a run has a record once, and one place in a chain."""
    runs: dict[tuple[int, int], list[Start]] = defaultdict(list)
    seen: dict[tuple[int, int], int] = defaultdict(int)
    for start in starts:
        times = seen[start.chain, start.record_id]
        seen[start.chain, start.record_id] += 1
        runs[start.chain, times].append(start)
    return [(chain, part) for (chain, _times), part in runs.items()]


# Events without a sync run ---------------------------------------------------------------------


def dispatch_batch(now: datetime) -> int:
    """Start what a batch of other events starts, and mark them with it; gives how many they were.

    One transaction; what another process has locked is left to it. Queries as `dispatch_run`.
    """
    try:
        return _dispatch_batch(now)
    except _Moved:
        return 1  # it is looked at again


@transaction.atomic
def _dispatch_batch(now: datetime) -> int:
    free = events_to_dispatch().select_for_update(
        skip_locked=connection.features.has_select_for_update_skip_locked
    )
    events = list(free.values(*COLUMNS)[:BATCH])
    if not events:
        return 0
    takers = find_takers(now)
    found = find_starts(events, takers) if takers else {}
    for taker in takers:
        starts = found[taker.workflow.pk]
        if not starts:
            continue
        if _lock(taker) is None:
            raise _Moved
        _write_run(taker, starts, now=now)
    Event.objects.filter(pk__among=[event["id"] for event in events]).update(dispatched=True)
    return len(events)
