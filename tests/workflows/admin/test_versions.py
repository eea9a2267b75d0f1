"""Versions of a workflow: compared in words, restored, copied."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.integrations.admin.pages import messages_of, read_form, text_of
from tests.workflows.makers import make_workflow
from workflows.compare import compare
from workflows.definition import Definition
from workflows.editing import latest_version, save_definition
from workflows.models import Workflow
from workflows.versions import read_definition

LIST = "/admin/workflows/workflow/"
ROLE: dict[str, Any] = {
    "key": "role",
    "kind": "saas_user_role",
    "name": "Read roles",
    "preset": "aha.user_role",
    "settings": {"deactivate_user": True, "inputs": {"subdomain": "mycompany"}},
    "exits": {"success": "end", "failure": "tell"},
}
TELL: dict[str, Any] = {"key": "tell", "kind": "notification", "settings": {"subject": "Hi"}}


def definition_of(*blocks: dict[str, Any], **begin: Any) -> Definition:
    return Definition.from_data({"begin": {"actions": ["manual"], **begin}, "blocks": list(blocks)})


def told(old: Definition, new: Definition) -> list[tuple[str, str, str, str, str]]:
    return [(line.block, line.field, line.what, line.old, line.new) for line in compare(old, new)]


def test_the_same_has_no_differences():
    assert compare(definition_of(ROLE, TELL), definition_of(ROLE, TELL)) == []


def test_differences_are_told_by_block_and_field():
    changed = {
        **ROLE,
        "settings": {"deactivate_user": False, "inputs": {"subdomain": "other"}},
        "exits": {"success": "end", "failure": "end"},
    }

    assert told(definition_of(ROLE, TELL), definition_of(changed, TELL, records="all")) == [
        ("Begin", "Records", "changed", "active", "all"),
        ("Read roles", "Deactivate user", "changed", "true", "false"),
        ("Read roles", "Inputs, subdomain", "changed", "mycompany", "other"),
        ("Read roles", "On failure, go to", "changed", "tell", "End"),
    ]


def test_blocks_that_came_went_and_moved_are_told():
    assert told(definition_of(ROLE), definition_of(TELL)) == [
        ("tell", "Block", "added", "", "notification"),
        ("Read roles", "Block", "removed", "saas user role, aha.user_role", ""),
    ]
    assert told(definition_of(ROLE, TELL), definition_of(TELL, ROLE)) == [
        ("Blocks", "Order", "changed", "Read roles, tell", "tell, Read roles")
    ]


def test_where_a_block_stands_on_the_canvas_is_no_difference():
    assert compare(definition_of(TELL), definition_of({**TELL, "x": 4, "y": 2})) == []


def test_no_setting_of_any_shape_breaks_the_comparison():
    odd = {**TELL, "settings": {"a": None, "b": [{"c": 1}], "d": {}, "e": "x" * 5_000}}

    lines = compare(definition_of(TELL), definition_of(odd))

    assert max(len(line.new) for line in lines) <= 2_001


def save(workflow: Workflow, *blocks: dict[str, Any]) -> None:
    save_definition(workflow, definition_of(*blocks), by=None, by_name="anna")


@pytest.mark.django_db
def test_the_page_shows_which_version_runs_and_compares_two(admin_page: Client):
    workflow = make_workflow([TELL])
    save(workflow, {**TELL, "settings": {"subject": "Hello"}})
    save(workflow, {**TELL, "settings": {"subject": "Good day"}})
    url = f"{LIST}{workflow.pk}/versions/"

    default = text_of(admin_page.get(url))
    chosen = text_of(admin_page.get(url, {"old": "2", "new": "3"}))
    odd = admin_page.get(url, {"old": "x", "new": "99999999999"})

    assert "Version 3 compared with version 1" in default
    assert "Version 3 compared with version 2" in chosen
    assert "Hello" in chosen
    assert "Good day" in chosen
    assert odd.status_code == 200


@pytest.mark.django_db
def test_one_version_alone_offers_nothing_to_choose(admin_page: Client):
    workflow = make_workflow([TELL])

    shown = admin_page.get(f"{LIST}{workflow.pk}/versions/")

    assert b'type="radio"' not in shown.content
    assert "There is one version, so there is nothing to compare." in text_of(shown)


@pytest.mark.django_db
def test_the_history_says_when_with_its_zone_and_leads_to_the_versions(admin_page: Client):
    """What a configuration file made has no entry here, and is no mistake."""
    workflow = make_workflow([TELL])
    url = f"{LIST}{workflow.pk}/history/"

    before = text_of(admin_page.get(url))
    admin_page.post(f"{LIST}{workflow.pk}/pause/")
    after = admin_page.get(url)

    assert "A configuration file may have made it" in before
    assert "Paused" in text_of(after)
    assert "UTC" in text_of(after)
    assert f"{LIST}{workflow.pk}/versions/" in after.content.decode()


@pytest.mark.django_db
def test_restoring_saves_the_old_one_and_runs_nothing_else(editor_page: Client):
    """Issue 5: versions can be compared and restored."""
    workflow = make_workflow([TELL])
    first = read_definition(latest_version(workflow))
    save(workflow)
    shown = editor_page.get(f"{LIST}{workflow.pk}/versions/?old=1&new=2")
    form = read_form(shown, "restore-form")

    answer = editor_page.post(f"{LIST}{workflow.pk}/restore/", form)

    assert messages_of(editor_page, answer)[0].startswith(
        "Version 3 is saved; it is what version 1"
    )
    assert read_definition(latest_version(workflow)) == first


@pytest.mark.django_db
def test_nothing_is_restored_over_what_was_saved_in_between(editor_page: Client):
    workflow = make_workflow([TELL])
    save(workflow)
    shown = editor_page.get(f"{LIST}{workflow.pk}/versions/?old=1&new=2")
    form = read_form(shown, "restore-form")
    save(workflow, {**TELL, "name": "Mended"})

    answer = editor_page.post(f"{LIST}{workflow.pk}/restore/", form)

    assert "saved version 3 of this workflow" in messages_of(editor_page, answer)[0]
    assert latest_version(workflow).number == 3


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["", "7", "x", "1" * 30])
def test_a_version_that_does_not_exist_is_not_restored(editor_page: Client, number: str):
    workflow = make_workflow([TELL])

    answer = editor_page.post(f"{LIST}{workflow.pk}/restore/", {"number": number})

    assert answer.status_code == 404
    assert workflow.versions.count() == 1


@pytest.mark.django_db
def test_a_copy_needs_a_name_of_its_own(editor_page: Client):
    workflow = make_workflow([TELL], name="Greetings")
    url = f"{LIST}{workflow.pk}/copy/"

    taken = text_of(editor_page.post(url, {"name": "Greetings"}))
    editor_page.post(url, {"name": "Greetings again"})

    copy = Workflow.objects.get(name="Greetings again")
    assert "already" in taken
    assert read_definition(latest_version(copy)) == read_definition(latest_version(workflow))


def test_a_change_far_behind_in_a_long_text_is_shown():
    """S-19: who activates reads what differs, wherever it was put."""
    long = "x" * 5_000

    def with_message(end: str) -> Definition:
        return definition_of({**TELL, "settings": {**TELL["settings"], "message": long + end}})

    ((_block, _field, _what, old, new),) = told(with_message("harmless"), with_message("{{ id }}"))

    assert old.endswith("xharmless")
    assert new.endswith("x{{ id }}")
    assert max(len(old), len(new)) < 2_100


@pytest.mark.django_db
def test_two_blocks_of_one_name_are_compared_apart(admin_page: Client):
    first, second = {**TELL, "name": "Tell IT"}, {**TELL, "key": "other", "name": "Tell IT"}
    workflow = make_workflow([first, second], active=True)
    loud = {**TELL["settings"], "subject": "Loud"}
    save(workflow, {**first, "settings": loud}, {**second, "settings": loud})

    page = admin_page.get(f"{LIST}{workflow.pk}/versions/").content.decode()

    assert page.count('<caption class="rc-caption">Tell IT</caption>') == 2
