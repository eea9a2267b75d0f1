"""Runs as a whole: what their items come to, and when they have ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q

from integrations.models import Operation
from workflows.models import BlockRun, RunItem, WorkflowRun

RunState = WorkflowRun.State
State = RunItem.State
_GOING_ON = (State.READY, State.WORKING, State.WAITING)


def refresh_runs(run_ids: Collection[int], now: datetime) -> None:
    """Bring the state of runs under way in line with their items. Two queries, more as runs end.

    running while an item is ready, worked on or waiting; held while only held ones are left; then
    done, partial, failed (every item) or cancelled, with the counts. Safe to repeat.
    """
    items = RunItem.objects.filter(run=OuterRef("pk"))
    rows = (
        WorkflowRun.objects.filter(pk__in=run_ids, state__in=[RunState.RUNNING, RunState.HELD])
        .annotate(
            goes_on=Exists(items.filter(state__in=_GOING_ON)),
            holds=Exists(items.filter(state=State.HELD)),
        )
        .values_list("pk", "state", "goes_on", "holds")
    )
    ended, wanted = [], defaultdict(list)
    for pk, state, goes_on, holds in rows:
        if not goes_on and not holds:
            ended.append(pk)
            continue
        becomes = RunState.RUNNING if goes_on else RunState.HELD
        if state != becomes:
            wanted[becomes].append(pk)
    for becomes, ids in wanted.items():
        WorkflowRun.objects.filter(pk__in=ids, finished_at=None).update(state=becomes)
    if ended:
        _end(ended, now)


def refresh_idle_runs(now: datetime) -> None:
    """The same for runs whose last worker died before it could. For the tick; one query.

    And for those of which two people decided at the same moment, each on a part.
    """
    items = RunItem.objects.filter(run=OuterRef("pk"))
    idle = WorkflowRun.objects.filter(
        Q(~Exists(items.filter(state__in=_GOING_ON)), state=RunState.RUNNING)
        | Q(~Exists(items.filter(state=State.HELD)), state=RunState.HELD)
    )
    if ids := list(idle.values_list("pk", flat=True)):
        refresh_runs(ids, now)


def counts_of(run_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The counts of runs by id, in the shape of `interface.md`. Two queries, however many runs."""
    ids = list(run_ids)
    found = {pk: _blank() for pk in ids}
    per_state = RunItem.objects.filter(run__in=ids).order_by().values_list("run", "state")
    for run, state, number in per_state.annotate(number=Count("pk")):
        found[run]["matched"] += number
        found[run][_WORD_OF[state]] += number
    ways = BlockRun.objects.filter(item__run__in=ids, operation_id__isnull=False)
    operations = Operation.objects.filter(
        Q(pk__in=ways.values("operation_id")) | Q(run_items__run__in=ids)
    )
    if len(ids) == 1:
        states = operations.distinct().order_by().values_list("state", "pk")
        per_run = [(ids[0], state) for state, _pk in states]
    else:
        per_run = _by_run(ids)
    for run, state in per_run:
        if word := _OPERATION_WORD.get(state):
            found[run]["operations"][word] += 1
    return found


def _by_run(ids: list[int]) -> list[tuple[int, str]]:
    """(run, state of an operation) of several runs, each operation once per run. Two queries."""
    ways = BlockRun.objects.filter(item__run__in=ids, operation_id__isnull=False)
    of_run = set(ways.values_list("item__run", "operation_id"))
    waiting = RunItem.objects.filter(run__in=ids, operation__isnull=False)
    of_run |= {(run, pk) for run, pk in waiting.values_list("run", "operation") if pk is not None}
    known = Operation.objects.filter(pk__among=list({operation for _run, operation in of_run}))
    states: Mapping[int, str] = dict(known.values_list("pk", "state"))
    return [(run, states[pk]) for run, pk in of_run if pk is not None and pk in states]


_WORD_OF: Mapping[str, str] = {
    State.READY: "waiting",
    State.WORKING: "waiting",
    State.WAITING: "waiting",
    State.HELD: "held",
    State.DONE: "done",
    State.FAILED: "failed",
    State.NO_LONGER_APPLIES: "no_longer_applies",
    State.CANCELLED: "cancelled",
}
_OPERATION_WORD: Mapping[str, str] = {
    Operation.State.DONE: "done",
    Operation.State.REFUSED: "refused",
    Operation.State.UNKNOWN: "unknown",
    Operation.State.SENDING: "unknown",
    Operation.State.ASKS: "unknown",
}


def _blank() -> dict[str, Any]:
    words = ("matched", "done", "failed", "waiting", "held", "no_longer_applies", "cancelled")
    return {**dict.fromkeys(words, 0), "operations": {"done": 0, "refused": 0, "unknown": 0}}


@transaction.atomic
def _end(run_ids: list[int], now: datetime) -> None:
    """Who asks for records again at this moment waits, or was first: then their run goes on."""
    runs = WorkflowRun.objects.select_for_update().filter(pk__in=run_ids).order_by("pk")
    locked = set(runs.values_list("pk", flat=True))
    is_open = RunItem.objects.filter(run__in=locked, state__in=RunItem.OPEN_STATES).order_by()
    if ended := locked - set(is_open.values_list("run", flat=True).distinct()):
        _write_end(sorted(ended), now)


def _write_end(run_ids: list[int], now: datetime) -> None:
    by_outcome: dict[str, list[int]] = defaultdict(list)
    all_counts = counts_of(run_ids)
    for pk, counts in all_counts.items():
        by_outcome[_state_of(counts)].append(pk)
    rows = WorkflowRun.objects.filter(state__in=[RunState.RUNNING, RunState.HELD])
    for state, ids in by_outcome.items():
        if len(ids) == 1:
            rows.filter(pk=ids[0]).update(state=state, finished_at=now, counts=all_counts[ids[0]])
            continue
        for run in rows.filter(pk__in=ids):
            run.state, run.finished_at, run.counts = state, now, all_counts[run.pk]
            run.save(update_fields=["state", "finished_at", "counts"])


def _state_of(counts: Mapping[str, Any]) -> str:
    if counts["failed"]:
        return RunState.FAILED if counts["failed"] == counts["matched"] else RunState.PARTIAL
    if counts["matched"] and counts["cancelled"] == counts["matched"]:
        return RunState.CANCELLED
    return RunState.DONE
