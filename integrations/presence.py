"""Which processes tick and work: each writes a row every few seconds, judged by the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import Error, connection
from django.utils import timezone

from integrations.models import WorkingProcess
from integrations.sync.lease import ago, now_in_database, process_name

EVERY_SECONDS = 5.0
FRESH_SECONDS = 20
_FORGOTTEN_AFTER = timedelta(days=1)


def show_presence(kind: str, *, slots: int = 0, busy: int = 0, note: str = "") -> None:
    """Write that this process lives. One or two queries."""
    values: dict[str, Any] = {
        "kind": kind,
        "slots": slots,
        "busy": busy,
        "note": note[:300],
        "seen_at": now_in_database(),
    }
    rows = WorkingProcess.objects.filter(name=process_name())
    if not rows.update(**values):
        WorkingProcess.objects.bulk_create(
            [WorkingProcess(**values, name=process_name())], ignore_conflicts=True
        )


def end_presence() -> None:
    """Take the row of this process away: it ends in order. One query."""
    WorkingProcess.objects.filter(name=process_name()).delete()


def forget_old_processes() -> int:
    """Delete rows of processes that have said nothing for a day. One query."""
    silent = WorkingProcess.objects.filter(seen_at__lt=ago(_FORGOTTEN_AFTER.total_seconds()))
    return silent.delete()[0]


@dataclass(frozen=True)
class Workers:
    """The workers that live: how many, how many pieces they can do at a time and are doing."""

    number: int
    slots: int
    busy: int

    @property
    def free(self) -> int:
        return max(0, self.slots - self.busy)


def find_workers() -> Workers:
    """Count the workers whose row is fresh. One query."""
    fresh = WorkingProcess.objects.filter(
        kind=WorkingProcess.Kind.WORKER, seen_at__gt=ago(FRESH_SECONDS)
    )
    rows = list(fresh.values_list("slots", "busy"))
    return Workers(len(rows), sum(row[0] for row in rows), sum(row[1] for row in rows))


def find_tick() -> tuple[float | None, str]:
    """How many seconds ago a tick was seen, and what hinders it. One query."""
    row = (
        WorkingProcess.objects.filter(kind=WorkingProcess.Kind.TICK)
        .order_by("-seen_at")
        .values_list("seen_at", "note")
        .first()
    )
    if row is None:
        return None, ""
    return max(0.0, (timezone.now() - row[0]).total_seconds()), row[1]


class Presence:
    """Shows that a worker lives, from a thread of its own, until `stop`."""

    def __init__(self, *, slots: int, busy: Callable[[], int]) -> None:
        self._slots = slots
        self._busy = busy
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._show, name="presence", daemon=True)

    def start(self) -> None:
        """Begin to show it."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and take the row away."""
        self._stopping.set()
        self._thread.join(timeout=EVERY_SECONDS)

    def _show(self) -> None:
        try:
            while True:
                self._try(
                    lambda: show_presence(
                        WorkingProcess.Kind.WORKER, slots=self._slots, busy=self._busy()
                    )
                )
                if self._stopping.wait(EVERY_SECONDS):
                    break
            self._try(end_presence)
        finally:
            connection.close()

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Error:
            connection.close()  # the next one opens another
