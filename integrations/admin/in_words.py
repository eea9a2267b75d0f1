"""What the pages of integrations say in words: the next run, and what readers cannot edit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils import timezone

from integrations.holding import is_local
from integrations.models import Integration
from integrations.schedules import in_words
from integrations.show import show_value
from integrations.slots import find_schedule
from integrations.timetable import slot_in_words

SHOWN_IN_WORDS = (
    "application_shown",
    "credentials_shown",
    "inputs_shown",
    "filters_shown",
    "schedule_shown",
    "protected_shown",
    "notify_shown",
)


class InWords:
    """For the IntegrationAdmin: what readers see instead of parts of the form."""

    @admin.display(description="SaaS selection")
    def application_shown(self, row: Integration) -> str:
        return str(row.application or "–")

    @admin.display(description="Credentials")
    def credentials_shown(self, row: Integration) -> str:
        return str(row.credentials or "–")

    @admin.display(description="Inputs")
    def inputs_shown(self, row: Integration) -> str:
        return show_value(row.inputs)

    @admin.display(description="Rules for syncing")
    def filters_shown(self, row: Integration) -> str:
        return show_value(row.filters) if row.filters else "All records pass"

    @admin.display(description="Next run")
    def next_run(self, row: Any) -> str:
        if row.state == Integration.State.PAUSED:
            return "Paused"
        if is_local(row):
            return "By command"
        schedule = find_schedule(row)
        if schedule is None or row.next_slot is None:
            return "Only when asked" if schedule is None else "–"
        return slot_in_words(row.next_slot, schedule, timezone.now())

    @admin.display(description="Schedule")
    def schedule_shown(self, row: Integration) -> str:
        schedule = find_schedule(row)
        return _sentence(in_words(schedule)) if schedule else "Only when asked"

    @admin.display(description="Protected")
    def protected_shown(self, row: Integration) -> str:
        return show_value(row.protected)

    @admin.display(description="Told by mail")
    def notify_shown(self, row: Integration) -> str:
        return show_value(row.notify)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
