"""The schedules of integrations as pages and commands show them, and how they are set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from integrations.due_times import Slot, next_slots
from integrations.models import DueSlot, Integration
from integrations.schedules import Schedule, as_data, in_words, read_schedule
from integrations.slots import find_schedule, owner_of

_SHOWN = 3
_SHOWN_LAST = 5
# A date can be used up this long before its slot, by the zone and by an edit.
_DATES_FROM = timedelta(days=3)


@dataclass(frozen=True)
class SlotOverview:
    """When an integration runs next by itself, and what became of its last slots."""

    words: str
    next: Sequence[Slot]
    last: Sequence[DueSlot]


def slot_overview(integration: Integration, now: datetime) -> SlotOverview:
    """The next three runs of an active integration, and its last five slots. One query."""
    is_active = integration.state == Integration.State.ACTIVE
    return overview_of(owner_of(integration), find_schedule(integration), now, is_active=is_active)


def overview_of(
    owner: str, schedule: Schedule | None, now: datetime, *, is_active: bool
) -> SlotOverview:
    """The same for whoever owns slots under this name. One query."""
    rows = DueSlot.objects.filter(owner=owner).select_related("run")
    last = list(rows[:_SHOWN_LAST])
    coming: Sequence[Slot] = ()
    if schedule is not None and is_active:
        used = {row.local_date for row in last if row.local_date is not None}
        coming = _unused(schedule, now, used, count=_SHOWN)
    return SlotOverview(in_words(schedule) if schedule else "", coming, last)


def next_runs(integrations: Iterable[Integration], now: datetime) -> Mapping[int, Slot]:
    """The next slot of each active integration that has one. One query."""
    rows = list(integrations)
    active = Integration.State.ACTIVE
    schedules = {owner_of(row): find_schedule(row) if row.state == active else None for row in rows}
    coming = next_slots_of(schedules, now)
    return {row.pk: coming[owner_of(row)] for row in rows if owner_of(row) in coming}


def next_slots_of(schedules: Mapping[str, Schedule | None], now: datetime) -> Mapping[str, Slot]:
    """The next slot of each owner that has a schedule. One query."""
    dates: dict[str, set[date]] = {}
    for owner, day in DueSlot.objects.filter(
        owner__in=list(schedules),
        local_date__isnull=False,
        instant__gte=now - _DATES_FROM,
    ).values_list("owner", "local_date"):
        dates.setdefault(owner, set()).add(day or date.max)
    found: dict[str, Slot] = {}
    for owner, schedule in schedules.items():
        if schedule is not None:
            coming = _unused(schedule, now, dates.get(owner, set()), count=1)
            found.update((owner, slot) for slot in coming)
    return found


def _unused(schedule: Schedule, now: datetime, used: set[date], *, count: int) -> list[Slot]:
    """The next slots whose date had none yet."""
    coming = next_slots(schedule, now, count + len(used))
    return [slot for slot in coming if slot.local_date not in used][:count]


def slot_in_words(slot: Slot, schedule: Schedule, now: datetime) -> str:
    """When a slot is due by its schedule's clock: `today 06:00 Europe/London`."""
    local = slot.instant.astimezone(schedule.zone)
    days = (local.date() - now.astimezone(schedule.zone).date()).days
    day = {0: "today", 1: "tomorrow"}.get(days, f"{local:%a %-d %b %Y}")
    return f"{day} {local:%H:%M} {schedule.timezone}"


def assign_schedule(integration: Integration, data: Any, *, now: datetime) -> bool:
    """Give an integration a schedule, `{}` for none, without saving; says whether it is another.

    Slots before `now` are not caught up. Raises ScheduleInvalid.
    """
    wanted = as_data(read_schedule(data)) if data else {}
    if wanted == integration.schedule:
        return False
    integration.schedule = wanted
    integration.schedule_since = now
    return True


def set_schedule(integration: Integration, data: Any, *, by: str, now: datetime) -> bool:
    """Give an integration a schedule and save it, as `assign_schedule` does. Two queries."""
    changed = assign_schedule(integration, data, now=now)
    if changed:
        integration._change_reason = f"Schedule set by {by}"  # type: ignore[attr-defined]
        integration.save(update_fields=["schedule", "schedule_since"])
    return changed


def default_schedule(number: int) -> dict[str, Any]:
    """Once every day, at night; `number` spreads integrations over the hour (AH-32)."""
    every_minutes, an_hour = 10, 60
    minute = number * every_minutes % an_hour
    return as_data(read_schedule({"every": "day", "at": f"03:{minute:02}"}))
