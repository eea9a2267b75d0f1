"""Exporting workflows: stable, whole, and the same when applied again."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from django.test import Client

from integrations.configuration import export_text
from tests.integrations.admin.pages import save
from tests.integrations.configuration.files import AHA, SECRET
from tests.workflows.configuration.files import LEAVERS, ROLES, apply, refusal
from tests.workflows.makers import make_workflow
from workflows.definition import Definition
from workflows.editing import save_definition
from workflows.errors import WorkflowInvalid
from workflows.facts import read_facts
from workflows.models import Workflow
from workflows.validation import check

pytestmark = pytest.mark.django_db
EVERYTHING = AHA + ROLES + LEAVERS.replace("workflows:\n", "")


def test_applying_an_export_changes_nothing_and_exporting_again_gives_the_same():
    apply(EVERYTHING)
    text = export_text()

    receipt = apply(text)

    assert receipt.changes == ()
    assert export_text() == text
    assert SECRET not in text


def test_an_export_makes_the_same_workflows_in_an_empty_place(monkeypatch: pytest.MonkeyPatch):
    apply(EVERYTHING)
    text = export_text()
    monkeypatch.setenv("AHA_PRODUCTION_VALUE", SECRET)
    Workflow.objects.update(active_version=None, state="draft")
    Workflow.objects.all().delete()

    apply(text)

    assert export_text() == text


def test_workflows_stand_by_name_with_the_keys_of_the_file():
    apply(EVERYTHING)

    exported = yaml.safe_load(export_text())["workflows"]

    wanted = yaml.safe_load(EVERYTHING)["workflows"]
    assert [one["name"] for one in exported] == ["Aha! roles", "Leavers"]
    assert exported[0] == wanted[0]
    assert list(exported[0]) == list(wanted[0])


def test_what_runs_is_exported_not_what_nobody_activated():
    apply(EVERYTHING)
    before = export_text()
    save_definition(
        Workflow.objects.get(name="Aha! roles"), Definition(), by=None, by_name="editor"
    )

    assert export_text() == before


# How deep, and how much ------------------------------------------------------------------------

SENTENCE = "This is nested more than 40 deep: make it flatter."
ENDS = {"success": "end", "failure": "end"}


def nested(depth: int) -> Any:
    tree: Any = "x"
    for _level in range(depth):
        tree = [tree]
    return tree


def deep_workflow(depth: int) -> dict[str, Any]:
    """A workflow with a value of this depth wherever people may write one."""
    call = {"key": "call", "kind": "api", "preset": "aha.update_user_details", "exits": ENDS}
    request = {"body": {"a": nested(depth - 1)}, "params": {"a": nested(depth - 1)}}
    return {
        "name": "Deep",
        "object": "person",
        "begin": {"actions": ["manual"], "rules": nested(depth)},
        "blocks": [
            {**call, "settings": {"request": request, "inputs": {"first_name": nested(depth)}}},
            {"key": "set", "kind": "update", "settings": {"set": {"variables.a": nested(depth)}}},
            {"key": "ask", "kind": "condition", "settings": {"rules": nested(depth)}},
        ],
    }


def save_workflow(said: dict[str, Any]) -> Workflow:
    """Save what a file would say."""
    workflow = make_workflow([], name=said["name"], active=False)
    save_definition(workflow, Definition.from_data(said), by=None, by_name="test")
    return workflow


def test_what_is_nested_as_deep_as_can_be_kept_is_exported_and_applied_again():
    workflow = save_workflow(deep_workflow(40))
    text = export_text()

    again = apply(text)
    workflow.delete()
    apply(text)

    assert again.changes == ()
    assert export_text() == text


def test_one_level_more_is_refused_in_the_same_words_by_form_save_validate_and_file(
    admin_page: Client,
):
    said = deep_workflow(41)
    workflow = save_workflow(deep_workflow(40))
    before = export_text()
    page = f"/admin/workflows/workflow/{workflow.pk}/blocks/call/"
    definition = Definition.from_data(said)
    facts = read_facts(workflow, user=None, kept=definition)

    with pytest.raises(WorkflowInvalid) as refused:
        save_definition(workflow, definition, by=None, by_name="test")
    lines = refusal(yaml.safe_dump({"workflows": [said]}))
    typed = {
        "request_body": json.dumps({"a": nested(40)}),
        "request_params-0-value": json.dumps(nested(41)),
    }
    form = save(admin_page, page, "block_form", **typed).context["form"]

    places = [f"{one.block}: {one.field}" for one in refused.value.mistakes]
    assert places == [
        "begin: rules",
        "call: settings.request.body",
        "call: settings.request.params",
        "call: settings.inputs.first_name",
        "set: settings.set.variables.a",
        "ask: settings.rules",
    ]
    assert {one.message for one in refused.value.mistakes} == {SENTENCE}
    assert len(lines) == len(places)
    assert all(line.startswith("test.yaml:") and line.endswith(SENTENCE) for line in lines)
    assert form.errors["request_body"] == [SENTENCE]
    assert form.fields["request_params"].widget.row_errors == {0: [SENTENCE]}
    assert SENTENCE in {one.message for one in check(definition, facts)}
    assert export_text() == before


def test_the_largest_workflow_that_can_be_kept_is_exported_and_applied_again():
    letters = "Größe: 42 €\n" * 7_000
    tell = {"kind": "notification", "settings": {"message": letters}, "exits": ENDS}
    said = {"name": "Long", "blocks": [{**tell, "key": f"b{number}"} for number in range(10)]}
    save_workflow(said)
    more = {**said, "blocks": [*said["blocks"], {**tell, "key": "more"}]}
    text = export_text()

    with pytest.raises(WorkflowInvalid) as refused:
        save_definition(Workflow.objects.get(), Definition.from_data(more), by=None, by_name="test")

    assert len(text) > 900_000
    assert apply(text).changes == ()
    assert "at most 1,000,000 characters can be kept" in refused.value.mistakes[0].message
