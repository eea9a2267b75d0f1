"""Previews: every request filled in, nothing sent, nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.utils import timezone

from integrations.sandbox.server import Sandbox
from tests.integrations.presets.desk import NO_LIMIT, VENDORS, Desk
from tests.makers import make_custom_field, make_person
from tests.workflows.makers import make_workflow
from workflows.errors import NotAllowed, WorkflowInvalid
from workflows.models import Workflow
from workflows.preview import HIDDEN, RecordPreview, preview, preview_all
from workflows.versions import read_definition

END = {"success": "end", "failure": "end"}


@pytest.fixture
def aha(transactional_db: None, settings: Any) -> Iterator[Desk]:
    with Sandbox(people=3, seed=1, settings=dict.fromkeys(VENDORS, NO_LIMIT)) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield Desk(running, "aha")


def look(workflow: Workflow, *ids: int, **options: Any) -> list[RecordPreview]:
    version = workflow.versions.first()
    assert version is not None
    definition = read_definition(version)
    return preview(workflow, definition, ids or None, now=timezone.now(), **options)


def offboarding(desk: Desk) -> Workflow:
    return make_workflow(
        [
            {
                "key": "is_it",
                "kind": "condition",
                "settings": {"rules": {"all": [row("department", "is_empty")]}},
                "exits": {"yes": "note", "no": "end"},
            },
            {
                "key": "note",
                "kind": "update",
                "settings": {"set": {"title": "Left", "variables.why": "no department"}},
                "exits": {"success": "disable", "failure": "end"},
            },
            {
                "key": "disable",
                "kind": "api",
                "name": "Disable in Aha!",
                "preset": "aha.deactivate_user",
                "credentials": desk.credentials.name,
                "exits": {"success": "tell", "failure": "tell"},
            },
            {
                "key": "tell",
                "kind": "notification",
                "name": "Tell IT",
                "settings": {
                    "recipients": ["it@example.com"],
                    "subject": "{{ email }} is {{ title }}",
                    "message": "Because of {{ variables.why }}.",
                },
                "exits": END,
            },
        ],
        begin={"rules": {"all": [row("location", "equals", "Berlin")]}},
    )


def row(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    found = {"field": field, "operator": operator}
    return found if value is None else {**found, "value": value}


def fingerprint() -> dict[str, list[Any]]:
    """Every row of every table of ours."""
    ours = [one for one in apps.get_models() if one._meta.app_label in OURS]
    return {one._meta.label: list(one._default_manager.order_by("pk").values()) for one in ours}


OURS = {"people", "saas", "integrations", "workflows"}


def test_it_leads_a_record_through_the_blocks_and_fills_in_every_request(aha: Desk):
    person = aha.person(vendor_id="42", email="ann@acme.example", location="Berlin")

    (shown,) = look(offboarding(aha))

    assert shown.id == person.pk
    assert [one.key for one in shown.way] == ["is_it", "note", "disable", "tell"]
    _condition, update, call, tell = shown.way
    assert update.changes == {"title": ["", "Left"]}
    assert call.request["method"] == "PUT"
    assert call.request["url"].endswith("/users/42")
    assert call.leads_to == "Tell IT"
    assert call.otherwise == 'A failure leads to "Tell IT".'
    assert "ann@acme.example is Left" in str(tell.request)
    assert "no department" in str(tell.request)
    assert tell.leads_to == "End"


def test_nothing_is_sent_and_nothing_is_written(aha: Desk):
    aha.person(vendor_id="42", location="Berlin")
    aha.person(location="Berlin")
    workflow = offboarding(aha)
    before, sent = fingerprint(), aha.sent()

    shown = look(workflow)

    assert len(shown) == 2
    assert fingerprint() == before
    assert aha.sent() == sent


def test_a_call_that_cannot_be_made_follows_the_failure_exit_and_says_why(aha: Desk):
    """(AH-39)"""
    aha.person(location="Berlin")

    (shown,) = look(offboarding(aha))

    call = shown.way[2]
    assert call.exit == "failure"
    assert "aha_user_id" in call.problem
    assert shown.way[-1].key == "tell"


def test_a_record_that_does_not_match_says_which_rule_does_not_hold(aha: Desk):
    person = aha.person(location="Paris", status="deactivated")

    (shown,) = look(offboarding(aha), person.pk)

    assert not shown.matches
    assert shown.way == ()
    assert shown.reasons == (
        "It is deactivated, and Begin asks for records that are active.",
        'The rule “location equals "Berlin"” does not hold: location is "Paris".',
    )


def test_its_rows_are_plain_and_say_action_key_and_changes(aha: Desk):
    aha.person(vendor_id="42", email="ann@acme.example", location="Berlin")

    (shown,) = look(offboarding(aha))
    rows = list(shown.as_rows())

    assert [one["action"] for one in rows] == ["choose", "update", "call", "notify"]
    assert all(one["object"] == "person" for one in rows)
    assert all(one["key"] == "ann@acme.example" for one in rows)
    assert rows[1]["changes"] == {"title": ["", "Left"]}
    assert rows[2]["request"]["method"] == "PUT"


def test_pages_are_parts_of_all_that_match(aha: Desk):
    people = [aha.person(location="Berlin") for _number in range(7)]
    workflow = offboarding(aha)

    page = look(workflow, first=2, most=3)
    every = list(preview_all(workflow, _definition(workflow), now=timezone.now()))

    assert [one.id for one in page] == [one.pk for one in people[2:5]]
    assert [one.id for one in every] == [one.pk for one in people]


def test_the_queries_do_not_grow_with_the_records(aha: Desk, django_assert_max_num_queries: Any):
    for number in range(3):
        aha.person(vendor_id=str(number), location="Berlin")
    workflow = offboarding(aha)
    with django_assert_max_num_queries(QUERIES):
        look(workflow)
    for number in range(3, 30):
        aha.person(vendor_id=str(number), location="Berlin")

    with django_assert_max_num_queries(QUERIES):
        shown = look(workflow)

    assert len(shown) == 30


QUERIES = 32


def test_fields_that_somebody_may_not_see_are_hidden_in_it(aha: Desk, workflow_editor: User):
    """(M-36)"""
    make_custom_field("Salary Grade", visible_to_hr=False)
    make_person(email="ann@acme.example", custom={"salary_grade": "grade-fourteen"})
    workflow = make_workflow(
        [
            {
                "key": "set",
                "kind": "update",
                "settings": {
                    "set": {
                        "salary_grade": "grade-fifteen",
                        "title": "Was {{ salary_grade | upper }}",
                    }
                },
                "exits": {"success": "tell", "failure": "end"},
            },
            {
                "key": "tell",
                "kind": "notification",
                "settings": {
                    "recipients": ["it@example.com"],
                    "subject": "{{ email }}",
                    "message": "{{ salary_grade }}, {{ title }}",
                },
                "exits": END,
            },
        ]
    )

    (seen,) = look(workflow)
    (shown,) = look(workflow, user=workflow_editor)

    assert "grade-fifteen, Was GRADE-FOURTEEN" in str(seen) + str([one.request for one in seen.way])
    said = str(list(shown.as_rows())).casefold()
    assert "ann@acme.example" in said
    assert "grade-f" not in said
    assert shown.way[0].changes["salary_grade"] == (HIDDEN, HIDDEN)


def test_rules_over_a_hidden_field_are_no_way_to_find_its_value(workflow_editor: User):
    """(M-36)"""
    make_custom_field("Salary Grade", visible_to_hr=False)
    make_person(custom={"salary_grade": "14"})
    workflow = make_workflow(
        [{"key": "set", "kind": "update", "settings": {"set": {"title": "x"}}, "exits": END}],
        begin={"rules": {"all": [row("salary_grade", "equals", "14")]}},
    )

    with pytest.raises(NotAllowed, match="salary_grade"):
        look(workflow, user=workflow_editor)


def test_a_workflow_with_mistakes_has_no_preview(db: None):
    workflow = make_workflow(
        [{"key": "set", "kind": "update", "settings": {"set": {"title": "{{ nme }}"}}}]
    )

    with pytest.raises(WorkflowInvalid):
        look(workflow)


def _definition(workflow: Workflow) -> Any:
    version = workflow.versions.first()
    assert version is not None
    return read_definition(version)


def chief(value: str) -> Workflow:
    """Sets the manager, then writes to them."""
    return make_workflow(
        [
            {
                "key": "chief",
                "kind": "update",
                "settings": {"set": {"manager": value}},
                "exits": {"success": "tell", "failure": "end"},
            },
            {
                "key": "tell",
                "kind": "notification",
                "settings": {
                    "recipients": ["{{ manager }}"],
                    "subject": "{{ email }}",
                    "message": "Hello.",
                },
                "exits": END,
            },
        ]
    )


@pytest.mark.django_db
@pytest.mark.parametrize("named", ["BOSS@example.com", "0017"])
def test_g_09_a_new_manager_is_shown_and_used_by_the_e_mail_as_it_is_written(named: str) -> None:
    make_person(email="boss@example.com", employee_id="0017")
    person = make_person()

    (found,) = look(chief(named), person.pk)

    first, second = found.way
    assert first.changes == {"manager": [None, "boss@example.com"]}
    assert (second.problem, second.request["to"]) == ("", ["boss@example.com"])


@pytest.mark.django_db
@pytest.mark.parametrize("named", ["nobody@example.com", "9"])
def test_g_09_a_manager_whom_nobody_knows_or_who_is_the_person_is_a_failure_in_advance(
    named: str,
) -> None:
    person = make_person(employee_id="9")

    (found,) = look(chief(named), person.pk)

    assert [one.exit for one in found.way] == ["failure"]
    assert "manager" in found.way[0].problem


@pytest.mark.django_db
def test_g_09_the_manager_of_now_in_another_spelling_is_no_change() -> None:
    boss = make_person(email="boss@example.com")

    (found,) = look(chief("Boss@example.com"), make_person(manager=boss).pk)

    assert found.way[0].changes == {}
