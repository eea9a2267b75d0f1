"""What somebody needs to read who uses the pages of workflows for the first time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.show import moment
from tests.integrations.admin.pages import read_form, save, text_of
from tests.makers import make_credentials, make_custom_field, make_operation, make_person
from tests.workflows.events import make_event
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.models import RunItem, Workflow

pytestmark = pytest.mark.django_db

ENDS = {"success": "end", "failure": "end"}
READ = {
    "key": "read",
    "kind": "api",
    "name": "Read details",
    "preset": "aha.get_user_details",
    "credentials": "Aha production",
    "exits": ENDS,
}
OWN = {
    "key": "own",
    "kind": "api",
    "name": "Own call",
    "credentials": "Aha production",
    "settings": {"request": {"method": "POST", "url": "/api/v1/users"}},
    "exits": ENDS,
}


def page_of(workflow: Workflow, *parts: str) -> str:
    return "/".join([f"/admin/workflows/workflow/{workflow.pk}", *parts, ""])


def draft(*blocks: Mapping[str, Any], **more: Any) -> Workflow:
    return make_workflow([dict(block) for block in blocks], active=False, **more)


# Begin and the table of blocks --------------------------------------------------------------------


def test_a_workflow_on_people_offers_each_field_of_a_person_once(admin_page: Client) -> None:
    """C-14: `person.title` and `title` are one field there; a rule that names it keeps it."""
    rules = {"all": [{"field": "person.title", "operator": "equals", "value": "Clerk"}]}
    plain, named = draft(READ), draft(READ, name="Named", begin={"rules": rules})

    shown = [admin_page.get(page_of(one, "change")).content.decode() for one in (plain, named)]

    assert ['value="person.title"' in html for html in shown] == [False, True]
    assert all('value="title"' in html for html in shown)
    assert not any('value="person.location"' in html for html in shown)


def test_placeholders_of_a_workflow_on_people_are_listed_once(admin_page: Client) -> None:
    """C-17."""
    workflow = draft(READ)

    html = admin_page.get(page_of(workflow, "blocks", "read")).content.decode()

    assert '<option value="title">' in html
    assert '<option value="person.title">' not in html


def test_the_table_of_blocks_says_what_each_block_does(admin_page: Client) -> None:
    workflow = draft(
        READ,
        {"key": "wait", "kind": "delay", "settings": {"for_days": 7}, "exits": {"success": "end"}},
        {"key": "on", "kind": "delay", "settings": {"until_field": "hire_date"}},
        {"key": "ask", "kind": "approval", "settings": {"approvers": ["IT admin", "ann"]}},
        {"key": "tell", "kind": "notification", "settings": {"recipients": ["it@acme.example"]}},
        {"key": "set", "kind": "update", "settings": {"set": {"job_code": "X-canary"}}},
        {
            "key": "if",
            "kind": "condition",
            "settings": {"rules": {"all": [{"field": "location", "operator": "is_empty"}]}},
        },
    )

    text = text_of(admin_page.get(page_of(workflow, "change")))

    for words in (
        "for 7 days",
        "until hire_date",
        "asks IT admin, ann",
        "to it@acme.example",
        "sets job_code",
        "by location",
    ):
        assert words in text
    assert "X-canary" not in text  # values stand on the page of the block


def test_a_description_that_somebody_wrote_in_between_is_not_lost(admin_page: Client) -> None:
    """No new version tells of it, so the number of the version cannot."""
    workflow = draft(READ, description="As it was")
    url = page_of(workflow, "change")
    begun = read_form(admin_page.get(url), "workflow_form")

    first = save(admin_page, url, form_id="workflow_form", description="By somebody else")
    second = admin_page.post(url, begun | {"actions": ["manual"]})

    workflow.refresh_from_db()
    assert first.status_code == 302
    assert workflow.description == "By somebody else"
    assert "while you worked on it. Nothing of yours was saved" in text_of(second)


@pytest.mark.parametrize(
    "block",
    [
        {"kind": "update", "settings": {"set": {"canary_field": "x"}}},
        {"kind": "notification", "settings": {"recipients": ["{{ person.canary_field }}"]}},
        {"kind": "delay", "settings": {"until_field": "canary_field"}},
    ],
)
def test_the_table_of_blocks_names_no_field_that_the_reader_may_not_see(
    editor_page: Client, block: dict[str, Any]
) -> None:
    """M-36."""
    make_custom_field("Canary field", visible_to_hr=False)
    workflow = draft({"key": "one", **block})

    text = text_of(editor_page.get(page_of(workflow, "change")))

    assert "names a field that you may not see" in text
    assert "canary_field" not in text


@pytest.mark.parametrize(
    "settings",
    [{"for_days": None}, {"until_field": ["x"]}, {"for_hours": {"a": 1}}, {}],
)
def test_the_table_of_blocks_stands_with_settings_of_any_shape(
    admin_page: Client, settings: dict[str, Any]
) -> None:
    workflow = draft({"key": "wait", "kind": "delay", "settings": settings})

    assert admin_page.get(page_of(workflow, "change")).status_code == 200


# Pages of blocks ----------------------------------------------------------------------------------


def test_a_mistake_in_the_body_says_in_which_part_of_it(admin_page: Client) -> None:
    """C-10: the character is counted in that part, so it has to be named."""
    make_credentials()
    body = {"email": "{{ email }}", "contact": {"phone": "{{ phone"}}
    request = {"method": "POST", "url": "/api/v1/users", "body": body}
    workflow = draft({**OWN, "settings": {"request": request}})

    text = text_of(admin_page.get(page_of(workflow, "blocks", "own")))

    assert "contact.phone: {{ is not closed, at character 1" in text


def test_a_tab_counts_each_thing_to_mend_in_it(admin_page: Client) -> None:
    """C-10, C-16."""
    make_credentials()
    body = {"email": "{{ emial }}", "phone": "{{ phone"}
    request = {"method": "POST", "url": "/api/v1/users", "body": body}
    workflow = draft({**OWN, "settings": {"request": request}})

    shown = admin_page.get(page_of(workflow, "blocks", "own"))

    assert 'data-wf-tab="Body" data-wf-trouble="2"' in shown.content.decode()


@pytest.mark.parametrize("name", ["", "my note"])
def test_a_variable_without_a_good_name_is_still_shown_as_a_variable(
    admin_page: Client, name: str
) -> None:
    """C-18: what was chosen and typed is not replaced by a field that "is no longer there"."""
    make_credentials()
    workflow = draft(READ)
    url = page_of(workflow, "blocks", "read")
    sent = {
        "response_positive-0-from": "{{ response.id }}",
        "response_positive-0-to": "=variable",
        "response_positive-0-variable": name,
    }

    save(admin_page, url, form_id="block_form", stay="1", **sent)
    shown = admin_page.get(url)

    assert "no longer there" not in text_of(shown)
    kept = read_form(shown, "block_form")
    assert kept["response_positive-0-to"] == "=variable"
    assert kept["response_positive-0-variable"] == name


def test_validate_says_the_character_once(admin_page: Client) -> None:
    """AH-50."""
    make_credentials()
    request = {"method": "POST", "url": "/api/{{ aha_user_id }"}
    workflow = draft({**OWN, "settings": {"request": request}})

    text = text_of(admin_page.get(page_of(workflow, "validate")))

    assert text.count("character") == 1


# Starting and runs --------------------------------------------------------------------------------


def test_a_start_for_one_person_says_what_is_called_where(admin_page: Client) -> None:
    """The page before it promises that, and so does the page of Run now."""
    make_custom_field()
    make_credentials()
    person = make_person()
    workflow = make_workflow([READ], name="Details")

    url = f"/admin/workflows/workflow/start/?person={person.pk}&workflow={workflow.pk}"
    text = text_of(admin_page.get(url))

    assert "It matches the rules of Begin now." in text
    assert '"Read details" calls GET on Aha!' in text


def make_waiting(note: str, **more: Any) -> RunItem:
    due = timezone.now() + timedelta(days=3)
    item = make_item(make_run(make_workflow([READ])), make_person())
    RunItem.objects.filter(pk=item.pk).update(
        state="waiting", waits_for="approval", due_at=due, note=note, **more
    )
    item.refresh_from_db()
    return item


def test_what_a_record_waits_for_is_said_once(admin_page: Client) -> None:
    """C-24."""
    item = make_waiting("")
    note = f"Waits for approval by ann until {moment(item.due_at)}."
    RunItem.objects.filter(pk=item.pk).update(note=note)

    text = text_of(admin_page.get(f"/admin/workflows/workflowrun/{item.run_id}/change/"))

    assert note in text
    assert "Waits for an approval, until" not in text


@pytest.mark.parametrize(
    ("who", "words"),
    [("it_admin", "then settle operation"), ("auditor", "let an IT admin settle operation")],
)
def test_a_call_that_asks_a_person_says_who_settles_it_and_where(
    who: str, words: str, request: pytest.FixtureRequest, open_as: Callable[[User], Client]
) -> None:
    """M-26, C-24."""
    item = make_waiting("Nobody knows whether it went through.")
    operation = make_operation(state="asks")
    RunItem.objects.filter(pk=item.pk).update(
        waits_for="operation", operation=operation, due_at=None
    )
    page = open_as(request.getfixturevalue(who))

    text = text_of(page.get(f"/admin/workflows/runitem/{item.pk}/change/"))

    assert f"{words} {operation.pk}" in text


def test_the_page_of_a_run_has_no_button_that_leads_to_itself(admin_page: Client) -> None:
    """A button "Run" there reads as if it started something."""
    item = make_waiting("")
    page = f"/admin/workflows/workflowrun/{item.run_id}/"

    shown = [admin_page.get(page + name).content.decode() for name in ("change/", "held/")]

    assert [">Run</a>" in html for html in shown] == [False, False]
    assert "Back to the run" in shown[1]


def test_a_long_value_that_was_written_does_not_fill_the_page(admin_page: Client) -> None:
    """BW-16, C-18: the whole answer stays on the record itself."""
    person = make_person()
    item = make_item(make_run(make_workflow([READ])), person)
    long_text = "canary " * 2_000
    make_event(
        person,
        kind="edit",
        changes={"location": ["", long_text]},
        workflow_run_id=item.run_id,
    )

    text = text_of(admin_page.get(f"/admin/workflows/runitem/{item.pk}/change/"))

    assert 10 < text.count("canary") < 200


# Empty lists --------------------------------------------------------------------------------------


def test_the_empty_list_of_operations_names_workflows_as_who_calls(admin_page: Client) -> None:
    text = text_of(admin_page.get("/admin/integrations/operation/"))

    assert "for now" not in text
    assert "Workflows" in text.split("No call that changes something")[1][:200]


def test_who_has_no_application_yet_is_led_to_the_integrations(admin_page: Client) -> None:
    """C-23."""
    html = admin_page.get("/admin/workflows/workflow/add/").content.decode()

    note = html.split("there is no application yet")[1][:400]
    assert "/admin/integrations/integration/" in note
