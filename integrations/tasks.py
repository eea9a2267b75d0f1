"""The one task: a worker looks at the database and does what waits. It holds nothing itself."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings
from django.db import Error

from integrations.broker import TASK
from integrations.operations.advance import give_back_own_operations
from integrations.presence import Presence
from integrations.sync.lease import give_back_own_runs
from integrations.worker import Worker

logger = logging.getLogger(__name__)


class WorkerProcess:
    """What the threads of this process share: whether to go on, and how many are at work."""

    def __init__(self) -> None:
        self.worker = Worker()
        self.presence: Presence | None = None
        self._busy = 0
        self._lock = threading.Lock()

    def do_work(self) -> None:
        """Do what waits, in this thread."""
        with self._lock:
            self._busy += 1
        try:
            self.worker.do_due()
        except Error as problem:
            # What waits are rows: the next message finds them.
            logger.warning("The database does not answer (%s).", type(problem).__name__)
        finally:
            with self._lock:
                self._busy -= 1

    def busy(self) -> int:
        """How many threads are at work."""
        return self._busy

    def stop(self) -> None:
        """Begin nothing more; when the time to end is over give back what is not done."""
        self.worker.stop()
        late = threading.Timer(settings.STOP_WITHIN_SECONDS, self._end_now)
        late.daemon = True
        late.start()

    def _end_now(self) -> None:
        """Threads stuck in a call cannot be ended; the raised fence keeps them from writing."""
        try:
            back = give_back_own_runs()
            give_back_own_operations()
            logger.warning("The time to end is over: %s runs go back into the queue.", back)
            if self.presence is not None:
                self.presence.stop()
        except Error:
            logger.warning("The database does not answer; leases run out by themselves.")
        finally:
            os._exit(0)


PROCESS = WorkerProcess()


@shared_task(name=TASK, ignore_result=True)
def do_work() -> None:
    """Take what waits until nothing is left. Without arguments: a message holds nothing (S-04)."""
    PROCESS.do_work()


@worker_init.connect
def _begin(**_signal: Any) -> None:
    # A process that had this name before, in a container that was killed, holds nothing any more.
    give_back_own_runs()
    give_back_own_operations()


@worker_ready.connect
def _show(sender: Any, **_signal: Any) -> None:
    PROCESS.presence = Presence(slots=sender.controller.concurrency, busy=PROCESS.busy)
    PROCESS.presence.start()


@worker_shutting_down.connect
def _stop(**_signal: Any) -> None:
    PROCESS.stop()


@worker_shutdown.connect
def _end(**_signal: Any) -> None:
    if PROCESS.presence is not None:
        PROCESS.presence.stop()
