"""Claiming many rows of the journal in one statement (M-26)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Exists, F, Q

from integrations.models import Installation, Operation
from integrations.operations.rows import FREE, HELD, State
from integrations.sync.lease import now_in_database, process_name

# The fence of a row that nobody has claimed before; and once claimed, until another takes it.
NEW, OURS = 0, 1
_AGAIN = 2


def claim_free(rows: Sequence[Operation], *, marked: bool, now: datetime) -> list[Operation]:
    """Take what nobody is in the way of. Four queries, a commit.

    The unique indexes decide between two batches; who loses looks again, then waits row by row.
    """
    for _try in range(_AGAIN):
        free = _without_waiting(rows)
        if not free:
            return []
        try:
            return _claim(free, marked=marked, now=now)
        except (IntegrityError, OperationalError):
            continue
    return []


def _claim(rows: Sequence[Operation], *, marked: bool, now: datetime) -> list[Operation]:
    paused = Installation.objects.filter(pk=1, paused_at__isnull=False)
    found = Operation.objects.filter(
        ~Exists(paused),
        pk__among=[row.pk for row in rows],
        fence=NEW,
        state=State.PLANNED,
        waits_for=None,
    ).order_by("pk")
    sent = {"sent_at": now, "first_sent_at": now, "tries": 1} if marked else {}
    with transaction.atomic():
        mine = set(found.select_for_update(skip_locked=True).values_list("pk", flat=True))
        Operation.objects.filter(pk__among=list(mine)).update(
            state=State.SENDING,
            fence=F("fence") + 1,
            worker=process_name(),
            heartbeat_at=now_in_database(),
            due_at=None,
            **sent,
        )
    return [row for row in rows if row.pk in mine]


def _without_waiting(rows: Sequence[Operation]) -> list[Operation]:
    """Those that have to wait for nobody. Two queries."""
    first = rows[0] if rows else None
    if first is None:
        return []
    account = Operation.objects.filter(vendor=first.vendor, tenant=first.tenant)
    targets = list({row.target for row in rows})
    effects = list({row.effect for row in rows})
    same = Q(target__among=targets, state__in=HELD)
    same |= Q(effect__among=effects, state__in=[*HELD, State.ASKS])
    busy = list(account.filter(same).values_list("target", "effect", "state"))
    targets_busy = {target for target, _effect, state in busy if state in HELD}
    effects_busy = {effect for _target, effect, _state in busy}
    planned = account.filter(
        FREE, target__among=targets, state=State.PLANNED, pk__lt=max(row.pk for row in rows)
    )
    oldest = dict(planned.order_by("-pk").values_list("target", "pk"))
    free = []
    for row in rows:
        waits = oldest.get(row.target, row.pk) < row.pk
        if waits or row.target in targets_busy or row.effect in effects_busy:
            continue
        targets_busy.add(row.target)
        effects_busy.add(row.effect)
        free.append(row)
    return free
