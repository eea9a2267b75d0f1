"""Undo in the admin: the plan first, then one click; who may, and what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.models import Integration, PlannedChange, SyncRun
from integrations.sync import execute
from people.models import CustomField, Person
from tests.integrations.admin.pages import messages_of, text_of
from tests.makers import make_change, make_custom_field, make_integration, make_person, make_run

pytestmark = pytest.mark.django_db
LIST = "/admin/integrations/syncrun/"


def page_of(run: SyncRun, name: str = "undo") -> str:
    return f"{LIST}{run.pk}/{name}/"


def a_run_that_wrote_a_title(**fields: Any) -> tuple[SyncRun, Person]:
    person = make_person(title="Chief", email="ann@acme.example")
    run = make_run(make_integration(state="active"), **fields)
    make_change(
        run, target_id=person.pk, key=person.email, link_id=1, changes={"title": ["Clerk", "Chief"]}
    )
    return run, person


def test_the_page_shows_the_plan_and_changes_nothing(admin_page: Client) -> None:
    """M-16: counts, old -> new, that the integration is paused, what the next sync would do."""
    run, person = a_run_that_wrote_a_title()

    page = text_of(admin_page.get(page_of(run)))

    person.refresh_from_db()
    assert person.title == "Chief"
    assert "Person: Update 1" in page
    assert "Chief → Clerk" in page
    assert "is paused" in page
    assert "would write 0 of these again" in page
    assert not SyncRun.objects.filter(kind="undo").exists()


def test_one_click_undoes_pauses_and_links_both_runs(admin_page: Client) -> None:
    run, person = a_run_that_wrote_a_title()
    link = page_of(run)

    assert link in admin_page.get(page_of(run, "change")).content.decode()
    answer = admin_page.post(link)

    undone = SyncRun.objects.get(kind="undo")
    assert answer["Location"] == page_of(undone, "change")
    assert "is being undone" in messages_of(admin_page, answer)[0]
    assert execute(undone.pk).state == "done"
    person.refresh_from_db()
    assert person.title == "Clerk"
    assert Integration.objects.get().state == "paused"
    assert undone.started_by == "it-admin"
    was = admin_page.get(page_of(run, "change"))
    now = admin_page.get(page_of(undone, "change"))
    assert "This run was undone" in text_of(was)
    assert page_of(undone, "change") in was.content.decode()
    assert link not in was.content.decode()
    assert "This is the undo of" in text_of(now)
    assert page_of(run, "change") in now.content.decode()
    assert "Clerk" in text_of(admin_page.get(page_of(undone, "plan")))


def test_a_second_click_says_that_it_was_undone_already(admin_page: Client) -> None:
    run, _person = a_run_that_wrote_a_title()
    admin_page.post(page_of(run))

    answer = admin_page.post(page_of(run))

    assert "undone already" in messages_of(admin_page, answer)[-1]
    assert SyncRun.objects.filter(kind="undo").count() == 1
    assert "cannot be undone" in text_of(admin_page.get(page_of(run)))


@pytest.mark.parametrize("user", ["auditor", "hr_viewer", "workflow_editor"])
def test_who_lacks_the_permission_sees_no_button_and_is_refused(
    user: str, request: pytest.FixtureRequest, open_as: Callable[[User], Client]
) -> None:
    """M-36: undoing is the IT admin's."""
    run, _person = a_run_that_wrote_a_title()
    browser = open_as(request.getfixturevalue(user))

    answers = [browser.get(page_of(run)), browser.post(page_of(run))]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert page_of(run) not in browser.get(page_of(run, "change")).content.decode()
    assert not SyncRun.objects.filter(kind="undo").exists()


def test_a_hidden_field_stays_hidden(open_as: Callable[[User], Client], auditor: User) -> None:
    """M-36: also for somebody who may undo but not see it."""
    from django.contrib.auth.models import Permission

    make_custom_field("Salary", visible_to_hr=False)
    person = make_person(email="ann@acme.example", custom={"salary": "canary-new"})
    run = make_run(make_integration(state="active"))
    make_change(
        run, target_id=person.pk, link_id=1, changes={"salary": ["canary-old", "canary-new"]}
    )
    auditor.user_permissions.add(Permission.objects.get(codename="undo_syncrun"))

    page = text_of(open_as(auditor).get(page_of(run)))

    assert CustomField.objects.filter(key="salary", visible_to_hr=False).exists()
    assert "canary" not in page
    assert "Salary" not in page
    assert "Person: Update 1" in page


def test_what_stays_is_listed_with_the_reason(admin_page: Client) -> None:
    run, person = a_run_that_wrote_a_title()
    Person.objects.filter(pk=person.pk).update(title="Typed")

    page = text_of(admin_page.get(page_of(run)))

    assert "There is nothing to undo." in page
    assert "Job title: it holds something else now" in page
    assert "Undo this run" not in page


def test_a_long_plan_shows_its_first_rows_and_asks_as_much_as_a_short_one(
    admin_page: Client, django_assert_max_num_queries: Any
) -> None:
    run = make_run(make_integration(state="active"))
    people = [make_person(title="Chief") for _number in range(230)]
    PlannedChange.objects.bulk_create(
        PlannedChange(
            run=run,
            object="person",
            action="update",
            state="applied",
            key=person.email,
            external_id=str(person.pk),
            link_id=1,
            target_id=person.pk,
            changes={"title": ["Clerk", "Chief"]},
        )
        for person in people
    )

    with django_assert_max_num_queries(45):
        page = admin_page.get(page_of(run))

    assert "The first 200 of 230" in text_of(page)
    assert page.content.decode().count("Clerk") == 200


@pytest.mark.parametrize("fields", [{"kind": "preview"}, {"state": "running"}, {"kind": "undo"}])
def test_what_cannot_be_undone_has_no_button_and_says_why(
    admin_page: Client, fields: dict[str, Any]
) -> None:
    run, _person = a_run_that_wrote_a_title(**fields)

    run_page = admin_page.get(page_of(run, "change")).content.decode()

    assert page_of(run) not in run_page
    assert "cannot be undone" in text_of(admin_page.get(page_of(run)))
