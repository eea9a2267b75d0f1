"""When schedules come due, at the edges: changes of the clocks, short months, days left out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.due_times import latest_slot, next_slots
from integrations.schedules import read_schedule

AT_0130 = {"every": "day", "at": "01:30"}
LAST_DAY = {"every": "month", "on": 31, "at": "06:00"}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "zone", "after", "due"),
    [
        # A time that the zone skips: the next minute that exists.
        (AT_0130, "Europe/London", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        # A time that it repeats: the first.
        (AT_0130, "Europe/London", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        # Half an hour of summer time.
        (
            {"every": "day", "at": "02:15"},
            "Australia/Lord_Howe",
            "2026-10-03T12:00",
            ["2026-10-03T15:30", "2026-10-04T15:15"],
        ),
        # The skipped hour is the last of the day: the date is still the day before.
        (
            {"every": "day", "at": "23:30"},
            "America/Nuuk",
            "2024-03-30T12:00",
            ["2024-03-31T01:00", "2024-04-01T00:30"],
        ),
        # Midnight comes twice: the clock goes back at 00:01 (it did until 2011).
        (
            {"every": "day", "at": "00:00"},
            "America/St_Johns",
            "2010-11-06T12:00",
            ["2010-11-07T02:30", "2010-11-08T03:30"],
        ),
        # Samoa had no 30 December 2011: none of that day, and the day after as ever.
        (
            {"every": "day", "at": "06:00"},
            "Pacific/Apia",
            "2011-12-29T12:00",
            ["2011-12-29T16:00", "2011-12-30T16:00"],
        ),
        # Where only that day was due, it begins with the next.
        (
            {"every": "week", "on": ["friday"], "at": "06:00"},
            "Pacific/Apia",
            "2011-12-29T12:00",
            ["2011-12-30T10:00", "2012-01-05T16:00"],
        ),
        (LAST_DAY, "UTC", "2024-02-01T00:00", ["2024-02-29T06:00", "2024-03-31T06:00"]),
        (LAST_DAY, "UTC", "2025-02-01T00:00", ["2025-02-28T06:00", "2025-03-31T06:00"]),
        ({"cron": "0 6 29 2 *"}, "UTC", "2024-03-01T00:00", ["2028-02-29T06:00"]),
        ({"once": "2026-12-01T09:00"}, "Europe/London", "2026-01-01T00:00", ["2026-12-01T09:00"]),
        ({"once": "2026-12-01T09:00"}, "Europe/London", "2026-12-01T09:00", []),
        # BB-24.
        (
            {"every": "day", "at": "03:00"},
            "America/Los_Angeles",
            "2026-11-01T00:00",
            ["2026-11-01T11:00", "2026-11-02T11:00"],
        ),
        # Intervals go by the time that passes.
        (
            {"every": "hour", "minute": 15},
            "Asia/Kolkata",
            "2026-06-01T00:00",
            ["2026-06-01T00:45", "2026-06-01T01:45"],
        ),
        (
            {"every": "hour", "minute": 15},
            "Australia/Lord_Howe",
            "2026-04-04T14:00",
            ["2026-04-04T14:45", "2026-04-04T15:45", "2026-04-04T16:45"],
        ),
        (
            {"cron": "*/30 * * * *"},
            "Europe/London",
            "2026-10-25T00:00",
            ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"],
        ),
        # The library alone would miss 06:00 on this day of 24 and a half hours.
        (
            {"cron": "0 */6 * * *"},
            "Australia/Lord_Howe",
            "2026-04-04T12:00",
            ["2026-04-04T13:00", "2026-04-04T19:30", "2026-04-05T01:30"],
        ),
    ],
)
def test_a_schedule_comes_due_when_the_local_clock_says(
    data: dict[str, Any], zone: str, after: str, due: list[str]
):
    """F-14, M-32."""
    schedule = read_schedule(data | {"timezone": zone})

    slots = next_slots(schedule, moment(after), max(len(due), 1))

    assert [slot.instant for slot in slots[: len(due)]] == [moment(one) for one in due]
    for earlier, slot in zip([None, *slots], slots, strict=False):
        just_before = slot.instant - timedelta(seconds=1)
        assert latest_slot(schedule, slot.instant, moment(after)) == slot
        assert latest_slot(schedule, just_before, moment(after)) == earlier


@pytest.mark.parametrize(
    ("data", "has_date"),
    [
        ({"every": "day", "at": "06:00"}, True),
        ({"every": "week", "on": ["monday"], "at": "06:00"}, True),
        ({"every": "month", "on": 5, "at": "06:00"}, True),
        ({"once": "2026-12-01T09:00"}, True),
        ({"cron": "0 6 * * 1-5"}, True),
        ({"cron": "0 6,18 * * *"}, False),
        ({"cron": "*/15 6 * * *"}, False),
        ({"every": "hour"}, False),
    ],
)
def test_what_falls_at_most_once_a_day_has_a_date(data: dict[str, Any], has_date: bool):  # noqa: FBT001
    """M-32."""
    schedule = read_schedule(data | {"timezone": "Pacific/Auckland"})

    slot = next_slots(schedule, moment("2026-06-01T00:00"), 1)[0]

    local = slot.instant.astimezone(schedule.zone).date()
    assert slot.local_date == (local if has_date else None)


def test_a_slot_before_the_schedule_was_set_is_none():
    """M-32."""
    schedule = read_schedule({"every": "day", "at": "06:00", "timezone": "UTC"})

    now = moment("2026-06-02T05:00")

    assert latest_slot(schedule, now, moment("2026-06-01T06:00")) is None
    assert latest_slot(schedule, now, moment("2026-06-01T05:59")) is not None
