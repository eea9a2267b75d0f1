"""Approvals: what waits for somebody, who reaches it, and saying the word once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.integrations.admin.pages import messages_of, text_of
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.models import BlockRun, RunItem

pytestmark = pytest.mark.django_db

LIST = "/admin/workflows/runitem/"
SAY = "/admin/workflows/runitem/say/"


def approval(*approvers: str) -> dict[str, Any]:
    return {
        "key": "ask",
        "kind": "approval",
        "name": "Ask HR",
        "settings": {"approvers": list(approvers), "message": "May it?", "deadline_days": 3},
        "exits": {"approved": "end", "rejected": "end", "expired": "end"},
    }


def make_waiting(*approvers: str, number: int = 1, message: str = "May Maria go?") -> list[RunItem]:
    run = make_run(make_workflow([approval(*approvers)]))
    now = timezone.now()
    return [
        make_item(
            run,
            make_person(),
            state="waiting",
            waits_for="approval",
            due_at=now + timedelta(days=3, minutes=one),
            context={"approval": {"asked_at": now.isoformat(), "message": message}},
        )
        for one in range(number)
    ]


def page_of(item: RunItem) -> str:
    return f"{LIST}{item.pk}/change/"


@pytest.fixture
def hr_page(hr_viewer: User, open_as: Callable[[User], Client]) -> Client:
    """Somebody who reads people, and no workflow."""
    return open_as(hr_viewer)


def test_an_approver_who_may_not_read_runs_reaches_their_approval(
    hr_viewer: User, hr_page: Client
) -> None:
    item = make_waiting(hr_viewer.username)[0]

    listed, asked = text_of(hr_page.get(LIST)), text_of(hr_page.get(page_of(item)))

    for text in (listed, asked):
        assert item.label in text
        assert "May Maria go?" in text
        assert item.workflow.name in text
    assert "Its way through the blocks" not in asked


def test_the_mail_about_several_records_leads_an_approver_to_those_of_the_run(
    hr_viewer: User, hr_page: Client
) -> None:
    mine, other = make_waiting(hr_viewer.username)[0], make_waiting(hr_viewer.username)[0]

    answer = hr_page.get(f"/admin/workflows/workflowrun/{mine.run_id}/change/", follow=True)

    assert mine.label in text_of(answer)
    assert other.label not in text_of(answer)


def test_an_approval_of_somebody_else_is_neither_listed_nor_opened_nor_decided(
    hr_page: Client,
) -> None:
    item = make_waiting("somebody-else")[0]

    told = messages_of(hr_page, hr_page.post(SAY, {"item": item.pk, "verdict": "approve"}))

    item.refresh_from_db()
    assert item.label not in text_of(hr_page.get(LIST))
    assert hr_page.get(page_of(item)).status_code == 403
    assert "You are none of the approvers" in told[0]
    assert item.label not in told[0]
    assert item.state == "waiting"


@pytest.mark.parametrize(("verdict", "word"), [("approve", "approved"), ("reject", "rejected")])
def test_a_word_with_its_reason_moves_the_item_on(
    hr_viewer: User, hr_page: Client, verdict: str, word: str
) -> None:
    item = make_waiting(hr_viewer.username)[0]
    form = {"item": item.pk, "verdict": verdict, "reason": "Talked to her.", "from": item.pk}

    answer = hr_page.post(SAY, form)

    item.refresh_from_db()
    said = item.context["approval"]
    assert item.state == "ready"
    assert (said["decision"], said["by"]) == (word, hr_viewer.username)
    assert said["reason"] == "Talked to her."
    assert messages_of(hr_page, answer) == [f"1 record is {word}. The workflow goes on by itself."]


def test_after_the_word_the_page_says_that_nothing_waits(hr_viewer: User, hr_page: Client) -> None:
    item = make_waiting(hr_viewer.username)[0]
    hr_page.post(SAY, {"item": item.pk, "verdict": "approve"})

    text = text_of(hr_page.get(page_of(item)))
    again = messages_of(hr_page, hr_page.post(SAY, {"item": item.pk, "verdict": "reject"}))

    assert "Nothing waits for you here" in text
    assert "approved it already" in again[0] or "does not wait" in again[0]


def test_several_are_decided_on_at_once_and_none_by_itself(
    hr_viewer: User, hr_page: Client
) -> None:
    items = make_waiting(hr_viewer.username, number=3)
    page = hr_page.get(LIST).content.decode()

    answer = hr_page.post(SAY, {"item": [items[0].pk, items[1].pk], "verdict": "approve"})

    assert "checked" not in page.partition("<table")[2].partition("</table>")[0]
    assert messages_of(hr_page, answer)[0].startswith("2 records are approved")
    assert RunItem.objects.get(state="waiting") == items[2]


def test_nothing_ticked_is_no_word(hr_viewer: User, hr_page: Client) -> None:
    make_waiting(hr_viewer.username)

    told = messages_of(hr_page, hr_page.post(SAY, {"verdict": "approve"}))

    assert told == ["Nothing was selected: tick records, then decide."]


def test_a_message_is_text_whatever_it_holds(hr_viewer: User, hr_page: Client) -> None:
    item = make_waiting(hr_viewer.username, message="<script>alert(1)</script>")[0]

    for path in (LIST, page_of(item)):
        assert b"<script>alert(1)" not in hr_page.get(path).content


def test_a_long_list_costs_what_a_short_one_does(hr_viewer: User, hr_page: Client) -> None:
    make_waiting(hr_viewer.username, number=2)
    hr_page.get(LIST)
    with CaptureQueriesContext(connection) as few:
        hr_page.get(LIST)
    make_waiting(hr_viewer.username, number=20)

    hr_page.get(LIST)
    with CaptureQueriesContext(connection) as many:
        hr_page.get(LIST)

    assert len(many) == len(few) <= 12


def test_the_side_bar_names_approvals_only_for_whom_one_waits(
    hr_viewer: User, hr_page: Client
) -> None:
    before = LIST in hr_page.get("/admin/").content.decode()
    make_waiting(hr_viewer.username)

    after = LIST in hr_page.get("/admin/").content.decode()

    assert (before, after) == (False, True)


def test_an_empty_list_says_what_is_listed_here(hr_page: Client) -> None:
    assert "Nothing waits for you" in text_of(hr_page.get(LIST))


@pytest.mark.parametrize("query", [{"run": "x"}, {"page": "-1"}, {"page": "9" * 30}])
def test_nonsense_in_the_address_breaks_nothing(hr_page: Client, query: dict[str, str]) -> None:
    assert hr_page.get(LIST, query).status_code == 200


def test_an_approver_does_not_read_who_else_went_through_the_workflow(
    hr_viewer: User, hr_page: Client
) -> None:
    """Of a record that never came to their block not even the name."""
    begin = {"key": "first", "kind": "archive", "exits": {"success": "ask"}}
    run = make_run(make_workflow([begin, approval(hr_viewer.username)]))
    never = make_item(run, make_person(), state="done", block="end")
    was_there = make_item(run, make_person(), state="done", block="end")
    BlockRun.objects.create(
        item=was_there,
        version=was_there.version,
        block="ask",
        kind="approval",
        exit="approved",
        started_at=timezone.now(),
        ended_at=timezone.now(),
    )

    assert hr_page.get(page_of(never)).status_code == 403
    assert was_there.label in text_of(hr_page.get(page_of(was_there)))
