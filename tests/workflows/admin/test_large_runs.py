"""Runs of more records than a page counts: no wrong number, whatever is left out."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from people.bulk import insert_rows
from tests.integrations.admin.pages import text_of
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.engine.finish import refresh_runs
from workflows.models import RunItem, WorkflowRun

pytestmark = pytest.mark.django_db

LIST = "/admin/workflows/workflowrun/"
COLUMNS = (
    "run_id", "workflow_id", "version_id", "record_id", "label", "block", "state", "context",
    "created_at",
)  # fmt: skip


def run_of(**numbers: int) -> WorkflowRun:
    """A run under way with so many items in each state."""
    total = sum(numbers.values())
    run = make_run(make_workflow(), matched=total)
    states = [state for state, number in numbers.items() for _one in range(number)]
    of = (run.pk, run.workflow_id, run.version_id)
    now = timezone.now()
    rows = (
        (
            *of,
            place,
            f"user{place}@example.com",
            "end" if state == "done" else "ask",
            state,
            "{}",
            now,
        )
        for place, state in enumerate(states, start=1)
    )
    insert_rows(RunItem, COLUMNS, rows)
    return run


def page_of(run: WorkflowRun, name: str = "change") -> str:
    return f"{LIST}{run.pk}/{name}/"


def test_a_state_of_more_records_than_are_counted_is_told_by_what_the_run_matched(
    admin_page: Client,
) -> None:
    run = run_of(done=10_050, failed=20, held=7)

    text = text_of(admin_page.get(page_of(run)))

    assert "Records 10,077" in text
    assert "Done 10,050" in text
    assert "Failed 20" in text


def test_what_cannot_be_told_exactly_is_said_to_be_more(admin_page: Client) -> None:
    run = run_of(done=10_002, ready=10_003, held=3)

    page, listed = text_of(admin_page.get(page_of(run))), text_of(admin_page.get(LIST))

    assert "Records 20,008 Done more than 10,000" in page
    assert "Under way more than 10,000 Held 3" in page
    assert "more than 10,000 of 20,008" in page
    assert "20008 matched: more than 10,000 done, more than 10,000 waiting, 3 held." in listed


def test_the_progress_of_a_large_run_is_exact(admin_page: Client) -> None:
    run = run_of(done=10_002, ready=10_003, held=3)

    told = admin_page.get(page_of(run, "progress")).json()

    assert (told["done"], told["total"], told["amount"]) == (10_002, 20_008, "10,002 of 20,008")
    assert told["ended"] is False


def test_a_large_run_that_has_ended_tells_what_it_kept(admin_page: Client) -> None:
    run = run_of(done=10_002, failed=10_003)
    refresh_runs([run.pk], timezone.now())

    text = text_of(admin_page.get(page_of(run)))

    assert "Done 10,002 Failed 10,003" in text


def test_cancelling_a_large_run_says_more_than_were_counted(admin_page: Client) -> None:
    run = run_of(done=10_002, ready=10_003)
    other = run_of(done=1, waiting=2)

    large = text_of(admin_page.get(page_of(run, "cancel")))
    small = text_of(admin_page.get(page_of(other, "cancel")))

    assert "more than 10,000 records are under way" in large
    assert "user10003@example.com" in large
    assert "2 records are under way" in small
    assert "and more" not in small


def test_the_pages_of_a_run_follow_one_another_without_a_gap(admin_page: Client) -> None:
    run = make_run(make_workflow())
    people = [make_person() for _number in range(60)]
    for person in reversed(people):
        make_item(run, person)

    for query in ("", "state=ready"):
        first = admin_page.get(f"{page_of(run)}?{query}").context["page"]
        second = admin_page.get(f"{page_of(run)}?{first.next_query}").context["page"]

        shown = [row.item.record_id for row in (*first.rows, *second.rows)]
        assert sorted(shown) == [person.pk for person in people]
        assert (len(first.rows), second.next_query, second.is_first) == (50, "", False)
