"""Calls that were planned and never sent, and are not to be sent any more, or not now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from integrations.models import Operation

TAKEN_BACK = "taken_back"
"""The code of a call that was not sent for now: its key is free, and asks for it anew."""


def leave_unsent(keys: Collection[str], *, code: str, note: str, now: datetime) -> int:
    """End calls with these keys that were never sent; gives how many. Up to three queries.

    The raised fence keeps out whoever is about to send one; who waited for one goes on.
    """
    return _end(keys, code=code, note=note, now=now)


def take_back(keys: Collection[str], *, note: str, now: datetime) -> int:
    """The same, so that asking with the same key later plans the call anew."""
    free = Concat(F("key"), Value(" taken back "), Cast("pk", CharField()))
    return _end(keys, code=TAKEN_BACK, note=note, now=now, key=free)


def _end(keys: Collection[str], *, code: str, note: str, now: datetime, **more: Concat) -> int:
    planned = Operation.objects.filter(state=Operation.State.PLANNED, tries=0)
    unsent = planned.filter(key__among=list(keys)).order_by("pk")
    calls = list(unsent.values_list("pk", flat=True))
    if not calls:
        return 0
    number = planned.filter(pk__among=calls).update(
        state=Operation.State.REFUSED,
        fence=F("fence") + 1,
        code=code,
        note=note,
        due_at=None,
        finished_at=now,
        **more,
    )
    behind = Operation.objects.filter(waits_for__in=calls, state=Operation.State.PLANNED)
    behind.update(due_at=now)
    return number
