"""A mistake in `workflows:` refuses the whole file, with its line, its key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from integrations.models import Credentials
from tests.integrations.configuration.files import AHA
from tests.workflows.configuration.files import FILE, LEAVERS, apply, line_of, refusal
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        ("object: saas_user", "objekt: saas_user", "workflows[0].objekt", 'mean "object"?'),
        ("object: saas_user", "object: user", "workflows[0].object", "must be"),
        ("records: active", "recodrs: active", "workflows[0].begin.recodrs", 'mean "records"?'),
        ("[schedule]", "[new, edits]", "workflows[0].begin.actions[1]", "must be"),
        ("preset: aha", "presett: aha", "workflows[0].blocks[0].presett", 'mean "preset"?'),
        (
            "aha.user_role",
            "aha.user_roles",
            "workflows[0].blocks[0].preset",
            "aha.user_role",
        ),
        (
            "kind: notification",
            "kind: notifikation",
            "workflows[0].blocks[1].kind",
            'mean "notification"?',
        ),
        (
            "deactivate_user: true",
            "deactivate_users: true",
            "workflows[0].blocks[0].settings.deactivate_users",
            'mean "deactivate_user"?',
        ),
        ("failure: tell", "failure: tel", "workflows[0].blocks[0].exits.failure", "tel"),
        (
            "    credentials: Aha production\n        settings",
            "    credentials: Aha test\n        settings",
            "workflows[0].blocks[0].credentials",
            "Aha test",
        ),
        (
            "Roles of {{ email }}",
            "Roles of {{ emial }}",
            "workflows[0].blocks[1].settings.subject",
            "emial",
        ),
        (
            "field: last_activity, operator",
            "field: last_activty, operator",
            "workflows[0].begin.rules.all[0].field",
            "last_activity",
        ),
        (
            "{field: last_activity, operator",
            "{field: email, operator: contains, value: ' '}, {field: last_activity, operator",
            "workflows[0].begin.rules.all[0].value",
            "is blank",
        ),
        ("key: tell", "key: role", "workflows[0].blocks[0].key", "2 blocks have the key"),
        ("application: Aha!\n    desc", "desc", "workflows[0].application", "is missing"),
        (
            "application: Aha!\n    desc",
            "application: Ahaa!\n    desc",
            "workflows[0].application",
            'mean "Aha!"?',
        ),
        ("object: saas_user", "object: person", "workflows[0].application", "is about no"),
        ("every: day, at", "every: dya, at", "workflows[0].begin.schedule", 'mean "day"?'),
    ],
)
def test_a_mistake_is_told_at_its_line_and_key(old: str, new: str, at: str, says: str):
    assert old in FILE
    text = FILE.replace(old, new)

    for plan in (True, False):
        found = [line for line in refusal(text, plan=plan) if f": {at}" in line]

        assert found, refusal(text)
        assert says in " ".join(found)
        assert found[0].startswith("test.yaml:")

    assert not Workflow.objects.exists()
    assert not Credentials.objects.exists()


def test_the_line_is_that_of_the_block():
    text = FILE.replace("failure: tell", "failure: tel")

    (first, *_others) = [one for one in refusal(text) if "exits.failure" in one]

    assert first.startswith(f"test.yaml:{line_of(text, 'failure: tel')}:")


def test_a_draft_is_refused_for_keys_that_no_block_has():
    text = AHA + LEAVERS.replace("        exits", "        settings: {bodi: 1}\n        exits")

    assert any("settings.bodi" in line for line in refusal(text))


def test_roles_of_an_application_that_no_load_fills_are_refused():
    """C-23."""
    text = FILE.replace("    state: active\n", "    state: draft\n", 1)

    assert any("run the user integration with User plus SaaS User" in x for x in refusal(text))


def test_a_name_stands_once():
    text = FILE + FILE[FILE.index("  - name: Aha! roles") :]

    assert any("workflows[1].name: stands in line" in line for line in refusal(text))


def test_object_and_application_stay_and_what_was_activated_is_no_draft_any_more():
    apply(FILE)

    told = refusal("workflows: [{name: Aha! roles, object: person, state: draft}]")

    assert any("workflows[0].object: is saas_user and stays" in line for line in told)
    assert any("workflows[0].state: was activated" in line for line in told)


def test_a_user_needs_the_permission_to_activate():
    """M-36: an editor saves drafts, and activates nothing."""
    editor = User.objects.create_user("ed", is_staff=True)
    editor.groups.add(Group.objects.get(name="Workflow editor"))
    apply(AHA)
    Credentials.objects.get().groups.add(Group.objects.get(name="Workflow editor"))

    apply(LEAVERS, by="ed")
    told = refusal(LEAVERS.replace("state: draft", "state: active"), by="ed")

    assert Workflow.objects.get().state == "draft"
    assert any("workflows.activate_workflow is missing" in line for line in told)


def test_a_workflow_editor_applies_a_file_that_holds_only_workflows(
    tmp_path: Path, workflow_editor: User, capsys: pytest.CaptureFixture[str]
):
    """M-36: each section asks for what its own pages ask for, from the shell as well."""
    apply(AHA)
    Credentials.objects.get().groups.add(Group.objects.get(name="Workflow editor"))
    file = tmp_path / "leavers.yaml"
    file.write_text(LEAVERS)

    call_command("config", "apply", str(file), "--as", workflow_editor.username)
    file.write_text(AHA + LEAVERS)
    with pytest.raises(CommandError, match="change_integration is missing"):
        call_command("config", "apply", str(file), "--as", workflow_editor.username)

    assert "+ workflows: Leavers" in capsys.readouterr().out
    assert Workflow.objects.get().name == "Leavers"


def test_a_user_writes_no_request_of_their_own_into_a_file_without_the_permission():
    """M-25."""
    editor = User.objects.create_user("ed", is_staff=True)
    editor.groups.add(Group.objects.get(name="Workflow editor"))
    apply(AHA)
    Credentials.objects.get().groups.add(Group.objects.get(name="Workflow editor"))
    own = LEAVERS.replace(
        "preset: aha.deactivate_user", "settings: {request: {method: GET, url: users}}"
    )

    told = refusal(own, by="ed")

    assert any("workflows[0].blocks[0].settings.request" in line for line in told)


def test_a_user_uses_no_credentials_that_none_of_their_groups_may_use():
    """M-25."""
    editor = User.objects.create_user("ed", is_staff=True)
    editor.groups.add(Group.objects.get(name="Workflow editor"))
    apply(AHA)

    told = refusal(LEAVERS, by="ed")

    assert any("workflows[0].blocks[0].credentials" in line for line in told)
