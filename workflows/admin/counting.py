"""How many records of a run are where: as it was kept, or counted no further than a page needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import OuterRef

from people.counting import AtLeast, CappedCount, add, counted_to
from workflows.models import RunItem, WorkflowRun

MOST_COUNTED = 10_000
State = RunItem.State
_WORDS: Mapping[str, str] = {
    State.READY: "waiting",
    State.WORKING: "waiting",
    State.WAITING: "waiting",
    State.DONE: "done",
    State.FAILED: "failed",
    State.HELD: "held",
    State.NO_LONGER_APPLIES: "no_longer_applies",
    State.CANCELLED: "cancelled",
}
_ENDED = ("done", "failed", "no_longer_applies", "cancelled")


def counts_of_runs(runs: Sequence[WorkflowRun]) -> dict[int, dict[str, Any]]:
    """How many items of each run are where, in the shape of `WorkflowRun.counts`. One query.

    None for runs that have ended, which keep their counts. Of others each state is counted up to
    10,000, behind that the number is `AtLeast`: a run of a million records costs what one of some
    ten thousand does. Calls are not counted, as that would read the way of every item. `at_work`
    are ready or being worked on.
    """
    found: dict[int, dict[str, Any]] = {
        run.pk: {**_blank(), **run.counts} for run in runs if run.finished_at and run.counts
    }
    going = {run.pk: run for run in runs if run.pk not in found}
    for pk, per_state in _count_states(going):
        found[pk] = _in_words(per_state, matched=going[pk].matched)
    return found


def count_open(run: WorkflowRun) -> dict[str, Any]:
    """The counts of a run, where all that has ended is `done`: exact, for its progress. One query.

    Its time grows with the items that are open: some 10 ms for 100,000.
    """
    ((_pk, per_state),) = _count_states([run.pk], RunItem.OPEN_STATES, most=None)
    counts = _in_words({**dict.fromkeys(_WORDS, 0), **per_state}, matched=run.matched)
    done = max(run.matched - counts["matched"], 0)
    return {**counts, "matched": run.matched, "done": done}


def _blank() -> dict[str, Any]:
    words = ("matched", "at_work", *dict.fromkeys(_WORDS.values()))
    return {**dict.fromkeys(words, 0), "operations": {}}


def _count_states(
    ids: Iterable[int], states: Iterable[str] = tuple(_WORDS), *, most: int | None = MOST_COUNTED
) -> Iterable[tuple[int, dict[str, int]]]:
    """For each of these runs {state: number}. One query, none without runs.

    State by state, as the planner would else count all that is open of every run.
    """
    ids, states = list(ids), list(states)
    if not ids:
        return
    items = RunItem.objects.filter(run=OuterRef("pk")).order_by()
    last = None if most is None else most + 1
    counted = {
        f"in_{state}": CappedCount(items.filter(state=state).values("pk")[:last])
        for state in states
    }
    rows = WorkflowRun.objects.filter(pk__in=ids).order_by().annotate(**counted)
    for pk, *numbers in rows.values_list("pk", *counted):
        kept = numbers if most is None else [counted_to(number, most) for number in numbers]
        yield pk, dict(zip(states, kept, strict=True))


def _in_words(per_state: Mapping[str, int], *, matched: int) -> dict[str, Any]:
    """The counts of a run; where a single state is more than was counted, `matched` tells it."""
    exact = dict(per_state)
    many = [state for state, number in per_state.items() if isinstance(number, AtLeast)]
    if len(many) == 1:
        exact[many[0]] = matched - sum(exact.values()) + exact[many[0]]
    counts = _blank()
    for state, number in exact.items():
        counts[_WORDS[state]] = add(counts[_WORDS[state]], number)
    counts["matched"] = matched if many else add(*exact.values())
    counts["at_work"] = add(exact[State.READY], exact[State.WORKING])
    return counts


def count_ended(counts: Mapping[str, Any]) -> int:
    """How many records of a run go nowhere any more."""
    ended = add(*(counts[word] for word in _ENDED))
    still = add(counts["waiting"], counts["held"])
    if isinstance(ended, AtLeast) and not isinstance(still, AtLeast):
        return int(counts["matched"]) - still
    return ended


def moves_by_itself(run_id: int, counts: Mapping[str, Any]) -> bool:
    """Whether an item of the run needs no person and no later time to go on. At most one query."""
    if counts["at_work"] or not counts["waiting"]:
        return bool(counts["at_work"])
    for_calls = ("", RunItem.WaitsFor.OPERATION)
    rows = RunItem.objects.filter(run=run_id, state=State.WAITING, waits_for__in=for_calls)
    return rows.exists()
