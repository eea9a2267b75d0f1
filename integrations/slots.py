"""Due slots become runs: each slot once, whatever the clock does and however many look (M-32).

Judging keeps no state of its own: it looks at the latest slot and at what was judged before. What
was judged at a time that is still to come was judged by a clock that has been put back since;
unless it started a run, it is judged again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from integrations import services
from integrations.due_times import Slot, latest_slot, next_slots
from integrations.errors import ScheduleInvalid
from integrations.models import DueSlot, Installation, Integration, SyncRun
from integrations.schedules import Schedule, in_words, read_schedule

logger = logging.getLogger(__name__)
# Later than this a run is a catch-up.
REGULAR_WITHIN = timedelta(minutes=5)
# A catch-up so shortly before the regular run is left out.
_TOO_CLOSE = timedelta(hours=1)
_OWNER = "integration:"
_LONGEST_STARTED_BY = 200


class Action(Enum):
    """What becomes of the latest slot."""

    NOTHING = "nothing"
    START = "start"
    MISS = "miss"


@dataclass(frozen=True)
class Judged:
    """An earlier judgement of a slot, as its row tells it."""

    slot: Slot
    started: bool
    judged_at: datetime
    row_id: int = 0


@dataclass(frozen=True)
class Decision:
    """What to do with a slot; `again` is the judgement of a wrong clock that this replaces."""

    action: Action
    slot: Slot | None = None
    catch_up: bool = False
    again: Judged | None = None
    note: str = ""


def decide(
    schedule: Schedule, now: datetime, *, since: datetime, judged: Sequence[Judged]
) -> Decision:
    """Judge the latest slot later than `since`. Pure: the same answer for the same arguments."""
    slot = latest_slot(schedule, now, since)
    if slot is None:
        return Decision(Action.NOTHING)
    same = next((one for one in judged if _is_same(one.slot, slot)), None)
    if same is not None and (same.started or same.judged_at <= now):
        return Decision(Action.NOTHING)
    if any(one.slot.instant > slot.instant and one.judged_at <= now for one in judged):
        return Decision(Action.NOTHING)
    if now - slot.instant <= REGULAR_WITHIN:
        return Decision(Action.START, slot, again=same)
    following = next(iter(next_slots(schedule, now, 1)), None)
    if following is not None and following.instant - now < _TOO_CLOSE:
        minutes = int((following.instant - now).total_seconds() // 60)
        note = f"Not made up for: the next regular run was {minutes} minutes away."
        return Decision(Action.MISS, slot, again=same, note=note)
    return Decision(Action.START, slot, catch_up=True, again=same)


def _is_same(one: Slot, other: Slot) -> bool:
    """Where both have a date, the date is the slot; else the instant is."""
    if one.local_date is not None and other.local_date is not None:
        return one.local_date == other.local_date
    return one.instant == other.instant and one.local_date == other.local_date


def owner_of(integration: Integration) -> str:
    """The name under which an integration owns its slots."""
    return f"{_OWNER}{integration.pk}"


def make_due_runs(now: datetime) -> int:
    """Queue a run for each slot that is due; gives how many. Safe to repeat, also at once.

    Three queries when nothing is due, two without a schedule; a fixed number per due slot.
    """
    if Installation.objects.filter(paused_at__isnull=False).exists():
        return 0
    scheduled = list(_scheduled(now))
    judged = _judged_since([(row, slot) for row, _schedule, slot in scheduled])
    made = 0
    for integration, schedule, _slot in scheduled:
        decision = decide(
            schedule,
            now,
            since=_since(integration),
            judged=judged.get(owner_of(integration), ()),
        )
        if decision.slot is not None:
            made += _carry_out(integration, schedule, decision, now=now)
    return made


def _scheduled(now: datetime) -> Iterable[tuple[Integration, Schedule, Slot]]:
    """The active integrations of which a slot has passed since their schedule was set."""
    rows = Integration.objects.filter(
        state=Integration.State.ACTIVE, schedule_since__isnull=False
    ).exclude(schedule={})
    for integration in rows:
        schedule = find_schedule(integration)
        if schedule is None:
            continue
        slot = latest_slot(schedule, now, _since(integration))
        if slot is not None:
            yield integration, schedule, slot


def _since(integration: Integration) -> datetime:
    since = integration.schedule_since
    assert since is not None  # noqa: S101 - asked for by the query
    return since


def find_schedule(integration: Integration) -> Schedule | None:
    """The schedule of an integration; None without one, or with one that cannot be read."""
    if not integration.schedule:
        return None
    try:
        return read_schedule(integration.schedule)
    except ScheduleInvalid as problem:
        logger.warning("The schedule of %s cannot be read: %s", integration, problem)
        return None


def _judged_since(
    slots: Iterable[tuple[Integration, Slot]],
) -> Mapping[str, list[Judged]]:
    """Earlier judgements of these slots and of later ones, by owner. One query, or none."""
    wanted = Q()
    for integration, slot in slots:
        mine = Q(instant__gte=slot.instant)
        if slot.local_date is not None:
            mine |= Q(local_date=slot.local_date)
        wanted |= Q(owner=owner_of(integration)) & mine
    found: dict[str, list[Judged]] = {}
    for row in DueSlot.objects.filter(wanted) if wanted else ():
        started = row.state == DueSlot.State.STARTED
        judged = Judged(Slot(row.instant, row.local_date), started, row.created_at, row.pk)
        found.setdefault(row.owner, []).append(judged)
    return found


def _carry_out(
    integration: Integration, schedule: Schedule, decision: Decision, *, now: datetime
) -> bool:
    """Write the slot and its run, or neither; says whether there is a run.

    Who comes second finds the slot taken, by its unique constraints.
    """
    try:
        with transaction.atomic():
            row = _take(integration, decision, now=now)
            if row is None or decision.action is not Action.START:
                return False
            run = _queue(integration, schedule, now=now)
            if run is None:
                row.state, row.note = DueSlot.State.SKIPPED, "The run before was still running."
            else:
                row.run = run
            row.save(update_fields=["state", "note", "run"])
    except IntegrityError:
        return False
    if run is None:
        logger.info("%s: the slot was skipped, a run is under way.", integration)
    return run is not None


def _take(integration: Integration, decision: Decision, *, now: datetime) -> DueSlot | None:
    """The row of the slot; None when another process was faster at judging it again."""
    assert decision.slot is not None  # noqa: S101 - the caller looked
    missed = decision.action is Action.MISS
    values: dict[str, Any] = {
        "instant": decision.slot.instant,
        "state": DueSlot.State.MISSED if missed else DueSlot.State.STARTED,
        "catch_up": decision.catch_up,
        "note": decision.note,
        "created_at": now,
    }
    again = decision.again
    if again is None:
        return DueSlot.objects.create(
            owner=owner_of(integration), local_date=decision.slot.local_date, **values
        )
    row = DueSlot.objects.filter(pk=again.row_id, created_at=again.judged_at)
    return DueSlot.objects.get(pk=again.row_id) if row.update(**values) else None


def _queue(integration: Integration, schedule: Schedule, *, now: datetime) -> SyncRun | None:
    """Put a run in the queue; None while another is queued or running.

    Whether it is ready is left to the run: it fails with a sentence when it is not.
    """
    kind = SyncRun.Kind.SYNC if services.may_apply(integration) else SyncRun.Kind.PREVIEW
    try:
        with transaction.atomic():
            return SyncRun.objects.create(
                integration=integration,
                name=integration.name,
                kind=kind,
                started_by=f"Schedule: {in_words(schedule)}"[:_LONGEST_STARTED_BY],
                queued_at=now,
            )
    except IntegrityError:
        return None
