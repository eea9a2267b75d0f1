"""Who works on a run: the row holds a fence, and every write asks whether it is still ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import Error, connection, transaction
from django.db.models import F
from django.utils import timezone

from integrations.errors import AlreadyRunning, LeaseLost
from integrations.models import SyncRun

HEARTBEAT_SECONDS = 10
LOST_AFTER_SECONDS = 45


@dataclass(frozen=True)
class Lease:
    """The right to work on one run, until another process raises its fence."""

    run_id: int
    fence: int

    def write(self, **fields: Any) -> None:
        """Write to the run and show that we live. One query. Raises LeaseLost."""
        rows = SyncRun.objects.filter(
            pk=self.run_id, fence=self.fence, state=SyncRun.State.RUNNING
        ).update(heartbeat_at=timezone.now(), **fields)
        if rows != 1:
            raise LeaseLost(f"Run {self.run_id} was taken over by another process.")


def claim(run_id: int) -> Lease:
    """Take a queued run. Two queries. Raises AlreadyRunning when somebody else has it."""
    now = timezone.now()
    with transaction.atomic():  # the fence that is read is the one that was written
        taken = SyncRun.objects.filter(pk=run_id, state=SyncRun.State.QUEUED).update(
            state=SyncRun.State.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            started_at=now,
            heartbeat_at=now,
        )
        run = SyncRun.objects.only("name", "fence").get(pk=run_id)
    if taken != 1:
        raise AlreadyRunning(run.name, run_id)
    return Lease(run_id, run.fence)


@contextmanager
def heartbeat(lease: Lease, *, seconds: float = HEARTBEAT_SECONDS) -> Iterator[None]:
    """Show that we live while a vendor lets us wait. One query each `seconds`, in a thread."""
    stop = threading.Event()

    def beat() -> None:
        try:
            while not stop.wait(seconds):
                try:
                    lease.write()
                except LeaseLost:
                    return
                except Error:
                    connection.close()  # the next beat opens another
        finally:
            connection.close()

    thread = threading.Thread(target=beat, name=f"heartbeat-{lease.run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=seconds)
