"""Due slots become runs: each slot once, whatever the clock does and however many look (M-32)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
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
        state=Integration.State.ACTIVE,
        schedule_since__isnull=False,
        installation=Integration.Installation.CLOUD,  # a local one is started by cron (M-35)
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
