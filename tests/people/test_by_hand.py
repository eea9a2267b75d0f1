"""Writing a person by hand: keys, refusals on their field, one event, nothing when nothing differs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from integrations.models import LinkState, RecordLink
from people import by_hand, moves
from people.errors import PersonGone, PersonInvalid
from people.models import CustomField, Department, Event, Person, UniqueValue
from tests import makers

pytestmark = pytest.mark.django_db
TODAY = dt.date(2026, 11, 20)


def save(person: Person | None = None, **changed: Any) -> Person:
    return by_hand.save_person(person or Person(), changed, actor="it")


def test_a_new_person_gets_keys_a_full_name_and_one_event():
    person = save(email=" Ann@Example.com ", first_name="Ann", last_name="Lee")

    event = Event.objects.get()
    assert (person.email, person.email_key) == ("Ann@Example.com", "ann@example.com")
    assert person.full_name == "Ann Lee"
    assert person.status == Person.Status.ACTIVE
    assert (event.kind, event.source, event.actor) == ("new", "admin", "it")
    assert event.changes["email"] == [None, "Ann@Example.com"]


def test_a_person_needs_a_name_to_be_told_apart_by():
    with pytest.raises(PersonInvalid) as refused:
        save(first_name="Ann")

    assert list(refused.value.problems) == ["email"]
    assert not Person.objects.exists()


def test_only_what_differs_is_written_and_told():
    person = makers.make_person(title="Clerk", location="London")

    save(person, title="Head", location="London")

    event = Event.objects.get()
    assert event.kind == "edit"
    assert event.changes == {"title": ["Clerk", "Head"]}


def test_saving_what_is_there_already_writes_nothing():
    person = makers.make_person(title="Clerk")
    before = Person.objects.values().get()

    save(person, title="Clerk")

    assert Person.objects.values().get() == before
    assert not Event.objects.exists()


def test_a_change_that_somebody_else_made_meanwhile_is_kept():
    """The form sends what was changed in it, and the row is read again under its lock."""
    shown = makers.make_person(title="Clerk", location="London")
    save(Person.objects.get(pk=shown.pk), location="Leeds")

    save(shown, title="Head")

    shown.refresh_from_db()
    assert (shown.title, shown.location) == ("Head", "Leeds")


@pytest.mark.parametrize("spelling", ["ANN@example.com", " ann@example.com", "ａｎｎ@example.com"])
def test_an_e_mail_that_somebody_has_is_refused_on_its_field(spelling: str):
    """M-2: however it is written."""
    holder = makers.make_person(email="ann@example.com", full_name="Ann Lee")

    with pytest.raises(PersonInvalid) as refused:
        save(email=spelling)

    assert list(refused.value.problems) == ["email"]
    assert f"Ann Lee (person {holder.pk}" in refused.value.problems["email"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("ann@example.com", "аnn@example.com"), ("аnn@example.com", "ann@example.com")],
)
def test_letters_that_only_look_the_same_are_a_conflict(first: str, second: str):
    """M-2, F-32: the first letter of one of them is Cyrillic."""
    save(email=first)

    with pytest.raises(PersonInvalid) as refused:
        save(email=second)

    assert "written with other letters" in refused.value.problems["email"]
    assert Person.objects.count() == 1


def test_a_username_that_somebody_has_is_refused_on_its_field():
    makers.make_person(username="ann")

    with pytest.raises(PersonInvalid) as refused:
        save(username="ANN")

    assert list(refused.value.problems) == ["username"]


def test_nobody_is_their_own_manager():
    person = makers.make_person()

    with pytest.raises(PersonInvalid) as refused:
        save(person, manager=person)

    assert list(refused.value.problems) == ["manager"]


def test_linked_rows_are_written_by_id_and_told_by_name():
    person = makers.make_person()
    boss = makers.make_person(email="boss@example.com")
    department = Department.objects.create(name="Sales", name_key="sales")

    saved = save(person, manager=boss, department=department)

    assert (saved.manager, saved.department) == (boss, department)
    assert Event.objects.get().changes == {
        "manager": [None, "boss@example.com"],
        "department": [None, "Sales"],
    }


def test_a_manager_can_be_taken_away():
    person = makers.make_person(manager=makers.make_person(email="boss@example.com"))

    saved = save(person, manager=None)

    assert saved.manager is None
    assert Event.objects.get().changes == {"manager": ["boss@example.com", None]}


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("text", "abc", "abc"),
        ("integer", 7, 7),
        ("boolean", False, False),
        ("date", dt.date(2026, 1, 2), "2026-01-02"),
        ("datetime", dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03:04:00+00:00"),
    ],
)
def test_a_custom_value_is_kept_as_its_json_type(kind: str, value: object, kept: object):
    makers.make_custom_field("Extra", type=kind)
    person = makers.make_person()

    saved = save(person, extra=value)

    assert saved.custom == {"extra": kept}
    assert Event.objects.get().changes == {"extra": [None, kept]}


def test_a_blank_takes_a_custom_value_away():
    makers.make_custom_field("Extra")
    person = makers.make_person(custom={"extra": "abc", "other": 1})

    saved = save(person, extra="")

    assert saved.custom == {"other": 1}


def test_a_unique_value_that_somebody_has_is_refused_on_its_field():
    makers.make_custom_field("Badge", unique=True)
    save(email="a@example.com", badge="B-1")

    with pytest.raises(PersonInvalid) as refused:
        save(email="b@example.com", badge=" b-1")

    assert list(refused.value.problems) == ["badge"]
    assert UniqueValue.objects.count() == 1


def test_a_value_by_hand_belongs_to_no_integration():
    """M-6: `sources` names who wrote a field last."""
    person = makers.make_person(title="Clerk", sources={"title": 3, "location": 3})

    saved = save(person, title="Head")

    assert saved.sources == {"location": 3}


def test_what_is_written_by_hand_makes_its_owner_look_again():
    """M-7"""
    person = makers.make_person(status="active")
    integration = makers.make_integration(state="active")
    makers.make_mapping(integration, source="is_enabled", target="status")
    link = RecordLink.objects.create(vendor="aha", tenant="t", external_id="1", person=person)
    state = LinkState.objects.create(
        link=link, integration=integration, hash="abc", seen_at=integration.created_at
    )

    moves.deactivate_people([person.pk], actor="it", reason="left", today=TODAY)

    state.refresh_from_db()
    assert state.hash == ""


def test_a_person_who_is_gone_is_said_to_be():
    person = makers.make_person()
    Person.objects.all().delete()

    with pytest.raises(PersonGone):
        save(person, title="Head")


def test_deactivating_names_the_reason_and_the_last_day():
    person = makers.make_person()

    moved = moves.deactivate_people([person.pk], actor="it", reason="left", today=TODAY)

    person.refresh_from_db()
    event = Event.objects.get()
    assert (moved.changed, moved.already) == (1, 0)
    assert (person.status, person.deactivation_date) == ("deactivated", TODAY)
    assert (event.kind, event.note) == ("archive", "left")


def test_a_last_day_that_has_passed_is_kept():
    person = makers.make_person(deactivation_date=dt.date(2026, 10, 31))

    moves.deactivate_people([person.pk], actor="it", reason="left", today=TODAY)

    person.refresh_from_db()
    assert person.deactivation_date == dt.date(2026, 10, 31)


def test_reactivating_forgets_the_last_day_and_repeating_it_does_nothing():
    person = makers.make_person(status="deactivated", deactivation_date=TODAY)

    once = moves.reactivate_people([person.pk], actor="it", reason="back", today=TODAY)
    twice = moves.reactivate_people([person.pk], actor="it", reason="back", today=TODAY)

    person.refresh_from_db()
    assert (person.status, person.deactivation_date) == ("active", None)
    assert (once.changed, twice.changed, twice.already) == (1, 0, 1)
    assert [event.kind for event in Event.objects.all()] == ["edit"]


def test_a_hidden_field_is_written_like_any_other():
    """M-36 is about reading; the event holds the value for those who may see it."""
    makers.make_custom_field("Salary", type=CustomField.Type.INTEGER, visible_to_hr=False)
    person = makers.make_person()

    save(person, salary=1)

    assert Event.objects.get().changes == {"salary": [None, 1]}
