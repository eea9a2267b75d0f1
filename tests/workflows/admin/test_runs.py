"""The list of runs and the page of one: what they say, whom they let do what, what they cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.integrations.admin.pages import messages_of, text_of
from tests.makers import make_application, make_operation, make_person, make_saas_user
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.activating import archive
from workflows.definition import Definition
from workflows.editing import latest_version, save_definition
from workflows.models import BlockRun, RunItem, WorkflowRun

pytestmark = pytest.mark.django_db

LIST = "/admin/workflows/workflowrun/"
TELL = {
    "key": "tell",
    "kind": "notification",
    "name": "Tell IT",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": {"success": "end", "failure": "end"},
}
WAIT = {
    "key": "wait",
    "kind": "delay",
    "name": "Wait a week",
    "settings": {"for_days": 7},
    "exits": {"success": "tell"},
}


def page_of(run: WorkflowRun, name: str = "change") -> str:
    return f"{LIST}{run.pk}/{name}/"


@pytest.fixture
def run() -> WorkflowRun:
    return make_run(make_workflow([WAIT, TELL], name="Leavers"), started_by="ann")


def queries(client: Client, path: str) -> int:
    """Of a second visit: the first one reads what the process keeps."""
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


# The list -----------------------------------------------------------------------------------------


def test_an_empty_list_says_what_comes_next(admin_page: Client) -> None:
    assert "No workflow has run yet." in text_of(admin_page.get(LIST))


def test_the_list_says_what_ran_by_whom_and_how_far_it_is(
    admin_page: Client, run: WorkflowRun
) -> None:
    make_item(run, make_person(), state="done")
    make_item(run, make_person(), state="failed")

    text = text_of(admin_page.get(LIST))

    assert f"Leavers, run {run.pk}" in text
    assert "By hand ann" in text
    assert "2 matched: 1 done, 1 failed." in text


def test_a_list_of_many_runs_costs_what_a_list_of_one_does(
    admin_page: Client, run: WorkflowRun
) -> None:
    make_item(run, make_person())
    few = queries(admin_page, LIST)

    for _number in range(12):
        make_item(make_run(run.workflow), make_person())

    assert queries(admin_page, LIST) == few == 12


@pytest.mark.parametrize("term", ["maria.keller", "MARIA.KELLER@example.com"])
def test_runs_are_found_by_the_e_mail_of_a_record(
    admin_page: Client, run: WorkflowRun, term: str
) -> None:
    make_item(run, make_person(email="maria.keller@example.com"))
    other = make_run(run.workflow)
    make_item(other, make_person())

    text = text_of(admin_page.get(LIST, {"q": term}))

    assert f"Leavers, run {run.pk}" in text
    assert f"Leavers, run {other.pk}" not in text


def test_a_person_is_not_found_by_the_id_of_an_account(
    admin_page: Client, run: WorkflowRun
) -> None:
    """Ids of people and of accounts are numbers of their own."""
    account = make_saas_user(make_application(), email="somebody@example.com")
    make_item(run, make_person(pk=account.pk, email="other@example.com"))

    text = text_of(admin_page.get(LIST, {"q": "somebody@example.com"}))

    assert f"Leavers, run {run.pk}" not in text


def test_the_list_filters_by_workflow_state_and_trigger(
    admin_page: Client, run: WorkflowRun
) -> None:
    other = make_run(make_workflow([TELL], name="Joiners"), state="done", trigger="event")

    found = [
        text_of(admin_page.get(LIST, query))
        for query in (
            {"of": other.workflow_id},
            {"state__exact": "done"},
            {"trigger__exact": "event"},
        )
    ]

    assert all(f"Joiners, run {other.pk}" in text for text in found)
    assert not any(f"Leavers, run {run.pk}" in text for text in found)


def test_runs_of_an_archived_workflow_stay(admin_page: Client) -> None:
    workflow = make_workflow([TELL], name="Old one")
    run = make_run(workflow, state="done", finished_at=timezone.now())

    archive(workflow, by="ann")

    assert f"Old one, run {run.pk}" in text_of(admin_page.get(LIST))
    assert admin_page.get(page_of(run)).status_code == 200


# The page of a run --------------------------------------------------------------------------------


def test_the_page_says_where_each_record_is_and_what_it_waits_for(
    admin_page: Client, run: WorkflowRun
) -> None:
    until = timezone.now().replace(year=2031, month=3, day=4, hour=5, minute=6)
    make_item(run, make_person(), state="waiting", waits_for="time", due_at=until)
    call = make_operation()
    make_item(
        run, make_person(), block="tell", state="waiting", waits_for="operation", operation=call
    )

    answer = admin_page.get(page_of(run))
    text = text_of(answer)

    assert "Wait a week" in text
    assert "Waits until 4 Mar 2031, 05:06 UTC" in text
    assert f"Waits for operation {call.pk}" in text
    assert f"/admin/integrations/operation/{call.pk}/change/".encode() in answer.content


def test_the_page_costs_the_same_for_three_records_and_for_sixty(
    admin_page: Client, run: WorkflowRun
) -> None:
    for _number in range(3):
        make_item(run, make_person())
    few = queries(admin_page, page_of(run))
    for _number in range(57):
        make_item(run, make_person())

    answer = admin_page.get(page_of(run))

    assert queries(admin_page, page_of(run)) == few == 11
    assert "Next page" in text_of(answer)
    assert answer.context["page"].next_query


def test_records_are_filtered_by_state_block_and_name(admin_page: Client, run: WorkflowRun) -> None:
    make_item(run, make_person(email="ann@example.com"), state="failed", block="tell")
    make_item(run, make_person(email="bob@example.com"), state="waiting", block="wait")

    for query in ({"state": "failed"}, {"block": "tell"}, {"q": "ann@"}):
        rows = admin_page.get(page_of(run), query).context["page"].rows
        assert [row.item.label for row in rows] == ["ann@example.com"], query


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"after": "9" * 40}, {"state": "'"}, {"q": "\x00"}, {"block": "no"}]
)
def test_nonsense_in_the_address_breaks_nothing(
    admin_page: Client, run: WorkflowRun, query: dict[str, str]
) -> None:
    assert admin_page.get(page_of(run), query).status_code == 200


def test_a_run_that_works_is_followed_and_one_that_only_waits_is_not(
    admin_page: Client, run: WorkflowRun
) -> None:
    item = make_item(run, make_person())
    WorkflowRun.objects.filter(pk=run.pk).update(matched=1)
    working = admin_page.get(page_of(run, "progress")).json()
    RunItem.objects.filter(pk=item.pk).update(
        state="waiting", waits_for="time", due_at=timezone.now() + timedelta(days=7)
    )

    waiting = admin_page.get(page_of(run, "progress")).json()

    assert (working["ended"], working["amount"]) == (False, "0 of 1")
    assert waiting["ended"] is True
    assert "data-rc-progress" not in admin_page.get(page_of(run)).content.decode()


def test_a_paused_workflow_is_named_as_the_reason_why_nothing_moves(
    admin_page: Client, run: WorkflowRun
) -> None:
    make_item(run, make_person())
    run.workflow.state, run.workflow.paused_because = "paused", "The key was refused."
    run.workflow.save()

    text = text_of(admin_page.get(page_of(run)))

    assert "The workflow is paused, so its records wait. The key was refused." in text


# Cancelling and retrying --------------------------------------------------------------------------


def test_a_run_is_cancelled_after_a_question(admin_page: Client, run: WorkflowRun) -> None:
    item = make_item(run, make_person())
    asked = text_of(admin_page.get(page_of(run, "cancel")))
    item.refresh_from_db()
    before = item.state

    answer = admin_page.post(page_of(run, "cancel"), {"confirmed": "1"})

    item.refresh_from_db()
    run.refresh_from_db()
    assert "1 record is under way" in asked
    assert (before, item.state, run.state) == ("ready", "cancelled", "cancelled")
    assert messages_of(admin_page, answer) == [
        "1 record was cancelled. What had been done is kept."
    ]


def test_only_the_records_that_were_ticked_are_cancelled(
    admin_page: Client, run: WorkflowRun
) -> None:
    one, other = make_item(run, make_person()), make_item(run, make_person())
    elsewhere = make_item(make_run(run.workflow), make_person())
    form = {"some": "1", "item": [one.pk, elsewhere.pk]}
    asked = text_of(admin_page.post(page_of(run, "cancel"), form))

    admin_page.post(page_of(run, "cancel"), {**form, "confirmed": "1"})

    states = dict(RunItem.objects.values_list("pk", "state"))
    assert "Cancel 1 record" in asked
    assert states == {one.pk: "cancelled", other.pk: "ready", elsewhere.pk: "ready"}


def test_nothing_ticked_cancels_nothing(admin_page: Client, run: WorkflowRun) -> None:
    make_item(run, make_person())

    answer = admin_page.post(page_of(run, "cancel"), {"some": "1", "confirmed": "1"})

    assert "Nothing was selected" in messages_of(admin_page, answer)[0]
    assert RunItem.objects.get().state == "ready"


def fail_at_tell(run: WorkflowRun) -> RunItem:
    item = make_item(run, make_person(), state="failed", block="end", has_failed=True)
    now = timezone.now()
    BlockRun.objects.create(
        item=item,
        version=item.version,
        block="read",
        kind="api",
        name="Read",
        exit="failure",
        started_at=now,
        ended_at=now,
    )
    return item


READ = {
    "key": "read",
    "kind": "api",
    "preset": "aha.get_user_details",
    "credentials": "Aha production",
    "exits": {"success": "end", "failure": "end"},
}


@pytest.mark.parametrize(("which", "number"), [("old", 1), ("current", 2)])
def test_what_failed_goes_on_with_the_version_that_was_chosen(
    admin_page: Client, which: str, number: int
) -> None:
    workflow = make_workflow([READ])
    run = make_run(workflow, state="failed", finished_at=timezone.now())
    item = fail_at_tell(run)
    data = {"begin": {"actions": ["manual"]}, "blocks": [{**READ, "name": "Mended"}]}
    save_definition(workflow, Definition.from_data(data), by=None, by_name="ann")
    workflow.active_version = latest_version(workflow)
    workflow.save()
    asked = text_of(admin_page.get(page_of(run, "retry")))

    answer = admin_page.post(page_of(run, "retry"), {"confirmed": "1", "version": which})

    item.refresh_from_db()
    assert "Version 1, with which they began." in asked
    assert "Version 2, which runs now." in asked
    assert (item.block, item.state, item.version.number) == ("read", "ready", number)
    assert messages_of(admin_page, answer) == ["1 record goes on from where it failed."]


def test_a_version_that_nobody_was_shown_is_not_retried_with(admin_page: Client) -> None:
    workflow = make_workflow([READ])
    run = make_run(workflow, state="failed", finished_at=timezone.now())
    item = fail_at_tell(run)
    data = {"begin": {"actions": ["manual"]}, "blocks": [{**READ, "name": "Mended"}]}
    save_definition(workflow, Definition.from_data(data), by=None, by_name="ann")
    workflow.active_version = latest_version(workflow)
    workflow.save()
    shown = run.version_id

    said = {"confirmed": "1", "version": "current", "shown": shown}
    answer = admin_page.post(page_of(run, "retry"), said)

    item.refresh_from_db()
    assert item.state == "failed"
    assert "Another version was activated since you looked." in messages_of(admin_page, answer)[0]


# Who may ------------------------------------------------------------------------------------------


def test_an_auditor_reads_runs_and_is_offered_nothing(
    auditor: User, open_as: Callable[[User], Client], run: WorkflowRun
) -> None:
    make_item(run, make_person(), state="failed")
    page = open_as(auditor)

    text = text_of(page.get(page_of(run)))

    assert "Retry" not in text
    assert "Cancel the run" not in text
    assert "Cancel selected" not in text
    for name in ("cancel", "retry", "decide"):
        assert page.post(page_of(run, name), {"confirmed": "1"}).status_code == 403, name
    assert RunItem.objects.get().state == "failed"


def test_who_may_not_read_runs_gets_none_of_their_pages(
    hr_viewer: User, open_as: Callable[[User], Client], run: WorkflowRun
) -> None:
    page = open_as(hr_viewer)

    asked = [page.get(LIST), *(page.get(page_of(run, n)) for n in ("change", "held", "progress"))]

    assert {answer.status_code for answer in asked} == {403}


def test_the_records_of_a_run_are_found_by_the_names_that_people_have(admin_page: Client) -> None:
    run = make_run(make_workflow([TELL]))
    make_item(run, make_person(email="m.t@example.com", first_name="Mia", last_name="Taylor"))
    make_item(run, make_person(email="other@example.com", first_name="Ben", last_name="Other"))
    page = f"/admin/workflows/workflowrun/{run.pk}/change/"

    found = text_of(admin_page.get(page, {"q": "tayl"}))

    assert "m.t@example.com" in found
    assert "other@example.com" not in found
