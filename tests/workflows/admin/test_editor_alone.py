"""S-19: somebody who may only edit workflows gets no effect to a vendor, by any page or command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client

from config import groups
from integrations.sandbox.server import Sandbox
from tests.config import admin_site
from tests.integrations.admin.pages import text_of
from tests.integrations.presets.desk import NO_LIMIT, Desk
from tests.workflows.makers import make_workflow
from workflows.definition import Definition
from workflows.editing import save_definition
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": {"success": "end", "failure": "end"},
}


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=3, seed=1, settings={"goto": NO_LIMIT}) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def goto(sandbox: Sandbox) -> Desk:
    """GoTo, with credentials that workflow editors may use."""
    desk = Desk(sandbox, "goto")
    desk.credentials.groups.add(Group.objects.get_or_create(name=groups.WORKFLOW_EDITOR)[0])
    return desk


def deletes(desk: Desk) -> dict[str, Any]:
    return {
        "key": "delete",
        "kind": "api",
        "preset": "goto.delete_users",
        "credentials": desk.credentials.name,
        "exits": {"success": "end", "failure": "end"},
    }


def by_editor(workflow: Workflow, desk: Desk, editor: User) -> None:
    """What an editor saves: the account of everybody is deleted, whatever happens."""
    begin = {"actions": ["new", "edit", "archive", "manual"], "records": "all"}
    definition = Definition.from_data({"begin": begin, "blocks": [deletes(desk)]})
    save_definition(workflow, definition, by=editor, by_name=editor.get_username())


def press_everything(client: Client, workflow: Workflow, person_id: int) -> None:
    """Send each page of workflows and people what a form there could hold."""
    world = admin_site.World(rows={"workflows_workflow": workflow.pk, "people_person": person_id})
    form = {"typed": "1", "name": "Again", "confirm": "yes", "post": "yes", "do": "save"}
    more = {"workflow": str(workflow.pk), "version": "2", "records": str(person_id)}
    for address in admin_site.addresses():
        name = address.name or ""
        if name.startswith(("workflows_", "people_person")):
            assert client.get(address.path(world)).status_code < 500
            assert client.post(address.path(world), form | more).status_code < 500


def refused_as(user: User, *words: str) -> str:
    with pytest.raises(CommandError) as refused:
        call_command(*words, "--as", user.get_username())
    return str(refused.value)


def test_an_editor_alone_gets_no_delete_to_the_vendor(
    goto: Desk,
    workflow_editor: User,
    it_admin: User,
    open_as: Callable[[User], Client],
):
    """S-19: zero effects by the editor; the same workflow deletes once an admin activates it."""
    person = goto.person(email="zoe@example.com")
    account = goto.account(person)
    person.custom = {goto.id_field: account.external_id}
    person.save()
    running = make_workflow([TELL], name="Greetings")
    draft = make_workflow([], active=False, name="Leavers")
    before = goto.effects()
    editor = open_as(workflow_editor)
    editor.raise_request_exception = False

    for workflow in (running, draft):
        by_editor(workflow, goto, workflow_editor)
        press_everything(editor, workflow, person.pk)
        said = refused_as(workflow_editor, "run_workflow", workflow.name)
        assert "workflows.run_workflow is missing" in said
    refused_as(
        workflow_editor,
        "call_preset",
        "goto.delete_users",
        "--credentials",
        goto.credentials.name,
        "--record",
        "zoe@example.com",
    )
    call_command("run_due")

    running.refresh_from_db()
    draft.refresh_from_db()
    assert goto.effects() == before
    assert goto.sent("DELETE") == []
    assert (draft.state, draft.active_version) == ("draft", None)
    assert running.active_version is not None
    assert running.active_version.number == 1

    admin = open_as(it_admin)
    page = f"/admin/workflows/workflow/{draft.pk}/activate/"
    assert "calls DELETE on GoTo" in text_of(admin.get(page))
    admin.post(page, {"typed": "1"})
    call_command("run_workflow", "Leavers", "--as", it_admin.get_username())
    assert len(goto.sent("DELETE")) == 1
