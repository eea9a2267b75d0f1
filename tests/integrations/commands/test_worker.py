"""The worker: queued runs are done once, lost ones again, and nothing ends it by accident."""

from __future__ import annotations

import json
import signal
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import services
from integrations.models import Integration, StagedRecord, SyncRun
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import Sandbox
from integrations.sync.lease import lease_seconds
from integrations.worker import (
    MAX_ATTEMPTS,
    Worker,
    cancel,
    ends_on_signals,
    free_lost_runs,
    next_run_id,
)
from people.models import Person
from tests.integrations.commands.conftest import signal_when_asked

BAMBOO, AHA = "BambooHR employees", "Aha! User Load"


def queue(name: str, **fields: Any) -> SyncRun:
    run = services.queue_run(Integration.objects.get(name=name), by="test")
    SyncRun.objects.filter(pk=run.pk).update(**fields)
    return SyncRun.objects.get(pk=run.pk)


def test_queued_runs_are_done_oldest_first(company: Sandbox):
    young = queue(BAMBOO)
    old = queue(AHA, queued_at=timezone.now() - timedelta(minutes=1))

    ended = Worker().do_due()

    assert [run.pk for run in ended] == [old.pk, young.pk]
    assert next_run_id() is None


def test_run_due_tells_what_it_did_and_ends_with_the_worst_code(company: Sandbox, run: Any):
    nothing = run("run_due", "--json")
    queue(BAMBOO)
    queue(AHA)
    ended = run("run_due", "--json")

    assert (nothing.code, json.loads(nothing.out)) == (0, {"runs": []})
    assert (ended.code, len(json.loads(ended.out)["runs"])) == (1, 2)


def test_a_run_whose_process_fell_silent_is_done_again(company: Sandbox):
    now = timezone.now()
    lost = queue(
        BAMBOO, state="running", fence=1, attempts=1, heartbeat_at=now - timedelta(seconds=46)
    )

    free_lost_runs()
    ended = Worker().do_due()

    assert [(run.pk, run.state, run.attempts, run.fence) for run in ended] == [
        (lost.pk, "done", 2, 2)
    ]


def test_a_run_that_shows_that_it_lives_is_left_alone(company: Sandbox):
    beat = timezone.now()
    queue(BAMBOO, state="running", heartbeat_at=beat)

    assert free_lost_runs(beat + timedelta(seconds=lease_seconds() - 1)) == 0
    assert Worker().do_due() == []
    assert free_lost_runs(beat + timedelta(seconds=lease_seconds() + 1)) == 1


def test_a_run_that_killed_five_processes_fails_with_a_clear_message(company: Sandbox):
    lost = queue(
        BAMBOO,
        state="running",
        attempts=MAX_ATTEMPTS,
        heartbeat_at=timezone.now() - timedelta(minutes=5),
    )
    StagedRecord.objects.create(
        run=lost, external_id="1", hash="", outcome="mapped", active=True, payload="{}"
    )

    assert free_lost_runs() == 0

    lost.refresh_from_db()
    assert (lost.state, lost.error_code) == ("failed", "process_lost")
    assert "5 times" in lost.error_message
    assert lost.finished_at is not None
    assert not StagedRecord.objects.exists()


def test_a_run_that_another_process_has_taken_is_left_to_it(company: Sandbox):
    taken = queue(BAMBOO, state="running", heartbeat_at=timezone.now())
    worker = Worker()

    assert worker._do(taken.pk) is None

    taken.refresh_from_db()
    assert taken.state == "running"


def test_a_cancelled_run_stays_cancelled(company: Sandbox):
    queued = queue(BAMBOO)

    assert cancel(queued.pk, by="it-admin")
    assert not cancel(queued.pk, by="it-admin")

    queued.refresh_from_db()
    assert (queued.state, Worker().do_due()) == ("cancelled", [])
    assert queued.error_message == "Stopped by it-admin; what it had done is kept."


@pytest.mark.django_db(transaction=True)
def test_sigterm_lets_the_present_run_end_and_begins_no_other(company: Sandbox):
    """F-06: the run that is under way has its time."""
    first, second = queue(BAMBOO), queue(AHA)
    (fault,) = company.faults.arm(
        [Fault(kind="delay", vendor="bamboohr", path="reports", seconds=3, count=1)]
    )
    worker = Worker()
    later = signal_when_asked(company, fault, signal.SIGTERM)

    with ends_on_signals(worker):
        ended = worker.do_due()

    later.join()
    second.refresh_from_db()
    assert ([run.pk for run in ended], ended[0].state) == ([first.pk], "done")
    assert second.state == "queued"


@pytest.mark.django_db(transaction=True)
def test_a_run_that_takes_too_long_to_stop_goes_back_to_the_queue(company: Sandbox):
    """SIGTERM: the present run has its time; what is not done by then is another process's."""
    run = queue(BAMBOO)
    (fault,) = company.faults.arm(
        [Fault(kind="delay", vendor="bamboohr", path="reports", seconds=120)]
    )
    worker = Worker(stop_within=0.3)
    later = signal_when_asked(company, fault, signal.SIGTERM)
    began = time.monotonic()

    with ends_on_signals(worker):
        worker.do_due()

    later.join()
    run.refresh_from_db()
    assert time.monotonic() - began < 60
    assert (run.state, run.attempts, run.fence) == ("queued", 0, 2)


def test_after_a_stop_another_worker_does_the_run(company: Sandbox):
    run = queue(BAMBOO, attempts=0, fence=1)

    Worker().do_due()

    run.refresh_from_db()
    assert (run.state, run.fence) == ("done", 2)


def test_a_person_is_created_once_however_often_the_run_is_begun(company: Sandbox):
    queue(BAMBOO)
    Worker().do_due()
    before = Person.objects.count()
    queue(BAMBOO, state="running", attempts=1, heartbeat_at=timezone.now() - timedelta(minutes=1))

    free_lost_runs()
    Worker().do_due()

    assert Person.objects.count() == before
