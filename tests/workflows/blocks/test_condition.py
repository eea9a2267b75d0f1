"""The Condition block: yes or no by rules on the record as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from people.models import CustomField
from tests.makers import (
    make_application,
    make_custom_field,
    make_person,
    make_role,
    make_saas_user,
)
from tests.workflows.blocks.facts import check_block
from tests.workflows.blocks.steps import again, make_step, plan_step, run_step
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.kinds import Then
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


def _row(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    row = {"field": field, "operator": operator}
    return row if value is None else {**row, "value": value}


def _workflow(rules: Any, **fields: Any) -> Workflow:
    block = {
        "key": "ask",
        "kind": "condition",
        "settings": {"rules": rules},
        "exits": {"yes": "end", "no": "end"},
    }
    return make_workflow([block], **fields)


def _exit(rules: Any, *, item: Mapping[str, Any] | None = None, **person: Any) -> str:
    step = make_step(_workflow(rules), "ask", [make_person(**person)], **(item or {}))
    return run_step(step)[0].exit


@pytest.mark.parametrize(
    ("rules", "exit_"),
    [
        (_row("title", "equals", "engineer"), "yes"),
        (_row("title", "not_equals", "engineer"), "no"),
        (_row("department", "is_empty"), "yes"),
        (_row("status", "equals", "Active"), "yes"),
        (_row("hire_date", "after", "2026-01-01"), "yes"),
        ({"all": [_row("title", "equals", "Engineer"), _row("country", "equals", "FR")]}, "no"),
        ({"any": [_row("title", "equals", "Engineer"), _row("country", "equals", "FR")]}, "yes"),
        ([_row("title", "begins_with", "Eng"), _row("country", "in", ["DE", "AT"])], "yes"),
    ],
)
def test_rules_choose_the_exit(rules: Any, exit_: str) -> None:
    """(C-15)"""
    assert _exit(rules, title="Engineer", country="DE", hire_date="2026-02-01") == exit_


def test_it_judges_the_record_as_it_is_now() -> None:
    person = make_person(title="Engineer")
    step = make_step(_workflow(_row("title", "equals", "Engineer")), "ask", [person])
    person.title = "Manager"
    person.save(update_fields=["title"])

    assert run_step(again(step))[0].exit == "no"


def test_variables_are_judged_as_text() -> None:
    rules = {"all": [_row("variables.seats", "equals", "5"), _row("variables.none", "is_empty")]}

    assert _exit(rules, item={"context": {"variables": {"seats": 5}}}) == "yes"


def test_global_variables_can_be_asked_too() -> None:
    rules = _row("variables.Aha.Subdomain", "equals", "mycompany")
    step = make_step(
        _workflow(rules), "ask", [make_person()], variables={"Aha.Subdomain": "mycompany"}
    )

    assert run_step(step)[0].exit == "yes"


def test_a_failure_is_told_apart_by_its_code_and_status() -> None:
    rules = {
        "all": [
            _row("failure.code", "equals", "refused"),
            _row("failure.status", "greater_or_equal", 400),
        ]
    }

    failure = {"reason": "No.", "code": "refused", "status": 404}

    assert _exit(rules, item={"context": {"failure": failure}}) == "yes"
    assert _exit(rules) == "no"


def test_changes_are_those_of_the_event_that_started_the_item() -> None:
    rules = _row("title", "changed_to", "Engineer")

    assert _exit(rules, item={"event_changes": {"title": ["Intern", "Engineer"]}}) == "yes"
    assert _exit(rules, title="Engineer") == "no"


def test_saas_users_are_asked_for_their_roles_and_their_person() -> None:
    application = make_application()
    user = make_saas_user(application, person=make_person(title="Engineer"))
    make_role(user, "Administrator")
    rules = [
        _row("roles", "contains", "administrator"),
        _row("person.title", "equals", "Engineer"),
        _row("application.name", "equals", application.name),
    ]

    step = make_step(_workflow(rules, application=application), "ask", [user])

    assert run_step(step)[0].exit == "yes"


def test_a_field_that_was_deleted_stops_the_workflow_and_says_what_to_do() -> None:
    step = make_step(_workflow(_row("seats", "equals", "5")), "ask", [make_person()])

    outcome, planned = run_step(step)[0], plan_step(step)[0]

    assert outcome.then == Then.STOPS
    assert 'The rules of the block "ask" cannot be judged any more.' in outcome.note
    assert 'There is no field "seats".' in outcome.note
    assert planned.problem == outcome.note


def test_a_batch_costs_one_query() -> None:
    workflow = _workflow(_row("title", "equals", "Engineer"))
    run = make_run(workflow)
    step = make_step(workflow, "ask", [make_person() for _number in range(5)], run=run)
    make_item(run, make_person())

    with CaptureQueriesContext(connection) as queries:
        run_step(step)

    assert len(queries) == 1


def test_a_preview_says_which_way_a_record_would_take() -> None:
    workflow = _workflow(_row("title", "equals", "Engineer"))
    people = [make_person(title="Engineer"), make_person()]

    planned = plan_step(make_step(workflow, "ask", people))

    assert [(one.action, one.exit) for one in planned] == [("choose", "yes"), ("choose", "no")]


# Validate.


def test_right_rules_have_no_mistake() -> None:
    make_custom_field("Seats", type=CustomField.Type.INTEGER)
    rules = [
        _row("seats", "greater", 5),
        _row("variables.note", "is_not_empty"),
        _row("failure.code", "equals", "gone"),
        _row("title", "changed"),
    ]

    mistakes = check_block(
        _workflow({}),
        "condition",
        {"rules": rules},
        item_variables=frozenset({"note"}),
        after_failure=True,
    )

    assert mistakes == []


@pytest.mark.parametrize(
    ("rules", "field", "words"),
    [
        ({}, "settings.rules", "Write at least one rule"),
        (None, "settings.rules", "Write at least one rule"),
        ({"all": []}, "settings.rules", "Write at least one rule"),
        (_row("titel", "equals", "x"), "settings.rules.field", 'Did you mean "title"?'),
        ([_row("titel", "equals", "x")], "settings.rules[0].field", 'no field "titel"'),
        (_row("title", "equal", "x"), "settings.rules.operator", 'Did you mean "equals"?'),
        (_row("title", "equals"), "settings.rules.value", '"equals" needs a value;'),
        (_row("title", "less", 5), "settings.rules.operator", "does not go with the type text"),
        (
            {"any": [_row("hire_date", "within_last_days", -1)]},
            "settings.rules.any[0].value",
            "The value is a number of days",
        ),
        (_row("failure.code", "equals", "x"), "settings.rules.field", 'no field "failure.code"'),
        (_row("variables.x", "equals", "x"), "settings.rules.field", 'no field "variables.x"'),
    ],
)
def test_each_mistake_stands_on_its_field(rules: Any, field: str, words: str) -> None:
    """(C-10)"""
    mistakes = check_block(_workflow({}), "condition", {"rules": rules})

    assert [one.field for one in mistakes] == [field]
    assert words in mistakes[0].message
    assert mistakes[0].message[0].isupper() or mistakes[0].message[0] == '"'


@pytest.mark.parametrize(("operator", "yes"), [("in", ["both"]), ("not_in", ["other"])])
def test_m_29_roles_are_compared_one_by_one(operator: str, yes: list[str]) -> None:
    application = make_application()
    rules = {"all": [_row("roles", operator, ["Owner", "Administrator"])]}
    workflow = _workflow(rules, application=application)
    both, other = (make_saas_user(application, name=name) for name in ("both", "other"))
    for user, role in ((both, "Owner"), (both, "Member"), (other, "Member")):
        make_role(user, role)
    step = make_step(workflow, "ask", [both, other])

    outcomes = run_step(step)

    assert check_block(workflow, "condition", {"rules": rules}) == []
    found = zip(step.items, outcomes, strict=True)
    assert [one.record.values["name"] for one, said in found if said.exit == "yes"] == yes
