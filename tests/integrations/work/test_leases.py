"""A run is one process's at a time; who is paused or told to end writes nothing more (M-31)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from integrations import services
from integrations.errors import AlreadyRunning, LeaseLost
from integrations.models import Integration, SyncRun
from integrations.sync import execute
from integrations.sync.lease import (
    LEASE_SECONDS,
    Lease,
    claim,
    give_back_own_runs,
    lease_seconds,
    process_name,
)
from integrations.tasks import WorkerProcess
from integrations.worker import cancel, free_lost_runs
from people.models import Event
from tests.integrations.sync.worlds import World, tables

from .conftest import wait_for

CLICKS = 50


def silent_for(seconds: float) -> None:
    SyncRun.objects.update(heartbeat_at=F("heartbeat_at") - timedelta(seconds=seconds))


def queue(integration: Integration) -> SyncRun:
    return services.queue_run(Integration.objects.get(pk=integration.pk), by="test")


def in_threads(count: int, do: Any) -> None:
    def work() -> None:
        try:
            do()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_lease_lasts_15_seconds_on_postgresql_and_45_on_sqlite(db: None) -> None:
    assert LEASE_SECONDS == {"postgresql": 15, "sqlite": 45}


def test_a_lease_is_taken_over_after_it_ran_out_and_not_before(
    integrations: list[Integration],
) -> None:
    """M-31, F-12."""
    run = queue(integrations[0])
    lease = claim(run.pk)

    silent_for(lease_seconds() - 10)  # a slow machine needs some of these for what follows
    early = free_lost_runs()
    silent_for(11)
    late = free_lost_runs()

    run.refresh_from_db()
    assert (early, late, run.state, run.worker) == (0, 1, "queued", process_name())
    with pytest.raises(LeaseLost):
        lease.write()


@pytest.mark.postgresql
def test_leases_are_written_and_judged_by_the_clock_of_the_database(
    integrations: list[Integration],
) -> None:
    """F-13: a jump of the host's clock takes no run away."""
    run = queue(integrations[0])

    with CaptureQueriesContext(connection) as asked:
        claim(run.pk).write()
        free_lost_runs()

    beats = [one["sql"] for one in asked if "heartbeat_at" in one["sql"]]
    assert len(beats) >= 4
    assert all("STATEMENT_TIMESTAMP()" in sql for sql in beats if "FOR UPDATE" not in sql)


def test_a_run_that_is_not_due_yet_is_not_claimed(integrations: list[Integration]) -> None:
    """F-18: it is parked."""
    run = queue(integrations[0])
    SyncRun.objects.update(due_at=F("queued_at") + timedelta(hours=1))

    with pytest.raises(AlreadyRunning):
        claim(run.pk)

    assert cancel(run.pk, by="it-admin")


def test_who_was_paused_past_its_lease_writes_nothing_more(
    world: World, integrations: list[Integration]
) -> None:
    """F-12: SIGSTOP in the midst of a call, another process does the run, then SIGCONT."""
    run = queue(integrations[0])
    fault = world.sandbox.faults.add("delay", vendor="bamboohr", seconds=6, count=1)
    connections.close_all()
    child = multiprocessing.get_context("fork").Process(target=_execute, args=(run.pk,))
    child.start()
    assert child.pid is not None
    assert wait_for(lambda: world.sandbox.faults.fired(fault))

    os.kill(child.pid, signal.SIGSTOP)
    silent_for(lease_seconds() + 1)
    free_lost_runs()
    ended = execute(run.pk)
    before = tables(), SyncRun.objects.values().get()
    os.kill(child.pid, signal.SIGCONT)
    child.join(120)

    assert (ended.state, ended.attempts, ended.fence) == ("done", 2, 2)
    assert child.exitcode == 7
    assert (tables(), SyncRun.objects.values().get()) == before


def _execute(run_id: int) -> None:
    try:
        execute(run_id)
    except LeaseLost:
        os._exit(7)
    finally:
        connections.close_all()


def test_a_thread_that_is_stuck_writes_nothing_after_its_process_gave_the_run_back(
    integrations: list[Integration],
) -> None:
    """F-06: the fence is raised, and being stopped is no failed attempt."""
    run = queue(integrations[0])
    lease = claim(run.pk)

    assert give_back_own_runs() == 1

    run.refresh_from_db()
    assert (run.state, run.attempts, run.fence) == ("queued", 0, 2)
    with pytest.raises(LeaseLost):
        lease.write()
    assert isinstance(claim(run.pk), Lease)


def test_a_message_that_comes_three_times_at_once_does_nothing_twice(
    integrations: list[Integration],
) -> None:
    """F-11, G-05: twelve threads for four runs."""
    runs = [queue(one) for one in integrations]
    process = WorkerProcess()

    in_threads(3 * len(runs), process.do_work)

    for run in runs:
        run.refresh_from_db()
        # Partly done: another of the four wrote the same person at the same moment.
        assert run.state in {"done", "partial"}, run.error_message
        assert (run.attempts, run.fence) == (1, 1)
    assert process.busy() == 0
    kinds = Event.objects.filter(kind="new").values_list("object_id", flat=True)
    assert len(kinds) == len(set(kinds))


def test_fifty_clicks_at_once_make_one_run_and_49_polite_answers(
    integrations: list[Integration],
) -> None:
    """F-15: no other error, on both databases."""
    answers: list[str] = []

    def click() -> None:
        try:
            queue(integrations[0])
            answers.append("queued")
        except AlreadyRunning as told:
            answers.append(told.message)

    in_threads(CLICKS, click)

    assert len(answers) == CLICKS
    assert answers.count("queued") == 1
    assert all("is already running or queued" in one for one in answers if one != "queued")
    assert SyncRun.objects.count() == 1
