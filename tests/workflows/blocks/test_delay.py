"""The Delay block: how long it waits, what it waits for, and that it looks again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from people.models import CustomField, Person
from tests.makers import make_application, make_custom_field, make_person, make_saas_user
from tests.workflows.blocks.facts import check_block
from tests.workflows.blocks.steps import again, make_step, plan_step, run_step
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.engine.advance import advance_one
from workflows.engine.leases import wake_waiting
from workflows.kinds import Outcome, Step, Then
from workflows.models import RunItem, Workflow

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


def _workflow(settings: Mapping[str, Any], **fields: Any) -> Workflow:
    block = {"key": "pause", "kind": "delay", "settings": settings, "exits": {"success": "end"}}
    return make_workflow([block], **fields)


def _step(settings: Mapping[str, Any], person: Person, **more: Any) -> Step:
    return make_step(_workflow(settings), "pause", [person], now=NOW, **more)


def _run(settings: Mapping[str, Any], person: Person, **more: Any) -> Outcome:
    return run_step(_step(settings, person, **more))[0]


@pytest.mark.parametrize(
    ("settings", "wait"),
    [
        ({"for_days": 3}, timedelta(days=3)),
        ({"for_days": "3"}, timedelta(days=3)),
        ({"for_hours": 36}, timedelta(hours=36)),
    ],
)
def test_it_waits_for_days_or_hours_from_when_it_came(
    settings: Mapping[str, Any], wait: timedelta
) -> None:
    step = _step(settings, make_person())
    first = run_step(step)[0]

    later = run_step(again(step, now=NOW + wait, context=first.context))[0]

    assert (first.then, first.waits_for, first.due_at) == (Then.WAITS, "time", NOW + wait)
    assert (later.then, later.exit) == (Then.GOES_ON, "success")


def test_being_woken_early_or_killed_does_not_begin_the_wait_again() -> None:
    step = _step({"for_days": 3}, make_person())
    first = run_step(step)[0]

    woken = run_step(again(step, now=NOW + timedelta(days=1), context=first.context))[0]

    assert (woken.then, woken.due_at) == (Then.WAITS, NOW + timedelta(days=3))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    ("value", "then"),
    [
        ("0001-01-01", Then.GOES_ON),
        ("9999-12-31", Then.WAITS),
        ("9999-12-31T23:59:59Z", Then.WAITS),
        ("0001-01-01T00:00:00Z", Then.GOES_ON),
    ],
)
def test_s_25_the_ends_of_the_calendar_are_dates_as_others(
    value: str, then: Then, zone: str
) -> None:
    """People write "never" so; one such record must not stop the workflow for all."""
    make_custom_field("Until", type="datetime")
    step = _step({"until_field": "until"}, make_person(custom={"until": value}))

    outcome = run_step(replace(step, zone=ZoneInfo(zone)))[0]

    assert outcome.then == then
    assert outcome.due_at == (NOW + timedelta(days=1) if then == Then.WAITS else None)


def test_a_wait_says_until_when_with_its_zone() -> None:
    outcome = _run({"for_days": 3}, make_person())

    assert outcome.note == "Waits until 4 Dec 2026, 09:30 UTC."
    assert outcome.code == ""


def test_a_date_means_the_beginning_of_that_day_in_the_zone_of_the_house() -> None:
    with override_settings(TIME_ZONE="Europe/Berlin"):
        outcome = _run({"until_field": "hire_date"}, make_person(hire_date="2026-12-02"))

    assert outcome.due_at == datetime(2026, 12, 1, 23, 0, tzinfo=UTC)
    assert outcome.note == "Waits until 2 Dec 2026, 00:00 CET (hire_date)."


def test_a_time_is_waited_for_as_it_is() -> None:
    make_custom_field("Starts", type=CustomField.Type.DATETIME)
    person = make_person(custom={"starts": "2026-12-01T12:00:00+01:00"})

    outcome = _run({"until_field": "starts"}, person)

    assert outcome.due_at == datetime(2026, 12, 1, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hire_date", "words"),
    [("2026-11-30", "It was time since 30 Nov 2026"), (None, '"hire_date" is empty')],
)
def test_a_date_that_is_past_or_blank_goes_on_at_once_and_says_so(
    hire_date: str | None, words: str
) -> None:
    outcome = _run({"until_field": "hire_date"}, make_person(hire_date=hire_date))

    assert (outcome.then, outcome.exit) == (Then.GOES_ON, "success")
    assert outcome.note.startswith(words)


def test_a_far_date_is_looked_at_once_a_day_so_that_a_moved_one_moves_the_wait() -> None:
    person = make_person(hire_date="2026-12-24")
    step = _step({"until_field": "hire_date"}, person)
    first = run_step(step)[0]
    Person.objects.filter(pk=person.pk).update(hire_date="2026-12-02")

    moved = run_step(again(step, now=NOW + timedelta(hours=14, minutes=29), context=first.context))
    due = run_step(again(step, now=NOW + timedelta(hours=14, minutes=30), context=first.context))

    assert first.due_at == NOW + timedelta(days=1)
    assert moved[0].due_at == datetime(2026, 12, 2, tzinfo=UTC)
    assert due[0].then == Then.GOES_ON


def test_a_date_of_a_saas_users_person_can_be_waited_for() -> None:
    application = make_application()
    workflow = _workflow({"until_field": "person.hire_date"}, application=application)
    user = make_saas_user(application, person=make_person(hire_date="2026-12-02"))

    outcome = run_step(make_step(workflow, "pause", [user], now=NOW))[0]

    assert outcome.due_at == datetime(2026, 12, 2, tzinfo=UTC)


def test_an_item_sleeps_and_goes_on_when_its_time_has_come() -> None:
    item = make_item(make_run(_workflow({"for_days": 2})), make_person(), due_at=NOW)

    assert advance_one(NOW)
    item.refresh_from_db()
    slept, due_at = item.state, item.due_at
    woken_early = wake_waiting(NOW + timedelta(days=1))
    assert wake_waiting(NOW + timedelta(days=3)) == 1
    assert advance_one(NOW + timedelta(days=3))
    item.refresh_from_db()

    assert slept == RunItem.State.WAITING
    assert due_at is not None
    assert abs(due_at - NOW - timedelta(days=2)) < timedelta(minutes=1)
    assert woken_early == 0
    assert item.state == RunItem.State.DONE
    assert [way.exit for way in item.way.all()] == ["success"]


def test_who_no_longer_matches_begin_after_the_wait_ends_there() -> None:
    """(M-23)"""
    workflow = _workflow(
        {"for_days": 2},
        begin={"rules": {"field": "title", "operator": "equals", "value": "Engineer"}},
    )
    person = make_person(title="Engineer")
    item = make_item(make_run(workflow), person, due_at=NOW)
    advance_one(NOW)
    Person.objects.filter(pk=person.pk).update(title="Manager")

    wake_waiting(NOW + timedelta(days=3))
    advance_one(NOW + timedelta(days=3))
    item.refresh_from_db()

    assert item.state == RunItem.State.NO_LONGER_APPLIES


def test_a_batch_costs_no_query() -> None:
    people = [make_person() for _number in range(5)]
    step = make_step(_workflow({"until_field": "hire_date"}), "pause", people)

    with CaptureQueriesContext(connection) as queries:
        run_step(step)

    assert len(queries) == 0


def test_a_preview_says_until_when_it_would_wait() -> None:
    waiting = plan_step(_step({"for_hours": 2}, make_person()))[0]
    passing = plan_step(_step({"until_field": "hire_date"}, make_person()))[0]

    assert (waiting.action, waiting.exit) == ("wait", "success")
    assert waiting.summary == "Waits until 1 Dec 2026, 11:30 UTC."
    assert (passing.action, passing.summary) == (
        "pass",
        '"hire_date" is empty, so there was nothing to wait for.',
    )


# Validate.


@pytest.mark.parametrize(
    "settings",
    [{"for_days": 1}, {"for_hours": "12"}, {"until_field": "hire_date", "for_days": None}],
)
def test_a_right_block_has_no_mistake(settings: Mapping[str, Any]) -> None:
    assert check_block(_workflow({}), "delay", settings) == []


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({}, "settings.until_field", "Say how long it waits"),
        ({"for_days": 1, "for_hours": 2}, "settings.for_hours", "Keep one of them"),
        ({"for_days": 0}, "settings.for_days", "a whole number from 1 to 3,650"),
        ({"for_days": -1}, "settings.for_days", "a whole number"),
        ({"for_days": 1.5}, "settings.for_days", "a whole number"),
        ({"for_days": True}, "settings.for_days", "a whole number"),
        ({"for_days": 3_651}, "settings.for_days", "a whole number"),
        ({"for_hours": "soon"}, "settings.for_hours", "The number of hours"),
        ({"until_field": "hire_dat"}, "settings.until_field", 'Did you mean "hire_date"?'),
        ({"until_field": "email"}, "settings.until_field", '"email" holds no date or time'),
        ({"for_days": 1, "days": 1}, "settings.days", 'has no setting "days"'),
    ],
)
def test_each_mistake_stands_on_its_field(
    settings: Mapping[str, Any], field: str, words: str
) -> None:
    """(C-10)"""
    mistakes = check_block(_workflow({}), "delay", settings)

    assert [one.field for one in mistakes] == [field]
    assert words in mistakes[0].message
