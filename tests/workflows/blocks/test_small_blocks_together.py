"""Update, Condition, Notification and Approval one behind the other, as the engine runs them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from integrations.models import Notification
from people.models import Event
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.approvals import decide, waiting_for
from workflows.engine.advance import advance_one
from workflows.models import RunItem

pytestmark = pytest.mark.django_db

BLOCKS: list[dict[str, Any]] = [
    {
        "key": "note",
        "kind": "update",
        "settings": {"set": {"variables.level": "{{ title | lower }}", "location": None}},
        "exits": {"success": "ask", "failure": "tell"},
    },
    {
        "key": "ask",
        "kind": "condition",
        "settings": {"rules": {"field": "variables.level", "operator": "equals", "value": "lead"}},
        "exits": {"yes": "word", "no": "date"},
    },
    {
        "key": "word",
        "kind": "approval",
        "settings": {"approvers": ["boss"], "message": "{{ variables.level }}?"},
        "exits": {"approved": "end", "rejected": "tell", "expired": "tell"},
    },
    {
        "key": "date",
        "kind": "update",
        "settings": {"set": {"hire_date": "{{ country }}"}},
        "exits": {"success": "end", "failure": "tell"},
    },
    {
        "key": "tell",
        "kind": "notification",
        "settings": {
            "recipients": ["it@example.com"],
            "subject": "About {{ email }}",
            "message": "{{ failure.reason }}",
        },
        "exits": {"success": "end", "failure": "end"},
    },
]


def _work(until: int = 20) -> None:
    """Work until nothing is ready; by a clock that is ahead of that of the items."""
    for _turn in range(until):
        if not advance_one(timezone.now() + timedelta(minutes=1)):
            return
    raise AssertionError("It never came to rest.")


def test_each_record_takes_its_own_way_and_the_way_is_kept() -> None:
    """(C-24)"""
    boss = User.objects.create_user("boss", "boss@example.com")
    lead = make_person(title="Lead", location="Berlin")
    other = make_person(title="Engineer", location="Paris", country="soon")
    run = make_run(make_workflow(BLOCKS))
    items = [make_item(run, person) for person in (lead, other)]

    _work()
    waiting = waiting_for(boss).get()
    decide(waiting.pk, user=boss, approve=True, reason="Fine")
    _work()

    for row in (lead, other, *items):
        row.refresh_from_db()
    assert [[(way.block, way.exit) for way in item.way.all()] for item in items] == [
        [("note", "success"), ("ask", "yes"), ("word", "approved")],
        [("note", "success"), ("ask", "no"), ("date", "failure"), ("tell", "success")],
    ]
    assert [item.state for item in items] == [RunItem.State.DONE, RunItem.State.FAILED]
    assert (lead.location, other.location, other.hire_date) == ("", "", None)
    assert items[1].note.startswith('"Hire date" takes a date: "soon" is no date')
    mail = Notification.objects.get(subject__startswith="About")
    assert mail.body == items[1].note


def test_what_an_update_writes_is_an_event_of_the_workflow() -> None:
    """(M-18)"""
    User.objects.create_user("boss", "boss@example.com")
    person = make_person(title="Lead", location="Berlin")
    make_item(make_run(make_workflow(BLOCKS)), person)

    _work()

    event = Event.objects.get(object="person", object_id=person.pk)
    assert event.source == "workflow"
    assert event.changes["location"][0] == "Berlin"


def test_a_block_that_is_left_by_failure_writes_nothing_at_all() -> None:
    blocks = [
        {
            "key": "date",
            "kind": "update",
            "settings": {"set": {"title": "New", "hire_date": "{{ country }}"}},
        }
    ]
    person = make_person(title="Old", country="soon")
    make_item(make_run(make_workflow(blocks)), person)

    _work()

    person.refresh_from_db()
    assert (person.title, person.hire_date) == ("Old", None)
    assert not Event.objects.filter(object_id=person.pk).exists()
