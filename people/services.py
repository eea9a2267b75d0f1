"""Writing people in batches: `apply_*` change rows and write their events in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson
from django.db.models import Q

from people.bulk import clear_columns, insert_rows, update_rows
from people.identity import email_key, look_alike, name_key, username_key
from people.models import CustomField, Department, Event, Person, PersonRole, UniqueValue

TEXT_FIELDS = (
    "username",
    "email",
    "first_name",
    "last_name",
    "preferred_name",
    "full_name",
    "employee_id",
    "title",
    "phone",
    "mobile_phone",
    "location",
    "country",
    "employment_status",
)
DATE_FIELDS = ("birthday", "hire_date", "deactivation_date")
_COLUMNS = (
    *TEXT_FIELDS,
    *DATE_FIELDS,
    "status",
    "username_key",
    "email_key",
    "email_look_alike",
    "department_id",
    "manager_id",
    "role_id",
    "custom",
    "sources",
    "updated_at",
)
_EVENT_COLUMNS = (
    "object",
    "object_id",
    "kind",
    "source",
    "run_id",
    "actor",
    "at",
    "changes",
    "note",
    "guarded",
    "approved_by",
    "workflow_run_id",
)


@dataclass(frozen=True)
class Writing:
    """On whose behalf a batch is written; `origin` is the integration's id, kept per field."""

    source: str
    actor: str
    now: datetime
    run_id: int | None = None
    origin: int | None = None
    # The run was begun before: a record may have its one event of this run already (M-18).
    resumed: bool = False
    # Whether deactivations count towards the limit of 24 hours (M-15).
    guarded: bool = False
    # Who approved these very removals, by name.
    approved_by: str = ""
    # Of a workflow: which of its runs writes each record, by the record's id.
    workflow_runs: Mapping[int, int] = field(default_factory=dict)


class PersonChange(NamedTuple):
    """What is to become of one person: {field: [old, new]} in JSON types, as it was shown.

    A new person's id has been reserved. `manager_id` is the manager's id where it is known already.
    `origins` names per field who had written what comes back; None: whoever writes now.
    """

    person_id: int
    is_new: bool
    changes: Mapping[str, Sequence[Any]]
    changes_json: str
    manager_id: int | None = None
    note: str = ""
    origins: Mapping[str, int | None] | None = None


@dataclass
class Applied:
    """`moved` are the ids whose row is no longer as it was shown, with the reason; not written."""

    done: set[int] = field(default_factory=set)
    moved: dict[int, str] = field(default_factory=dict)


def apply_people(changes: Sequence[PersonChange], writing: Writing) -> Applied:
    """Create and update a batch of people, with their events. Runs inside a transaction.

    About twelve queries, whatever the size of the batch. A row that another hand has changed since
    it was planned, or whose e-mail somebody else took, is left out and listed in `moved`.
    """
    applied = Applied()
    names = _Names(changes)
    unique = _unique_fields()
    rows, key_moves = _new_rows(changes, names, writing, applied)
    _refuse_keys_of_two(rows, key_moves, changes, applied)
    _refuse_taken_keys(rows, applied)
    if unique:
        _refuse_taken_values(changes, unique, rows, applied)
    clear_columns(Person, ["email_key", "username_key"], [i for i in key_moves if i in rows])
    new = {change.person_id for change in changes if change.is_new}
    created = [(i, *row, writing.now) for i, row in rows.items() if i in new]
    updated = [(i, *row) for i, row in rows.items() if i not in new]
    if created:
        insert_rows(Person, ["id", *_COLUMNS, "created_at"], created)
    update_rows(Person, _COLUMNS, updated)
    applied.done.update(rows)
    if unique:
        _write_unique_values(changes, unique, applied)
    write_events(
        CustomField.Object.PERSON,
        ((c.person_id, _kind(c), c.changes_json, c.note) for c in changes if c.person_id in rows),
        writing,
    )
    return applied


class _Names:
    """Departments and roles of a batch by name and by id; unknown departments are made."""

    def __init__(self, changes: Sequence[PersonChange]) -> None:
        wanted = {
            change.changes["department"][1] for change in changes if "department" in change.changes
        }
        self.departments = ensure_departments(name for name in wanted if name)
        self.roles = dict(PersonRole.objects.values_list("name", "id"))
        self.role_names = {pk: name for name, pk in self.roles.items()}
        self.department_names: dict[int, str] = {}
        if not all(change.is_new for change in changes):
            self.department_names = dict(Department.objects.values_list("id", "name"))


