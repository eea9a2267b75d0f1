"""Deciding on what a run holds: as it was shown, by whom may, with the password (M-14, M-17)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.admin.reauth import CONFIRMED_AT, LASTS_SECONDS
from people.models import Person
from tests.integrations.admin.pages import messages_of, text_of
from tests.makers import (
    make_application,
    make_credentials,
    make_integration,
    make_person,
    make_saas_user,
)
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.engine.advance import advance_one
from workflows.held import held_items
from workflows.models import RunItem, WorkflowRun

pytestmark = pytest.mark.django_db(transaction=True)
ARCHIVE = {"key": "gone", "kind": "archive", "name": "Archive leavers", "exits": {"success": "end"}}


def go() -> None:
    for _number in range(20):
        if not advance_one(timezone.now() + timedelta(seconds=1)):
            return
    raise AssertionError("It never ended.")


@pytest.fixture
def run() -> WorkflowRun:
    """Two of three people are to be deactivated, one more than the guard lets pass."""
    people = [make_person() for _number in range(3)]
    run = make_run(make_workflow([ARCHIVE], name="Leavers"))
    for person in people[:2]:
        make_item(run, person)
    go()
    return run


def page_of(run: WorkflowRun, name: str) -> str:
    return f"/admin/workflows/workflowrun/{run.pk}/{name}/"


def tokens(run: WorkflowRun) -> list[str]:
    return [f"{one.id}:{one.hash}" for one in held_items(run)]


def forget_password(client: Client) -> None:
    session = client.session
    session[CONFIRMED_AT] = time.time() - LASTS_SECONDS - 1
    session.save()


def gone() -> int:
    return Person.objects.filter(status="deactivated").count()


def test_the_run_leads_to_the_names_that_are_held_and_why(
    admin_page: Client, run: WorkflowRun
) -> None:
    banner = text_of(admin_page.get(page_of(run, "change")))
    text = text_of(admin_page.get(page_of(run, "held")))

    assert "2 records are held." in banner
    assert all(label in text for label in run.items.values_list("label", flat=True))
    assert "limit of 1" in text
    assert "Archive leavers" in text


def test_m_14_what_was_ticked_is_done_after_the_number_was_typed(
    admin_page: Client, run: WorkflowRun
) -> None:
    form = {"verdict": "approve", "row": tokens(run)}
    asked = admin_page.post(page_of(run, "decide"), form)
    wrong = admin_page.post(page_of(run, "decide"), {**form, "confirmed": "1", "typed": "3"})
    before = gone()

    admin_page.post(page_of(run, "decide"), {**form, "confirmed": "1", "typed": "2"})
    go()

    assert "Approve 2 records" in text_of(asked)
    assert "type that number" in text_of(wrong)
    assert (before, gone()) == (0, 2)


def test_one_of_two_is_rejected_and_the_other_stays(admin_page: Client, run: WorkflowRun) -> None:
    form = {"verdict": "reject", "row": tokens(run)[:1], "confirmed": "1"}

    told = messages_of(admin_page, admin_page.post(page_of(run, "decide"), form))

    assert told == ["1 record is rejected: nothing is done with them."]
    assert sorted(run.items.values_list("state", flat=True)) == ["cancelled", "held"]


def test_m_14_what_changed_since_it_was_shown_is_left_and_named(
    admin_page: Client, run: WorkflowRun
) -> None:
    rows = tokens(run)
    RunItem.objects.filter(pk=int(rows[0].partition(":")[0])).update(held_hash="another")
    form = {"verdict": "approve", "row": rows, "confirmed": "1", "typed": "2"}

    told = messages_of(admin_page, admin_page.post(page_of(run, "decide"), form))

    assert any("It changed since it was shown; look again." in one for one in told)
    assert sorted(run.items.values_list("state", flat=True)) == ["held", "ready"]


def test_the_password_is_asked_again_before_removals(
    admin_page: Client, it_admin: User, run: WorkflowRun
) -> None:
    it_admin.set_password("correct-horse-battery")
    it_admin.save()
    admin_page.force_login(it_admin)
    forget_password(admin_page)
    form = {"verdict": "approve", "row": tokens(run), "confirmed": "1", "typed": "2"}

    without = admin_page.post(page_of(run, "decide"), form)
    admin_page.post(page_of(run, "decide"), {**form, "password": "correct-horse-battery"})

    assert "Your password" in text_of(without)
    assert set(run.items.values_list("state", flat=True)) == {"ready"}


def test_m_17_a_second_person_has_to_say_the_same(
    admin_page: Client, run: WorkflowRun, settings: Any
) -> None:
    settings.SECOND_PERSON = True
    form = {"verdict": "approve", "every": "1", "confirmed": "1", "typed": "2"}

    told = messages_of(admin_page, admin_page.post(page_of(run, "decide"), form))

    assert "a second person has to approve them too" in told[0]
    assert set(run.items.values_list("state", flat=True)) == {"held"}


def test_an_auditor_looks_and_decides_nothing(
    auditor: User, open_as: Callable[[User], Client], run: WorkflowRun
) -> None:
    page = open_as(auditor)

    text = text_of(page.get(page_of(run, "held")))
    form = {"verdict": "approve", "row": tokens(run), "confirmed": "1", "typed": "2"}

    assert "An IT admin decides." in text
    assert page.post(page_of(run, "decide"), form).status_code == 403
    assert set(run.items.values_list("state", flat=True)) == {"held"}


def test_tokens_of_another_run_or_none_at_all_decide_nothing(
    admin_page: Client, run: WorkflowRun
) -> None:
    other = make_run(run.workflow)

    for rows in ([], ["x"], ["1:2"]):
        form = {"verdict": "approve", "row": rows, "confirmed": "1"}
        told = messages_of(admin_page, admin_page.post(page_of(other, "decide"), form))
        assert told == ["Nothing was selected: tick records, then decide."]


def test_rows_of_one_run_are_not_decided_on_at_another(
    admin_page: Client, run: WorkflowRun
) -> None:
    """Its page would ask for nothing that a removal needs."""
    other = make_run(make_workflow([ARCHIVE]))
    form = {"verdict": "approve", "row": tokens(run), "confirmed": "1"}

    admin_page.post(page_of(other, "decide"), form)

    assert set(run.items.values_list("state", flat=True)) == {"held"}


# Which counter a removal goes by ------------------------------------------------------------------


DELETE = {
    "key": "delete",
    "kind": "api",
    "name": "Delete at GoTo",
    "preset": "goto.delete_users",
    "credentials": "GoTo key",
    "exits": {"success": "gone"},
}


def leavers(people: int, *, accounts: int, **held: int) -> WorkflowRun:
    """A run on people that holds so many at each block, of so many who work here, or are at GoTo."""
    key = make_credentials("GoTo key", vendor="goto")
    about = {"vendor": "goto", "tenant": "77"}
    application = make_application("GoTo", **about)
    make_integration(
        "GoTo users", credentials=key, inputs={"account_key": "77"}, state="active", **about
    )
    for _number in range(accounts):
        make_saas_user(application)
    everybody = iter([make_person() for _number in range(people)])
    run = make_run(make_workflow([DELETE, ARCHIVE]), state="held")
    for block, number in held.items():
        for person in islice(everybody, number):
            make_item(run, person, block=block, state="held", code="held", held_hash="as shown")
    return run


def approve_all(client: Client, run: WorkflowRun, **typed: str) -> str:
    form = {"verdict": "approve", "row": tokens(run), "confirmed": "1", **typed}
    return text_of(client.post(page_of(run, "decide"), form))


def test_m_15_a_call_counts_at_the_account_that_it_goes_to(admin_page: Client) -> None:
    """Six of 60 people are within the limit of people, six of 20 accounts are not."""
    run = leavers(60, accounts=20, delete=6)

    without = approve_all(admin_page, run)
    before = set(run.items.values_list("state", flat=True))
    approve_all(admin_page, run, typed="6")

    assert "6 of them are more than the limit of 5 removals of GoTo accounts" in without
    assert "Type 6 to confirm" in without
    assert before == {"held"}
    assert set(run.items.values_list("state", flat=True)) == {"ready"}


def test_m_15_a_call_does_not_count_as_a_removal_of_people(admin_page: Client) -> None:
    """Two of three people are more than the limit of people, two of 60 accounts are not."""
    run = leavers(3, accounts=60, delete=2)

    approve_all(admin_page, run)

    assert set(run.items.values_list("state", flat=True)) == {"ready"}


def test_m_15_each_counter_is_compared_with_what_counts_there(admin_page: Client) -> None:
    """Of eight removals, four are of people and four of accounts; each limit is five."""
    within = leavers(50, accounts=20, delete=4, gone=4)

    approve_all(admin_page, within)

    assert set(within.items.values_list("state", flat=True)) == {"ready"}


def test_m_15_every_counter_whose_limit_is_exceeded_is_named(admin_page: Client) -> None:
    run = leavers(20, accounts=20, delete=6, gone=7)

    text = approve_all(admin_page, run, typed="7")

    assert "6 of them are more than the limit of 5 removals of GoTo accounts" in text
    assert "7 of them are more than the limit of 5 removals of people" in text
    assert "These are 13 removals: type that number." in text
