"""How a run stands when several begin, end, reject or ask again for it at the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.activating import archive
from workflows.engine.finish import refresh_idle_runs, refresh_runs
from workflows.errors import CannotStart
from workflows.held import held_items, reject
from workflows.models import WorkflowRun
from workflows.retrying import retry
from workflows.starts import start_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]
TITLE = {
    "key": "title",
    "kind": "update",
    "settings": {"set": {"title": "Chief"}},
    "exits": {"success": "end", "failure": "end"},
}


def at_once(*steps: Callable[[], object]) -> None:
    """Do these on threads, each with a connection of its own."""

    def alone(step: Callable[[], object]) -> None:
        try:
            step()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as pool:
        list(pool.map(alone, steps))


def test_a_run_of_which_two_people_reject_a_part_each_does_not_stay_held() -> None:
    """Each sees the other's part as held still; the tick ends the run then."""
    run = make_run(make_workflow([TITLE]), state=WorkflowRun.State.HELD)
    for _number in range(2):
        make_item(run, make_person(), state="held", code="held", held_hash="x")
    shown = [(one.id, one.hash) for one in held_items(run)]
    both = Barrier(2)

    def rejects(part: list[tuple[int, str]]) -> None:
        with transaction.atomic():
            reject(part, by="ann")
            both.wait(timeout=60)

    at_once(lambda: rejects(shown[:1]), lambda: rejects(shown[1:]))
    refresh_idle_runs(timezone.now())

    run.refresh_from_db()
    assert run.items.filter(state="cancelled").count() == 2
    assert (run.state, run.counts.get("cancelled")) == ("cancelled", 2)


def test_a_run_that_ends_while_a_record_of_it_is_asked_for_again_goes_on() -> None:
    run = make_run(make_workflow([TITLE]))
    failed = make_item(run, make_person(), state="failed", has_failed=True)
    make_item(run, make_person(), state="done", block="end")
    both = Barrier(2)

    def asks_again() -> None:
        with transaction.atomic():
            retry([failed.pk], by="ann")
            both.wait(timeout=60)
            time.sleep(0.5)  # the other looks meanwhile, and waits

    def ends() -> None:
        both.wait(timeout=60)
        refresh_runs([run.pk], timezone.now())

    at_once(asks_again, ends)

    run.refresh_from_db()
    assert (run.state, run.finished_at) == ("running", None)


def test_a_workflow_that_is_archived_while_it_is_started_keeps_no_run_that_begins_later() -> None:
    """Such a run would begin by itself when somebody activates the workflow again (C-09)."""
    workflow = make_workflow([TITLE])
    both = Barrier(2)
    refused: list[str] = []

    def archives() -> None:
        with transaction.atomic():
            archive(workflow, by="ann")
            both.wait(timeout=60)
            time.sleep(0.5)  # the other looks meanwhile, and waits

    def starts() -> None:
        both.wait(timeout=60)
        try:
            start_run(workflow, trigger="manual", started_by="bob", ids=None)
        except CannotStart as problem:
            refused.append(problem.message)

    at_once(archives, starts)

    workflow.refresh_from_db()
    assert workflow.state == "archived"
    assert not workflow.runs.exists()
    assert len(refused) == 1
