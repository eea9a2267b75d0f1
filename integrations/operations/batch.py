"""Performing many calls of one preset: rows first, then calls on threads, then their ends.

What goes as usual costs a few statements per batch. Everything else (an answer that leaves it open,
somebody in the way, a look before the first send) goes row by row, as `perform` does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from integrations.client import VendorClient
from integrations.manifest_presets import Preset
from integrations.models import Operation
from integrations.operations.guarding import check_room
from integrations.operations.mapped import NO_MAPS, Maps
from integrations.operations.perform import carry_on, carry_on_own
from integrations.operations.rows import State, due_operations, fitting_key, row_of
from integrations.operations.send import Clock
from integrations.operations.sending import Sending, is_plain
from integrations.presets.call import PresetCall

# Of rows that were planned by others at the same moment, so often it is looked again.
_TRIES = 5
# So many rows are claimed at once, or as many as the vendor's rate lets through in some seconds: a
# row that is claimed long before it is sent would be looked up for nothing after a kill.
_MOST_AT_ONCE, _FEWEST_AT_ONCE = 256, 16
_AHEAD_SECONDS = 8
_MOST_ROUNDS = 8


@dataclass(frozen=True)
class Asked:
    """One call that is asked for, the key that names what asks, and what of the answer is wanted.

    `guarded` counts an account that is taken away towards the limit of 24 hours (M-15).
    """

    call: PresetCall
    key: str
    guarded: bool
    maps: Maps = NO_MAPS


def perform_many(
    asked: Sequence[Asked],
    *,
    preset: Preset,
    client: VendorClient,
    started_by: str,
    limited: bool = False,
    clock: Clock = timezone.now,
) -> list[Operation]:
    """Have each call made once for its key, ever; give their rows, in order.

    A row in the state `planned`, `unknown` or `sending` is carried on by a worker. All calls are of
    this preset and go through this client, which stays open. With `limited`, OverLimit is raised
    before anything is planned when the account's limit does not let all new guarded ones go.
    While Rolecall is paused nothing is sent.

    Not to be called in a transaction (RuntimeError). Raises nothing for what the vendor does.
    """
    if not asked:
        return []
    carry_on_own(asked[0].call.credentials_id, clock)
    rows = _plan(asked, started_by=started_by, limited=limited, clock=clock)
    ordered = sorted(rows.values(), key=lambda row: row.pk)
    sending = Sending(preset, client, clock)
    for chunk in _chunks([row for row in ordered if is_plain(row, preset, clock())], client):
        # The chunks before it may have taken minutes: what is old by now is looked at once more.
        sending.send_all([row for row in chunk if is_plain(row, preset, clock())])
    _carry_on_rest(ordered, clock)
    return [rows[fitting_key(one.key)] for one in asked]


# Planning ---------------------------------------------------------------------------------------


def _plan(
    asked: Sequence[Asked], *, started_by: str, limited: bool, clock: Clock
) -> dict[str, Operation]:
    """The rows by key; those that are new are committed. Raises OverLimit.

    Two statements, with a limit seven.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            return _plan_once(asked, started_by, limited=limited, clock=clock)
        except (IntegrityError, OperationalError):
            # Another batch has planned one of the keys, or both waited for each other.
            if not tries_left:
                raise
    raise AssertionError


def _plan_once(
    asked: Sequence[Asked], started_by: str, *, limited: bool, clock: Clock
) -> dict[str, Operation]:
    now = clock()
    wanted = {fitting_key(one.key): one for one in reversed(asked)}
    found = {row.key: row for row in Operation.objects.filter(key__among=list(wanted))}
    new = {
        key: row_of(
            one.call,
            key=key,
            started_by=started_by,
            guarded=one.guarded,
            now=now,
            maps=one.maps,
        )
        for key, one in reversed(wanted.items())
        if key not in found
    }
    if new:
        with transaction.atomic(durable=True):
            guarded = {row.target for row in new.values() if row.guarded}
            if limited and guarded:
                first = next(iter(new.values()))
                check_room(first.vendor, first.tenant, now=now, number=len(guarded))
            Operation.objects.bulk_create(new.values())
    return found | new


def _chunks(rows: Sequence[Operation], client: VendorClient) -> Iterator[Sequence[Operation]]:
    soon = max(_FEWEST_AT_ONCE, client.calls_in(_AHEAD_SECONDS))
    size = int(min(_MOST_AT_ONCE, soon))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


# What does not go as usual ----------------------------------------------------------------------


def _carry_on_rest(rows: Sequence[Operation], clock: Clock) -> None:
    """Take row by row the steps that the others are due for, and say how they stand.

    A query for the rest, and one more per round; none when every row has ended.
    """
    rest = {row.pk: row for row in rows if row.state not in Operation.ENDED_STATES}
    if not rest:
        return
    ids = list(rest)
    own = Q(pk__among=ids) | Q(waiting__pk__among=ids, waiting__state=State.PLANNED)
    for _round in range(_MOST_ROUNDS):
        due = due_operations(clock()).filter(own).order_by("pk").distinct()
        steps = [carry_on(pk, clock) for pk in list(due.values_list("pk", flat=True))]
        if not any(steps):
            break
    for now_so in Operation.objects.filter(pk__among=ids):
        row = rest[now_so.pk]
        row.__dict__.update({name: part for name, part in vars(now_so).items() if name != "_state"})
