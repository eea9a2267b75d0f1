"""Who works on a run: the row holds a fence, and every write asks whether it is still ours."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from integrations.errors import AlreadyRunning, LeaseLost
from integrations.installation import may_begin
from integrations.models import SyncRun

# On SQLite a writer may wait 20 s for another one, and that must not look like death (M-31).
LEASE_SECONDS = {"postgresql": 15, "sqlite": 45}
_RENEWALS = 3


def lease_seconds() -> int:
    """How long a run stays with a process that says nothing."""
    return LEASE_SECONDS[connection.vendor]


def now_in_database() -> Now | datetime:
    """The moment by the clock of the database, for queries: hosts may disagree, or jump (F-13).

    SQLite has no clock but this host's.
    """
    return Now() if connection.vendor == "postgresql" else timezone.now()


def ago(seconds: float, *, now: datetime | None = None) -> Any:
    """The moment so long before `now`, else before the database's present, for queries."""
    return (now or now_in_database()) - timedelta(seconds=seconds)


def process_name() -> str:
    """Name this process as rows do: host and process number."""
    return f"{socket.gethostname()[:180]}:{os.getpid()}"


def due_runs() -> QuerySet[SyncRun]:
    """Runs that may be begun now: queued, and not parked for later; previews only while paused."""
    return may_begin(
        SyncRun.objects.filter(
            Q(due_at__isnull=True) | Q(due_at__lte=now_in_database()), state=SyncRun.State.QUEUED
        )
    )


def lost_runs(*, now: datetime | None = None) -> QuerySet[SyncRun]:
    """Runs whose process has said nothing for as long as a lease lasts."""
    silent = ago(lease_seconds(), now=now)
    return SyncRun.objects.filter(
        Q(heartbeat_at__lt=silent) | Q(heartbeat_at__isnull=True, queued_at__lt=silent),
        state=SyncRun.State.RUNNING,
    )


@dataclass(frozen=True)
class Lease:
    """The right to work on one run, until another process raises its fence."""

    run_id: int
    fence: int

    def write(self, **fields: Any) -> None:
        """Write to the run and show that we live. One query. Raises LeaseLost."""
        rows = SyncRun.objects.filter(
            pk=self.run_id, fence=self.fence, state=SyncRun.State.RUNNING
        ).update(heartbeat_at=now_in_database(), **fields)
        if rows != 1:
            raise LeaseLost(f"Run {self.run_id} was taken over by another process.")


def claim(run_id: int) -> Lease:
    """Take a queued run that is due. Two queries. Raises AlreadyRunning when it is not to be had.

    Why it was parked is told no longer: from here on it works.
    """
    with transaction.atomic():  # the fence that is read is the one that was written
        taken = (
            due_runs()
            .filter(pk=run_id)
            .update(
                state=SyncRun.State.RUNNING,
                fence=F("fence") + 1,
                attempts=F("attempts") + 1,
                started_at=now_in_database(),
                heartbeat_at=now_in_database(),
                worker=process_name(),
                due_at=None,
                error_code="",
                error_message="",
            )
        )
        run = SyncRun.objects.only("name", "fence").get(pk=run_id)
    if taken != 1:
        raise AlreadyRunning(run.name, run_id)
    return Lease(run_id, run.fence)


def give_back_own_runs() -> int:
    """Put the runs that this process holds back into the queue; gives how many. One query.

    The raised fence keeps a thread of it that is stuck in a call from writing anything more. Being
    stopped is no failed attempt.
    """
    return SyncRun.objects.filter(worker=process_name(), state=SyncRun.State.RUNNING).update(
        state=SyncRun.State.QUEUED,
        fence=F("fence") + 1,
        attempts=F("attempts") - 1,
        step="",
        heartbeat_at=None,
    )


@contextmanager
def heartbeat(lease: Lease, *, seconds: float | None = None) -> Iterator[None]:
    """Show that we live while a vendor lets us wait. One query each third of the lease."""
    with keep_beating(lease.write, name=f"heartbeat-{lease.run_id}", seconds=seconds):
        yield


@contextmanager
def keep_beating(
    beat: Callable[[], None], *, name: str, seconds: float | None = None
) -> Iterator[None]:
    """Call `beat` in a thread each third of the lease, until the block or the lease ends.

    `beat` writes to the row that is held, and raises LeaseLost when another process has it.
    """
    stop = threading.Event()
    pause = lease_seconds() / _RENEWALS if seconds is None else seconds

    def go_on() -> None:
        try:
            while not stop.wait(pause):
                try:
                    beat()
                except LeaseLost:
                    return
                except Error:
                    connection.close()  # the next beat opens another
        finally:
            connection.close()

    thread = threading.Thread(target=go_on, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=pause)
