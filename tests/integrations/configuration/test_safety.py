"""Schedules, own limits, protected people and whom to tell, in a configuration file."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml
from django.utils import timezone

from integrations.configuration import export_text
from integrations.errors import ConfigurationRefused
from integrations.models import Installation, Integration
from saas.models import Application

from .files import AHA, apply

pytestmark = pytest.mark.django_db
ALL = """\
    limits: {removals_percent: 5, removals_count: 3}
    protected: [ceo@example.com, "12345"]
    notify: [it@example.com]
    schedule: {every: week, on: [thursday, monday], at: "06:00", timezone: Europe/London}
"""


def refusal(text: str, *, file: str = AHA) -> str:
    with pytest.raises(ConfigurationRefused) as refused:
        apply(file + text)
    return refused.value.message


def test_what_the_file_says_is_stored_and_comes_back(aha_key: str):
    """AH-32, AH-33, M-15: exported and applied again, it changes nothing."""
    before = timezone.now()

    apply(AHA + ALL)

    row = Integration.objects.get()
    assert row.schedule == {
        "every": "week",
        "on": ["monday", "thursday"],
        "at": "06:00",
        "timezone": "Europe/London",
    }
    assert (row.removals_percent, row.removals_count) == (5, 3)
    assert (row.protected, row.notify) == (["ceo@example.com", "12345"], ["it@example.com"])
    assert row.schedule_since
    assert row.schedule_since >= before
    exported = yaml.safe_load(export_text())["integrations"][0]
    assert exported["limits"] == {"removals_percent": 5, "removals_count": 3}
    assert exported["schedule"] == row.schedule
    assert apply(AHA + ALL).changes == ()
    assert apply(export_text()).changes == ()


def test_applying_the_same_file_again_moves_no_slot(aha_key: str):
    """M-32: a deployment every five minutes does not put off the daily run."""
    apply(AHA + ALL)
    since = timezone.now() - timedelta(days=3)
    Integration.objects.update(schedule_since=since)

    apply((AHA + ALL).replace("priority: 50", "priority: 60"))

    assert Integration.objects.get().schedule_since == since


def test_nothing_said_keeps_and_an_empty_one_takes_away(aha_key: str):
    """The rule of every other key."""
    apply(AHA + ALL)

    assert apply(AHA).changes == ()
    apply(AHA + "    limits: {}\n    protected: []\n    notify: []\n    schedule: {}\n")

    row = Integration.objects.get()
    assert (row.schedule, row.protected, row.notify) == ({}, [], [])
    assert (row.removals_percent, row.removals_count) == (None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("    schedule: {every: dya, at: '06:00'}\n", "schedule.every: must be hour, day, week or"),
        ("    schedule: {every: day, at: 6}\n", "schedule.at: must be text"),
        ("    schedule: {every: day, at: '06:00', zone: UTC}\n", "schedule.zone: unknown key"),
        ("    schedule: daily\n", "schedule: must be keys with values"),
        ("    limits: {removals_percent: 101}\n", "removals_percent: must be at most 100"),
        ("    limits: {percent: 5}\n", "limits.percent: unknown key"),
        ("    limits: {removals_count: yes}\n", "removals_count: must be a whole number"),
        ("    notify: [it]\n", 'notify[0]: "it" is not an e-mail address'),
        ('    notify: ["a@example.com\\nBcc: b@example.com"]\n', "is not an e-mail address"),
        ("    protected: ['']\n", "protected[0]: must be an e-mail or an id"),
        ("    protected: [12345]\n", "write it in quotes"),
    ],
)
def test_a_mistake_is_refused_at_its_key(aha_key: str, text: str, says: str):
    """AH-33, M-15."""
    assert says in refusal(text)


def test_own_limits_may_only_lower_and_the_limit_is_named(aha_key: str):
    """M-15."""
    Application.objects.create(
        name="Aha!", vendor="aha", tenant="mycompany", removals_percent=8, removals_count=4
    )
    installation = Installation.the()
    installation.removals_percent = 6
    installation.save()

    of_accounts = refusal("    limits: {removals_percent: 9, removals_count: 5}\n")
    removes_people = AHA.replace("missing_people: leave", "missing_people: deactivate")
    of_people = refusal("    limits: {removals_percent: 7}\n", file=removes_people)

    assert 'the limit of the application "Aha!", which is 8 %' in of_accounts
    assert 'the limit of the application "Aha!", which is 4' in of_accounts
    assert "the limit of Global Settings, which is 6 %" in of_people


def test_a_limit_that_was_lowered_later_makes_no_old_file_wrong(aha_key: str):
    """M-15: the guard takes the lower one anyway."""
    apply(AHA + ALL)
    Application.objects.update(removals_percent=1)

    assert apply(AHA + ALL).changes == ()
