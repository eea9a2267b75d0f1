"""People who are, over others, their own manager: told, and tolerated (BB-19)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from integrations.sync.work import Issue, Work, write_issues
from people.models import Person


def warn_about_cycles(work: Work) -> None:
    """Report everybody who is in a cycle. One query, more where there is one. Raises LeaseLost."""
    manager_of = dict(Person.objects.filter(manager__isnull=False).values_list("pk", "manager_id"))
    in_cycles = people_in_cycles(manager_of)
    if not in_cycles:
        return
    people = Person.objects.filter(pk__among=in_cycles).order_by("pk")
    issues = [
        Issue(
            "",
            email,
            "manager_cycle",
            "Over others, this person is their own manager. Mend it at the source.",
            field="manager",
            warning=True,
        )
        for email in people.values_list("email", flat=True)
    ]
    with transaction.atomic():
        work.show("managers", len(issues), None)
        write_issues(work, issues)


def people_in_cycles(manager_of: Mapping[int, int | None]) -> set[int]:
    """Everybody who comes back to themselves going up; no recursion, each person once."""
    done: set[int] = set()
    found: set[int] = set()
    for start in manager_of:
        path: dict[int, int] = {}
        at: int | None = start
        while at is not None and at not in done and at not in path:
            path[at] = len(path)
            at = manager_of.get(at)
        if at is not None and at in path:
            found.update(person for person, place in path.items() if place >= path[at])
        done.update(path)
    return found
