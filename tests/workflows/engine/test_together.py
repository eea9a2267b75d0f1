"""Records of one run that come to a removal in parts are judged together (M-15)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Operation
from people.models import Person
from tests.integrations.presets.desk import Desk
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.engine.advance import advance_one
from workflows.engine.leases import wake_waiting
from workflows.models import RunItem

pytestmark = pytest.mark.django_db(transaction=True)
FIRST = {
    "key": "title",
    "kind": "update",
    "settings": {"set": {"title": "Left"}},
    "exits": {"success": "out", "failure": "end"},
}
OUT = {"key": "out", "kind": "archive", "exits": {"success": "end"}}


def states() -> list[str]:
    return sorted(RunItem.objects.values_list("state", flat=True))


def test_m_15_the_first_part_of_a_run_waits_for_the_rest_and_all_are_held() -> None:
    """Of 10 people 3 may go. Another worker is still busy with the other two of the run."""
    people = [make_person() for _number in range(10)]
    run = make_run(make_workflow([FIRST, OUT]))
    for person in people[:3]:
        make_item(run, person, block="out")
    late = [make_item(run, person, block="title", state="working") for person in people[3:5]]
    now = timezone.now() + timedelta(seconds=1)

    advance_one(now)
    before = states()
    RunItem.objects.filter(pk__in=[item.pk for item in late]).update(state="ready", block="out")
    wake_waiting(now + timedelta(minutes=1))
    advance_one(now + timedelta(minutes=1))

    assert before == ["waiting"] * 3 + ["working"] * 2
    assert states() == ["held"] * 5
    assert Person.objects.filter(status="active").count() == 10


@pytest.mark.parametrize("late_is", ["ready", "working"])
def test_m_15_a_part_that_comes_while_the_first_one_waits_is_judged_with_it(late_is: str) -> None:
    """The two alone would be within the limit of three, and so would the three after them."""
    people = [make_person() for _number in range(10)]
    run = make_run(make_workflow([FIRST, OUT]))
    for person in people[:3]:
        make_item(run, person, block="out")
    late = [make_item(run, person, block="title", state="working") for person in people[3:5]]
    now = timezone.now() + timedelta(seconds=1)

    advance_one(now)
    RunItem.objects.filter(pk__in=[item.pk for item in late]).update(state=late_is, block="out")
    advance_one(now + timedelta(seconds=1))
    RunItem.objects.filter(state="working").update(state="ready")
    for minutes in (1, 2):
        wake_waiting(now + timedelta(minutes=minutes))
        advance_one(now + timedelta(minutes=minutes))

    assert states() == ["held"] * 5
    assert Person.objects.filter(status="active").count() == 10


def test_m_15_who_comes_when_others_of_the_run_are_held_is_held_too() -> None:
    """One more within the limit does not pass beside five that wait for a person."""
    people = [make_person() for _number in range(10)]
    run = make_run(make_workflow([OUT]))
    for person in people[:5]:
        make_item(run, person, state="held", code="held", held_hash="x")
    make_item(run, people[5])

    advance_one(timezone.now() + timedelta(seconds=1))

    assert states() == ["held"] * 6


def test_m_15_who_is_approved_by_name_keeps_nobody_waiting() -> None:
    people = [make_person() for _number in range(10)]
    run = make_run(make_workflow([FIRST, OUT]))
    for person in people[:5]:
        make_item(run, person, block="out", state="working", decided_by="ann", held_hash="x")
    make_item(run, people[5], block="out")

    advance_one(timezone.now() + timedelta(seconds=1))

    assert states() == ["done"] + ["working"] * 5


def test_m_15_who_is_within_the_limit_with_all_that_come_waits_for_nobody() -> None:
    people = [make_person() for _number in range(10)]
    run = make_run(make_workflow([FIRST, OUT]))
    make_item(run, people[0], block="out")
    make_item(run, people[1], block="title", state="working")

    advance_one(timezone.now() + timedelta(seconds=1))

    assert states() == ["done", "working"]


def test_m_15_calls_that_take_access_wait_for_the_rest_of_their_run_too(aha: Desk) -> None:
    call = {
        "key": "out",
        "kind": "api",
        "preset": "aha.deactivate_user",
        "credentials": aha.credentials.name,
        "settings": {},
        "exits": {"success": "end", "failure": "end"},
    }
    accounts = [aha.account(email=f"p{number}@acme.example") for number in range(10)]
    workflow = make_workflow([{**FIRST, "kind": "condition"}, call], application=aha.application)
    run = make_run(workflow)
    for account in accounts[:3]:
        make_item(run, account, block="out")
    for account in accounts[3:5]:
        make_item(run, account, block="title", state="working")

    now = timezone.now() + timedelta(seconds=1)
    advance_one(now)
    before = states()
    RunItem.objects.filter(state="working").update(state="ready", block="out")
    advance_one(now)
    wake_waiting(now + timedelta(minutes=1))
    advance_one(now + timedelta(minutes=1))

    assert before == ["waiting"] * 3 + ["working"] * 2
    assert states() == ["held"] * 5
    assert not Operation.objects.exists()
    assert aha.effects() == []
