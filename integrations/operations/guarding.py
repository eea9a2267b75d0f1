"""The guard's counter as calls of presets ask for it."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from integrations.guard import Room, tenant_room


def room_for_call(vendor: str, tenant: str, *, now: datetime | None = None) -> Room:
    """What the counter of a (vendor, tenant) allows now, over all routes (M-15). Three queries.

    Ask it before a call that takes access away; the call itself counts as soon as it is planned.
    """
    return tenant_room(vendor, tenant, now or timezone.now())
