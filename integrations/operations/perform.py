"""Performing a call that changes something: a row first, then the call, then what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from integrations.errors import LeaseLost
from integrations.models import Credentials, Operation
from integrations.operations.look_ups import look_into
from integrations.operations.rows import (
    State,
    claim,
    due_operations,
    plan_operation,
    take_over,
    takes_over,
)
from integrations.operations.send import Clock, send_guarded
from integrations.presets.call import PresetCall
from integrations.sync.lease import keep_beating

# A row is due again at once only a few times: another was in its way, or it may be repeated.
_MOST_STEPS = 8
_MOST_OWN = 20
_PAUSED = timedelta(seconds=60)


def perform(
    call: PresetCall,
    *,
    key: str,
    started_by: str,
    guarded: bool,
    limited: bool = False,
    clock: Clock = timezone.now,
) -> Operation:
    """Have a call made once for this key; give its row when it has ended or was handed over.

    `key` names what asks for it, such as an item, its block and the retry: the same key again
    continues or gives the same row, and never brings about a second effect. `guarded` counts an
    account that is taken away towards the limit of 24 hours (M-15). A row in the state `planned`,
    `unknown` or `sending` is carried on by a worker. With `limited`, a new row over that limit is
    not planned: OverLimit.

    Not to be called in a transaction (RuntimeError). Raises nothing for what the vendor does.
    """
    carry_on_own(call.credentials_id, clock)
    row = plan_operation(
        call, key=key, started_by=started_by, guarded=guarded, limited=limited, now=clock()
    )
    carry_on(row.pk, clock)
    if row.waits_for_id is None:
        row.refresh_from_db()
    other = row.waits_for_id if row.state == State.PLANNED else None
    if other is not None:
        # Nobody may be at work for the one before: do that one first.
        carry_on(other, clock)
        carry_on(row.pk, clock)
    row.refresh_from_db()
    return row


def carry_on_own(credentials_id: int, clock: Clock) -> None:
    """Take care of what workers may not: calls with credentials that only commands can read."""
    waiting = due_operations(clock()).filter(
        credentials=credentials_id, credentials__stored=Credentials.Stored.REFERENCE
    )
    for operation_id in list(waiting.values_list("pk", flat=True)[:_MOST_OWN]):
        carry_on(operation_id, clock)


def carry_on(operation_id: int, clock: Clock = timezone.now) -> bool:
    """Take every step that an operation is due for; gives whether there was one.

    Safe in several threads and processes at once: each step is taken by one of them.
    """
    steps = 0
    while steps < _MOST_STEPS:
        now = clock()
        row = due_operations(now).select_related("waits_for").filter(pk=operation_id).first()
        if row is None:
            break
        steps += 1
        try:
            _step(row, clock)
        except LeaseLost:
            break
    return steps > 0


def _step(row: Operation, clock: Clock) -> None:
    other = row.waits_for
    if row.state == State.PLANNED and other is not None and takes_over(row, other):
        take_over(row, other, now=clock())
    elif row.state == State.PLANNED or look_into(row, clock):
        _send(row, clock)


def _send(row: Operation, clock: Clock) -> None:
    taken = claim(row)
    if taken is None:
        _leave(row, clock())
        return
    with keep_beating(taken.beat, name=f"operation-{row.pk}"):
        send_guarded(taken, row, clock)


def _leave(row: Operation, now: datetime) -> None:
    """What cannot be sent again while Rolecall is paused stays due a little later."""
    if row.state == State.UNKNOWN:
        Operation.objects.filter(pk=row.pk, fence=row.fence, state=State.UNKNOWN).update(
            due_at=now + _PAUSED
        )
