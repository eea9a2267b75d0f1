"""The guard: how many may be removed in 24 hours before a person has to approve them (M-15)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations.models import Installation, Integration, Operation
from people.models import Event, Person
from people.moves import Allowance
from saas.models import Application, SaaSUser

WINDOW = timedelta(hours=24)


def limit_for(percent: int, count: int, base: int) -> int:
    """The most of `base` that may go: 200 -> 20, 10 -> 3, 3 -> 1 with the usual 10 % and 5."""
    return max(math.ceil(percent * base / 100), min(count, base // 3))


@dataclass(frozen=True)
class Room:
    """What one counter allows now; `base` = active now + removed in the last 24 hours."""

    counter: str
    base: int
    removed: int
    limit: int

    def allows(self, removals: int) -> bool:
        """Whether so many more stay within the limit."""
        return self.removed + removals <= self.limit

    def in_words(self, removals: int) -> str:
        """Why so many are held, for a mail and a page."""
        before = f", after {self.removed} in the last 24 hours," if self.removed else ""
        return (
            f"{removals} removals of {self.counter}{before} are more than the limit of "
            f"{self.limit} in 24 hours (of {self.base})."
        )


def people_room(now: datetime, *, lowered_by: Integration | None = None) -> Room:
    """The counter of people, over all routes. Three queries, the first locks nothing."""
    the = Installation.the()
    percent, count = _lowered(the.removals_percent, the.removals_count, lowered_by)
    removed = guarded_events("person", now).values("object_id").distinct().count()
    base = Person.objects.filter(status=Person.Status.ACTIVE).count() + removed
    return Room("people", base, removed, limit_for(percent, count, base))


def allowance_by_hand(*, counting: bool) -> Allowance:
    """What the counter of people leaves to a selection by hand. Three queries, five counting.

    With `counting`, inside a transaction, nobody else counts until it ends.
    """
    if counting:
        Installation.the()
        Installation.objects.select_for_update().get(pk=1)
    room = people_room(timezone.now())
    return Allowance(left=max(room.limit - room.removed, 0), limit=room.limit, base=room.base)


def accounts_room(
    application: Application, now: datetime, *, lowered_by: Integration | None = None
) -> Room:
    """The counter of one application, which is one (vendor, tenant). Two queries.

    Removals that a sync saw and calls that take access away count alike, each account once (M-15).
    """
    percent, count = _lowered(application.removals_percent, application.removals_count, lowered_by)
    calls = guarded_calls(application.vendor, application.tenant or "", now)
    accounts = SaaSUser.objects.filter(application=application)
    of_people = calls.filter(saas_user=None, person__isnull=False)
    removed = (
        Q(pk__in=guarded_events("saas_user", now).values("object_id"))
        | Q(pk__in=calls.filter(saas_user__isnull=False).values("saas_user"))
        | Q(person__in=of_people.values("person"))
    )
    found = accounts.aggregate(
        every=Count("pk"),
        removed=Count("pk", filter=removed),
        base=Count("pk", filter=Q(status=SaaSUser.Status.ACTIVE) | removed),
    )
    # Accounts that no load has brought here yet are told apart by the call's target.
    known = accounts.filter(person=OuterRef("person"))
    others = calls.filter(~Exists(known), saas_user=None).values("target").distinct().count()
    gone, base = found["removed"] + others, found["base"] + others
    limit = limit_for(percent, count, base) if found["every"] else count
    return Room(f"{application} accounts", base, gone, limit)


def tenant_room(vendor: str, tenant: str, now: datetime) -> Room:
    """The counter of a (vendor, tenant), also where no list was ever loaded. Up to three queries.

    Without a list nobody knows a share of what, so the limit is the number alone.
    """
    application = Application.objects.filter(vendor=vendor, tenant=tenant).first()
    if application is not None:
        return accounts_room(application, now)
    gone = guarded_calls(vendor, tenant, now).values("target").distinct().count()
    count: int = Application._meta.get_field("removals_count").default
    return Room(f"accounts of {tenant}", gone, gone, count)


def guarded_calls(vendor: str, tenant: str, now: datetime) -> QuerySet[Operation]:
    """Calls of the last 24 hours that take access away and that nobody approved by name.

    Those that were refused took nothing away. Those that wait count, for they will be sent.
    """
    moment = Q(first_sent_at__gt=now - WINDOW) | Q(first_sent_at=None, created_at__gt=now - WINDOW)
    calls = Operation.objects.filter(
        moment, vendor=vendor, tenant=tenant, takes_access=True, guarded=True
    )
    return calls.exclude(state=Operation.State.REFUSED).order_by()


def guarded_events(kind: str, now: datetime) -> QuerySet[Event]:
    """Removals of the last 24 hours that nobody approved by name."""
    return Event.objects.filter(object=kind, guarded=True, at__gt=now - WINDOW)


def _lowered(percent: int, count: int, by: Integration | None) -> tuple[int, int]:
    """An integration's own limits may only lower the others."""
    if by is None:
        return percent, count
    own_percent, own_count = by.removals_percent, by.removals_count
    return (
        percent if own_percent is None else min(percent, own_percent),
        count if own_count is None else min(count, own_count),
    )
