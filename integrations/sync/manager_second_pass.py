"""Managers who came with this run are set when everybody is there (F-38, BB-19)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson
from django.db import transaction

from integrations.models import PlannedChange
from integrations.sync.manager_references import find_managers, manager_unknown
from integrations.sync.work import BATCH, Work, write_issues
from people.bulk import update_rows
from people.models import Person
from people.services import Writing, apply_managers, complete_events_without_manager

Action, State = PlannedChange.Action, PlannedChange.State


class _Waiting(NamedTuple):
    """An applied row whose person still waits for the manager."""

    pk: int
    person: int
    reference: str
    external_id: str
    key: str


def set_managers(work: Work, writing: Writing) -> None:
    """Set the managers that records name, whatever the order of the records.

    A few queries per batch of people whose manager was not there yet. Raises LeaseLost.
    """
    waiting = (
        PlannedChange.objects.filter(run=work.run.pk, state=State.APPLIED)
        .exclude(manager_ref="")
        .values_list("pk", "target_id", "manager_ref", "external_id", "key")
    )
    after = 0
    while rows := list(map(_Waiting._make, waiting.filter(pk__gt=after).order_by("pk")[:BATCH])):
        after = rows[-1].pk
        with transaction.atomic():
            work.show("managers", len(rows), None)
            _set(work, writing, rows)


def _set(work: Work, writing: Writing, rows: Sequence[_Waiting]) -> None:
    found = find_managers(work, {row.reference for row in rows})
    people = Person.objects.filter(pk__among=[row.person for row in rows])
    have = dict(people.values_list("pk", "manager_id"))
    managers: dict[int, int] = {}
    missing: list[_Waiting] = []
    for row in rows:
        manager = found.get(row.reference)
        if manager is None or manager == row.person:
            missing.append(row)
        elif have.get(row.person) != manager:
            managers[row.person] = manager
    apply_managers(managers, writing)
    if missing:
        _leave_out(work, writing, missing)


def _leave_out(work: Work, writing: Writing, rows: Sequence[_Waiting]) -> None:
    """Note of people that their manager did not come after all; the next sync looks again."""
    complete_events_without_manager([row.person for row in rows], writing)
    empty = _take_out_of_plan(rows)
    for row in rows:
        if row.pk in empty:
            work.count("person", row.external_id, "updated", by=-1)
            work.count("person", row.external_id, "unchanged")
    work.look_again.update(row.external_id for row in rows)
    because = "could not be set; it is tried again in the next sync."
    write_issues(
        work, [manager_unknown(row.external_id, row.key, row.reference, because) for row in rows]
    )


def _take_out_of_plan(rows: Sequence[_Waiting]) -> set[int]:
    """Take the manager out of the plan's rows; gives those that turn out to change nothing."""
    plan = PlannedChange.objects.filter(pk__among=[row.pk for row in rows])
    mended, empty = [], set()
    for pk, action, changes in plan.values_list("pk", "action", "changes"):
        changes.pop("manager", None)
        mended.append((pk, orjson.dumps(changes).decode()))
        if not changes and action == Action.UPDATE:
            empty.add(pk)
    update_rows(PlannedChange, ["changes"], mended)
    plan.filter(pk__among=empty).update(
        action=Action.SKIP,
        state=State.SKIPPED,
        reason="Its only change was a manager who is not known.",
    )
    return empty
