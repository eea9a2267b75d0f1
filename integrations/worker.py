"""Taking queued runs and doing them, one after another, in a process that is hard to kill."""

from __future__ import annotations

import logging
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, close_old_connections, connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from integrations.errors import AlreadyRunning, LeaseLost
from integrations.models import StagedRecord, SyncRun
from integrations.sync import execute
from integrations.sync.lease import LOST_AFTER_SECONDS

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 5
TICK_SECONDS = 1.0
# Whoever stops us waits 30 s; what is left of it is for putting the run back.
STOP_WITHIN_SECONDS = 25.0
_LONGEST_WAIT_FOR_DATABASE = 10.0


class _StopNow(BaseException):
    """The time for finishing is over. No `Exception`: nothing on its way may take it for one."""


def free_lost_runs(*, now: datetime | None = None) -> int:
    """Put runs whose process died back into the queue; after five attempts they fail.

    Gives how many were put back. Two queries, more only for runs that fail.
    """
    moment = now or timezone.now()
    silent = moment - timedelta(seconds=LOST_AFTER_SECONDS)
    lost = SyncRun.objects.filter(state=SyncRun.State.RUNNING).filter(
        Q(heartbeat_at__lt=silent) | Q(heartbeat_at__isnull=True, queued_at__lt=silent)
    )
    for run_id in list(lost.filter(attempts__gte=MAX_ATTEMPTS).values_list("pk", flat=True)):
        _fail(
            run_id,
            "process_lost",
            f"The process that worked on it stopped {MAX_ATTEMPTS} times without a word, so it is "
            "not started again. Look into the log of the worker for memory or disk that ran out, "
            "then run it again.",
            now=moment,
        )
    back = lost.filter(attempts__lt=MAX_ATTEMPTS).update(
        state=SyncRun.State.QUEUED, step="", heartbeat_at=None
    )
    if back:
        logger.warning("Put %s runs back into the queue: their process fell silent.", back)
    return back


def next_run_id() -> int | None:
    """The queued run that waits longest. One query."""
    queued = SyncRun.objects.filter(state=SyncRun.State.QUEUED).order_by("queued_at", "pk")
    return queued.values_list("pk", flat=True).first()


def _fail(run_id: int, code: str, message: str, *, now: datetime) -> None:
    """End a run that nobody works on any more; its fence keeps a late process out."""
    with transaction.atomic():
        SyncRun.objects.filter(pk=run_id, state__in=SyncRun.ACTIVE_STATES).update(
            state=SyncRun.State.FAILED,
            fence=F("fence") + 1,
            error_code=code,
            error_message=message,
            finished_at=now,
            events_released_at=now,
            step="",
        )
        StagedRecord.objects.filter(run=run_id).delete()


def cancel(run_id: int, *, by: str) -> bool:
    """Stop a run that is queued or running; whoever works on it notices at its next write."""
    now = timezone.now()
    with transaction.atomic():
        rows = SyncRun.objects.filter(pk=run_id, state__in=SyncRun.ACTIVE_STATES).update(
            state=SyncRun.State.CANCELLED,
            fence=F("fence") + 1,
            error_code="cancelled",
            error_message=f"Stopped by {by}; what it had done is kept.",
            finished_at=now,
            events_released_at=now,
            step="",
        )
        StagedRecord.objects.filter(run=run_id).delete()
    return rows == 1


class Worker:
    """Does what is queued. `stop` may be called from a signal or another thread."""

    def __init__(
        self,
        *,
        on_end: Callable[[SyncRun], None] | None = None,
        stop_within: float = STOP_WITHIN_SECONDS,
    ) -> None:
        self._on_end = on_end
        self._stop_within = stop_within
        self._stopping = threading.Event()
        self._busy = False

    def stop(self, *_signal: Any) -> None:
        """Ask to end after the present run, or after `stop_within` seconds."""
        already = self._stopping.is_set()
        self._stopping.set()
        if self._busy and not already:
            signal.setitimer(signal.ITIMER_REAL, self._stop_within)

    def do_due(self) -> list[SyncRun]:
        """Do everything that is queued now, oldest first; gives the runs as they ended.

        Raises django.db.Error when the database does not answer.
        """
        ended = []
        free_lost_runs()
        while not self._stopping.is_set() and (run_id := next_run_id()) is not None:
            run = self._do(run_id)
            if run is not None:
                ended.append(run)
        return ended

    def loop(self, *, seconds: float = TICK_SECONDS) -> None:
        """Do what is due again and again until `stop`; outlives a database that goes away."""
        wait = seconds
        while not self._stopping.is_set():
            try:
                close_old_connections()
                self.do_due()
                wait = seconds
            except Error as problem:
                logger.warning("The database does not answer (%s).", type(problem).__name__)
                connection.close()
                wait = min(wait * 2, _LONGEST_WAIT_FOR_DATABASE)
            except Exception as problem:  # noqa: BLE001 - whatever it is, the next run may be well
                logger.error("The worker met %s.", _where(problem))  # noqa: TRY400
            self._stopping.wait(wait)

    def _do(self, run_id: int) -> SyncRun | None:
        """Do one run; None when another process has it. Its mistakes never leave this method."""
        fence = SyncRun.objects.values_list("fence", flat=True).filter(pk=run_id).first()
        if fence is None:
            return None
        logger.info("Run %s begins.", run_id)
        try:
            with self._stoppable():
                run = execute(run_id)
        except (AlreadyRunning, LeaseLost) as problem:
            logger.info("Run %s: %s", run_id, problem)
            return None
        except _StopNow:
            self._put_back(run_id, fence + 1)
            return None
        except Error:
            raise
        except Exception as problem:  # noqa: BLE001 - one run must not end the worker
            logger.error("Run %s met %s", run_id, _where(problem))  # noqa: TRY400
            _fail(
                run_id,
                "internal",
                f"Rolecall met an error of its own ({type(problem).__name__}); the log of the "
                f'worker has the details under "Run {run_id}".',
                now=timezone.now(),
            )
            run = SyncRun.objects.get(pk=run_id)
        logger.info("Run %s ended: %s.", run_id, run.state)
        if self._on_end is not None:
            self._on_end(run)
        return run

    def _put_back(self, run_id: int, fence: int) -> None:
        """Let another process begin the run at once; being stopped is no failed attempt."""
        logger.warning("Run %s is put back into the queue: this process is to end.", run_id)
        SyncRun.objects.filter(pk=run_id, fence=fence, state=SyncRun.State.RUNNING).update(
            state=SyncRun.State.QUEUED, attempts=F("attempts") - 1, step="", heartbeat_at=None
        )

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """While a run is done, the alarm that `stop` sets breaks it off."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def break_off(*_signal: Any) -> None:
            raise _StopNow

        before = signal.signal(signal.SIGALRM, break_off)
        self._busy = True
        if self._stopping.is_set():
            signal.setitimer(signal.ITIMER_REAL, self._stop_within)
        try:
            yield
        finally:
            self._busy = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _where(problem: Exception) -> str:
    """The kind of an error and the lines of code, without its text: that may be a vendor's."""
    lines = "".join(traceback.format_tb(problem.__traceback__))
    return f"{type(problem).__name__}:\n{lines}"


@contextmanager
def ends_on_signals(worker: Worker) -> Iterator[None]:
    """SIGTERM and SIGINT stop the worker as long as this lasts."""
    before = {one: signal.signal(one, worker.stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
