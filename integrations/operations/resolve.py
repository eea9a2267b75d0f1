"""A person's word about an operation that nobody knows the end of, and asking for it again."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F

from integrations.errors import CannotResolve
from integrations.models import Operation
from integrations.operations.repeats import repeated_key
from integrations.operations.rows import State, release
from integrations.operations.unsent import TAKEN_BACK

RESOLVE = "integrations.resolve_operation"
_OPEN = (State.UNKNOWN, State.ASKS)
_AGAIN = (State.UNKNOWN, State.ASKS, State.REFUSED)


def settle(
    operation_id: int, *, done: bool, by: User | None, now: datetime, name: str = ""
) -> Operation:
    """Take a person's word that an open operation went through, or did not.

    `name` says whose word it is where that is no user, such as the command line. Raises
    CannotResolve when it is not open any more. Four queries.
    """
    word = "went through" if done else "did not go through"
    who = by.get_username() if by else name
    with transaction.atomic():
        ended = Operation.objects.filter(pk=operation_id, state__in=_OPEN).update(
            state=State.DONE if done else State.REFUSED,
            fence=F("fence") + 1,  # a look-up that is under way writes nothing any more
            code="settled_done" if done else "settled_not_done",
            note=f"{who} looked at the vendor and says: it {word}.",
            resolved_by=by,
            due_at=None,
            finished_at=now,
        )
        row = Operation.objects.get(pk=operation_id)
        if not ended:
            raise CannotResolve(
                f"Operation {row.pk} is not open any more: {row.get_state_display()}. "
                "Nothing was changed."
            )
        release(operation_id, now=now)
    return row


def ask_again(operation_id: int, *, by: User, now: datetime) -> Operation:
    """Plan the same call once more under a key of its own; a worker sends it. Up to six queries.

    One that is open is settled as not done by it. A person asked for it by name, so it does not
    count towards the guard (M-15). Raises CannotResolve when it was done or is under way, or was
    asked for again already.
    """
    with transaction.atomic():
        row = Operation.objects.select_for_update().get(pk=operation_id)
        if row.state not in _AGAIN:
            raise CannotResolve(
                f"Operation {row.pk} cannot be tried again: {row.get_state_display()}."
            )
        if row.code == TAKEN_BACK:
            raise CannotResolve(
                f"Operation {row.pk} was never sent: whoever asked for it asks anew. If it does "
                "not, retry its record."
            )
        if row.state in _OPEN:
            row = settle(row.pk, done=False, by=by, now=now)
        return _plan_again(row, by, now)


def _plan_again(row: Operation, by: User, now: datetime) -> Operation:
    retry = row.retry + 1
    first = row.key.removesuffix(f"#{row.retry}") if row.retry else row.key
    again = Operation(
        **{name: getattr(row, name) for name in _COPIED},
        key=repeated_key(first, retry),
        idempotency_key=uuid.uuid4(),
        guarded=False,
        retry=retry,
        started_by=by.get_username()[:200],
        note=f"Asked for again after operation {row.pk}.",
        due_at=now,
        created_at=now,
    )
    try:
        with transaction.atomic():
            again.save(force_insert=True)
    except IntegrityError:
        raise CannotResolve(
            f"Operation {row.pk} was asked for again already; look for the newer one."
        ) from None
    return again


_COPIED = (
    "vendor",
    "tenant",
    "preset",
    "credentials_id",
    "credentials_name",
    "inputs",
    "target",
    "effect",
    "takes_access",
    "person_id",
    "saas_user_id",
    "record",
    "request",
    "request_hash",
)
