"""Starting by hand: all that match, one record, a selection, and events that started nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.admin.reauth import CONFIRMED_AT, LASTS_SECONDS
from people.models import Event
from tests.integrations.admin.pages import messages_of, read_form, text_of
from tests.makers import make_application, make_custom_field, make_person, make_saas_user
from tests.workflows.makers import make_workflow
from workflows import activating
from workflows.definition import Definition
from workflows.editing import save_definition
from workflows.models import Workflow, WorkflowRun

pytestmark = pytest.mark.django_db

START = "/admin/workflows/workflow/start/"
PEOPLE = "/admin/people/person/"
TELL = {
    "key": "tell",
    "kind": "notification",
    "name": "Tell IT",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": {"success": "end", "failure": "end"},
}
ARCHIVE = {
    "key": "gone",
    "kind": "archive",
    "name": "Archive",
    "exits": {"success": "end", "failure": "end"},
}
CLERKS = {"rules": {"all": [{"field": "title", "operator": "equals", "value": "Clerk"}]}}


def page_of(workflow: Workflow, name: str = "run") -> str:
    return f"/admin/workflows/workflow/{workflow.pk}/{name}/"


# Run now ------------------------------------------------------------------------------------------


def test_run_now_says_what_it_would_do_and_starts_nothing_by_looking(admin_page: Client) -> None:
    make_person()
    workflow = make_workflow([TELL], name="Greetings")

    text = text_of(admin_page.get(page_of(workflow)))

    assert text.count("Matches 1 record now") == 1
    assert "Run it for 1 record" in text
    assert not WorkflowRun.objects.exists()


def test_run_now_starts_it_for_all_that_match_in_the_name_of_who_pressed(
    admin_page: Client, it_admin: User
) -> None:
    make_person()
    workflow = make_workflow([TELL])

    answer = admin_page.post(page_of(workflow), {"version": "1"})

    run = WorkflowRun.objects.get()
    assert (run.trigger, run.started_by, run.selection) == ("manual", it_admin.username, {})
    assert answer["Location"] == f"/admin/workflows/workflowrun/{run.pk}/change/"


def test_another_version_by_now_is_not_started_unseen(admin_page: Client) -> None:
    make_person()
    workflow = make_workflow([TELL])

    text = text_of(admin_page.post(page_of(workflow), {"version": "7"}))

    assert "Version 1 runs by now. Look again, then start it." in text
    assert not WorkflowRun.objects.exists()


@pytest.mark.parametrize(("typed", "started"), [("", 0), ("7", 0), ("8", 1)])
def test_more_removals_than_the_limit_are_typed(
    admin_page: Client, typed: str, started: int
) -> None:
    for _number in range(8):
        make_person()
    workflow = make_workflow([ARCHIVE])
    asked = text_of(admin_page.get(page_of(workflow)))

    admin_page.post(page_of(workflow), {"version": "1", "typed": typed})

    assert "Type 8 to say that so many are meant" in asked
    assert WorkflowRun.objects.count() == started


def test_s_19_of_a_workflow_for_leavers_the_number_is_typed_too(admin_page: Client) -> None:
    """Activating does nothing to those who left before; running it for all of them does."""
    for _number in range(8):
        make_person(status="deactivated")
    workflow = make_workflow([ARCHIVE], begin={"actions": ["archive"]})
    asked = text_of(admin_page.get(page_of(workflow)))

    admin_page.post(page_of(workflow), {"version": "1"})

    assert "Type 8 to say that so many are meant" in asked
    assert not WorkflowRun.objects.exists()


def forget_password(client: Client) -> None:
    session = client.session
    session[CONFIRMED_AT] = time.time() - LASTS_SECONDS - 1
    session.save()


def test_the_password_is_asked_again_before_access_is_taken_away(admin_page: Client) -> None:
    make_person()
    workflow = make_workflow([ARCHIVE])
    forget_password(admin_page)

    answer = admin_page.post(page_of(workflow), {"version": "1", "typed": "1"})

    assert answer["Location"].startswith("/admin/integrations/credentials/confirm-password/")
    assert not WorkflowRun.objects.exists()


def test_a_paused_workflow_says_why_it_does_not_start(admin_page: Client) -> None:
    workflow = make_workflow([TELL], name="Greetings")
    workflow.state = "paused"
    workflow.save()

    told = messages_of(admin_page, admin_page.get(page_of(workflow)))

    assert told == ['"Greetings" is paused: resume it first.']


def test_an_editor_edits_and_starts_nothing(editor_page: Client) -> None:
    """S-19."""
    person = make_person()
    workflow = make_workflow([TELL])
    selection = {"action": "start_workflow", "_selected_action": person.pk, "confirmed": "1"}

    answers = [
        editor_page.post(page_of(workflow), {"version": "1"}),
        editor_page.post(f"{START}?person={person.pk}&workflow={workflow.pk}", {"confirmed": "1"}),
    ]
    editor_page.post(PEOPLE, {**selection, "workflow": workflow.pk, "count": "1", "version": "1"})

    assert {answer.status_code for answer in answers} == {403}
    assert not WorkflowRun.objects.exists()


# From a record ------------------------------------------------------------------------------------


def test_a_person_is_offered_the_active_workflows_that_fit(admin_page: Client) -> None:
    person = make_person()
    make_workflow([TELL], name="Fits")
    make_workflow([TELL], name="A draft", active=False)
    make_workflow([TELL], name="For accounts", application=make_application())
    panel = admin_page.get(f"{PEOPLE}{person.pk}/workflows/").content.decode()

    text = text_of(admin_page.get(START, {"person": person.pk}))

    assert f"{START}?person={person.pk}" in panel
    assert "Fits" in text
    assert "A draft" not in text
    assert "For accounts" not in text


def test_one_person_is_started_after_a_question(admin_page: Client) -> None:
    person = make_person()
    workflow = make_workflow([TELL], name="Greetings")
    path = f"{START}?person={person.pk}&workflow={workflow.pk}"
    asked = text_of(admin_page.get(path))
    before = WorkflowRun.objects.count()
    form = {"workflow": workflow.pk, "version": "1", "count": "1", "confirmed": "1"}

    admin_page.post(path, form)

    assert "It matches the rules of Begin now." in asked
    assert before == 0
    assert WorkflowRun.objects.get().selection == {"records": [person.pk]}


def test_a_rule_that_does_not_hold_is_named_and_nothing_is_offered(admin_page: Client) -> None:
    person = make_person(title="Head")
    workflow = make_workflow([TELL], begin=CLERKS)
    path = f"{START}?person={person.pk}&workflow={workflow.pk}"
    form = {"workflow": workflow.pk, "version": "1", "count": "1", "confirmed": "1"}

    text = text_of(admin_page.get(path))
    admin_page.post(path, form)

    assert "It would not start." in text
    assert "title" in text
    assert "Clerk" in text
    assert not WorkflowRun.objects.exists()


def test_the_value_of_a_hidden_field_is_not_told_by_a_rule(
    admin_page: Client, it_admin: User, hr_viewer: User, open_as: Callable[[User], Client]
) -> None:
    """M-36: somebody who may start workflows, and may not see the field."""
    from django.contrib.auth.models import Permission

    make_custom_field("Salary", visible_to_hr=False)
    person = make_person(custom={"salary": "98765"})
    rules = {"rules": {"all": [{"field": "salary", "operator": "equals", "value": "1"}]}}
    workflow = make_workflow([TELL], begin=rules)
    hr_viewer.user_permissions.add(Permission.objects.get(codename="run_workflow"))
    path = f"{START}?person={person.pk}&workflow={workflow.pk}"

    theirs = text_of(open_as(hr_viewer).get(path))

    assert "It would not start." in theirs
    assert "98765" not in theirs
    assert "98765" in text_of(admin_page.get(path))


def test_an_account_is_offered_the_workflows_of_its_application(admin_page: Client) -> None:
    aha, other = make_application(), make_application("Other", vendor="goto", tenant="2")
    account = make_saas_user(aha)
    make_workflow([TELL], name="Of Aha", application=aha)
    make_workflow([TELL], name="Of another", application=other)
    make_workflow([TELL], name="Of people")

    text = text_of(admin_page.get(START, {"account": account.pk}))

    assert "Of Aha" in text
    assert "Of another" not in text
    assert "Of people" not in text


@pytest.mark.parametrize("query", [{}, {"person": "x"}, {"person": "99999"}, {"account": "1"}])
def test_a_record_that_is_not_there_is_not_found(admin_page: Client, query: dict[str, str]) -> None:
    assert admin_page.get(START, query).status_code == 404


# From a selection ---------------------------------------------------------------------------------


def select(workflow: Workflow | None, ids: list[int], **more: Any) -> dict[str, Any]:
    form = {"action": "start_workflow", "select_across": "0", "_selected_action": ids, **more}
    return form if workflow is None else {**form, "workflow": workflow.pk}


def test_a_selection_is_started_after_two_questions(admin_page: Client) -> None:
    people = [make_person(title="Clerk"), make_person(title="Clerk"), make_person(title="Head")]
    workflow = make_workflow([TELL], name="Greetings", begin=CLERKS)
    ids = [person.pk for person in people]

    first = text_of(admin_page.post(PEOPLE, select(None, ids)))
    second = text_of(admin_page.post(PEOPLE, select(workflow, ids)))
    before = WorkflowRun.objects.count()
    admin_page.post(PEOPLE, select(workflow, ids, confirmed="1", version="1", count="3"))

    assert "Which workflow, for 3 people?" in first
    assert "2 of them match the rules of Begin now" in second
    assert before == 0
    assert sorted(WorkflowRun.objects.get().selection["records"]) == sorted(ids)


def test_the_whole_filtered_list_is_meant_where_all_is_selected(admin_page: Client) -> None:
    for _number in range(60):
        make_person(last_name="Abel")
    make_person(last_name="Other", email="other@example.com")
    workflow = make_workflow([TELL])
    one = admin_page.get(PEOPLE, {"q": "Abel"}).context["cl"].result_list[0].pk
    form = select(workflow, [one], confirmed="1", version="1", count="60")

    admin_page.post(f"{PEOPLE}?q=Abel", {**form, "select_across": "1"})

    assert len(WorkflowRun.objects.get().selection["records"]) == 60


def test_a_list_that_changed_meanwhile_is_shown_again(admin_page: Client) -> None:
    person = make_person()
    workflow = make_workflow([TELL])
    form = select(workflow, [person.pk], confirmed="1", version="1", count="2")

    text = text_of(admin_page.post(PEOPLE, form))

    assert "The list changed since it was shown." in text
    assert not WorkflowRun.objects.exists()


def test_a_selection_survives_the_question_for_the_password(
    admin_page: Client, it_admin: User
) -> None:
    """It is asked on the page that carries the selection; asking starts nothing."""
    it_admin.set_password("correct-horse-battery")
    it_admin.save()
    admin_page.force_login(it_admin)
    ids = [make_person().pk, make_person().pk]
    workflow = make_workflow([ARCHIVE])
    form = select(workflow, ids, confirmed="1", version="1", count="2", typed="2")
    forget_password(admin_page)

    asked = admin_page.post(PEOPLE, select(workflow, ids))
    without = text_of(admin_page.post(PEOPLE, form))
    wrong = text_of(admin_page.post(PEOPLE, {**form, "password": "guessed-wrongly"}))
    before = WorkflowRun.objects.count()
    admin_page.post(PEOPLE, {**form, "password": "correct-horse-battery"})

    carried = [f'name="_selected_action" value="{pk}"' for pk in ids]
    assert all(one in asked.content.decode() for one in [*carried, 'name="password"'])
    assert "This field is required." in without
    assert "This is not your password." in wrong
    assert before == 0
    assert sorted(WorkflowRun.objects.get().selection["records"]) == sorted(ids)


def test_the_password_is_not_asked_again_for_a_mistake_elsewhere(
    admin_page: Client, it_admin: User
) -> None:
    it_admin.set_password("correct-horse-battery")
    it_admin.save()
    admin_page.force_login(it_admin)
    person = make_person()
    workflow = make_workflow([ARCHIVE])
    path = f"{START}?person={person.pk}&workflow={workflow.pk}"
    form = {"workflow": workflow.pk, "version": "7", "count": "1", "confirmed": "1"}
    forget_password(admin_page)

    again = admin_page.post(path, {**form, "password": "correct-horse-battery"})
    admin_page.post(path, {**form, "version": "1"})

    assert "Version 1 runs by now." in text_of(again)
    assert b'name="password"' not in again.content
    assert WorkflowRun.objects.count() == 1


def test_accounts_are_selected_in_their_list_too(admin_page: Client) -> None:
    application = make_application()
    ids = [make_saas_user(application).pk for _number in range(2)]
    workflow = make_workflow([TELL], application=application)
    form = select(workflow, ids, confirmed="1", version="1", count="2")

    admin_page.post("/admin/saas/saasuser/", form)

    assert sorted(WorkflowRun.objects.get().selection["records"]) == sorted(ids)


def test_who_may_not_start_is_offered_no_action(
    hr_viewer: User, open_as: Callable[[User], Client], admin_page: Client
) -> None:
    make_saas_user(make_application())
    pages = [open_as(hr_viewer).get(path) for path in (PEOPLE, "/admin/saas/saasuser/")]

    assert not any(b"start_workflow" in page.content for page in pages)
    assert b"start_workflow" in admin_page.get("/admin/saas/saasuser/").content


# Events that started nothing ----------------------------------------------------------------------


@pytest.fixture
def joiners() -> Workflow:
    return make_workflow([TELL], name="Joiners", begin={"actions": ["new"]})


def undone(**fields: Any) -> Event:
    person = make_person(**fields)
    return Event.objects.create(
        object="person", object_id=person.pk, kind="new", source="undo", actor="ann", changes={}
    )


def test_m_19_what_started_nothing_is_listed_with_why(
    admin_page: Client, joiners: Workflow
) -> None:
    undone(email="maria@example.com")

    text = text_of(admin_page.get(page_of(joiners, "passed-over")))

    assert "maria@example.com" in text
    assert "It was written by an undo." in text


def shown_form(client: Client, workflow: Workflow, *ticked: Event, **typed: str) -> dict[str, Any]:
    """What the page as it is now sends, with these events ticked."""
    page = client.get(page_of(workflow, "passed-over"))
    ids = [event.pk for event in ticked]
    return {**read_form(page, "passed-over-form"), "event": ids, **typed}


def test_m_19_only_what_was_ticked_is_started(admin_page: Client, joiners: Workflow) -> None:
    chosen, other = undone(), undone()
    page = page_of(joiners, "passed-over")

    answer = admin_page.post(page, shown_form(admin_page, joiners, chosen))
    nothing = admin_page.post(page, {})

    run = WorkflowRun.objects.get()
    assert list(run.items.values_list("event_id", flat=True)) == [chosen.pk]
    assert other.pk not in run.items.values_list("event_id", flat=True)
    assert answer["Location"] == f"/admin/workflows/workflowrun/{run.pk}/change/"
    assert "Nothing was selected" in messages_of(admin_page, nothing)[-1]


def test_events_do_not_start_a_version_that_nobody_was_shown(
    admin_page: Client, joiners: Workflow
) -> None:
    event = undone()
    form = shown_form(admin_page, joiners, event)
    data = {"begin": {"actions": ["new"]}, "blocks": [{**TELL, "name": "Tell all"}]}
    version = save_definition(joiners, Definition.from_data(data), by=None, by_name="ben")
    activating.activate(joiners, version, by="ben")

    again = admin_page.post(page_of(joiners, "passed-over"), form)

    assert "Version 2 runs by now. Look again, then start it." in text_of(again)
    assert read_form(again, "passed-over-form")["event"] == [str(event.pk)]
    assert not WorkflowRun.objects.exists()


def test_m_19_a_page_of_before_a_pause_starts_nothing(
    admin_page: Client, joiners: Workflow
) -> None:
    """After it the workflow takes only what happens later."""
    form = shown_form(admin_page, joiners, undone())
    activating.pause(joiners, by="ben")
    activating.resume(joiners, by="ben")

    answer = admin_page.post(page_of(joiners, "passed-over"), form)

    told = messages_of(admin_page, answer)
    assert "they are from before it was active" in told[0]
    assert not WorkflowRun.objects.exists()


@pytest.mark.parametrize(("typed", "started"), [("", 0), ("7", 0), ("8", 1)])
def test_more_removals_by_events_than_the_limit_are_typed(
    admin_page: Client, typed: str, started: int
) -> None:
    workflow = make_workflow([ARCHIVE], begin={"actions": ["new"]})
    events = [undone() for _number in range(8)]
    page = page_of(workflow, "passed-over")

    asked = admin_page.post(page, shown_form(admin_page, workflow, *events))
    admin_page.post(page, {**read_form(asked, "passed-over-form"), "typed": typed})

    assert "Type 8 to say that so many are meant" in text_of(asked)
    assert WorkflowRun.objects.count() == started


def test_few_removals_by_events_are_not_typed(admin_page: Client) -> None:
    workflow = make_workflow([ARCHIVE], begin={"actions": ["new"]})
    events = [undone() for _number in range(8)]

    form = shown_form(admin_page, workflow, *events[:2])
    admin_page.post(page_of(workflow, "passed-over"), form)

    assert WorkflowRun.objects.get().matched == 2


def test_ticked_events_survive_the_question_for_the_password(
    admin_page: Client, it_admin: User
) -> None:
    it_admin.set_password("correct-horse-battery")
    it_admin.save()
    admin_page.force_login(it_admin)
    workflow = make_workflow([ARCHIVE], begin={"actions": ["new"]})
    event, page = undone(), page_of(workflow, "passed-over")
    forget_password(admin_page)

    asked = admin_page.post(page, shown_form(admin_page, workflow, event))
    form = read_form(asked, "passed-over-form")
    wrong = text_of(admin_page.post(page, {**form, "password": "guessed-wrongly"}))
    before = WorkflowRun.objects.count()
    admin_page.post(page, {**form, "password": "correct-horse-battery"})

    assert "This is not your password." in wrong
    assert before == 0
    assert WorkflowRun.objects.get().items.get().event_id == event.pk


def test_an_auditor_reads_what_was_passed_over_and_starts_nothing(
    auditor: User, open_as: Callable[[User], Client], joiners: Workflow
) -> None:
    event = undone()
    page = open_as(auditor)

    text = text_of(page.get(page_of(joiners, "passed-over")))

    assert "Start for the selected" not in text
    assert page.post(page_of(joiners, "passed-over"), {"event": event.pk}).status_code == 403
    assert not WorkflowRun.objects.exists()


def test_whom_a_rule_about_a_hidden_field_would_pick_is_not_told(
    auditor: User, open_as: Callable[[User], Client], admin_page: Client
) -> None:
    """M-36."""
    make_custom_field("Salary", visible_to_hr=False)
    rules = {"all": [{"field": "salary", "operator": "equals", "value": "14"}]}
    workflow = make_workflow([TELL], begin={"actions": ["new"], "rules": rules})
    undone(email="maria@example.com", custom={"salary": "14"})
    page = page_of(workflow, "passed-over")

    text = text_of(open_as(auditor).get(page))

    assert "maria@example.com" in text
    assert "Matches now" not in text
    assert "Matches now" in text_of(admin_page.get(page))
