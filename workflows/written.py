"""What a block's outcome changes in a record: old -> new, as plans and events show it (M-24)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from people.identity import email_key
from people.models import CustomField, Department, Person
from people.queries import Target
from people.services import DATE_FIELDS, TEXT_FIELDS
from saas.models import SaaSUser
from saas.queries import roles_held
from workflows.facts import writable_of

_ACCOUNT_FIELDS = ("name", "last_activity")
Values = dict[str, Any]
# (id, e-mail) of managers by the reference of the mapping: `email:...`, `employee_id:...`.
Managers = Mapping[str, tuple[int, str]]


class NotWritten(Exception):
    """Why the values of a block cannot be written to a record; a sentence."""


@dataclass
class Rows:
    """Locked records by id, with their values as events show them; None where they are blank."""

    values: dict[int, Values] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    # Those that outcomes name.
    managers: Managers = field(default_factory=dict)

    def changes(self, record_id: int, sets: Mapping[str, Any]) -> dict[str, list[Any]]:
        """The fields that differ, {field: [old, new]}. Raises NotWritten. No query."""
        row = self.values[record_id]
        changes: dict[str, list[Any]] = {}
        for name, value in sets.items():
            target = self.targets.get(name)
            if target is None:
                raise NotWritten(
                    f'A workflow cannot write "{name}": there is no such field any more, or it is '
                    "one that says who or what the record is. Choose another target."
                )
            new = self._new(target, value, record_id)
            old = row.get(name)
            if old != new:
                changes[name] = [old, new]
        return changes

    def manager_id(self, sets: Mapping[str, Any]) -> int | None:
        """The person whom the new manager is, if one is named."""
        found = self.managers.get(str(sets.get("manager") or ""))
        return found[0] if found else None

    def _new(self, target: Target, value: Any, record_id: int) -> Any:
        if value is None or value == "":
            return None
        if target.type == "manager":
            return manager_named(self.managers, str(value), record_id)
        if isinstance(value, datetime | date):
            value = value.isoformat()
        if target.type in {"date", "datetime"} and not _is_moment(target.type, value):
            raise NotWritten(f"{target.label} takes a date, and this value is none.")
        is_text = target.type in {"text", "long_text", "department"}
        if is_text and (not isinstance(value, str) or "\x00" in value):
            raise NotWritten(f"{target.label} takes text, and this value is none.")
        longest = target.max_length or (200 if target.type == "department" else None)
        if is_text and longest is not None and len(value) > longest:
            raise NotWritten(f"{target.label} takes at most {longest} characters.")
        return value


def manager_named(managers: Managers, reference: str, record_id: int) -> str:
    """The e-mail of the manager that a reference names. Raises NotWritten."""
    found = managers.get(reference)
    if found is None:
        named = reference.partition(":")[2]
        raise NotWritten(f'Exactly one person should be the manager "{named}"; none was set.')
    if found[0] == record_id:
        raise NotWritten("A person cannot be their own manager.")
    return found[1]


def _is_moment(type_: str, value: Any) -> bool:
    try:
        (date if type_ == "date" else datetime).fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


# People.


def read_people(ids: Iterable[int], sets: Sequence[Mapping[str, Any]]) -> Rows:
    """Lock people and read what outcomes may change. Two queries; up to four with managers."""
    names = {name for one in sets for name in one}
    columns = ["id", *TEXT_FIELDS, *DATE_FIELDS, "status", "department_id", "manager_id", "custom"]
    locked = Person.objects.select_for_update().filter(pk__among=list(ids)).order_by("pk")
    rows = {row["id"]: row for row in locked.values(*columns)}
    departments: dict[int, str] = {}
    if "department" in names:
        departments = dict(Department.objects.values_list("id", "name"))
    emails: dict[int, str] = {}
    if "manager" in names:
        managers = {row["manager_id"] for row in rows.values() if row["manager_id"]}
        emails = dict(Person.objects.filter(pk__among=managers).values_list("pk", "email"))
    return Rows(
        values={
            pk: {
                **row["custom"],
                **{name: row[name] or None for name in TEXT_FIELDS},
                **{name: row[name].isoformat() if row[name] else None for name in DATE_FIELDS},
                "status": row["status"],
                "department": departments.get(row["department_id"]),
                "manager": emails.get(row["manager_id"]),
            }
            for pk, row in rows.items()
        },
        targets=_targets(CustomField.Object.PERSON) if names else {},
        managers=find_managers(sets) if "manager" in names else {},
    )


def find_managers(sets: Sequence[Mapping[str, Any]]) -> Managers:
    """Who the references to managers are; ambiguous ones are left out. Two queries, or none."""
    wanted: dict[str, dict[str, set[str]]] = {"email_key": {}, "employee_id": {}}
    for reference in {str(one["manager"]) for one in sets if one.get("manager")}:
        kind, _, value = reference.partition(":")
        if kind == "email":
            # One address may be spelled in several ways.
            wanted["email_key"].setdefault(email_key(value) or "", set()).add(reference)
        else:
            wanted["employee_id"].setdefault(value, set()).add(reference)
    found: dict[str, list[tuple[int, str]]] = {}
    for column, by_value in wanted.items():
        people = Person.objects.filter(**{f"{column}__among": list(by_value)})
        for value, pk, email in people.values_list(column, "pk", "email") if by_value else ():
            for reference in by_value[value]:
                found.setdefault(reference, []).append((pk, email or f"person {pk}"))
    return {reference: people[0] for reference, people in found.items() if len(people) == 1}


# Accounts.


def read_accounts(ids: Iterable[int], sets: Sequence[Mapping[str, Any]]) -> Rows:
    """Lock accounts and read what outcomes may change, their roles too. Up to three queries."""
    locked = SaaSUser.objects.select_for_update().filter(pk__among=list(ids)).order_by("pk")
    columns = ("id", "external_id", "application_id", "status", "custom", *_ACCOUNT_FIELDS)
    rows = {row["id"]: row for row in locked.values(*columns)}
    roles = roles_held(list(rows))
    return Rows(
        values={
            pk: {
                **row["custom"],
                "name": row["name"] or None,
                "last_activity": row["last_activity"].isoformat() if row["last_activity"] else None,
                "status": row["status"],
                "roles": roles.get(pk, []),
                "external_id": row["external_id"],
                "application_id": row["application_id"],
            }
            for pk, row in rows.items()
        },
        targets=_targets(CustomField.Object.SAAS_USER) if any(sets) else {},
    )


def _targets(object_: str) -> dict[str, Target]:
    """What values may be written to now. One query."""
    return writable_of(object_, list(CustomField.objects.filter(object=object_)))
