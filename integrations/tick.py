"""The tick: every five seconds it looks at the database and wakes who works (M-31).

It does no work itself. Two of them at once are harmless.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.utils import timezone

from integrations.approvals import queue_all_approved
from integrations.broker import find_broker_problem, wake
from integrations.children import bond
from integrations.holding import for_workers
from integrations.models import WorkingProcess
from integrations.notices import queue_expiry_notices
from integrations.oauth.keeping import waiting_refreshes
from integrations.oauth.telling import queue_idle_notices
from integrations.operations.advance import (
    ask_about_local,
    note_lost_senders,
    refuse_overdue,
    waiting_operations,
)
from integrations.outbox import note_lost_claims, waiting_mails
from integrations.presence import (
    EVERY_SECONDS,
    Workers,
    end_presence,
    find_workers,
    forget_old_processes,
    show_presence,
)
from integrations.slots import make_due_runs
from integrations.sync.lease import due_runs
from integrations.undoing import drop_old_plans
from integrations.worker import free_lost_runs

logger = logging.getLogger(__name__)
TICK_SECONDS = EVERY_SECONDS
# Longer than this no piece waits while a worker has nothing to do, unless messages do not arrive.
_TOO_LONG_SECONDS = 20.0
_CHILD_GRACE_SECONDS = 30.0
_LONGEST_WAIT_FOR_DATABASE = 10.0

Step = Callable[[datetime], Any]
Source = Callable[[datetime], tuple[int, datetime | None]]


def _forget(_now: datetime) -> None:
    forget_old_processes()


def _free(_now: datetime) -> None:
    free_lost_runs()  # by the clock of the database


def _free_operations(_now: datetime) -> None:
    note_lost_senders()  # by the clock of the database


def _take_up_approved(_now: datetime) -> None:
    queue_all_approved()


def waiting_runs(_now: datetime) -> tuple[int, datetime | None]:
    """How many runs may be begun, and since when the first of them could be. One query."""
    moments = [
        due_at or queued_at
        for due_at, queued_at in for_workers(due_runs()).values_list("due_at", "queued_at")
    ]
    return len(moments), min(moments, default=None)


# What becomes due, in the order in which it is looked at; each commits by itself. The app above
# adds its own to both lists.
STEPS: list[Step] = [
    _free,
    _free_operations,
    refuse_overdue,
    ask_about_local,
    _take_up_approved,
    make_due_runs,
    _forget,
    note_lost_claims,
    queue_expiry_notices,
    queue_idle_notices,
    drop_old_plans,
]
# What a worker would do: how many pieces, and since when the oldest waits.
SOURCES: list[Source] = [
    waiting_runs,
    waiting_operations,
    waiting_mails,
    waiting_refreshes,
]


@dataclass(frozen=True)
class Waiting:
    """Pieces that may be begun now, and for how many seconds the oldest has waited."""

    number: int
    seconds: float


def make_due(now: datetime) -> None:
    """Do every step; one that meets an error of its own does not keep the others from theirs."""
    for step in STEPS:
        try:
            step(now)
        except Error:
            raise
        except Exception:
            logger.exception("A step of the tick failed.")


def find_waiting(now: datetime) -> Waiting:
    """Look into every source. One query each."""
    found = [source(now) for source in SOURCES]
    oldest = min((since for _number, since in found if since is not None), default=now)
    return Waiting(sum(number for number, _since in found), (now - oldest).total_seconds())


class Tick:
    """Makes work due, wakes workers, and keeps one child at work where there are none."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def stop(self, *_signal: Any) -> None:
        """Ask the loop to end."""
        self._stopping.set()

    def loop(self, *, seconds: float = TICK_SECONDS) -> None:
        """Tick until `stop`; outlives a database that goes away. Ends its child in 30 s."""
        wait = seconds
        try:
            while not self._stopping.is_set():
                try:
                    close_old_connections()
                    self.once(timezone.now())
                    wait = seconds
                except Error as problem:
                    logger.warning("The database does not answer (%s).", type(problem).__name__)
                    connection.close()
                    wait = min(wait * 2, max(seconds, _LONGEST_WAIT_FOR_DATABASE))
                self._stopping.wait(wait)
        finally:
            self._end()

    def once(self, now: datetime) -> None:
        """One tick. Raises django.db.Error when the database does not answer."""
        make_due(now)
        waiting, workers = find_waiting(now), find_workers()
        hindrance = self._find_hindrance(waiting, workers)
        if waiting.number and hindrance:
            self._keep_child(hindrance)
        show_presence(WorkingProcess.Kind.TICK, note=hindrance)

    def _find_hindrance(self, waiting: Waiting, workers: Workers) -> str:
        """Wake workers that have nothing to do; say what keeps work from them, if anything."""
        if not workers.number:
            return "No worker lives: a child process of the tick does what waits."
        if waiting.number and workers.free:
            return self._wake(waiting, workers)
        return find_broker_problem()

    def _wake(self, waiting: Waiting, workers: Workers) -> str:
        if not wake(min(waiting.number, workers.free)):
            return find_broker_problem() or "The broker took no message a moment ago."
        if waiting.seconds > _TOO_LONG_SECONDS:
            return "Messages do not reach the workers: a child process of the tick does what waits."
        return ""

    def _keep_child(self, why: str) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        logger.warning("A child process does what waits: %s", why)
        self._child = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_due"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches the tick, which ends it in order
            preexec_fn=bond(),  # noqa: PLW1509 - nothing here but prctl
        )

    def _end(self) -> None:
        child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(_CHILD_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        try:
            end_presence()
        except Error:
            connection.close()
