"""The Update block: fields by templates and constants, fitted, never who the record is (M-24)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from people.models import CustomField
from tests.makers import make_application, make_custom_field, make_person, make_saas_user
from tests.workflows.blocks.facts import check_block
from tests.workflows.blocks.steps import make_step, plan_step, run_step
from tests.workflows.makers import make_workflow
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.kinds import Outcome, Then, find_kind
from workflows.models import Workflow

pytestmark = pytest.mark.django_db

NEVER = ["username", "email", "employee_id", "role", "status"]


def _workflow(set_: Mapping[str, Any], **fields: Any) -> Workflow:
    return make_workflow([{"key": "write", "kind": "update", "settings": {"set": set_}}], **fields)


def _run(
    set_: Mapping[str, Any], *, context: Mapping[str, Any] | None = None, **person: Any
) -> Outcome:
    step = make_step(_workflow(set_), "write", [make_person(**person)], context=context or {})
    return run_step(step)[0]


def _check(settings: Mapping[str, Any], **facts: Any) -> list[Mistake]:
    return check_block(_workflow({}), "update", settings, **facts)


def test_fields_get_constants_and_values_of_the_record() -> None:
    outcome = _run({"title": "Engineer", "location": "{{ country | upper }}"}, country="de")

    assert (outcome.then, outcome.exit) == (Then.GOES_ON, "success")
    assert outcome.sets == {"title": "Engineer", "location": "DE"}
    assert outcome.note == "Set title, location."


def test_a_value_that_is_one_placeholder_keeps_its_type() -> None:
    make_custom_field("Seats", type=CustomField.Type.INTEGER)
    make_custom_field("Paid", type=CustomField.Type.BOOLEAN)

    outcome = _run(
        {
            "seats": "{{ variables.count }}",
            "paid": "{{ variables.paid }}",
            "variables.kept": "{{ variables.count }}",
        },
        context={"variables": {"count": 42, "paid": False}},
    )

    assert outcome.sets == {"seats": 42, "paid": False}
    assert outcome.variables == {"kept": 42}


def test_a_blank_clears_the_field_and_so_does_a_path_without_a_value() -> None:
    outcome = _run(
        {
            "title": None,
            "phone": "",
            "location": "{{ preferred_name }}",
            "hire_date": "{{ failure.reason }}",
        },
        title="Engineer",
    )

    assert outcome.exit == "success"
    assert outcome.sets == {"title": None, "phone": None, "location": None, "hire_date": None}


def test_what_does_not_fit_leaves_by_failure_and_writes_nothing() -> None:
    outcome = _run({"title": "Engineer", "hire_date": "{{ location }}"}, location="soon")

    assert outcome.exit == "failure"
    assert outcome.sets == {}
    assert outcome.failure is not None
    assert outcome.failure.code == "value_does_not_fit"
    assert outcome.failure.reason == (
        '"Hire date" takes a date: "soon" is no date; a date looks like 2026-12-31.'
    )


def test_a_filter_that_cannot_read_its_value_is_a_failure_with_the_field() -> None:
    outcome = _run({"title": '{{ location | date("%Y") }}'}, location="soon")

    assert outcome.exit == "failure"
    assert '"title" cannot be filled in' in outcome.note


def test_braces_in_a_stored_value_stay_text() -> None:
    """(S-12)"""
    outcome = _run({"title": "{{ location }}"}, location="{{ email }}")

    assert outcome.sets == {"title": "{{ email }}"}


def test_a_variable_of_this_run_stands_before_a_global_one() -> None:
    workflow = _workflow({"title": "{{ variables.title }}"})
    step = make_step(
        workflow,
        "write",
        [make_person()],
        variables={"title": "Global"},
        context={"variables": {"title": "Own"}},
    )

    assert run_step(step)[0].sets == {"title": "Own"}


def test_fields_of_saas_users_are_written_for_saas_users() -> None:
    """(M-24)"""
    application = make_application()
    make_custom_field("Seat", object=CustomField.Object.SAAS_USER)
    workflow = _workflow(
        {"seat": "{{ person.title }}", "name": "{{ name | upper }}"}, application=application
    )
    user = make_saas_user(application, person=make_person(title="Engineer"), name="Ann")

    outcome = run_step(make_step(workflow, "write", [user]))[0]

    assert outcome.sets == {"seat": "Engineer", "name": "ANN"}


def test_a_field_that_was_deleted_stops_the_workflow_and_says_what_to_do() -> None:
    outcome = _run({"seats": "5"})

    assert outcome.then == Then.STOPS
    assert 'writes "seats", which does not exist any more' in outcome.note


def test_a_batch_costs_one_query() -> None:
    people = [make_person() for _number in range(5)]
    step = make_step(_workflow({"title": "{{ location }}"}), "write", people)

    with CaptureQueriesContext(connection) as queries:
        outcomes = run_step(step)

    assert len(queries) == 1
    assert len(outcomes) == len(people)


def test_a_preview_shows_old_and_new_and_leaves_out_what_is_there_already() -> None:
    make_custom_field("Seen", type=CustomField.Type.DATETIME)
    make_custom_field("Paid", type=CustomField.Type.BOOLEAN)
    workflow = _workflow(
        {
            "title": "Lead",
            "country": "{{ country }}",
            "paid": False,
            "seen": "2026-01-01T10:00:00+01:00",
            "variables.note": "x",
        }
    )
    person = make_person(
        title="Engineer", country="DE", custom={"paid": False, "seen": "2026-01-01T09:00:00Z"}
    )

    planned = plan_step(make_step(workflow, "write", [person]))[0]

    assert planned.changes == {"title": ["Engineer", "Lead"]}
    assert planned.variables == {"note": "x"}
    assert planned.summary == "Sets title, variables.note."
    assert (planned.exit, planned.problem) == ("success", "")


def test_a_preview_says_why_a_value_would_be_refused() -> None:
    workflow = _workflow({"hire_date": "{{ location }}"})

    planned = plan_step(make_step(workflow, "write", [make_person(location="soon")]))[0]

    assert planned.exit == "failure"
    assert planned.problem.startswith('"Hire date" takes a date')


# Validate.


def test_a_right_block_has_no_mistake() -> None:
    settings = {
        "set": {
            "title": "{{ email }}",
            "hire_date": "2026-12-31",
            "variables.x": {"a": "{{ email }}"},
        }
    }

    assert _check(settings) == []


def test_variables_that_it_sets_are_told_to_later_blocks() -> None:
    kind = find_kind("update")
    assert kind is not None

    part = BlockPart(
        "a", "update", settings={"set": {"variables.x_1": "1", "title": "2", "variables.": "3"}}
    )

    assert kind.defines(part) == {"x_1"}


@pytest.mark.parametrize(
    "settings", [{}, {"set": {}}, {"set": None}, {"set": ["title"]}, {"set": "title"}]
)
def test_an_update_of_nothing_is_refused(settings: Mapping[str, Any]) -> None:
    mistakes = _check(settings)

    assert [(one.block, one.field) for one in mistakes] == [("block", "settings.set")]
    assert "at least one field" in mistakes[0].message


@pytest.mark.parametrize("target", NEVER)
def test_who_the_record_is_is_never_written(target: str) -> None:
    """(M-24)"""
    [mistake] = _check({"set": {target: "x"}})

    assert mistake.field == f"settings.set.{target}"
    assert f'A workflow never writes "{target}"' in mistake.message


@pytest.mark.parametrize(
    ("target", "value", "words"),
    [
        ("titel", "x", 'Did you mean "title"?'),
        ("variables.a-b", "x", "no good name of a variable"),
        ("title", "{{ emial }}", 'Did you mean "email"?'),
        ("title", "{{ email }", "closed by a single }"),
        ("title", "{{ response.id }}", "Response tab"),
        ("hire_date", "tomorrow", '"Hire date" takes a date'),
        ("title", {"a": 1}, "a list or an object"),
        ("title", "x" * 301, "at most"),
    ],
)
def test_each_mistake_stands_on_its_field(target: str, value: Any, words: str) -> None:
    """(C-10)"""
    [mistake] = _check({"set": {target: value}})

    assert mistake.field == f"settings.set.{target}"
    assert words in mistake.message


def test_an_unknown_setting_is_named() -> None:
    [mistake] = _check({"set": {"title": "x"}, "sett": 1})

    assert mistake.field == "settings.sett"
    assert 'Did you mean "set"?' in mistake.message
