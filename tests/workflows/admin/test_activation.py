"""Activating, pausing, resuming and archiving: what runs from then on, and what is asked first."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from integrations.admin.reauth import CONFIRMED_AT, LASTS_SECONDS
from people.models import Event
from tests.integrations.admin.pages import messages_of, text_of
from tests.makers import (
    make_application,
    make_credentials,
    make_custom_field,
    make_integration,
    make_person,
    make_saas_user,
    make_variable,
)
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.activating import (
    SAVED_MEANWHILE,
    activate,
    archive,
    cancel_and_archive,
    pause,
    resume,
)
from workflows.definition import Definition
from workflows.editing import latest_version, save_definition
from workflows.errors import NotNow, WorkflowInvalid
from workflows.models import RunItem, Workflow, WorkflowRun

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
LATER = datetime(2026, 11, 3, 9, tzinfo=UTC)
DAILY = {"every": "day", "at": "06:00", "timezone": "Europe/London"}
TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": {"success": "end", "failure": "end"},
}
BROKEN = {**TELL, "exits": {"success": "nowhere", "failure": "end"}}


def make_event() -> Event:
    person = make_person()
    return Event.objects.create(
        object="person", object_id=person.pk, kind="new", source="manual", actor="test", changes={}
    )


def save(workflow: Workflow, *blocks: dict[str, Any], **begin: Any) -> None:
    data = {"begin": {"actions": ["manual"], **begin}, "blocks": list(blocks)}
    save_definition(workflow, Definition.from_data(data), by=None, by_name="anna")


@pytest.fixture
def deleting(it_admin: User) -> Workflow:
    """A draft that disables accounts at Aha!, with eight people who match."""
    make_variable()
    credentials = make_credentials("Aha production")
    make_integration(
        credentials=credentials, tenant="mycompany", application=make_application(), state="active"
    )
    make_custom_field("Aha User Id")
    for number in range(8):
        make_person(custom={"aha_user_id": str(number)})
    block = {
        "key": "disable",
        "kind": "api",
        "name": "Disable in Aha!",
        "preset": "aha.deactivate_user",
        "credentials": "Aha production",
        "exits": {"success": "end", "failure": "end"},
    }
    return make_workflow([block], active=False, name="Leavers")


def page_of(workflow: Workflow, name: str) -> str:
    return f"/admin/workflows/workflow/{workflow.pk}/{name}/"


# The services -----------------------------------------------------------------------------------


def test_activating_lets_the_saved_version_run_from_now_on():
    make_event()
    workflow = make_workflow(
        [TELL], begin={"actions": ["schedule"], "schedule": DAILY}, active=False
    )
    last = make_event()

    activate(workflow, latest_version(workflow), by="anna", now=NOW)

    assert (workflow.state, workflow.activated_at, workflow.activated_by) == ("active", NOW, "anna")
    assert (workflow.events_after, workflow.schedule_since) == (last.pk, NOW)
    assert workflow.active_version == latest_version(workflow)
    assert latest_version(workflow).activated_at == NOW


def test_what_validate_refuses_is_not_activated():
    """C-11."""
    workflow = make_workflow([BROKEN], active=False)

    with pytest.raises(WorkflowInvalid) as refused:
        activate(workflow, latest_version(workflow), by="anna", now=NOW)

    workflow.refresh_from_db()
    assert ("tell", "exits.success") in {(one.block, one.field) for one in refused.value.mistakes}
    assert (workflow.state, workflow.active_version) == ("draft", None)


def test_a_new_version_of_an_active_workflow_misses_nothing_in_between():
    """M-19: it was active all the time, so what waits for it still starts it."""
    workflow = make_workflow(
        [TELL], begin={"actions": ["schedule"], "schedule": DAILY}, active=False
    )
    activate(workflow, latest_version(workflow), by="anna", now=NOW)
    before = workflow.events_after
    make_event()
    save(workflow, {**TELL, "name": "Tell"}, actions=["schedule"], schedule=DAILY)

    activate(workflow, latest_version(workflow), by="anna", now=LATER)

    assert workflow.active_version == latest_version(workflow)
    assert (workflow.events_after, workflow.schedule_since) == (before, NOW)


def test_another_schedule_catches_up_nothing_from_before():
    """M-32."""
    workflow = make_workflow(
        [TELL], begin={"actions": ["schedule"], "schedule": DAILY}, active=False
    )
    activate(workflow, latest_version(workflow), by="anna", now=NOW)
    save(workflow, TELL, actions=["schedule"], schedule={**DAILY, "at": "07:00"})

    activate(workflow, latest_version(workflow), by="anna", now=LATER)

    assert workflow.schedule_since == LATER


def test_a_draft_saved_after_it_was_looked_at_is_not_the_one_that_is_activated():
    workflow = make_workflow([TELL], active=False)
    seen = latest_version(workflow)
    save(workflow, {**TELL, "name": "Another"})

    with pytest.raises(NotNow, match="Look at it again"):
        activate(workflow, seen, by="anna", now=NOW)

    workflow.refresh_from_db()
    assert workflow.state == "draft"


def test_the_page_of_a_draft_that_was_saved_since_leads_back(admin_page: Client):
    workflow = make_workflow([TELL], active=False)
    save(workflow, {**TELL, "name": "Another"})

    answer = admin_page.post(page_of(workflow, "activate"), {"version": "1"})

    workflow.refresh_from_db()
    assert messages_of(admin_page, answer) == [SAVED_MEANWHILE]
    assert workflow.state == "draft"


def test_activating_closes_the_circuit():
    workflow = make_workflow([TELL])
    Workflow.objects.update(
        state="paused", paused_because="Ten failures in a row.", failures_in_a_row=10
    )
    workflow.refresh_from_db()

    activate(workflow, latest_version(workflow), by="anna", now=NOW)

    assert (workflow.paused_because, workflow.failures_in_a_row) == ("", 0)


def test_above_the_limit_the_number_has_to_be_typed(deleting: Workflow):
    """M-15, S-19: eight of eight people are more than a few."""
    version = latest_version(deleting)

    for typed in (None, 7):
        with pytest.raises(WorkflowInvalid, match="8 records"):
            activate(deleting, version, by="anna", typed=typed, now=NOW)
    activate(deleting, version, by="anna", typed=8, now=NOW)

    assert deleting.state == "active"


def test_what_happened_during_a_pause_starts_nothing():
    workflow = make_workflow([TELL], begin={"actions": ["new"]})
    pause(workflow, by="anna")
    assert (workflow.state, workflow.paused_because) == ("paused", "anna paused it.")
    missed = make_event()

    resume(workflow, by="anna", now=LATER)

    assert (workflow.state, workflow.events_after) == ("active", missed.pk)


def test_a_workflow_that_became_wrong_is_not_resumed():
    workflow = make_workflow([BROKEN])
    pause(workflow, by="anna")

    with pytest.raises(WorkflowInvalid):
        resume(workflow, by="anna")

    workflow.refresh_from_db()
    assert workflow.state == "paused"


def test_only_what_is_active_is_paused_and_only_what_is_paused_is_resumed():
    draft = make_workflow([TELL], active=False)

    with pytest.raises(NotNow, match="not active"):
        pause(draft, by="anna")
    with pytest.raises(NotNow, match="not paused"):
        resume(draft, by="anna")


def test_nothing_is_archived_while_records_are_under_way():
    workflow = make_workflow([TELL])
    make_item(make_run(workflow), make_person())

    with pytest.raises(NotNow, match="1 record is under way"):
        archive(workflow, by="anna")
    cancel_and_archive(workflow, by="anna")

    assert workflow.state == "archived"
    assert RunItem.objects.get().state == "cancelled"
    assert WorkflowRun.objects.get().state == "cancelled"


def test_a_queued_run_is_cancelled_before_its_workflow_is_archived():
    workflow = make_workflow([TELL])
    make_run(workflow, state="queued", started_at=None)

    with pytest.raises(NotNow, match="about to begin"):
        archive(workflow, by="anna")
    cancel_and_archive(workflow, by="anna")

    assert WorkflowRun.objects.get().state == "cancelled"


# The pages --------------------------------------------------------------------------------------


def test_the_page_says_what_it_would_do_and_asks_for_the_number(
    admin_page: Client, deleting: Workflow
):
    url = page_of(deleting, "activate")

    shown = text_of(admin_page.get(url))
    refused = text_of(admin_page.post(url, {"typed": "7"}))
    answer = admin_page.post(url, {"typed": "8"})

    deleting.refresh_from_db()
    assert "Matches 8 records now" in shown
    assert "Type 8 to say" in shown
    assert "7 was typed, but it matches 8 records now" in refused
    assert messages_of(admin_page, answer) == ['Version 1 of "Leavers" runs from now on.']
    assert deleting.activated_by == "it-admin"
    assert "Activated version 1" in LogEntry.objects.get().change_message


def test_taking_access_away_asks_for_the_password_again(admin_page: Client, deleting: Workflow):
    """S-19."""
    session = admin_page.session
    session[CONFIRMED_AT] = time.time() - LASTS_SECONDS - 1
    session.save()

    answer = admin_page.post(page_of(deleting, "activate"), {"typed": "8"})

    deleting.refresh_from_db()
    assert answer["Location"].startswith("/admin/integrations/credentials/confirm-password/")
    assert deleting.state == "draft"


def test_the_page_of_a_workflow_with_mistakes_offers_no_button(admin_page: Client):
    """C-11: and a form that is sent anyway is refused."""
    workflow = make_workflow([BROKEN], active=False)
    url = page_of(workflow, "activate")

    shown = admin_page.get(url)
    admin_page.post(url)

    workflow.refresh_from_db()
    assert 'type="submit">Activate' not in shown.content.decode()
    assert 'Block "tell", exit "success"' in text_of(shown)
    assert workflow.state == "draft"


def test_buttons_pause_resume_and_archive(admin_page: Client):
    workflow = make_workflow([TELL], name="Hello")
    states = []

    for name in ("pause", "resume", "archive"):
        answer = admin_page.post(page_of(workflow, name))
        workflow.refresh_from_db()
        states.append((workflow.state, messages_of(admin_page, answer)[0].split(".")[0]))

    assert states == [
        ("paused", '"Hello" is paused'),
        ("active", '"Hello" is active again'),
        ("archived", '"Hello" is archived'),
    ]


@pytest.mark.parametrize("name", ["pause", "resume", "restore"])
def test_the_address_of_a_button_leads_back_to_the_workflow(admin_page: Client, name: str):
    """Who signs in again after pressing it comes there; nothing is done by opening it."""
    workflow = make_workflow([TELL], name="Hello")

    answer = admin_page.get(page_of(workflow, name))

    workflow.refresh_from_db()
    assert answer["Location"] == f"/admin/workflows/workflow/{workflow.pk}/change/"
    assert messages_of(admin_page, answer) == [
        "Nothing was done yet. Press the button here once more."
    ]
    assert workflow.state == "active"


def test_archiving_asks_whether_what_is_under_way_is_cancelled(admin_page: Client):
    workflow = make_workflow([TELL])
    make_item(make_run(workflow), make_person())
    url = page_of(workflow, "archive")

    shown = text_of(admin_page.get(url))
    refused = messages_of(admin_page, admin_page.post(url))
    admin_page.post(url, {"cancel": "yes"})

    workflow.refresh_from_db()
    assert "1 record is under way" in shown
    assert "1 record is under way" in refused[0]
    assert workflow.state == "archived"


@pytest.mark.parametrize("name", ["activate", "pause", "resume", "archive"])
@pytest.mark.parametrize("who", ["workflow_editor", "auditor", "hr_viewer"])
def test_nobody_else_decides_what_runs(
    who: str, name: str, request: Any, open_as: Callable[[User], Client]
):
    """M-36, S-19."""
    workflow = make_workflow([TELL], active=name != "activate")
    if name == "resume":
        pause(workflow, by="anna")
    before = workflow.state

    answer = open_as(request.getfixturevalue(who)).post(page_of(workflow, name))

    workflow.refresh_from_db()
    assert answer.status_code == 403
    assert workflow.state == before


def test_validate_names_block_and_field_and_leads_there(editor_page: Client):
    """C-10, C-12, AH-50: with the place of the brace."""
    open_brace = {"recipients": ["it@example.com"], "subject": "{{email}", "message": "Hello"}
    workflow = make_workflow([{**BROKEN, "name": "Tell IT", "settings": open_brace}], active=False)

    answer = editor_page.get(page_of(workflow, "validate"))
    shown, page = text_of(answer), answer.content.decode()

    assert "cannot be activated yet" in shown
    assert 'Block "Tell IT", subject' in shown
    assert "at character " in shown
    assert f'href="/admin/workflows/workflow/{workflow.pk}/blocks/tell/"' in page
    assert f'{page_of(workflow, "change")}#id_exit__tell__success"' in page


def test_validate_says_that_a_workflow_is_whole(editor_page: Client):
    workflow = make_workflow([TELL], active=False)

    shown = text_of(editor_page.get(page_of(workflow, "validate")))

    assert "Version 1 is valid. An IT admin can activate it." in shown


def test_a_preview_shows_each_request_and_writes_nothing(admin_page: Client, deleting: Workflow):
    """Issue 5: for one record, or for all that match."""
    person = make_person(email="zoe@example.com", custom={"aha_user_id": "77"})

    everybody = text_of(admin_page.get(page_of(deleting, "preview")))
    one = text_of(admin_page.get(page_of(deleting, "preview"), {"record": person.email}))
    nobody = text_of(admin_page.get(page_of(deleting, "preview"), {"record": "no@example.com"}))

    assert "Disable in Aha!" in everybody
    assert "users/77" in one
    assert "zoe@example.com" in one
    assert "no@example.com" in nobody
    assert not WorkflowRun.objects.exists()


def test_a_preview_says_which_rule_does_not_hold(admin_page: Client):
    rules = {"all": [{"field": "email", "operator": "equals", "value": "helen@example.com"}]}
    workflow = make_workflow([TELL], begin={"rules": rules}, active=False)
    person = make_person(email="paris@example.com")

    shown = text_of(admin_page.get(page_of(workflow, "preview"), {"record": person.email}))

    assert "would not be started for this record" in shown


def test_a_preview_goes_page_by_page(editor_page: Client):
    workflow = make_workflow([TELL], active=False)
    for _ in range(21):
        make_person()
    url = page_of(workflow, "preview")

    first, second = editor_page.get(url), editor_page.get(url, {"page": "2"})
    odd = editor_page.get(url, {"page": "-1", "record": "\x00"})

    assert (len(first.context["rows"]), first.context["more"]) == (20, True)
    assert (len(second.context["rows"]), second.context["more"]) == (1, False)
    assert odd.status_code == 200


def test_an_application_without_saas_users_is_told_of(editor_page: Client):
    """C-23, GT-31, BW-38."""
    application = make_application()
    workflow = make_workflow([TELL], application=application, active=False)

    empty = text_of(editor_page.get(page_of(workflow, "validate")))
    make_saas_user(application)
    full = text_of(editor_page.get(page_of(workflow, "validate")))

    assert "User plus SaaS User" in empty
    assert "User plus SaaS User" not in full
