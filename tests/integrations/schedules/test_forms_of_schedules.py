"""What a schedule may say, how it is said back in words, and what is refused."""

from typing import Any

import pytest

from integrations.errors import ScheduleInvalid
from integrations.schedules import as_data, in_words, read_schedule

LONDON = {"timezone": "Europe/London"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"every": "hour", "minute": 5}, "every hour at minute 05 Europe/London"),
        ({"every": "hour"}, "every hour at minute 00 Europe/London"),
        ({"every": "day", "at": "06:00"}, "every day at 06:00 Europe/London"),
        (
            {"every": "week", "on": ["thursday", "monday"], "at": "06:00"},
            "every week on Monday and Thursday at 06:00 Europe/London",
        ),
        (
            {"every": "week", "on": ["friday", "monday", "sunday"], "at": "23:59"},
            "every week on Monday, Friday and Sunday at 23:59 Europe/London",
        ),
        (
            {"every": "month", "on": 1, "at": "06:00"},
            "every month on day 1 at 06:00 Europe/London",
        ),
        (
            {"every": "month", "on": 31, "at": "06:00"},
            "every month on day 31, or the last day, at 06:00 Europe/London",
        ),
        ({"once": "2026-12-01T09:00"}, "once on 1 December 2026 at 09:00 Europe/London"),
        (
            {"cron": "0  6 * * *"},
            "at the times of the cron expression 0 6 * * * in Europe/London",
        ),
    ],
)
def test_a_schedule_is_said_in_words_with_its_zone(data: dict[str, Any], words: str):
    """M-32, AH-33."""
    schedule = read_schedule(data | LONDON)

    assert in_words(schedule) == words
    assert read_schedule(as_data(schedule)) == schedule


def test_without_a_zone_it_goes_by_the_installations(settings: Any):
    """M-32."""
    settings.TIME_ZONE = "Asia/Kolkata"

    assert as_data(read_schedule({"every": "day", "at": "06:00"})) == {
        "every": "day",
        "at": "06:00",
        "timezone": "Asia/Kolkata",
    }


@pytest.mark.parametrize(
    ("data", "field", "part"),
    [
        ([], "", "must be keys with values"),
        ({}, "", "needs one of every, once and cron"),
        ({"every": "day", "once": "2026-12-01T09:00"}, "once", "only one"),
        ({"every": "dya", "at": "06:00"}, "every", 'Did you mean "day"?'),
        ({"every": ["day"]}, "every", "must be hour, day, week or month"),
        ({"every": "day"}, "at", "is missing"),
        ({"every": "day", "at": "6:00"}, "at", 'such as "06:00"'),
        ({"every": "day", "at": "24:00"}, "at", 'such as "06:00"'),
        ({"every": "day", "at": 360}, "at", "write it in quotes"),
        ({"every": "day", "at": "06:00", "minute": 5}, "minute", "unknown key"),
        ({"every": "day", "at": "06:00", "timezon": "UTC"}, "timezon", 'mean "timezone"?'),
        ({"every": "day", "at": "06:00", "timezone": "Europe/Lodnon"}, "timezone", "Europe/London"),
        ({"every": "day", "at": "06:00", "timezone": "../etc/passwd"}, "timezone", "no zone"),
        ({"every": "hour", "minute": True}, "minute", "whole number"),
        ({"every": "hour", "minute": 60}, "minute", "at most 59"),
        ({"every": "week", "on": [], "at": "06:00"}, "on", "at least one day"),
        ({"every": "week", "on": "monday", "at": "06:00"}, "on", "must be a list"),
        ({"every": "week", "on": ["mondya"], "at": "06:00"}, "on", 'Did you mean "monday"?'),
        ({"every": "month", "on": 32, "at": "06:00"}, "on", "at most 31"),
        ({"once": "2026-02-30T09:00"}, "once", "a date with a time"),
        ({"once": "2026-12-1T09:00"}, "once", "a date with a time"),
        ({"cron": "* * *"}, "cron", "five fields"),
        ({"cron": "0 0 6 * * *"}, "cron", "five fields"),
        ({"cron": "61 * * * *"}, "cron", "field for the minute"),
        ({"cron": "0 6 30 2 *"}, "cron", "field for the day-of-month"),
        ({"cron": "0 6 * * x"}, "cron", "field for the day-of-week"),
    ],
)
def test_what_is_no_schedule_is_refused_at_its_key(data: Any, field: str, part: str):
    """M-32, AH-33."""
    with pytest.raises(ScheduleInvalid) as refused:
        read_schedule(data)

    assert [one.field for one in refused.value.problems] == [field]
    assert part in refused.value.message
