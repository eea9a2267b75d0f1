"""What the pages of integrations show of schedules and of the limits of removals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from integrations.due_times import Slot
from integrations.guard import Room, accounts_room, people_room
from integrations.holding import command_for, is_local
from integrations.models import DueSlot, Integration
from integrations.schedules import Schedule, as_cron
from integrations.slots import find_schedule
from integrations.timetable import slot_in_words, slot_overview


@dataclass(frozen=True)
class TimetableRow:
    """A slot that comes, or one that was, with what became of it."""

    at: datetime
    words: str
    slot: DueSlot | None = None


@dataclass(frozen=True)
class Timetable:
    """The schedule in words, the next runs, the last slots."""

    words: str
    next: Sequence[TimetableRow]
    last: Sequence[TimetableRow]
    cron: Sequence[str] = ()


def show_timetable(row: Integration, now: datetime) -> Timetable:
    """What the page of an integration shows of its schedule. One query."""
    overview = slot_overview(row, now)
    schedule = find_schedule(row)

    def words(slot: Slot) -> str:
        return slot_in_words(slot, schedule, now) if schedule else ""

    local = is_local(row)
    return Timetable(
        overview.words,
        [TimetableRow(slot.instant, words(slot)) for slot in (() if local else overview.next)],
        [TimetableRow(one.instant, words(Slot(one.instant)), one) for one in overview.last],
        _cron_lines(row, schedule) if local else (),
    )


def _cron_lines(row: Integration, schedule: Schedule | None) -> list[str]:
    """What to put into the crontab of the machine that has the secret (M-35, MO-32)."""
    fields = as_cron(schedule) if schedule else ""
    if not fields or schedule is None:
        return [command_for(row)]
    # A % ends a line of cron unless it is escaped.
    command = command_for(row).replace("%", r"\%")
    return [f"CRON_TZ={schedule.timezone}", f"{fields} cd {settings.BASE_DIR} && {command}"]


def limits_today(row: Integration, now: datetime) -> list[str]:
    """What may be removed today without a person's approval, in words. Up to five queries."""
    rooms: list[tuple[Room, str]] = []
    accounts = row.user_selection == Integration.UserSelection.USER_PLUS_SAAS_USER
    if accounts and row.application is not None:
        room = accounts_room(row.application, now, lowered_by=row)
        rooms.append((room, f"active accounts of {row.application}"))
    if row.missing_people == Integration.Missing.DEACTIVATE:
        rooms.append((people_room(now, lowered_by=row), "active people"))
    return [f"of {room.base:,} {name} at most {room.limit:,} in 24 hours" for room, name in rooms]


def safety_fieldsets(*, writes: bool) -> list[Any]:
    """The sections about schedule, limits, protected people and mails."""
    shown = "" if writes else "_shown"
    return [
        ("Schedule", {"fields": [f"schedule{shown}"]}),
        ("Limits of removals", {"fields": ["removals_percent", "removals_count"]}),
        ("Protected, and told by mail", {"fields": [f"protected{shown}", f"notify{shown}"]}),
    ]
