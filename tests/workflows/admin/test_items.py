"""The page of one record in a run: its way, what may be seen of it, and by whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from people.models import CustomField, Event
from tests.integrations.admin.pages import text_of
from tests.makers import (
    make_application,
    make_custom_field,
    make_operation,
    make_person,
    make_saas_user,
)
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.admin.shown import HIDDEN_NOTE
from workflows.models import BlockRun, RunItem

pytestmark = pytest.mark.django_db

READ = {
    "key": "read",
    "kind": "api",
    "name": "Read details",
    "preset": "aha.get_user_details",
    "credentials": "Aha production",
    "exits": {"success": "end", "failure": "end"},
}
AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def make_step(item: RunItem, **fields: object) -> BlockRun:
    values = {
        "block": "read",
        "kind": "api",
        "name": "Read details",
        "exit": "failure",
        "started_at": AT,
        "ended_at": AT,
        **fields,
    }
    return BlockRun.objects.create(item=item, version=item.version, **values)


@pytest.fixture
def item() -> RunItem:
    person = make_person(email="maria@example.com")
    run = make_run(make_workflow([READ], name="Details"))
    return make_item(run, person, state="failed", block="end", note="Aha! did not know it.")


def page_of(item: RunItem) -> str:
    return f"/admin/workflows/runitem/{item.pk}/change/"


def test_the_way_is_told_block_by_block(admin_page: Client, item: RunItem) -> None:
    call = make_operation(state="asks")
    make_step(item, note="No answer.", status=404, code="not_found", tries=3, operation_id=call.pk)
    make_step(item, retry=1, exit="success", request={"method": "GET"}, answer={"id": "17"})

    answer = admin_page.get(page_of(item))
    text = text_of(answer)

    assert "1. Read details Failure HTTP 404 not_found" in text
    assert "2 Nov 2026, 09:30 UTC to 2 Nov 2026, 09:30 UTC, 3 tries" in text
    assert f"operation {call.pk} : it asks a person, settle it there" in text
    assert "2. Read details Success" in text
    assert '"id": "17"' in text
    assert text.index("1. Read") < text.index("2. Read")


def test_a_long_way_costs_what_a_short_one_does(admin_page: Client, item: RunItem) -> None:
    make_step(item)
    admin_page.get(page_of(item))
    with CaptureQueriesContext(connection) as few:
        admin_page.get(page_of(item))
    for number in range(20):
        make_step(item, retry=number + 1, operation_id=None)

    with CaptureQueriesContext(connection) as many:
        admin_page.get(page_of(item))

    assert len(many) == len(few) <= 12


def test_an_auditor_reads_everything_but_requests_and_answers(
    auditor: User, open_as: Callable[[User], Client], item: RunItem
) -> None:
    """M-36."""
    make_step(item, note="No answer.", request={"url": "/sent"}, answer={"got": "came back"})

    text = text_of(open_as(auditor).get(page_of(item)))

    assert "No answer." in text
    assert "/sent" not in text
    assert "came back" not in text
    assert "Requests and answers are for IT admins." in text


def test_payloads_may_hold_hidden_fields_so_they_need_the_sight_of_all(
    auditor: User, open_as: Callable[[User], Client], item: RunItem
) -> None:
    """M-36."""
    auditor.user_permissions.add(Permission.objects.get(codename="view_payload"))
    make_step(item, request={"salary": "98765"})
    make_custom_field("Salary", type=CustomField.Type.INTEGER, visible_to_hr=False)

    text = text_of(open_as(auditor).get(page_of(item)))

    assert "98765" not in text


@pytest.mark.parametrize("note", ["Salary: too high.", "No: 98765 is too much."])
def test_a_note_about_a_hidden_field_is_hidden(
    auditor: User, open_as: Callable[[User], Client], admin_page: Client, note: str
) -> None:
    """M-36: by its name, or by the value that the record has."""
    make_custom_field("Salary", type=CustomField.Type.INTEGER, visible_to_hr=False)
    person = make_person(custom={"salary": "98765"})
    item = make_item(make_run(make_workflow([READ])), person, state="failed", note=note)
    make_step(item, note=note)

    text = text_of(open_as(auditor).get(page_of(item)))
    of_run = text_of(open_as(auditor).get(f"/admin/workflows/workflowrun/{item.run_id}/change/"))

    assert note not in text + of_run
    assert HIDDEN_NOTE in text
    assert HIDDEN_NOTE in of_run
    assert note in text_of(admin_page.get(page_of(item)))


def test_what_the_run_wrote_is_shown_without_hidden_fields(
    auditor: User, open_as: Callable[[User], Client], admin_page: Client, item: RunItem
) -> None:
    make_custom_field("Salary", type=CustomField.Type.INTEGER, visible_to_hr=False)
    Event.objects.create(
        object="person",
        object_id=item.record_id,
        kind="edit",
        source="workflow",
        workflow_run_id=item.run_id,
        actor="Details",
        changes={"title": ["Clerk", "Head of desks"], "salary": ["91234", "98765"]},
    )
    Event.objects.create(
        object="person",
        object_id=item.record_id,
        kind="edit",
        source="admin",
        actor="ann",
        changes={"title": ["Head of desks", "Written by hand"]},
    )

    theirs = text_of(open_as(auditor).get(page_of(item)))

    assert "Head of desks" in theirs
    assert "98765" not in theirs
    assert "Written by hand" not in theirs
    assert "98765" in text_of(admin_page.get(page_of(item)))


def test_people_and_accounts_name_their_last_workflows(admin_page: Client, item: RunItem) -> None:
    application = make_application()
    account = make_saas_user(application, email="maria@example.com")
    of_account = make_item(
        make_run(make_workflow([READ], name="Accounts", application=application)), account
    )

    person_page = admin_page.get(f"/admin/people/person/{item.record_id}/workflows/")
    account_page = admin_page.get(f"/admin/saas/saasuser/{account.pk}/change/")

    assert page_of(item) in person_page.content.decode()
    assert "Failed" in text_of(person_page)
    assert page_of(of_account) in account_page.content.decode()
    assert "Details" not in text_of(account_page)


def test_the_panel_of_a_person_costs_the_same_for_many_items(
    admin_page: Client, item: RunItem
) -> None:
    path = f"/admin/people/person/{item.record_id}/workflows/"
    admin_page.get(path)
    with CaptureQueriesContext(connection) as few:
        admin_page.get(path)
    for _number in range(25):
        RunItem.objects.create(
            run=make_run(item.workflow),
            workflow=item.workflow,
            version=item.version,
            record_id=item.record_id,
            label=item.label,
            block="read",
        )

    admin_page.get(path)
    with CaptureQueriesContext(connection) as many:
        text = text_of(admin_page.get(path))

    assert len(many) == len(few)
    assert "The newest 20 are listed." in text


def test_who_may_not_read_runs_sees_no_panel(
    hr_viewer: User, open_as: Callable[[User], Client], item: RunItem
) -> None:
    page = open_as(hr_viewer)

    asked = [
        page.get(path).status_code
        for path in (page_of(item), f"/admin/people/person/{item.record_id}/workflows/")
    ]

    assert asked == [403, 403]


def test_a_note_of_a_block_that_reads_a_hidden_field_is_hidden_whatever_it_says(
    auditor: User, open_as: Callable[[User], Client], admin_page: Client
) -> None:
    """M-36: the value that it quotes may not be the one that the record has now."""
    make_custom_field("Salary", type=CustomField.Type.INTEGER, visible_to_hr=False)
    copies = {
        "key": "copy",
        "kind": "update",
        "settings": {"set": {"variables.grade": "{{ salary }}"}},
        "exits": {"success": "wait", "failure": "end"},
    }
    tells = {
        "key": "tell",
        "kind": "notification",
        "settings": {"message": "{{ variables.grade }}"},
    }
    run = make_run(make_workflow([copies, tells]))
    note = "It was 45678 then."
    item = make_item(run, make_person(custom={"salary": "98765"}), state="failed", note=note)
    held = make_item(run, make_person(), state="held", code="over_limit", block="tell", note=note)
    make_step(item, block="copy", kind="update", note=note)
    make_step(item, block="tell", kind="notification", note=note)
    make_step(item, block="other", note="A plain note.")
    of_run = f"/admin/workflows/workflowrun/{run.pk}/"
    pages = [page_of(item), page_of(held), f"{of_run}change/", f"{of_run}held/"]

    theirs = [text_of(open_as(auditor).get(page)) for page in pages]

    assert "A plain note." in theirs[0]
    for text in theirs:
        assert "45678" not in text
        assert HIDDEN_NOTE in text
    for page in pages:
        assert "45678" in text_of(admin_page.get(page))


def marked(client: Client, path: str) -> list[str]:
    """The entries of the side bar that a page marks as where it is."""
    entries = client.get(path).context["sidebar_navigation"]
    return [str(one["title"]) for section in entries for one in section["items"] if one["active"]]


def test_the_links_above_an_item_lead_to_its_run_and_leave_its_name_as_it_is(
    admin_page: Client,
) -> None:
    run = make_run(make_workflow(name="Leavers"))
    item = make_item(run, make_person(email="mia.taylor@example.com"), state="done", block="end")

    answer = admin_page.get(page_of(item))

    above = answer.content.decode().partition("<h1")[2].partition("</h1>")[0]
    shown = [one for one in re.split(r"<[^>]*>|chevron_right|\s{2,}", above) if one.strip(" >")]
    assert shown[-3:] == ["Workflow runs", f"Leavers, run {run.pk}", "mia.taylor@example.com"]
    assert f"/admin/workflows/workflowrun/{run.pk}/change/" in above
    assert "/admin/workflows/runitem/" not in above


def test_the_side_bar_marks_runs_unless_the_item_waits_for_the_reader(
    admin_page: Client, it_admin: User
) -> None:
    ask = {
        "key": "ask",
        "kind": "approval",
        "settings": {"approvers": [it_admin.username], "message": "May it?"},
    }
    run = make_run(make_workflow([ask]))
    ended = make_item(run, make_person(), state="done", block="end")
    waits = make_item(run, make_person(), state="waiting", waits_for="approval", block="ask")

    assert marked(admin_page, page_of(ended)) == ["Workflow runs"]
    assert marked(admin_page, page_of(waits)) == ["Approvals"]
    assert marked(admin_page, "/admin/workflows/runitem/") == ["Approvals"]
