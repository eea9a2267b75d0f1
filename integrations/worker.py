"""Taking what waits and doing it, piece after piece, in a process that is hard to kill."""

from __future__ import annotations

import logging
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.errors import AlreadyRunning, LeaseLost
from integrations.holding import for_workers
from integrations.models import StagedRecord, SyncRun
from integrations.notices import note_end
from integrations.oauth.keeping import refresh_one
from integrations.operations.advance import advance_one, give_back_own_operations
from integrations.outbox import send_one
from integrations.sync import execute
from integrations.sync.lease import due_runs, give_back_own_runs, lost_runs, process_name

logger = logging.getLogger(__name__)
MAX_ATTEMPTS = 5


Piece = Callable[[datetime], bool]
# What is done when no run waits: (now) -> whether there was a piece. Never raises for its piece.
AFTER_RUNS: tuple[Piece, ...] = (send_one, refresh_one)
# Pieces that may be broken off, and what then hands them back (gives how many). The app above adds
# its own.
BREAKABLE: list[Piece] = [advance_one]
GIVE_BACK: list[Callable[[], int]] = [give_back_own_operations]


class _StopNow(BaseException):
    """The time for finishing is over. No `Exception`: nothing on its way may take it for one."""


def free_lost_runs(now: datetime | None = None) -> int:
    """Put runs whose process died back into the queue; after five attempts they fail.

    Gives how many were put back. Two queries, more only for runs that fail.
    """
    lost = lost_runs(now=now)
    for run_id in list(lost.filter(attempts__gte=MAX_ATTEMPTS).values_list("pk", flat=True)):
        _fail(
            lost.filter(pk=run_id),
            "process_lost",
            f"The process that worked on it stopped {MAX_ATTEMPTS} times without a word, so it is "
            "not started again. Look into the log of the worker for memory or disk that ran out, "
            "then run it again.",
            now=now or timezone.now(),
        )
    with transaction.atomic():
        # A row that somebody has locked is written at this moment: its process is not lost.
        silent = lost.filter(attempts__lt=MAX_ATTEMPTS).select_for_update(
            skip_locked=connection.features.has_select_for_update_skip_locked
        )
        back = SyncRun.objects.filter(pk__in=list(silent.values_list("pk", flat=True))).update(
            state=SyncRun.State.QUEUED, step="", heartbeat_at=None
        )
    if back:
        logger.warning("Put %s runs back into the queue: their process fell silent.", back)
    return back


def next_run_id() -> int | None:
    """The queued run that is due, may be done here and waits longest. One query."""
    runs = for_workers(due_runs()).order_by("queued_at", "pk")
    return runs.values_list("pk", flat=True).first()


def _fail(runs: QuerySet[SyncRun], code: str, message: str, *, now: datetime) -> None:
    """End a run that nobody works on any more; its fence keeps a late process out."""
    with transaction.atomic():
        run_id = runs.select_for_update().values_list("pk", flat=True).first()
        if run_id is None:
            return
        SyncRun.objects.filter(pk=run_id).update(
            state=SyncRun.State.FAILED,
            fence=F("fence") + 1,
            error_code=code,
            error_message=message,
            finished_at=now,
            events_released_at=now,
            step="",
        )
        StagedRecord.objects.filter(run=run_id).delete()
        note_end(run_id, now=now)


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
    """Does what waits. `stop` may be called from a signal or another thread.

    In a main thread a run is broken off when the time after `stop` is over; other threads go on
    until their process ends.
    """

    def __init__(
        self,
        *,
        on_end: Callable[[SyncRun], None] | None = None,
        stop_within: float | None = None,
    ) -> None:
        self._on_end = on_end
        self._stop_within = settings.STOP_WITHIN_SECONDS if stop_within is None else stop_within
        self._stopping = threading.Event()
        self._busy = False

    def stop(self, *_signal: Any) -> None:
        """Ask to end after the present piece, or after `stop_within` seconds."""
        already = self._stopping.is_set()
        self._stopping.set()
        if self._busy and not already:
            signal.setitimer(signal.ITIMER_REAL, self._stop_within)

    def do_due(self) -> list[SyncRun]:
        """Take pieces until none is left that may be begun; gives the runs as they ended.

        Safe in several threads and processes at once: each piece is done by one of them. Raises
        django.db.Error when the database does not answer.
        """
        ended: list[SyncRun] = []
        while not self._stopping.is_set():
            run_id = next_run_id()
            if run_id is not None:
                run = self._do(run_id)
                ended += [run] if run is not None else []
            elif not self._do_piece():
                break
        return ended

    def _do_piece(self) -> bool:
        """Do one piece that is no run; False when there is none."""
        return self._do_breakable() or any(do_one(timezone.now()) for do_one in AFTER_RUNS)

    def _do_breakable(self) -> bool:
        """A vendor call's steps, or a batch of a workflow."""
        try:
            with self._stoppable():
                return any(do_one(timezone.now()) for do_one in BREAKABLE)
        except _StopNow:
            # What may have been sent is unknown now, and looked up by whoever works next.
            back = sum(give_back() for give_back in GIVE_BACK)
            logger.warning("Handed back %s pieces: this process is to end.", back)
            return False

    def _do(self, run_id: int) -> SyncRun | None:
        """Do one run; None when another process has it. Its mistakes never leave this method."""
        logger.info("Run %s begins.", run_id)
        try:
            with self._stoppable():
                run = execute(run_id)
        except (AlreadyRunning, LeaseLost) as problem:
            logger.info("Run %s: %s", run_id, problem)
            return None
        except _StopNow:
            logger.warning("Run %s goes back into the queue: this process is to end.", run_id)
            give_back_own_runs()
            return None
        except Error:
            raise
        except Exception as problem:  # noqa: BLE001 - one run must not end the worker
            logger.error("Run %s met %s", run_id, _where(problem))  # noqa: TRY400
            _fail(
                SyncRun.objects.filter(
                    pk=run_id, state=SyncRun.State.RUNNING, worker=process_name()
                ),
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


class Stoppable(Protocol):
    """What ends in order when it is asked to."""

    def stop(self, *_signal: Any) -> None:
        """Ask it to end; may be called in a signal."""


@contextmanager
def ends_on_signals(process: Stoppable) -> Iterator[None]:
    """SIGTERM and SIGINT stop the process as long as this lasts."""
    before = {one: signal.signal(one, process.stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
