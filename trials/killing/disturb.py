"""The disturbances: what is done to a worker in one trial, until the run has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from signal import SIGCONT, SIGSTOP

from integrations.models import SyncRun
from trials.killing.stage import LONGEST, Attempt, Outcome, Stage
from trials.killing.tables import everything
from trials.killing.trap import Point
from trials.killing.workers import KILLED, Worker, wait_until


def kill(stage: Stage, outcome: Outcome, *, points: Sequence[Point]) -> Outcome:
    """Kill the worker at a point, and who takes it up at the next; the last one ends it (F-01)."""
    with stage.attempt() as attempt:
        died = [_dies_at(attempt, point) for point in points]
        outcome.missed = not died[0]
        return stage.judge(attempt, outcome, attempt.take_up())


def _dies_at(attempt: Attempt, point: Point) -> bool:
    """Start a worker that is killed at this point; whether it came so far."""
    attempt.let_lease_expire()
    worker = attempt.start(point)
    worker.wait(seconds=LONGEST)
    attempt.trap.release()
    attempt.quiet()
    return worker.code == KILLED


def kill_after(stage: Stage, outcome: Outcome, *, moment: float) -> Outcome:
    """Kill the worker so many seconds after it was started."""
    with stage.attempt() as attempt:
        worker = attempt.start()
        worker.began.wait(LONGEST)
        time.sleep(moment)
        worker.kill()
        worker.wait(seconds=LONGEST)
        attempt.quiet()
        return stage.judge(attempt, outcome, attempt.take_up())


def lose_answer(stage: Stage, outcome: Outcome, *, point: Point) -> Outcome:
    """Cut the connection after the commit and before its answer; the process lives on (F-08)."""
    with stage.attempt() as attempt:
        worker = attempt.start(point, lambda _worker: None)
        return _live_on(stage, attempt, outcome, worker)


def end_connections(stage: Stage, outcome: Outcome, *, point: Point) -> Outcome:
    """End every connection in the middle, as a restart of the database does (F-07)."""
    with stage.attempt() as attempt:
        worker = attempt.start(
            point, lambda _worker: _end_connections(stage, attempt), then="go on"
        )
        return _live_on(stage, attempt, outcome, worker)


def _end_connections(stage: Stage, attempt: Attempt) -> None:
    stage.place.end_connections(attempt.alias)


def _live_on(stage: Stage, attempt: Attempt, outcome: Outcome, worker: Worker) -> Outcome:
    """Let the worker end as it can; what it could not end, another one does."""
    worker.wait(seconds=LONGEST)
    attempt.close_our_connection()
    outcome.missed = not attempt.trap.sprung.is_set()
    attempt.trap.release()
    attempt.quiet()
    if not attempt.has_ended():
        worker = attempt.take_up()
    return stage.judge(attempt, outcome, worker)


def stop(stage: Stage, outcome: Outcome, *, point: Point) -> Outcome:
    """Stop the worker past its lease, let another one end the run, continue it (F-12)."""
    then = "hold" if point.phase == "not sent" else "go on"
    with stage.attempt() as attempt:
        stale = attempt.start(point, lambda worker: worker.signal(SIGSTOP), then=then)
        if not wait_until(
            lambda: attempt.trap.sprung.is_set() or stale.ended.is_set(), seconds=LONGEST
        ):
            outcome.other.append("the worker neither came to the point nor ended")
        outcome.missed = stale.ended.is_set()
        fence = attempt.run().fence
        last = _taken_over(attempt)
        before = everything(attempt.alias)
        attempt.trap.release()
        stale.signal(SIGCONT)
        if not stale.wait(seconds=LONGEST):
            outcome.not_ended = "the stopped process"
            stale.kill()
        taken_over = attempt.run().fence > fence
        if taken_over and everything(attempt.alias) != before:
            outcome.other.append("the stopped process wrote after another one had taken over")
        return stage.judge(attempt, outcome, last)


def _taken_over(attempt: Attempt) -> Worker:
    """Let another one end the run; on PostgreSQL only when what was left open there is over.

    A transaction that the stopped process has not ended keeps the run's row, as it must: the server
    ends it after `idle_in_transaction_session_timeout`.
    """
    end = time.monotonic() + LONGEST
    worker = attempt.take_up()
    while not attempt.has_ended() and time.monotonic() < end:
        time.sleep(1)
        worker = attempt.take_up()
    return worker


def together(stage: Stage, outcome: Outcome) -> Outcome:
    """Three workers take the same queue at the same time (G-05)."""
    with stage.attempt() as attempt:
        workers = [attempt.start() for _one in range(3)]
        for worker in workers:
            worker.wait(seconds=LONGEST)
        if attempt.run().attempts != 1:
            outcome.other.append(f"{attempt.run().attempts} processes worked on it")
        return stage.judge(attempt, outcome, workers[0])


def recover(stage: Stage, outcome: Outcome, *, point: Point) -> Outcome:
    """Kill it and start the loop at once, as a supervisor does; the leases are real (G-03)."""
    with stage.attempt() as attempt:
        outcome.missed = not _dies_at(attempt, point)
        if attempt.run().state == SyncRun.State.RUNNING:
            stage.measure_recovery(attempt, outcome)
        else:
            attempt.take_up()
        return stage.judge(attempt, outcome)
