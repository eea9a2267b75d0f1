"""What becomes of the latest slot of a schedule; pure, so that it can be tried out for ten years.

Judging keeps no state of its own: it looks at the latest slot and at what was judged before. What
was judged at a time that is still to come was judged by a clock that has been put back since;
unless it started a run, it is judged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from integrations.due_times import Slot, latest_slot, next_slots
from integrations.schedules import Schedule

# Later than this a run is a catch-up.
REGULAR_WITHIN = timedelta(minutes=5)
# A catch-up so shortly before the regular run is left out.
_TOO_CLOSE = timedelta(hours=1)


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