def ensure_departments(names: Iterable[str]) -> dict[str, int]:
    """The ids of departments by exact name; unknown ones are made (BB-30). Up to three queries.

    Safe when several workers name the same new department at once: the unique name decides.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    known = dict(Department.objects.filter(name__among=wanted).values_list("name", "id"))
    new = [Department(name=name, name_key=name_key(name)) for name in wanted if name not in known]
    if new:
        Department.objects.bulk_create(new, ignore_conflicts=True)
        known = dict(Department.objects.filter(name__among=wanted).values_list("name", "id"))
    return known


def near_duplicate_departments(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs (name, existing name) that differ only in case or spaces. One query."""
    keys = {name_key(name): name for name in names}
    rows = Department.objects.filter(name_key__among=keys).values_list("name_key", "name")
    return sorted({(keys[key], name) for key, name in rows if keys[key] != name})


def _new_rows(
    changes: Sequence[PersonChange], names: _Names, writing: Writing, applied: Applied
) -> tuple[dict[int, list[Any]], list[int]]:
    """The new row of each person by id, and the ids whose keys change. One or two queries."""
    current = _lock_rows([change.person_id for change in changes if not change.is_new])
    rows: dict[int, list[Any]] = {}
    key_moves = []
    for change in changes:
        if change.is_new:
            row = _BLANK.copy()
        else:
            found = current.get(change.person_id)
            moved = _moved(found, change, names)
            if found is None or moved:
                applied.moved[change.person_id] = moved
                continue
            row = found
            if "email" in change.changes or "username" in change.changes:
                key_moves.append(change.person_id)
        _write_into(row, change, names, writing)
        rows[change.person_id] = [row[column] for column in _COLUMNS]
    return rows, key_moves


def find_moved(changes: Sequence[PersonChange]) -> dict[int, str]:
    """Whose rows are no longer as they were shown, with the reason; the others are locked.

    Inside a transaction. Up to six queries, whatever the size of the batch.
    """
    names = _Names(changes)
    current = _lock_rows([change.person_id for change in changes])
    verdicts = {
        change.person_id: _moved(current.get(change.person_id), change, names) for change in changes
    }
    return {person: reason for person, reason in verdicts.items() if reason}


def _moved(row: Mapping[str, Any] | None, change: PersonChange, names: _Names) -> str:
    """Why a row cannot be written as it was planned; empty when it can."""
    if row is None:
        return "The person is no longer there."
    differing = _differing(row, change, names)
    return f"Changed since the plan was made: {', '.join(differing)}." if differing else ""


_BLANK: dict[str, Any] = {
    **dict.fromkeys(TEXT_FIELDS, ""),
    **dict.fromkeys(DATE_FIELDS),
    "status": Person.Status.ACTIVE.value,
    **dict.fromkeys(
        ("username_key", "email_key", "email_look_alike", "department_id", "manager_id", "role_id")
    ),
    "custom": {},
    "sources": {},
}


