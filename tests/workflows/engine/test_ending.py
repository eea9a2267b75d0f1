"""How a run stands when several begin, end, reject or ask again for it at the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.activating import archive, cancel_and_archive
from workflows.cancelling import cancel_run
from workflows.engine.finish import refresh_idle_runs, refresh_runs
from workflows.errors import CannotStart
from workflows.held import held_items, reject
from workflows.models import RunItem, Workflow, WorkflowRun
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


@pytest.mark.parametrize("cancels", ["the run", "the workflow"])
def test_who_cancels_what_somebody_moves_on_at_this_moment_waits_and_then_cancels(
    cancels: str,
) -> None:
    """A worker holds records before their run and workflow; who cancels must not hold them first."""
    workflow = make_workflow([TITLE])
    run = make_run(workflow)
    item = make_item(run, make_person())
    held, waits = Event(), Event()

    def moves_on() -> None:
        with transaction.atomic():
            RunItem.objects.select_for_update().get(pk=item.pk)
            held.set()
            assert waits.wait(timeout=60)
            WorkflowRun.objects.filter(pk=run.pk).update(matched=1)
            Workflow.objects.filter(pk=workflow.pk).update(failures_in_a_row=1)

    def cancels_all() -> None:
        assert held.wait(timeout=60)
        if cancels == "the run":
            cancel_run(run, by="ann")
        else:
            cancel_and_archive(workflow, by="ann")

    def looks_on() -> None:
        wait_until_somebody_waits_for_a_lock()
        waits.set()

    at_once(moves_on, cancels_all, looks_on)

    item.refresh_from_db()
    assert item.state == "cancelled"


def wait_until_somebody_waits_for_a_lock() -> None:
    """Another session of this database, at most a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone():
                return
        time.sleep(0.02)
    raise AssertionError("nobody waited")
