"""Who works on items: a lease by the clock of the database, a fence, and how they are freed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from integrations.errors import LeaseLost
from integrations.models import Operation
from integrations.sync.lease import lease_seconds, now_in_database, process_name
from workflows.models import RunItem

logger = logging.getLogger(__name__)
State, WaitsFor = RunItem.State, RunItem.WaitsFor
# So often an item may be taken up at one block by processes that die of it.
MOST_TRIES = 5
_LOST = (
    f"The process that worked on it stopped {MOST_TRIES} times without a word, so it is not tried "
    "again by itself. Look into the log of the worker for memory or disk that ran out, then retry "
    "it."
)


def lease_end() -> Any:
    """The moment until which a claim that says nothing more is good, for queries."""
    return now_in_database() + timedelta(seconds=lease_seconds())


@dataclass(frozen=True)
class Lease:
    """The right to work on some items, each until another process raises its fence."""

    fences: Mapping[int, int]

    def beat(self) -> None:
        """Show that we live. One query. Raises LeaseLost when none of them is ours any more."""
        mine = RunItem.objects.filter(pk__among=list(self.fences), state=State.WORKING)
        if not mine.filter(worker=process_name()).update(leased_until=lease_end()):
            raise LeaseLost("The items are in other hands.")

    def lock(self) -> set[int]:
        """Those that are still ours, locked until the transaction ends. One query."""
        rows = RunItem.objects.select_for_update().filter(
            pk__among=list(self.fences), state=State.WORKING
        )
        held = rows.order_by("pk").values_list("pk", "fence")
        return {pk for pk, fence in held if fence == self.fences[pk]}


def _hand_back(items: QuerySet[RunItem]) -> int:
    return items.update(
        state=State.READY, fence=F("fence") + 1, leased_until=None, worker="", waits_for=""
    )


def free_lost_items(now: datetime | None = None) -> int:
    """Make items ready again whose process fell silent; after five times they fail.

    Gives how many were freed. Two queries. `now` is for tests; else the database's clock counts.
    """
    moment = now or now_in_database()
    lost = RunItem.objects.filter(state=State.WORKING, leased_until__lt=moment)
    lost.filter(tries__gte=MOST_TRIES).update(
        state=State.FAILED,
        fence=F("fence") + 1,
        leased_until=None,
        worker="",
        code="process_lost",
        note=_LOST,
        has_failed=True,
        finished_at=timezone.now(),
    )
    with transaction.atomic():
        # A row that somebody has locked is written at this moment: its process is not lost.
        silent = lost.select_for_update(
            skip_locked=connection.features.has_select_for_update_skip_locked
        )
        ids = list(silent.values_list("pk", flat=True))
        freed = _hand_back(RunItem.objects.filter(pk__among=ids)) if ids else 0
    if freed:
        logger.warning("Took %s items from workers that fell silent.", freed)
    return freed


def give_back_own_items() -> int:
    """Make ready what this process works on; gives how many. One query.

    The raised fence keeps a thread that is stuck in a call from writing anything more.
    """
    mine = RunItem.objects.filter(state=State.WORKING, worker=process_name())
    return mine.update(
        state=State.READY,
        fence=F("fence") + 1,
        leased_until=None,
        worker="",
        tries=F("tries") - 1,
    )


def wake_waiting(now: datetime, *, only_run: int | None = None) -> int:
    """Make ready what waited for a time that has come, or a call that has ended. Two queries."""
    items = RunItem.objects.filter(state=State.WAITING)
    if only_run is not None:
        items = items.filter(run=only_run)
    timed = items.filter(waits_for__in=[WaitsFor.TIME, WaitsFor.APPROVAL], due_at__lte=now)
    woken = timed.update(state=State.READY, waits_for="")
    ended = Q(operation=None) | Q(operation__state__in=Operation.ENDED_STATES)
    called = items.filter(ended, waits_for=WaitsFor.OPERATION)
    ids = called.values("pk")
    return woken + RunItem.objects.filter(pk__in=ids, state=State.WAITING).update(
        state=State.READY, waits_for="", due_at=now
    )


def database_now() -> Now | datetime:
    """The moment by the clock of the database, for queries."""
    return now_in_database()