def _lock_rows(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    if not ids:
        return {}
    rows = Person.objects.select_for_update().filter(pk__among=ids).order_by("pk")
    return {row["id"]: row for row in rows.values("id", *_COLUMNS)}


def _differing(row: Mapping[str, Any], change: PersonChange, names: _Names) -> list[str]:
    """Fields whose value is not the old value that was shown; the manager is judged by its pass."""
    return [
        name
        for name, (old, _new) in change.changes.items()
        if name != "manager" and _shown(row, name, names) != old
    ]


def _shown(row: Mapping[str, Any], name: str, names: _Names) -> Any:
    if name in TEXT_FIELDS or name == "status":
        return row[name] or None
    if name in DATE_FIELDS:
        return row[name].isoformat() if row[name] else None
    if name == "department":
        return names.department_names.get(row["department_id"])
    if name == "role":
        return names.role_names.get(row["role_id"])
    return row["custom"].get(name)


def _write_into(row: dict[str, Any], change: PersonChange, names: _Names, writing: Writing) -> None:
    custom = dict(row["custom"])
    sources = dict(row["sources"])
    joined = _joined_name(row)
    for name, (_old, new) in change.changes.items():
        if name in TEXT_FIELDS:
            row[name] = new or ""
        elif name in DATE_FIELDS:
            # As the other rows of the batch have theirs: a list of dates and text is no array.
            row[name] = date.fromisoformat(new) if new else None
        elif name == "status":
            row[name] = new
        elif name in _REFERENCES:
            _write_reference(row, name, new, change, names)
        else:
            _put(custom, name, new)
        origin = writing.origin if change.origins is None else change.origins.get(name)
        _put(sources, name, None if new is None else origin)
    if "full_name" not in change.changes and row["full_name"] == joined:
        row["full_name"] = _joined_name(row)
    if "email" in change.changes:
        row["email_key"] = email_key(row["email"])
        row["email_look_alike"] = look_alike(row["email_key"])
    if "username" in change.changes:
        row["username_key"] = username_key(row["username"])
    row["custom"] = orjson.dumps(custom).decode()
    row["sources"] = orjson.dumps(sources).decode()
    row["updated_at"] = writing.now


def _joined_name(row: Mapping[str, Any]) -> str:
    """First and last name: the full name of people for whom nobody gave another."""
    return f"{row['first_name']} {row['last_name']}".strip()


_REFERENCES = {"department", "role", "manager"}


def _write_reference(
    row: dict[str, Any], name: str, new: str | None, change: PersonChange, names: _Names
) -> None:
    if name == "department":
        row["department_id"] = names.departments.get(new) if new else None
    elif name == "role":
        row["role_id"] = names.roles.get(new) if new else None
    elif new is None or change.manager_id is not None:
        row["manager_id"] = change.manager_id


def _put(values: dict[str, Any], name: str, value: object) -> None:
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value


_EMAIL_KEY, _USERNAME_KEY = _COLUMNS.index("email_key"), _COLUMNS.index("username_key")


def _refuse_keys_of_two(
    rows: dict[int, list[Any]],
    key_moves: Iterable[int],
    changes: Iterable[PersonChange],
    applied: Applied,
) -> None:
    """Leave out rows of the batch that would get the same e-mail or username: no guess (M-3)."""
    moving = {*key_moves, *(change.person_id for change in changes if change.is_new)}
    for column in (_EMAIL_KEY, _USERNAME_KEY):
        holders: dict[str, list[int]] = {}
        for person, row in rows.items():
            if row[column]:
                holders.setdefault(row[column], []).append(person)
        for several in holders.values():
            for person in several if len(several) > 1 else ():
                if person in moving:
                    del rows[person]
                    applied.moved[person] = "Another record brings the same e-mail or username."


def _refuse_taken_keys(rows: dict[int, list[Any]], applied: Applied) -> None:
    """Leave out rows whose e-mail or username belongs to a person outside the batch. One query."""
    emails = {row[_EMAIL_KEY]: i for i, row in rows.items() if row[_EMAIL_KEY]}
    usernames = {row[_USERNAME_KEY]: i for i, row in rows.items() if row[_USERNAME_KEY]}
    holders = (
        Person.objects.filter(Q(email_key__among=emails) | Q(username_key__among=usernames))
        .exclude(pk__among=rows)
        .values_list("pk", "email_key", "username_key")
    )
    for holder, email, username in holders:
        for taken in (emails.get(email), usernames.get(username)):
            if taken is not None and rows.pop(taken, None) is not None:
                applied.moved[taken] = f"Its e-mail or username now belongs to person {holder}."


def _unique_fields() -> dict[str, int]:
    fields = CustomField.objects.filter(object=CustomField.Object.PERSON, unique=True)
    return dict(fields.values_list("key", "id"))


def _refuse_taken_values(
    changes: Iterable[PersonChange],
    unique: Mapping[str, int],
    rows: dict[int, list[Any]],
    applied: Applied,
) -> None:
    """Leave out rows whose value of a unique field somebody else keeps, or brings too. One query.

    Who is left out keeps the old value, which may be what the next one wanted.
    """
    moves = {
        (unique[name], change.person_id): None if new is None else unique_key(new)
        for change in changes
        if change.person_id in rows
        for name, (_old, new) in change.changes.items()
        if name in unique
    }
    keys = {key for key in moves.values() if key is not None}
    held = UniqueValue.objects.filter(field__in=unique.values(), key__among=keys) if keys else ()
    holders = {(one.field_id, one.key): one.person_id for one in held}
    refused: set[int] | None = None
    while refused != set():
        brought = Counter((place[0], key) for place, key in moves.items())
        refused = set()
        for (field_id, person), key in moves.items():
            holder = holders.get((field_id, key or ""), person)
            kept = holder != person and (field_id, holder) not in moves
            if key is not None and (kept or brought[field_id, key] > 1):
                refused.add(person)
                applied.moved[person] = (
                    f'Somebody else has the value "{key[:60]}", which is unique.'
                )
        moves = {place: key for place, key in moves.items() if place[1] not in refused}
        for person in refused:
            rows.pop(person, None)


def _write_unique_values(
    changes: Iterable[PersonChange], unique: Mapping[str, int], applied: Applied
) -> None:
    """Keep `UniqueValue` in step with the values that were written. Two queries at most."""
    written = [
        (unique[name], change.person_id, new)
        for change in changes
        if change.person_id in applied.done
        for name, (_old, new) in change.changes.items()
        if name in unique
    ]
    if not written:
        return
    people = {person for _field, person, _value in written}
    fields = {field for field, _person, _value in written}
    UniqueValue.objects.filter(field__in=fields, person__in=people).delete()
    UniqueValue.objects.bulk_create(
        UniqueValue(field_id=field_id, person_id=person, key=unique_key(value))
        for field_id, person, value in written
        if value is not None
    )


def unique_key(value: object) -> str:
    """The comparison key of a value in a unique custom field."""
    return str(value).strip().casefold()[:320]


def _kind(change: PersonChange) -> str:
    if change.is_new:
        return Event.Kind.NEW
    if change.changes.get("status", (None, None))[1] == Person.Status.DEACTIVATED:
        return Event.Kind.ARCHIVE
    return Event.Kind.EDIT


def write_events(
    kind_of_object: str, events: Iterable[tuple[int, str, str, str]], writing: Writing
) -> None:
    """Write (object id, kind, changes as JSON text, note) as events. One statement.

    In a run that was begun before, two more: what a record's event says already is completed.
    """
    if writing.resumed:
        events = _complete_earlier(str(kind_of_object), list(events), writing)
    insert_rows(
        Event,
        _EVENT_COLUMNS,
        [
            (
                str(kind_of_object),
                object_id,
                str(kind),
                writing.source,
                writing.run_id,
                writing.actor,
                writing.now,
                changes,
                note,
                writing.guarded and kind == Event.Kind.ARCHIVE,
                writing.approved_by,
                writing.workflow_runs.get(object_id),
            )
            for object_id, kind, changes, note in events
        ],
    )


def _complete_earlier(
    kind_of_object: str, events: Sequence[tuple[int, str, str, str]], writing: Writing
) -> list[tuple[int, str, str, str]]:
    """Bring events of the run's earlier attempt up to date; give those of records without one."""
    earlier = {
        row[1]: row
        for row in Event.objects.filter(
            run_id=writing.run_id, object=kind_of_object, object_id__among=[e[0] for e in events]
        ).values_list("pk", "object_id", "kind", "changes")
    }
    rows, fresh, void, removals = [], [], [], []
    for event in events:
        object_id, kind, text, _note = event
        if object_id not in earlier:
            fresh.append(event)
            continue
        pk, _object_id, first_kind, changes = earlier[object_id]
        for name, (old, new) in orjson.loads(text).items():
            changes[name] = [changes[name][0] if name in changes else old, new]
        changes = {name: change for name, change in changes.items() if change[0] != change[1]}
        kept = first_kind if kind == Event.Kind.EDIT else kind
        if changes or kept != Event.Kind.EDIT:
            rows.append((pk, kept, orjson.dumps(changes).decode()))
        else:
            void.append(pk)
        if kind == Event.Kind.ARCHIVE:
            removals.append((pk, writing.guarded, writing.approved_by))
    update_rows(Event, ["kind", "changes"], rows)
    update_rows(Event, ["guarded", "approved_by"], removals)
    if void:
        Event.objects.filter(pk__among=void).delete()
    return fresh


def apply_managers(managers: Mapping[int, int], writing: Writing) -> None:
    """Set the managers of people, {person id: manager id}: the second pass. One statement.

    The event of the person's row names the manager already: it was written with what was shown.
    """
    update_rows(
        Person,
        ["manager_id", "updated_at"],
        [(person, manager, writing.now) for person, manager in managers.items()],
    )


def complete_events_without_manager(people: Iterable[int], writing: Writing) -> None:
    """Take the manager out of the run's events of people whose manager was not found after all.

    An edit of nothing else goes. Up to three statements.
    """
    events = Event.objects.filter(
        run_id=writing.run_id, object=CustomField.Object.PERSON, object_id__among=list(people)
    )
    rows, empty = [], []
    for pk, kind, changes in events.values_list("pk", "kind", "changes"):
        changes.pop("manager", None)
        if changes or kind != Event.Kind.EDIT:
            rows.append((pk, orjson.dumps(changes).decode()))
        else:
            empty.append(pk)
    update_rows(Event, ["changes"], rows)
    if empty:
        Event.objects.filter(pk__among=empty).delete()
