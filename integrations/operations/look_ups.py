"""What becomes of an unknown operation: looked up, adopted, sent again, or a person is asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from integrations.errors import IntegrationsError, VendorError
from integrations.mails import link_to, queue_mail
from integrations.manifest_presets import Change
from integrations.models import Integration, Notification, Operation
from integrations.operations.mapped import map_adopted
from integrations.operations.rows import (
    Claim,
    State,
    claim_for_look,
    must_not_be_repeated,
    release,
)
from integrations.operations.send import (
    ADOPTED,
    LOOK_AFTER,
    SEVERAL,
    Clock,
    Opened,
    may_send_again,
    open_for,
    sighting,
)

# A look-up that dies is made again after this long, and one that the vendor does not answer, too.
_LOOK_LASTS = timedelta(minutes=6)
_NOT_ANSWERED = timedelta(seconds=60)
# For so long a vendor may not answer look-ups before a person is asked.
_MOST_PATIENCE = timedelta(hours=1)


def look_into(row: Operation, clock: Clock) -> bool:
    """Take the next step with an unknown operation that is due; True: it is to be sent again now.

    Up to two calls to the vendor that read, none in a transaction. Raises LeaseLost.
    """
    now = clock()
    claim = claim_for_look(row, until=now + _LOOK_LASTS)
    if claim is None:
        return False
    row.fence = claim.fence
    try:
        opened = open_for(row)
    except IntegrationsError as problem:
        leave_open(claim, row, problem.message, now=now)
        return False
    with opened.client:
        return _step(claim, row, opened, clock)


def _step(claim: Claim, row: Operation, opened: Opened, clock: Clock) -> bool:
    change, now = opened.change, clock()
    # What an old backup brought back may have been followed by newer values: never by itself.
    again = row.code != "restored" and may_send_again(row, change, now)
    if change.repeat == "safe" and again:
        return True
    if change.look_up is not None and row.looks < len(LOOK_AFTER):
        return _look(claim, row, opened, clock)
    if row.code == "exists":
        note = "The vendor says that it is there; our earlier try made it."
        claim.end(State.DONE, now=now, **map_adopted(row, {}, note))
        return False
    if again:
        return True
    _give_up(claim, row, change, now=now)
    return False


def _look(claim: Claim, row: Operation, opened: Opened, clock: Clock) -> bool:
    """One look-up: adopt what is found, else wait for the next, or do what follows the last."""
    try:
        found = sighting(opened, row)
    except VendorError as problem:
        _look_later(claim, row, opened.change, problem, now=clock())
        return False
    now = clock()
    if found is not None:
        facts = map_adopted(row, found, ADOPTED)
        claim.end(State.DONE, now=now, values=found, code="adopted", **facts)
        return False
    row.looks += 1
    if row.looks < len(LOOK_AFTER):
        since = row.heartbeat_at or now
        claim.write(looks=row.looks, due_at=max(since + LOOK_AFTER[row.looks], now))
        return False
    claim.write(looks=row.looks)
    return _step(claim, row, opened, clock)


def _look_later(
    claim: Claim, row: Operation, change: Change, problem: VendorError, *, now: datetime
) -> None:
    """The vendor did not answer the question; that is no answer "absent" (M-11)."""
    patient = now - (row.heartbeat_at or now) < _MOST_PATIENCE
    if problem.code == SEVERAL or not patient:
        _give_up(claim, row, change, now=now, because=problem.message)
        return
    wait = max(timedelta(seconds=problem.retry_after or 0), _NOT_ANSWERED)
    claim.write(due_at=now + wait, note=f"It could not be looked up. {problem.message}")


def _give_up(
    claim: Claim, row: Operation, change: Change, *, now: datetime, because: str = ""
) -> None:
    if change.repeat == "safe":
        note = f"Sent {row.tries} times, and no answer said whether it went through."
    else:
        looked = f"{row.looks} look-ups did not find it" if row.looks else "it cannot be looked up"
        note = f"Nobody knows whether it went through: {looked}."
    leave_open(claim, row, f"{note} {because}".strip(), now=now)


def leave_open(claim: Claim, row: Operation, note: str, *, now: datetime) -> None:
    """Nothing more can be found out: only what must not be repeated asks a person (M-26).

    Anything else ends, so that it holds up nobody. Raises LeaseLost.
    """
    if must_not_be_repeated(row):
        ask(claim, row, note, now=now)
        return
    again = "Sending it again does no harm: call it again when the vendor is well."
    claim.end(State.REFUSED, now=now, code="no_answer", note=f"{note} {again}")


def ask(claim: Claim, row: Operation, note: str, *, now: datetime) -> None:
    """Leave it to a person, who is told once. Raises LeaseLost. About five queries."""
    fields: dict[str, Any] = {"state": State.ASKS, "due_at": None, "note": note}
    with transaction.atomic():
        claim.write(**fields)
        release(claim.operation_id, now=now)
        tell(row, note)


def tell(row: Operation, note: str) -> None:
    """Queue the mail about an operation that asks; one per operation. Up to three queries."""
    notify = [
        address
        for named in Integration.objects.filter(credentials=row.credentials_id).values_list(
            "notify", flat=True
        )
        for address in named
    ]
    sent = (
        f'{row.preset} was sent for "{row.record}" with the credentials "{row.credentials_name}". '
        f"{note}"
    )
    held = (
        "It is not sent again by itself, and no other call that would bring about the same is sent "
        "until somebody has looked at the vendor and settled it."
    )
    queue_mail(
        Notification.Kind.OPERATION,
        f"operation:{row.pk}",
        f'A call to a vendor asks for a person: {row.preset} for "{row.record}"',
        [sent, held, f"Settle it: {link_to('operation_change', row.pk)}"],
        notify=notify,
    )
