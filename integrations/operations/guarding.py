"""The guard's counter as calls of presets ask for it."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from integrations.errors import OverLimit
from integrations.guard import Room, tenant_room
from integrations.models import Installation


def room_for_call(vendor: str, tenant: str, *, now: datetime | None = None) -> Room:
    """What the counter of a (vendor, tenant) allows now, over all routes (M-15). Three queries.

    The call itself counts as soon as it is planned.
    """
    return tenant_room(vendor, tenant, now or timezone.now())


def check_room(vendor: str, tenant: str, *, now: datetime, number: int = 1) -> None:
    """Raise OverLimit where so many more are too many; nobody else counts until the commit.

    Five queries; call it in the transaction in which the call is planned.
    """
    Installation.the()
    Installation.objects.select_for_update().get(pk=1)
    room = tenant_room(vendor, tenant, now)
    if not room.allows(number):
        raise OverLimit(room.in_words(number))
