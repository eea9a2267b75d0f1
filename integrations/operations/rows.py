"""Rows of the journal: planned, claimed under a fence, ended; and who waits for whom (M-26)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Q, QuerySet

from integrations.errors import LeaseLost, UnknownPreset
from integrations.models import Installation, Operation
from integrations.operations.guarding import check_room
from integrations.operations.mapped import NO_MAPS, Maps, map_adopted
from integrations.presets.call import PresetCall
from integrations.registry import get_preset
from integrations.sync.lease import now_in_database, process_name

State = Operation.State
# What has not ended after this long takes the failure exit, as long as it was never sent.
LONGEST_WAIT = timedelta(days=1)
HELD = (State.SENDING, State.UNKNOWN)
# A planned one that waits for nobody any more, or for somebody who is held up for a reason that is
# not its own.
FREE = (
    Q(waits_for=None)
    | Q(waits_for__state__in=Operation.ENDED_STATES)
    | (Q(waits_for__state=State.ASKS) & ~Q(waits_for__effect=F("effect")))
    | Q(
        waits_for__state=State.PLANNED,
        waits_for__waits_for__state__in=[*Operation.ACTIVE_STATES, State.ASKS],
    )
)


@dataclass(frozen=True)
class Claim:
    """The right to work on one operation, until another process raises its fence."""

    operation_id: int
    fence: int

    def write(self, **fields: Any) -> None:
        """Write to the operation. One query. Raises LeaseLost."""
        rows = Operation.objects.filter(
            pk=self.operation_id, fence=self.fence, state__in=HELD
        ).update(**fields)
        if rows != 1:
            raise LeaseLost(f"Operation {self.operation_id} is in other hands.")

    def beat(self) -> None:
        """Show that we live. One query. Raises LeaseLost, also when it is not being sent."""
        rows = Operation.objects.filter(
            pk=self.operation_id, fence=self.fence, state=State.SENDING
        ).update(heartbeat_at=now_in_database())
        if rows != 1:
            raise LeaseLost(f"Operation {self.operation_id} is in other hands.")

    def end(self, state: str, *, now: datetime, **fields: Any) -> None:
        """End the operation, and let those go on that wait for it. Raises LeaseLost."""
        with transaction.atomic():
            self.write(state=state, finished_at=now, due_at=None, waits_for=None, **fields)
            release(self.operation_id, now=now)

    def leave_unknown(self, *, now: datetime, due_at: datetime, **fields: Any) -> None:
        """Nobody knows whether it went through; from now on it is looked up. Raises LeaseLost."""
        # Look-ups are counted from this moment, which the heartbeat keeps.
        self.write(state=State.UNKNOWN, heartbeat_at=now, looks=0, due_at=due_at, **fields)


def plan_operation(
    call: PresetCall,
    *,
    key: str,
    started_by: str,
    guarded: bool,
    now: datetime,
    limited: bool = False,
) -> Operation:
    """Commit what is to be sent; the row that there is, if this key has one. Up to eight queries.

    With `limited`, OverLimit is raised where the account's limit of 24 hours lets no more go; of
    several at once each is counted before the next one asks.
    Raises RuntimeError inside a transaction: a row that could be rolled back protects nothing.
    """
    key = fitting_key(key)
    found = Operation.objects.filter(key=key).first()
    if found is not None:
        return found
    row = row_of(call, key=key, started_by=started_by, guarded=guarded, now=now)
    try:
        with transaction.atomic(durable=True):
            if limited:
                check_room(row.vendor, row.tenant, now=now)
            row.save(force_insert=True)
    except IntegrityError:
        return Operation.objects.get(key=key)
    return row


def fitting_key(key: str) -> str:
    """The key as rows have it."""
    return _fitting(key, 200)


def row_of(
    call: PresetCall,
    *,
    key: str,
    started_by: str,
    guarded: bool,
    now: datetime,
    maps: Maps = NO_MAPS,
) -> Operation:
    """The row of a call, not stored yet. Raises UnknownPreset. No query."""
    vendor, preset = get_preset(call.preset_id)
    if preset.change is None:
        raise ValueError(f"{call.preset_id} changes nothing, so it has no place in the journal.")
    target, effect = call.target or call.effect, call.effect or call.target
    return Operation(
        key=key,
        vendor=vendor.key,
        tenant=call.tenant,
        preset=call.preset_id,
        credentials_id=call.credentials_id,
        credentials_name=call.credentials_name,
        inputs=dict(call.vendor_inputs),
        target=_fitting((target or key).casefold(), 320),
        effect=_fitting((effect or key).casefold(), 500),
        takes_access=preset.change.takes_access or call.takes_access,
        guarded=guarded,
        person_id=call.record.person_id,
        saas_user_id=call.record.saas_user_id,
        record=call.record.label[:320],
        request=_kept(call, maps),
        request_hash=call.request.hash,
        started_by=started_by[:200],
        due_at=now,
        created_at=now,
    )


def _kept(call: PresetCall, maps: Maps) -> dict[str, Any]:
    kept = {**call.request.as_json(), "needed": dict(call.needed)}
    return kept if maps == NO_MAPS else {**kept, "maps": maps.as_json()}


def _fitting(text: str, most: int) -> str:
    """The text, or its beginning and a hash: two long texts stay two."""
    if len(text) <= most:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[: most - len(mark) - 1]} {mark}"


# Claiming ---------------------------------------------------------------------------------------


def claim(row: Operation) -> Claim | None:
    """Take an operation for sending; None when another has it, or it has to wait.

    Whom it waits for is written to the row. Nothing is taken while Rolecall is paused. The unique
    indexes decide who of two comes first. Two to four queries.
    """
    if row.state == State.PLANNED and (older := _older(row)) is not None:
        _wait_for(row, older)
        return None
    paused = Installation.objects.filter(pk=1, paused_at__isnull=False)
    mine = Operation.objects.filter(~Exists(paused), pk=row.pk, fence=row.fence, state=row.state)
    try:
        with transaction.atomic():
            taken = mine.update(
                state=State.SENDING,
                fence=F("fence") + 1,
                worker=process_name(),
                heartbeat_at=now_in_database(),
                sent_at=None,
                due_at=None,
                waits_for=None,
            )
    except IntegrityError:
        _wait_for(row, _in_the_way(row))
        return None
    return Claim(row.pk, row.fence + 1) if taken else None


def claim_for_look(row: Operation, *, until: datetime) -> Claim | None:
    """Take an unknown operation for a look-up; if we die, it is due again at `until`."""
    taken = Operation.objects.filter(pk=row.pk, fence=row.fence, state=State.UNKNOWN).update(
        fence=F("fence") + 1, due_at=until
    )
    return Claim(row.pk, row.fence + 1) if taken else None


def _at_the_same_account(row: Operation) -> QuerySet[Operation]:
    return Operation.objects.filter(vendor=row.vendor, tenant=row.tenant).exclude(pk=row.pk)


def _older(row: Operation) -> Operation | None:
    """An older one about the same target that is to be sent first: values keep their order."""
    return (
        _at_the_same_account(row)
        .filter(FREE, target=row.target, pk__lt=row.pk, state=State.PLANNED)
        .only("pk")
        .order_by("pk")
        .first()
    )


def _in_the_way(row: Operation) -> Operation | None:
    """Whom the unique indexes put before this one; None when it has just ended."""
    same_effect = Q(effect=row.effect, state__in=[*HELD, State.ASKS])
    same_target = Q(target=row.target, state__in=HELD)
    found = _at_the_same_account(row).filter(same_effect | same_target)
    return found.only("pk").order_by("pk").first()


def _wait_for(row: Operation, other: Operation | None) -> None:
    if other is not None:
        Operation.objects.filter(pk=row.pk, fence=row.fence, state=row.state).update(
            waits_for=other, due_at=None
        )


def release(operation_id: int, *, now: datetime) -> None:
    """Look again at those that wait for it. Call it in the transaction that ends it. One query."""
    Operation.objects.filter(waits_for=operation_id, state=State.PLANNED).update(due_at=now)


def takes_over(row: Operation, other: Operation) -> bool:
    """Whether the one that it waited for has ended and did what it asks for. Up to one query.

    A refusal counts for the same credentials only. What may be repeated is sent again when another
    call about the same target was asked for in between, which may have undone the first.
    """
    same = (row.request_hash, row.preset) == (other.request_hash, other.preset)
    if not same or other.state not in Operation.ENDED_STATES:
        return False
    if other.state == State.REFUSED:
        was_sent = other.first_sent_at is not None
        return was_sent and other.credentials_id == row.credentials_id
    return must_not_be_repeated(row) or not _between(other, row).exists()


def must_not_be_repeated(row: Operation) -> bool:
    """Whether a second effect would do harm, as of a create or a mail. No query."""
    try:
        change = get_preset(row.preset)[1].change
    except UnknownPreset:
        return not row.takes_access  # the folder is gone, so nobody knows
    return change is not None and change.repeat == "never"


def _between(first: Operation, last: Operation) -> QuerySet[Operation]:
    """Other calls about the same target, as far as they may have been sent or will be."""
    found = _at_the_same_account(last).filter(target=last.target, pk__gt=first.pk, pk__lt=last.pk)
    return found.exclude(state=State.REFUSED, first_sent_at=None).exclude(
        request_hash=last.request_hash, preset=last.preset
    )


def take_over(row: Operation, other: Operation, *, now: datetime) -> None:
    """Give a row that waited for the same request the result of the one that was sent."""
    result: dict[str, Any] = {
        "state": other.state,
        "status": other.status,
        "code": other.code,
        "answer": other.answer,
        "values": other.values,
    }
    note = f"The same request was sent by operation {other.pk}. {other.note}".strip()
    result |= map_adopted(row, other.values, note) if other.state == State.DONE else {"note": note}
    with transaction.atomic():
        mine = Operation.objects.filter(pk=row.pk, fence=row.fence, state=State.PLANNED)
        if mine.update(fence=F("fence") + 1, due_at=None, finished_at=now, **result):
            release(row.pk, now=now)


# What is to be done -----------------------------------------------------------------------------


def due_operations(now: datetime) -> QuerySet[Operation]:
    """Rows that may be sent, looked up, or given another's result now. One query with a limit.

    While Rolecall is paused only look-ups are left: they change nothing.
    """
    paused = Installation.objects.filter(pk=1, paused_at__isnull=False)
    planned = Q(state=State.PLANNED) & FREE & ~Exists(paused)
    is_time = Q(due_at__isnull=True) | Q(due_at__lte=now)
    return Operation.objects.filter((planned & is_time) | Q(state=State.UNKNOWN, due_at__lte=now))
