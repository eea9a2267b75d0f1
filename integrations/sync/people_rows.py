"""What a listed record means for its person: old -> new per field, by owner and policy (M-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations.sync.manager_references import manager_unknown
from integrations.sync.records import Records, Staged
from integrations.sync.work import Issue, Work
from people.models import Person
from people.services import DATE_FIELDS, TEXT_FIELDS

Changes = dict[str, list[Any]]
# Kept true for a linked person even when the record is filtered out, by the source of truth (M-9).
_KEPT_WHEN_FILTERED = ("status", "deactivation_date")
_NEVER_CLEARED = ("email", "username")


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """The changes of one person; `removal` says that the source calls them gone (not applied)."""

    changes: Changes
    removal: str = ""
    manager_ref: str = ""
    warning: Issue | None = None

    @property
    def reactivates(self) -> bool:
        return bool(self.changes.get("status", [None, None])[1] == Person.Status.ACTIVE)


def for_new_person(one: Staged, records: Records, work: Work) -> PersonPlan:
    """Every mapped value that is filled; a record first met as left is created as left."""
    changes: Changes = {}
    for name, value in one.people.items():
        if value is not None and name in work.fields and name != "manager":
            changes[name] = [None, value]
    if "status" not in changes:
        changes["status"] = [None, Person.Status.ACTIVE.value]
    return _with_manager(PersonPlan(changes), one, records, work, current=None)


def for_known_person(
    one: Staged, row: Mapping[str, Any], records: Records, work: Work
) -> PersonPlan:
    """The fields in which the person differs from what the source says, as far as it may write."""
    changes: Changes = {}
    removal = ""
    for name, value in one.people.items():
        field = work.fields.get(name)
        if field is None or name == "manager":
            continue
        if one.outcome == "filtered" and name not in _KEPT_WHEN_FILTERED:
            continue
        old = shown(row, name)
        new = _new_value(name, value, old, row, work)
        if new == old:
            continue
        if name == "status" and new == Person.Status.DEACTIVATED:
            removal = f"{work.vendor.label} says that this person left."
            continue
        changes[name] = [old, new]
    plan = PersonPlan(changes, removal)
    if one.outcome == "filtered" or "manager" not in work.fields:
        return plan
    return _with_manager(plan, one, records, work, current=row)


def _new_value(name: str, value: Any, old: Any, row: Mapping[str, Any], work: Work) -> Any:
    """What the field is to hold; `old` where this integration may not write it."""
    field = work.fields[name]
    if field.policy == "on_create":
        return old
    if name == "status":
        return old if value is None else value
    if not field.owned:
        return value if old is None and value is not None else old
    if value is not None:
        return value
    if field.policy == "when_filled" or name in _NEVER_CLEARED:
        return old
    origin = row["sources"].get(name)
    filled_by_another = origin is not None and origin != work.integration.pk
    return old if filled_by_another else None


def shown(row: Mapping[str, Any], name: str) -> Any:
    """A person's value as plans and events show it: JSON types, None for blank."""
    if name in TEXT_FIELDS or name == "status":
        return row[name] or None
    if name in DATE_FIELDS:
        return row[name].isoformat() if row[name] else None
    if name in {"department", "role"}:
        return row[f"{name}__name"]
    return row["custom"].get(name)


def _with_manager(
    plan: PersonPlan,
    one: Staged,
    records: Records,
    work: Work,
    *,
    current: Mapping[str, Any] | None,
) -> PersonPlan:
    """Add the manager, who may come with this very run; unknown ones are a warning (F-38)."""
    if "manager" not in one.people:
        return plan
    reference = one.people["manager"]
    old_id = current["manager_id"] if current else None
    old = (current["manager__email"] or f"person {old_id}") if current and old_id else None
    if current is not None and _new_value("manager", reference, old, current, work) == old:
        return plan  # blank and blank, or not ours to write: owner and policy as for any field
    changes = plan.changes
    if reference is None:
        if old is not None:
            changes["manager"] = [old, None]
        return plan
    manager_id, name = records.managers.get(reference, (None, ""))
    own = current["id"] if current else None
    own_manager = (manager_id is not None and manager_id == own) or name == one.key
    if own_manager or not name:
        code = "own_manager" if own_manager else "manager_unknown"
        return replace(plan, warning=_manager_warning(one, code, reference))
    if manager_id is None or manager_id != old_id:
        changes["manager"] = [old, name]
        return replace(plan, manager_ref=reference)
    return plan


def _manager_warning(one: Staged, code: str, reference: str) -> Issue:
    if code == "manager_unknown":
        because = "is not known here; set as soon as a sync brings that person."
        return manager_unknown(one.external_id, one.key, reference, because)
    reason = "The record names itself as its manager; the manager is left as it is."
    return Issue(one.external_id, one.key, code, reason, field="manager", warning=True)
