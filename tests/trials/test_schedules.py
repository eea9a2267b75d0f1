"""The short form of the trial of schedules, and a part of it through the database."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from integrations.models import DueSlot, SyncRun
from integrations.slots import make_due_runs
from tests.makers import make_integration
from trials import schedules


def test_the_short_trial_keeps_every_promise(capsys: pytest.CaptureFixture[str]):
    """G-06, F-13, F-14, F-17."""
    assert schedules.main(["--short"]) == 0

    assert "Every promise was kept." in capsys.readouterr().out


@pytest.mark.django_db
def test_the_database_decides_as_the_trial_does():
    """G-06: three months with downtimes of every length; each tick looks twice."""
    data, zone, days = {"every": "day", "at": "01:30"}, "Europe/London", 90
    dues = list(schedules.due_days(data, ZoneInfo(zone), days))
    instants = [due for _day, due in dues]
    down = schedules.downtimes(Random(7), None, days)  # noqa: S311 - repeatable
    make_integration(
        state="active",
        schedule={**data, "timezone": zone},
        schedule_since=instants[0] - timedelta(hours=1),
    )

    for moment in schedules.ticks(instants, down):
        for _ in range(2):
            make_due_runs(moment)
            SyncRun.objects.update(state=SyncRun.State.DONE)

    started = DueSlot.objects.filter(state=DueSlot.State.STARTED)
    runs = Counter(started.values_list("local_date", flat=True))
    assert runs == Counter(list(schedules.expected_runs_fast(dues, down)))
    assert SyncRun.objects.count() == len(runs)
