"""Due slots become runs: each slot once, whatever the clock does and however many look (M-32)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from integrations import services
from integrations.due_times import Slot, latest_slot
from integrations.errors import ScheduleInvalid
from integrations.models import DueSlot, Installation, Integration, SyncRun
from integrations.schedules import Schedule, in_words, read_schedule
from integrations.slot_decisions import Action, Decision, Judged, decide

logger = logging.getLogger(__name__)
_OWNER = "integration:"
_LONGEST_STARTED_BY = 200


@dataclass(frozen=True)
class Scheduled:
    """Something that a schedule starts; slots before `since` are not caught up.

    `start(row, started_by, now)` queues its run in the transaction of the slot; it gives False
    where the run before is not over yet, and may set the row's `run`.
    """

    owner: str
    name: str
    schedule: Schedule
    since: datetime
    start: Callable[[DueSlot, str, datetime], bool]


def owner_of(integration: Integration) -> str:
    """The name under which an integration owns its slots."""
    return f"{_OWNER}{integration.pk}"


def make_due_runs(now: datetime) -> int:
    """Queue a run for each slot of an integration that is due; gives how many.

    Safe to repeat, also at once. Three queries when nothing is due, two without a schedule; a fixed
    number per due slot.
    """
    return start_due(_scheduled, now)


def start_due(find: Callable[[], Iterable[Scheduled]], now: datetime) -> int:
    """Start what is due of what `find` gives; gives how many. While Rolecall is paused, nothing.

    Two queries besides those of `find`, and a fixed number per due slot.
    """
    if Installation.objects.filter(paused_at__isnull=False).exists():
        return 0
    due = [
        (one, slot)
        for one in find()
        if (slot := latest_slot(one.schedule, now, one.since)) is not None
    ]
    judged = _judged_since([(one.owner, slot) for one, slot in due])
    made = 0
    for one, _slot in due:
        decision = decide(one.schedule, now, since=one.since, judged=judged.get(one.owner, ()))
        if decision.slot is not None:
            made += _carry_out(one, decision, now=now)
    return made


def _scheduled() -> Iterable[Scheduled]:
    """The active integrations with a schedule that workers may start. One query."""
    rows = Integration.objects.filter(
        state=Integration.State.ACTIVE,
        schedule_since__isnull=False,
        installation=Integration.Installation.CLOUD,  # a local one is started by cron (M-35)
    ).exclude(schedule={})
    for integration in rows:
        schedule = find_schedule(integration)
        since = integration.schedule_since
        if schedule is not None and since is not None:
            yield Scheduled(
                owner_of(integration), integration.name, schedule, since, _starter(integration)
            )


def find_schedule(integration: Integration) -> Schedule | None:
    """The schedule of an integration; None without one, or with one that cannot be read."""
    return readable_schedule(integration.schedule, integration.name)


def readable_schedule(data: Mapping[str, Any], name: str) -> Schedule | None:
    """The schedule that is written like this; None without one, or where it cannot be read."""
    if not data:
        return None
    try:
        return read_schedule(data)
    except ScheduleInvalid as problem:
        logger.warning("The schedule of %s cannot be read: %s", name, problem)
        return None


def _judged_since(slots: Iterable[tuple[str, Slot]]) -> Mapping[str, list[Judged]]:
    """Earlier judgements of these slots and of later ones, by owner. One query, or none."""
    wanted = Q()
    for owner, slot in slots:
        mine = Q(instant__gte=slot.instant)
        if slot.local_date is not None:
            mine |= Q(local_date=slot.local_date)
        wanted |= Q(owner=owner) & mine
    found: dict[str, list[Judged]] = {}
    for row in DueSlot.objects.filter(wanted) if wanted else ():
        started = row.state == DueSlot.State.STARTED
        judged = Judged(Slot(row.instant, row.local_date), started, row.created_at, row.pk)
        found.setdefault(row.owner, []).append(judged)
    return found


def _carry_out(one: Scheduled, decision: Decision, *, now: datetime) -> bool:
    """Write the slot and its run, or neither; says whether there is a run.

    Who comes second finds the slot taken, by its unique constraints.
    """
    try:
        with transaction.atomic():
            row = _take(one.owner, decision, now=now)
            if row is None or decision.action is not Action.START:
                return False
            started_by = f"Schedule: {in_words(one.schedule)}"[:_LONGEST_STARTED_BY]
            started = one.start(row, started_by, now)
            if not started:
                row.state, row.note = DueSlot.State.SKIPPED, "The run before was still running."
            row.save(update_fields=["state", "note", "run"])
    except IntegrityError:
        return False
    if not started:
        logger.info("%s: the slot was skipped, a run is under way.", one.name)
    return started


def _take(owner: str, decision: Decision, *, now: datetime) -> DueSlot | None:
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
        return DueSlot.objects.create(owner=owner, local_date=decision.slot.local_date, **values)
    row = DueSlot.objects.filter(pk=again.row_id, created_at=again.judged_at)
    return DueSlot.objects.get(pk=again.row_id) if row.update(**values) else None


def _starter(integration: Integration) -> Callable[[DueSlot, str, datetime], bool]:
    """Queue a run of this integration, unless another is queued or running.

    Whether it is ready is left to the run: it fails with a sentence when it is not.
    """

    def start(row: DueSlot, started_by: str, now: datetime) -> bool:
        kind = SyncRun.Kind.SYNC if services.may_apply(integration) else SyncRun.Kind.PREVIEW
        try:
            with transaction.atomic():
                row.run = SyncRun.objects.create(
                    integration=integration,
                    name=integration.name,
                    kind=kind,
                    started_by=started_by,
                    queued_at=now,
                )
        except IntegrityError:
            return False
        return True

    return start
