"""What workers and the tick do for the journal: due operations, lost senders, long waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import Error, IntegrityError, transaction
from django.db.models import Count, F, Min, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations.errors import LeaseLost
from integrations.models import Credentials, Operation
from integrations.operations.look_ups import leave_open
from integrations.operations.perform import carry_on
from integrations.operations.rows import (
    LONGEST_WAIT,
    State,
    claim_for_look,
    due_operations,
    must_not_be_repeated,
    release,
)
from integrations.operations.send import LOOK_AFTER
from integrations.sync.lease import ago, lease_seconds, process_name

logger = logging.getLogger(__name__)
_LOST = (
    "The process that sent it ended before the answer was written down, so nobody knows yet "
    "whether it went through."
)
_LOCAL_WAITS = timedelta(hours=1)
_LOCAL = (
    "Nobody knows whether it went through. Its credentials are kept outside of Rolecall, so no "
    "worker can look it up, and no command with them was run for an hour."
)


def moving_from(now: datetime) -> Callable[[], datetime]:
    """A clock that shows `now` at this moment and goes on from there."""
    began = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - began)


def advance_one(now: datetime) -> bool:
    """Take the steps of the operation that is due longest; False when none is due.

    Safe in several threads and processes at once. Raises django.db.Error, nothing else.
    """
    found = for_workers(due_operations(now)).order_by(F("due_at").asc(nulls_first=True), "pk")
    operation_id = found.values_list("pk", flat=True).first()
    if operation_id is None:
        return False
    try:
        carry_on(operation_id, moving_from(now))
    except Error:
        raise
    except Exception:
        logger.exception("Operation %s could not be advanced.", operation_id)
        # Not again at once: a mistake of ours must not keep the worker from everything else.
        Operation.objects.filter(pk=operation_id, state__in=Operation.ACTIVE_STATES).update(
            due_at=now + timedelta(minutes=1)
        )
    return True


def waiting_operations(now: datetime) -> tuple[int, datetime | None]:
    """How many operations are due, and since when the first of them is. One query."""
    found = for_workers(due_operations(now)).aggregate(
        number=Count("pk"), since=Min(Coalesce("due_at", "created_at"))
    )
    return found["number"], found["since"]


def for_workers(rows: QuerySet[Operation]) -> QuerySet[Operation]:
    """Those whose secret a worker may read; of the others commands take care (M-35)."""
    return rows.exclude(credentials__stored=Credentials.Stored.REFERENCE)


def ask_about_local(now: datetime) -> int:
    """Give up what only a command could look up, and none did for an hour; gives how many."""
    late = Operation.objects.filter(
        state=State.UNKNOWN,
        credentials__stored=Credentials.Stored.REFERENCE,
        due_at__lte=now - _LOCAL_WAITS,
    )
    given_up = 0
    for row in list(late.defer("request", "answer", "values")):
        claim = claim_for_look(row, until=now)
        if claim is not None:
            with suppress(LeaseLost):
                leave_open(claim, row, _LOCAL, now=now)
                given_up += 1
    return given_up


# Lost senders -----------------------------------------------------------------------------------


def note_lost_senders(now: datetime | None = None) -> int:
    """Take operations from senders that fell silent; gives how many. Two queries."""
    silent = ago(lease_seconds(), now=now)
    lost = Operation.objects.filter(state=State.SENDING, heartbeat_at__lt=silent)
    number = _hand_back(lost, now)
    if number:
        logger.warning("Took %s operations from senders that fell silent.", number)
    return number


def give_back_own_operations() -> int:
    """Hand back what this process holds; gives how many. Two queries.

    What was not sent is planned again; what may have been sent is unknown. The raised fence keeps a
    thread that is stuck in a call from writing anything more.
    """
    return _hand_back(
        Operation.objects.filter(state=State.SENDING, worker=process_name()), now=None
    )


def _hand_back(held: QuerySet[Operation], now: datetime | None) -> int:
    """Never back to planned once a send may have begun."""
    moment = now or timezone.now()
    never_sent = Q(sent_at=None, first_sent_at=None)
    back = held.filter(never_sent).update(
        state=State.PLANNED, fence=F("fence") + 1, due_at=moment, heartbeat_at=None
    )
    unknown = held.exclude(never_sent).update(
        state=State.UNKNOWN,
        fence=F("fence") + 1,
        heartbeat_at=moment,
        looks=0,
        due_at=moment + LOOK_AFTER[0],
        code="process_lost",
        note=Value(_LOST),
    )
    return back + unknown


def refuse_overdue(now: datetime) -> int:
    """End operations that waited for a day without being sent; gives how many."""
    late = Operation.objects.filter(state=State.PLANNED, created_at__lte=now - LONGEST_WAIT)
    ended = 0
    for row in list(late.only("pk", "fence", "waits_for", "note")):
        if row.waits_for_id:
            note = (
                f"It waited a day for operation {row.waits_for_id}, which has not ended. Settle "
                "that one, then call this again."
            )
        else:
            note = f"It could not be sent for a day. {row.note}".strip()
        mine = Operation.objects.filter(pk=row.pk, fence=row.fence, state=State.PLANNED)
        with transaction.atomic():
            if mine.update(
                state=State.REFUSED,
                fence=F("fence") + 1,
                code="waited_too_long",
                note=note,
                due_at=None,
                finished_at=now,
            ):
                release(row.pk, now=now)
                ended += 1
    return ended


def settle_after_restore(because: str, *, now: datetime) -> tuple[int, int]:
    """Nothing of an old backup is sent blindly (F-43): (looked up, left to a person).

    What was being sent or unknown then has ended since, so it is looked up. What was planned was
    most likely sent since, and no row of this database knows: a person says so. No mail is queued.
    """
    begun = Operation.objects.filter(state__in=[State.SENDING, State.UNKNOWN])
    unknown = begun.update(
        state=State.UNKNOWN,
        fence=F("fence") + 1,
        heartbeat_at=now,
        looks=0,
        due_at=now + LOOK_AFTER[0],
        code="restored",
        note=f"Nobody knew its end when the backup was made: {because}.",
    )
    asked = 0
    planned = Operation.objects.filter(state=State.PLANNED).order_by("pk")
    for row in list(planned.only("pk", "preset", "takes_access")):
        asked += _ask_after_restore(row, because, now)
    return unknown, asked


def _ask_after_restore(row: Operation, because: str, now: datetime) -> int:
    """One of several that waited for the same effect asks, if it must not be repeated.

    The others are refused.
    """
    mine = Operation.objects.filter(pk=row.pk, state=State.PLANNED)
    note = f"It waited when the backup was made and was perhaps sent since: {because}."
    common = {"fence": F("fence") + 1, "due_at": None, "waits_for": None, "code": "restored"}
    if not must_not_be_repeated(row):
        ended = f"{note} Look at the vendor, then call it again if it is not there."
        mine.update(state=State.REFUSED, note=ended, finished_at=now, **common)
        return 0
    try:
        with transaction.atomic():
            return mine.update(state=State.ASKS, note=note, **common)
    except IntegrityError:
        ended = f"{note} Another call for the same is open; settle that one, then call it again."
        mine.update(state=State.REFUSED, note=ended, finished_at=now, **common)
        return 0
