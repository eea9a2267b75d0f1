"""Who sees which field, and what is left of a history without the others (M-36)."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User

from people.history import history_of, labels_of, show_value
from people.models import CustomField, Event
from people.visibility import hidden_fields, sight_of
from tests import makers

pytestmark = pytest.mark.django_db
PERSON = CustomField.Object.PERSON.value


@pytest.fixture(autouse=True)
def salary() -> CustomField:
    makers.make_custom_field("Shoe size")
    return makers.make_custom_field("Salary", visible_to_hr=False)


def make_event(**changes: object) -> Event:
    return Event.objects.create(
        object=PERSON,
        object_id=1,
        kind="edit",
        source="sync",
        actor="BambooHR employees",
        changes=changes,
        note="because of 52000",
    )


@pytest.mark.parametrize("role", ["hr_viewer", "auditor", "workflow_editor"])
def test_readers_do_not_see_hidden_fields(role: str, request: pytest.FixtureRequest):
    user = request.getfixturevalue(role)

    assert hidden_fields(user, PERSON) == {"salary"}
    assert hidden_fields(user, CustomField.Object.SAAS_USER) == frozenset()


def test_it_admins_and_superusers_see_every_field(it_admin: User):
    root = User.objects.create_superuser("root")

    assert hidden_fields(it_admin, PERSON) == frozenset()
    assert hidden_fields(root, PERSON) == frozenset()


def test_a_superuser_who_may_not_sign_in_sees_nothing_more():
    gone = User.objects.create_superuser("gone", is_active=False)

    assert hidden_fields(gone, PERSON) == {"salary"}
    assert hidden_fields(AnonymousUser(), PERSON) == {"salary"}


def test_the_value_of_a_deleted_field_is_for_admins_only(
    hr_viewer: User, it_admin: User, salary: CustomField
):
    """An allow list: what nobody describes any more was hidden, perhaps."""
    make_event(salary=["52000", "61000"], title=["Clerk", "Head"])
    salary.delete()

    for_hr = history_of(PERSON, 1, sight_of(hr_viewer, PERSON))
    for_admin = history_of(PERSON, 1, sight_of(it_admin, PERSON))

    assert [line.key for line in for_hr.entries[0].lines] == ["title"]
    assert {line.key for line in for_admin.entries[0].lines} == {"salary", "title"}


def test_a_note_that_may_quote_a_hidden_field_is_hidden_with_it(hr_viewer: User):
    make_event(salary=["52000", "61000"], title=["Clerk", "Head"])
    make_event(title=["Head", "Clerk"])

    newest, oldest = history_of(PERSON, 1, sight_of(hr_viewer, PERSON)).entries

    assert newest.note == "because of 52000"
    assert oldest.note == ""


def test_an_edit_of_which_nothing_may_be_seen_did_not_happen_for_the_reader(hr_viewer: User):
    make_event(salary=["52000", "61000"])

    page = history_of(PERSON, 1, sight_of(hr_viewer, PERSON))

    assert page.entries == ()


def test_a_history_of_any_length_is_read_a_page_at_a_time(it_admin: User):
    events = [make_event(title=["a", str(number)]).pk for number in range(7)]
    sight = sight_of(it_admin, PERSON)

    first = history_of(PERSON, 1, sight, limit=3)
    second = history_of(PERSON, 1, sight, limit=3, before=first.older)
    third = history_of(PERSON, 1, sight, limit=3, before=second.older)

    shown = [entry.id for page in (first, second, third) for entry in page.entries]
    assert shown == sorted(events, reverse=True)
    assert third.older is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        (True, "Yes"),
        (False, "No"),
        (0, "0"),
        ("2026-01-02", "2026-01-02"),
        (
            [{"role": "Owner", "scope_id": "1", "scope": "Web"}, {"role": "Member"}],
            "Owner (Web), Member",
        ),
        ({"deep": {"a": 1}}, "deep: a: 1"),
        ([], ""),
    ],
)
def test_a_value_of_an_event_is_shown_as_text(value: object, text: str):
    assert show_value(value) == text


def test_fields_are_called_what_pages_call_them(it_admin: User):
    labels = labels_of(PERSON, sight_of(it_admin, PERSON))

    assert labels["email"] == "E-mail"
    assert labels["employee_id"] == "Employee ID"
    assert labels["salary"] == "Salary"
