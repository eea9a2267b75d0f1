"""Writing rows of a plan: people, accounts and links together; those that moved are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from integrations.models import PlannedChange
from integrations.sync.links import links_by_external_id, own_links, write_links
from integrations.sync.manager_references import find_managers
from integrations.sync.plan_rows import close_moved, count_row
from integrations.sync.work import Work
from people.services import PersonChange, Writing, apply_people
from saas.services import SaaSUserChange, apply_saas_users

Action, State = PlannedChange.Action, PlannedChange.State
_WRITING = {Action.UPDATE, Action.REACTIVATE}
PlanRow = dict[str, Any]
"""A planned row as `read_rows` gives it."""


def read_rows(rows: QuerySet[PlannedChange], *, most: int | None = None) -> list[PlanRow]:
    """Rows in the order of the plan; their changes as the text that events get, and parsed."""
    chosen = (
        rows.order_by("pk")
        .annotate(text=Cast("changes", TextField()))
        .values(
            "id",
            "object",
            "action",
            "key",
            "external_id",
            "target_id",
            "manager_ref",
            "reason",
            "text",
        )[:most]
    )
    return [{**row, "changes": orjson.loads(row["text"])} for row in chosen]


def write_rows(work: Work, writing: Writing, rows: Sequence[PlanRow]) -> None:
    """Write rows with their links and events, and close them. Inside a transaction.

    The rows of one record come together. Some thirty statements, whatever their number.
    """
    links = links_by_external_id(work, {row["external_id"] for row in rows})
    people = [row for row in rows if row["object"] == "person"]
    users = [row for row in rows if row["object"] == "saas_user"]
    moved: dict[int, str] = {}
    person_of = _write_people(work, writing, people, moved)
    people_by_record = {record: link.person_id for record, link in links.items()} | person_of
    user_of = _write_users(work, writing, users, people_by_record, moved)
    write_links(work, links, person_of, user_of)
    close_rows(work, rows, moved)


def _write_people(
    work: Work,
    writing: Writing,
    rows: Sequence[PlanRow],
    moved: dict[int, str],
) -> dict[str, int]:
    """Write people; give the person of each record that has one now, by external id."""
    managers = _managers_of(work, rows)
    changes = [
        person_change(row, manager_id=_unless_own(managers.get(row["manager_ref"]), row))
        for row in rows
        if row["action"] != Action.LINK
    ]
    moved_people = apply_people(changes, writing).moved if changes else {}
    person_of = _count_written(work, rows, moved_people, moved)
    _tell_other_records(work, [row for row in rows if row["external_id"] in person_of])
    return person_of


def _count_written(
    work: Work, rows: Sequence[PlanRow], moved_targets: Mapping[int, str], moved: dict[int, str]
) -> dict[str, int]:
    """Count rows that were written, note those whose record moved; gives record -> whom it is."""
    written = {}
    for row in rows:
        target = row["target_id"]
        if target in moved_targets:
            moved[row["id"]] = moved_targets[target]
        else:
            written[row["external_id"]] = target
            count_row(work, row)
    return written


def _unless_own(manager: int | None, row: PlanRow) -> int | None:
    return None if manager == row["target_id"] else manager


def person_change(row: PlanRow, *, manager_id: int | None) -> PersonChange:
    """What a row changes, as the service takes it."""
    return PersonChange(
        person_id=row["target_id"],
        is_new=row["action"] == Action.CREATE,
        changes=row["changes"],
        changes_json=row["text"],
        manager_id=manager_id,
        note=row["reason"],
    )


def _tell_other_records(work: Work, rows: Sequence[PlanRow]) -> None:
    """Look again at other records of people whom these rows wrote, once those are listed (M-7).

    A person may have several; one that comes back unchanged would not be looked at, and what
    another one wrote in the meantime would stay. One query, none where all are new.
    """
    written = {row["target_id"]: row["external_id"] for row in rows if row["action"] in _WRITING}
    if not written:
        return
    links = own_links(work).filter(person__among=written)
    for person, external_id in links.values_list("person_id", "external_id"):
        if external_id != written[person]:
            work.look_again.add(external_id)


def _managers_of(work: Work, rows: Sequence[PlanRow]) -> dict[str, int]:
    """Managers that are there already; the second pass sets the others. Up to three queries."""
    references = {row["manager_ref"] for row in rows if row["manager_ref"]}
    return find_managers(work, references) if references else {}


def _write_users(
    work: Work,
    writing: Writing,
    rows: Sequence[PlanRow],
    person_of: Mapping[str, int | None],
    moved: dict[int, str],
) -> dict[str, int]:
    """Write accounts; give the account of each record, by external id."""
    application = work.integration.application_id
    if not rows or application is None:
        return {}
    changes = [
        SaaSUserChange(
            saas_user_id=row["target_id"],
            is_new=row["action"] == Action.CREATE,
            application_id=application,
            external_id=row["external_id"],
            changes=row["changes"],
            changes_json=row["text"],
            person_id=person_of.get(row["external_id"]),
            note=row["reason"],
        )
        for row in rows
    ]
    applied = apply_saas_users(changes, writing)
    work.counts["roles"]["added"] += applied.roles_added
    work.counts["roles"]["ended"] += applied.roles_ended
    return _count_written(work, rows, applied.moved, moved)


def close_rows(work: Work, rows: Sequence[PlanRow], moved: Mapping[int, str]) -> None:
    """Mark the batch's rows as applied, or as left out with the reason. Up to three statements."""
    done = [row["id"] for row in rows if row["id"] not in moved]
    PlannedChange.objects.filter(pk__among=done).update(state=State.APPLIED)
    work.look_again.update(row["external_id"] for row in rows if row["id"] in moved)
    close_moved(work, rows, moved)
