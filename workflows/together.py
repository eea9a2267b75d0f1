"""Removals of a run are judged together, also where its records come to the block in parts (M-15).

One batch may come to a block before others of the same run. As long as they are on their way, and
all of them would be too many, those that are here wait for them; who waits or is held here counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from workflows.definition import Definition
from workflows.kinds import Outcome, Step, Then
from workflows.models import RunItem

AGAIN = timedelta(seconds=5)
"""After so long those that wait for others look again."""
_MOVING = Q(state__in=(RunItem.State.READY, RunItem.State.WORKING))
_APPROVED = ~Q(decided_by="") & ~Q(held_hash="")
_HELD = Q(state=RunItem.State.HELD, code="held")
# What waits for a vendor that is away has a code.
_WAITS = Q(state=RunItem.State.WAITING, waits_for=RunItem.WaitsFor.TIME, code="")


@dataclass(frozen=True)
class Others:
    """How many others of a run wait at a block or are held there, and how many may come to it."""

    staying: int = 0
    coming: int = 0


NOBODY = Others()


def others_of(step: Step, run_ids: Collection[int]) -> Mapping[int, Others]:
    """The others of each run that has any, besides this batch. One query.

    Those that wait elsewhere for a time, a vendor or a person are not on their way; what somebody
    approved by name does not count.
    """
    here = Q(block=step.block.key)
    before = Q(block__in=_before(step.definition, step.block.key))
    open_ones = RunItem.objects.filter(run__in=run_ids, state__in=RunItem.OPEN_STATES)
    rows = open_ones.order_by().values("run")
    counted = rows.annotate(
        staying=Count("pk", filter=here & (_HELD | _WAITS)),
        coming=Count("pk", filter=_MOVING & (before | here & ~_APPROVED)),
    )
    # The batch itself is among them: to leave it out by its ids would cost more than to count it.
    items = Counter(item.run_id for item in step.items if not item.approved_by)
    return {
        run: Others(staying, max(0, coming - max(step.taken.get(run, 0), items[run])))
        for run, staying, coming in counted.values_list("run", "staying", "coming")
    }


def waits_for_others(now: datetime) -> Outcome:
    """The outcome of a removal that waits until the others of its run are here."""
    return Outcome(
        then=Then.WAITS,
        exit="",
        waits_for=RunItem.WaitsFor.TIME,
        due_at=now + AGAIN,
        note="Waits for other records of its run: all that are to be removed are judged together.",
    )


def _before(definition: Definition, key: str) -> set[str]:
    """Every block from which a way leads to this one."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for block in definition.paths_to(waiting.pop()):
            if block.key not in found:
                found.add(block.key)
                waiting.append(block.key)
    return found - {key}
