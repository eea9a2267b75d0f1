"""Fields that an editor may not see (M-36): no page of a workflow tells their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from config import groups
from tests.makers import make_credentials, make_custom_field, make_person
from tests.workflows.makers import make_workflow
from workflows.definition import Definition
from workflows.editing import copy_workflow, latest_version, save_definition
from workflows.errors import NotAllowed, WorkflowInvalid
from workflows.models import Workflow
from workflows.preview import preview
from workflows.validation import validate
from workflows.versions import read_definition

pytestmark = pytest.mark.django_db
END = {"success": "end", "failure": "end"}


def update(values: Mapping[str, Any], key: str = "set", **exits: str) -> dict[str, Any]:
    return {"key": key, "kind": "update", "settings": {"set": values}, "exits": {**END, **exits}}


def asks(field: str, value: str) -> dict[str, Any]:
    rules = {"all": [{"field": field, "operator": "equals", "value": value}]}
    exits = {"yes": "high", "no": "end"}
    return {"key": "ask", "kind": "condition", "settings": {"rules": rules}, "exits": exits}


def tell(message: str, **settings: Any) -> dict[str, Any]:
    words = {"recipients": ["it@example.com"], "subject": "Hi", "message": message, **settings}
    return {"key": "tell", "kind": "notification", "settings": words, "exits": END}


def two_people(*grades: str) -> None:
    make_custom_field("Salary Grade", visible_to_hr=False)
    for number, grade in enumerate(grades):
        custom = {"salary_grade": grade} if grade else {}
        make_person(email=f"p{number}@acme.example", custom=custom)


def shown(workflow: Workflow, user: User) -> list[str]:
    definition = read_definition(latest_version(workflow))
    found = preview(workflow, definition, now=timezone.now(), user=user)
    return [str(list(one.as_rows())) for one in found]


def without_names(texts: list[str]) -> set[str]:
    return {text.replace(f"p{n}@acme.example", "somebody") for n, text in enumerate(texts)}


def refused(workflow: Workflow, user: User, *blocks: dict[str, Any]) -> list[tuple[str, str]]:
    definition = Definition.from_data({"begin": {"actions": ["manual"]}, "blocks": list(blocks)})
    with pytest.raises(WorkflowInvalid) as problem:
        save_definition(workflow, definition, by=user, by_name="ed")
    return [(one.block, one.field) for one in problem.value.mistakes]


# Preview ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["variables.grade", "title"])
def test_a_condition_on_what_was_copied_from_a_hidden_field_has_no_preview(
    field: str, workflow_editor: User
) -> None:
    two_people("14", "9")
    copies = update({field: "{{ person.salary_grade }}"}, success="ask")
    workflow = make_workflow([copies, asks(field, "14"), update({"location": "x"}, key="high")])

    with pytest.raises(NotAllowed, match="may not see"):
        shown(workflow, workflow_editor)


@pytest.mark.parametrize(
    ("template", "grades"),
    [
        ("{{ salary_grade }}", ("14", "high")),
        ("{{ salary_grade }}", ("14", "")),
        ('{{ salary_grade | default("12") }}', ("high", "")),
    ],
)
def test_whether_a_hidden_value_fits_is_not_told(
    template: str, grades: tuple[str, str], workflow_editor: User, it_admin: User
) -> None:
    two_people(*grades)
    make_custom_field("Band", type="integer")
    copies = update({"band": template}, success="high")
    workflow = make_workflow([copies, update({"location": "x"}, key="high")])

    assert len(without_names(shown(workflow, it_admin))) == 2
    assert len(without_names(shown(workflow, workflow_editor))) == 1


def test_whether_a_hidden_field_is_filled_is_not_told(workflow_editor: User) -> None:
    two_people("14", "")
    workflow = make_workflow([update({"title": 'Grade {{ salary_grade | default("none") }}'})])

    assert len(without_names(shown(workflow, workflow_editor))) == 1


# Validate ---------------------------------------------------------------------------------------


def call(preset: str = "aha.get_user_details") -> dict[str, Any]:
    credentials = make_credentials("Aha production")
    credentials.groups.add(Group.objects.get(name=groups.WORKFLOW_EDITOR))
    return {
        "key": "read",
        "kind": "api",
        "preset": preset,
        "credentials": credentials.name,
        "settings": {"inputs": {"subdomain": "acme"}},
        "exits": END,
    }


def told(workflow: Workflow, user: User) -> str:
    definition = read_definition(latest_version(workflow))
    found = validate(workflow, definition, user=user, kept=definition)
    assert all(one.warning for one in found), found
    return " ".join(one.message for one in found)


def test_validate_names_nobody_whom_a_rule_about_a_hidden_field_picked(
    workflow_editor: User, it_admin: User
) -> None:
    make_custom_field("Aha User Id")
    two_people("14", "9")
    rules = {"all": [{"field": "salary_grade", "operator": "equals", "value": "14"}]}
    workflow = make_workflow([call()], begin={"rules": rules})

    assert "Of the 1 record" in told(workflow, it_admin)
    said = told(workflow, workflow_editor)
    assert "acme.example" not in said
    assert "Of the" not in said
    assert "may not see" in said


def test_validate_does_not_tell_who_lacks_a_hidden_field(
    workflow_editor: User, it_admin: User
) -> None:
    make_custom_field("Aha User Id", visible_to_hr=False)
    make_person(email="p0@acme.example")
    workflow = make_workflow([call()])

    assert "p0@acme.example" in told(workflow, it_admin)
    assert "p0@acme.example" not in told(workflow, workflow_editor)


# Saving -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "Grade: {{ salary_grade }}",
        "{{ person.salary_grade }}",
        '{{ person["salary_grade"] | upper }}',
    ],
)
def test_an_editor_lets_no_block_read_a_field_that_they_may_not_see(
    template: str, workflow_editor: User
) -> None:
    two_people()
    workflow = make_workflow([], active=False)

    assert refused(workflow, workflow_editor, tell(template)) == [("tell", "settings.message")]


def test_an_editor_waits_for_no_date_that_they_may_not_see(workflow_editor: User) -> None:
    make_custom_field("Ends On", type="date", visible_to_hr=False)
    workflow = make_workflow([], active=False)
    wait = {"key": "wait", "kind": "delay", "settings": {"until_field": "ends_on"}}

    assert refused(workflow, workflow_editor, wait) == [("wait", "settings.until_field")]


def test_an_editor_takes_no_hidden_value_over_from_a_variable(workflow_editor: User) -> None:
    two_people()
    copies = update({"variables.grade": "{{ salary_grade }}"}, success="tell")
    again = update({"variables.more": "{{ variables.grade }}"}, key="again")
    workflow = make_workflow([copies, tell("Hello")], active=False)

    save_definition(
        workflow,
        Definition.from_data({"blocks": [copies, tell("Welcome")]}),
        by=workflow_editor,
        by_name="ed",
    )
    assert refused(workflow, workflow_editor, copies, tell("{{ variables.grade }}")) == [
        ("tell", "settings.message")
    ]
    assert refused(workflow, workflow_editor, copies, again, tell("{{ variables.more }}")) == [
        ("again", 'settings.set["variables.more"]'),
        ("tell", "settings.message"),
    ]
    assert refused(workflow, workflow_editor, copies, asks("variables.grade", "14")) == [
        ("ask", "settings.rules")
    ]


def test_an_editor_neither_sends_elsewhere_nor_copies_what_an_admin_lets_a_block_read(
    workflow_editor: User,
) -> None:
    two_people()
    kept = tell("{{ salary_grade }}")
    workflow = make_workflow([kept], active=False)
    elsewhere = tell("{{ salary_grade }}", recipients=["ed@example.com"])

    assert refused(workflow, workflow_editor, elsewhere) == [("tell", "settings.message")]
    with pytest.raises(WorkflowInvalid):
        copy_workflow(workflow, "Mine", by=workflow_editor, by_name="ed")
    renamed = Definition.from_data({"blocks": [{**kept, "name": "Tell pay"}]})
    save_definition(workflow, renamed, by=workflow_editor, by_name="ed")


# Credentials and own requests -------------------------------------------------------------------


def test_credentials_of_others_send_only_what_they_sent_before(workflow_editor: User) -> None:
    """M-25."""
    make_credentials("Aha production")
    kept = {
        "key": "read",
        "kind": "api",
        "preset": "aha.get_user_details",
        "credentials": "Aha production",
        "settings": {"inputs": {"subdomain": "acme"}},
        "exits": END,
    }
    workflow = make_workflow([kept], active=False)

    for settings in (
        {"inputs": {"subdomain": "acme"}, "request": {"params": {"x": "{{ email }}"}}},
        {"inputs": {"subdomain": "other"}},
    ):
        changed = {**kept, "settings": settings}
        assert refused(workflow, workflow_editor, changed) == [("read", "credentials")]


def test_an_own_request_by_its_preset_name_is_an_own_request(workflow_editor: User) -> None:
    """M-25."""
    credentials = make_credentials("Aha production")
    credentials.groups.add(Group.objects.get(name=groups.WORKFLOW_EDITOR))
    request = {"method": "POST", "url": "/users", "body": {"a": 1}}
    kept = {
        "key": "own",
        "kind": "api",
        "preset": "aha.own_request",
        "credentials": "Aha production",
        "settings": {"request": request},
        "exits": END,
    }
    workflow = make_workflow([kept], active=False)
    changed = {**kept, "settings": {"request": {**request, "body": {"a": 2}}}}

    assert refused(workflow, workflow_editor, changed) == [("own", "settings.request")]
