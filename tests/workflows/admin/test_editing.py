"""Making, saving, copying and restoring workflows: what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from config import groups
from tests.makers import make_application, make_credentials, make_custom_field
from tests.workflows.makers import activate, make_run, make_workflow
from workflows.definition import BeginPart, BlockPart, Definition
from workflows.editing import (
    copy_workflow,
    describe,
    latest_version,
    rename,
    restore_version,
    save_definition,
)
from workflows.editing import (
    make_workflow as make_draft,
)
from workflows.errors import Mistake, NotNow, WorkflowInvalid
from workflows.models import Block, Workflow, WorkflowVersion
from workflows.versions import read_definition

pytestmark = pytest.mark.django_db

TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": {"success": "end", "failure": "end"},
}
CALL = {
    "key": "call",
    "kind": "api",
    "preset": "aha.get_user_details",
    "credentials": "Aha production",
    "exits": {"success": "end", "failure": "end"},
}


def definition_of(*blocks: dict[str, Any], **begin: Any) -> Definition:
    begin = {"actions": ["manual"], **begin}
    return Definition.from_data({"begin": begin, "blocks": list(blocks)})


def save(workflow: Workflow, definition: Definition, **more: Any) -> WorkflowVersion:
    return save_definition(workflow, definition, **{"by": None, "by_name": "anna", **more})


def mistakes_of(workflow: Workflow, definition: Definition, by: User) -> list[tuple[str, str]]:
    """Block and field of each mistake that a save by this user is refused for."""
    with pytest.raises(WorkflowInvalid) as refused:
        save(workflow, definition, by=by)
    return [(one.block, one.field) for one in refused.value.mistakes]


# Making ---------------------------------------------------------------------------------------


def test_a_new_workflow_is_a_draft_with_one_empty_version():
    workflow = make_draft("Onboarding", "person", None, "For newcomers", by="anna")

    assert (workflow.state, workflow.active_version, workflow.description) == (
        "draft",
        None,
        "For newcomers",
    )
    assert workflow.versions.get().created_by == "anna"


@pytest.mark.parametrize(
    ("name", "object_", "field"),
    [
        ("", "person", "name"),
        ("   ", "person", "name"),
        ("x" * 151, "person", "name"),
        ("two\nlines", "person", "name"),
        ("ok", "vendor", "object"),
        ("ok", "saas_user", "application"),
    ],
)
def test_a_workflow_that_cannot_be_made_says_why_on_its_field(name: str, object_: str, field: str):
    with pytest.raises(WorkflowInvalid) as refused:
        make_draft(name, object_, None, by="anna")

    assert [one.field for one in refused.value.mistakes] == [field]
    assert not Workflow.objects.exists()


def test_two_workflows_cannot_have_one_name():
    make_draft("Onboarding", "person", None, by="anna")
    other = make_draft("Offboarding", "person", None, by="anna")

    with pytest.raises(WorkflowInvalid, match="already"):
        make_draft("Onboarding", "person", None, by="anna")
    with pytest.raises(WorkflowInvalid, match="already"):
        rename(other, "Onboarding")

    assert Workflow.objects.count() == 2


# Saving ---------------------------------------------------------------------------------------


def test_a_draft_keeps_what_was_saved_last_only():
    workflow = make_draft("Onboarding", "person", None, by="anna")

    for name in ("One", "Two", "Three"):
        save(workflow, definition_of({**TELL, "name": name}))

    version = workflow.versions.get()
    assert version.number == 4
    assert [block.name for block in version.blocks.all()] == ["Three"]
    assert Block.objects.count() == 1


def test_each_save_of_an_activated_workflow_is_a_version_and_changes_nothing_that_runs():
    """C-09, AH-36 for workflows: what runs is what was activated."""
    workflow = make_workflow([TELL])
    running = workflow.active_version

    save(workflow, definition_of({**TELL, "name": "Second"}))
    save(workflow, definition_of({**TELL, "name": "Third"}))

    workflow.refresh_from_db()
    assert [one.number for one in workflow.versions.order_by("number")] == [1, 2, 3]
    assert workflow.active_version == running
    assert running is not None
    assert read_definition(running).blocks[0].name == ""


def test_a_version_that_a_run_holds_is_never_replaced():
    workflow = make_workflow([TELL])
    make_run(workflow)
    WorkflowVersion.objects.update(activated_at=None)

    save(workflow, definition_of({**TELL, "name": "Second"}))

    assert workflow.versions.count() == 2


def test_saving_what_is_saved_makes_no_version():
    workflow = make_workflow([TELL])

    same = save(workflow, read_definition(latest_version(workflow)))

    assert same.number == 1
    assert workflow.versions.count() == 1


@pytest.mark.parametrize("active", [True, False])
def test_a_save_over_a_save_in_between_is_refused_and_nothing_is_lost(*, active: bool):
    workflow = make_workflow([TELL], active=active)
    seen = latest_version(workflow).number
    save(workflow, definition_of({**TELL, "name": "By Bob"}), by_name="bob", base=seen)

    with pytest.raises(NotNow, match="bob saved version 2"):
        save(workflow, definition_of({**TELL, "name": "By Anna"}), base=seen)

    assert read_definition(latest_version(workflow)).blocks[0].name == "By Bob"


@pytest.mark.parametrize(
    ("blocks", "field"),
    [
        ((TELL, TELL), "key"),
        (({**TELL, "key": ""},), "key"),
        (({**TELL, "key": "end"},), "key"),
        (({**TELL, "key": "k" * 61},), "key"),
        (({**TELL, "name": "n" * 151},), "name"),
        (({**TELL, "settings": {"message": "a\x00b"}},), "blocks"),
        (({**TELL, "settings": {"message": float("nan")}},), "blocks"),
        (({**TELL, "settings": {"message": "x" * 4_000_001}},), "blocks"),
        (tuple({**TELL, "key": f"b{number}"} for number in range(501)), "blocks"),
    ],
    ids=["twice", "no key", "end", "long key", "long name", "NUL", "NaN", "4 MB", "501 blocks"],
)
def test_what_cannot_be_kept_is_refused_with_its_field(blocks: Any, field: str):
    workflow = make_workflow([], active=False)

    with pytest.raises(WorkflowInvalid) as refused:
        save(workflow, definition_of(*blocks))

    assert {one.field for one in refused.value.mistakes} == {field}
    assert not Block.objects.exists()


def test_a_definition_with_mistakes_can_be_saved():
    """Validate says what is wrong; a half-made workflow is not lost."""
    workflow = make_workflow([], active=False)

    version = save(workflow, definition_of({"key": "odd", "kind": "nonsense", "preset": "no.such"}))

    assert read_definition(version).blocks == (
        BlockPart(key="odd", kind="nonsense", preset="no.such"),
    )


def test_saving_fifty_blocks_asks_as_often_as_saving_one(django_assert_max_num_queries: Any):
    workflow = make_workflow([], active=False)
    blocks = [{**CALL, "key": f"b{number}"} for number in range(50)]

    with django_assert_max_num_queries(25):
        save(workflow, definition_of(*blocks))

    assert Block.objects.count() == 50


def test_a_description_that_is_too_long_is_refused():
    workflow = make_workflow([])

    with pytest.raises(WorkflowInvalid):
        describe(workflow, "x" * 2_001)


# What is whose (M-25, M-36) --------------------------------------------------------------------


def test_an_editor_cannot_write_or_change_own_requests(workflow_editor: User):
    """M-25: without a preset, and the address and method of a preset."""
    own = {**CALL, "preset": "", "settings": {"request": {"method": "GET", "url": "/users"}}}
    moved = {**CALL, "settings": {"request": {"url": "/elsewhere", "method": "DELETE"}}}
    workflow = make_workflow([CALL], active=False)

    assert mistakes_of(workflow, definition_of(own), workflow_editor) == [
        ("call", "settings.request")
    ]
    assert mistakes_of(workflow, definition_of(moved), workflow_editor) == [
        ("call", "settings.request.method"),
        ("call", "settings.request.url"),
    ]


def test_an_editor_leaves_an_own_request_where_it_is(workflow_editor: User):
    """M-25: what is there may stay, with another name and other exits; with another preset not."""
    moved = {**CALL, "settings": {"request": {"url": "/elsewhere", "params": {"a": "1"}}}}
    workflow = make_workflow([moved, TELL], active=False)
    named = {**moved, "name": "Ask", "exits": {"success": "tell", "failure": "end"}}
    other = {**moved, "preset": "aha.deactivate_user"}

    save(workflow, definition_of(named, TELL), by=workflow_editor)

    assert ("call", "preset") in mistakes_of(workflow, definition_of(other), workflow_editor)


def test_an_editor_changes_the_body_of_a_preset(workflow_editor: User):
    workflow = make_workflow([CALL], active=False)
    more = {**CALL, "settings": {"request": {"body": {"user": {"name": "{{ full_name }}"}}}}}

    version = save(workflow, definition_of(more), by=workflow_editor)

    assert read_definition(version).blocks[0].settings == more["settings"]


def test_an_it_admin_writes_own_requests(it_admin: User):
    own = {**CALL, "preset": "", "settings": {"request": {"method": "GET", "url": "/users"}}}
    workflow = make_workflow([CALL], active=False)

    assert save(workflow, definition_of(own), by=it_admin).number == 2


def test_credentials_are_for_the_groups_that_they_name(workflow_editor: User):
    """M-25."""
    make_credentials("Aha production")
    mine = make_credentials("Aha for editors")
    mine.groups.add(Group.objects.get(name=groups.WORKFLOW_EDITOR))
    workflow = make_workflow([], active=False)

    refused = mistakes_of(workflow, definition_of(CALL), workflow_editor)
    save(workflow, definition_of({**CALL, "credentials": "Aha for editors"}), by=workflow_editor)

    assert refused == [("call", "credentials")]


def test_credentials_of_others_stay_with_their_preset(workflow_editor: User):
    """M-25: an editor renames such a block, and cannot turn it into another call."""
    make_credentials("Aha production")
    workflow = make_workflow([CALL], active=False)

    save(workflow, definition_of({**CALL, "name": "Ask Aha!"}), by=workflow_editor)

    other = {**CALL, "preset": "aha.deactivate_user"}
    assert mistakes_of(workflow, definition_of(other), workflow_editor) == [("call", "credentials")]


def test_an_editor_writes_no_rule_about_a_field_that_they_may_not_see(workflow_editor: User):
    """M-36: neither in Begin nor in a condition; one that is there may stay."""
    make_custom_field("Salary", visible_to_hr=False)
    rules = {"all": [{"field": "salary", "operator": "equals", "value": "1"}]}
    asks = {"key": "ask", "kind": "condition", "settings": {"rules": rules}}
    workflow = make_workflow([], active=False)
    kept = make_workflow([TELL], begin={"rules": rules}, active=False)

    assert mistakes_of(workflow, definition_of(rules=rules), workflow_editor) == [
        ("begin", "rules")
    ]
    assert mistakes_of(workflow, definition_of(asks), workflow_editor) == [
        ("ask", "settings.rules")
    ]
    save(kept, definition_of({**TELL, "name": "Tell IT"}, rules=rules), by=workflow_editor)
    changed = {"all": [{"field": "person.salary", "operator": "equals", "value": "2"}]}
    assert mistakes_of(kept, definition_of(TELL, rules=changed), workflow_editor) == [
        ("begin", "rules")
    ]


# Restoring and copying -------------------------------------------------------------------------


def test_restoring_saves_the_old_blocks_as_the_latest_version():
    workflow = make_workflow([TELL])
    first = latest_version(workflow)
    save(workflow, definition_of())

    restored = restore_version(workflow, first, by=None, by_name="anna")

    workflow.refresh_from_db()
    assert (restored.number, restored.note) == (3, "Version 1 again")
    assert read_definition(restored) == read_definition(first)
    assert workflow.active_version == first


def test_a_copy_is_a_draft_with_the_saved_blocks():
    application = make_application()
    workflow = make_workflow([TELL], application=application)

    made = copy_workflow(workflow, "Another", by=None, by_name="anna")

    assert (made.state, made.application, made.active_version) == ("draft", application, None)
    assert read_definition(latest_version(made)) == read_definition(latest_version(workflow))


def test_a_copy_that_its_maker_may_not_write_is_not_made(workflow_editor: User):
    """M-25: copying is writing."""
    own = {**CALL, "preset": "", "settings": {"request": {"method": "GET", "url": "/users"}}}
    workflow = make_workflow([own])

    with pytest.raises(WorkflowInvalid):
        copy_workflow(workflow, "Another", by=workflow_editor, by_name="editor")

    assert Workflow.objects.count() == 1


def test_renaming_keeps_what_runs():
    workflow = make_workflow([TELL], name="Before")
    activate(workflow, latest_version(workflow))

    rename(workflow, "  After ")

    workflow.refresh_from_db()
    assert (workflow.name, workflow.state) == ("After", "active")


def test_a_mistake_reads_as_a_sentence():
    workflow = make_workflow([], active=False)

    with pytest.raises(WorkflowInvalid) as refused:
        save(workflow, replace(Definition(BeginPart()), blocks=(BlockPart("end", "delay"),)))

    assert refused.value.mistakes == (
        Mistake("end", "key", '"end" is a word of its own. Use another key.'),
    )
