"""What a listed record means for its SaaS user: values, status, roles (M-5, M-9, M-12, M-29)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.sync.people_rows import Changes
from integrations.sync.records import Records, Staged
from saas.models import SaaSUser

_PLAIN = ("email", "name")
_KEPT_WHEN_FILTERED = ("status", "last_activity", "roles")


def for_new_user(one: Staged, *, person: str | None) -> Changes:
    """Every value of a new account; a deactivated one has no current role."""
    changes: Changes = {}
    for name in (*_PLAIN, "last_activity"):
        if one.user.get(name) is not None:
            changes[name] = [None, one.user[name]]
    status = one.status or SaaSUser.Status.ACTIVE.value
    changes["status"] = [None, status]
    for name, value in (one.user.get("custom") or {}).items():
        if value is not None:
            changes[name] = [None, value]
    if one.roles is not None and status == SaaSUser.Status.ACTIVE:
        changes["roles"] = [None, roles_shown(one.roles)]
    if person is not None:
        changes["person"] = [None, person]
    return changes


def for_known_user(
    one: Staged,
    row: Mapping[str, Any],
    records: Records,
    *,
    person_id: int | None,
    person: str | None,
) -> Changes:
    """The fields in which the account differs; what the answer leaves out stays (M-12)."""
    changes: Changes = {}
    for name in _PLAIN:
        if name in one.user and (row[name] or None) != one.user[name]:
            changes[name] = [row[name] or None, one.user[name]]
    old_activity = row["last_activity"].isoformat() if row["last_activity"] else None
    if "last_activity" in one.user and old_activity != one.user["last_activity"]:
        changes["last_activity"] = [old_activity, one.user["last_activity"]]
    for name, value in (one.user.get("custom") or {}).items():
        if row["custom"].get(name) != value:
            changes[name] = [row["custom"].get(name), value]
    if one.status is not None and row["status"] != one.status:
        changes["status"] = [row["status"], one.status]
    _compare_roles(one, row, records, changes)
    if person_id is not None and row["person_id"] != person_id:
        changes["person"] = [None, person]
    if one.outcome == "filtered":
        return {name: change for name, change in changes.items() if name in _KEPT_WHEN_FILTERED}
    return changes


def _compare_roles(one: Staged, row: Mapping[str, Any], records: Records, changes: Changes) -> None:
    """An account that is active has the roles of the listing; one that is not has none."""
    old = records.roles.get(row["id"], [])
    active = (one.status or row["status"]) == SaaSUser.Status.ACTIVE
    if not active:
        new: list[dict[str, str]] = []
    elif one.roles is None:
        return
    else:
        new = roles_shown(one.roles)
    if old != new:
        changes["roles"] = [old, new]


def roles_shown(roles: Any) -> list[dict[str, str]]:
    """Roles as plans, events and JSON show them, the primary one first."""
    return [{"role": role, "scope_id": scope_id, "scope": scope} for role, scope_id, scope in roles]
