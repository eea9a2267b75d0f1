"""Deactivating and reactivating people by hand, several at once within the limit (M-15)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from people.by_hand import save_person, write_person
from people.errors import TooMany
from people.models import Event, Person
from people.services import Writing


@dataclass(frozen=True)
class Allowance:
    """How many more people may be deactivated before somebody has to type the number (M-15)."""

    left: int
    limit: int
    base: int


def _no_limit(*, counting: bool) -> Allowance | None:
    """Stand in until an app above knows the limit."""
    return None


# The limit of 24 hours over all routes. With `counting`, inside a transaction, nobody else counts
# until it ends. The app that guards removals puts its function here.
removals_allowed: Callable[..., Allowance | None] = _no_limit


@dataclass(frozen=True)
class Moved:
    """What an action did: how many it changed, how many were as asked already."""

    changed: int
    already: int


def deactivate_people(
    ids: Iterable[int], *, actor: str, reason: str, today: date, approved: bool = False
) -> Moved:
    """Deactivate people by name; `today` becomes their last day where none that passed is known.

    Several at once count towards the limit of 24 hours; over it nobody is touched and TooMany is
    raised, unless `actor` approved these very people, who are not counted then (M-15). One person
    is never counted. One transaction per person, so one problem leaves the others done. About
    twenty-five queries each.
    """

    def changes(person: Person) -> dict[str, Any]:
        ended = person.deactivation_date is not None and person.deactivation_date <= today
        return {
            "status": Person.Status.DEACTIVATED.value,
            **({} if ended else {"deactivation_date": today}),
        }

    people = list(Person.objects.filter(pk__in=list(ids)).order_by("pk"))
    active = [one for one in people if one.status != Person.Status.DEACTIVATED]
    several = len(active) > 1
    counted = several and not approved
    if counted:
        _check_room(len(active), counting=False)
    writing = Writing(
        Event.Source.ADMIN,
        actor,
        timezone.now(),
        guarded=counted,
        approved_by=actor if several and approved else "",
    )
    for person in active:
        with transaction.atomic():
            if counted:
                _check_room(1, counting=True)
            write_person(person, changes(person), writing, reason)
    return Moved(len(active), len(people) - len(active))


def _check_room(people: int, *, counting: bool) -> None:
    allowance = removals_allowed(counting=counting)
    if allowance is not None and people > allowance.left:
        raise TooMany(
            f"Only {allowance.left} more may be deactivated now: the limit is {allowance.limit} in "
            f"24 hours (of {allowance.base}). Select them again and type the number to go beyond."
        )


def reactivate_people(ids: Iterable[int], *, actor: str, reason: str, today: date) -> Moved:
    """Make people active again and forget a last day that has passed. As `deactivate_people`."""

    def changes(person: Person) -> dict[str, Any]:
        ended = person.deactivation_date is not None and person.deactivation_date <= today
        return {
            "status": Person.Status.ACTIVE.value,
            **({"deactivation_date": None} if ended else {}),
        }

    changed = already = 0
    for person in Person.objects.filter(pk__in=list(ids)).order_by("pk"):
        if person.status == Person.Status.ACTIVE:
            already += 1
            continue
        save_person(person, changes(person), actor=actor, note=reason)
        changed += 1
    return Moved(changed, already)
