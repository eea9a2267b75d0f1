"""Writing SaaS users and their dated roles in batches, each with its event in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from people.bulk import insert_rows, update_rows
from people.identity import email_key
from people.models import CustomField, Event
from people.services import Writing, write_events
from saas.models import SaaSUser, SaaSUserRole

_COLUMNS = (
    "application_id",
    "external_id",
    "person_id",
    "email",
    "email_key",
    "name",
    "status",
    "last_activity",
    "custom",
    "updated_at",
)
_ROLE_COLUMNS = ("saas_user_id", "role", "scope_id", "scope", "rank", "valid_from", "valid_to")
_PLAIN = ("email", "name", "status")
_FOLLOWING = {"last_activity", "roles", "person"}
# A change of these alone is written without an event (M-1).
_WITHOUT_EVENT = {"last_activity"}


class SaaSUserChange(NamedTuple):
    """What is to become of one account: {field: [old, new]}, as it was shown.

    `roles` is a list of {"role", "scope_id", "scope"}, the primary one first. A new account's id
    has been reserved. `person_id` is the person it belongs to from now on; None leaves it alone,
    unless `changes` says that it belongs to nobody.
    """

    saas_user_id: int
    is_new: bool
    application_id: int
    external_id: str
    changes: Mapping[str, Sequence[Any]]
    changes_json: str
    person_id: int | None = None
    note: str = ""


@dataclass
class AppliedUsers:
    """What a batch did; `moved` are accounts whose row is no longer as it was shown."""

    done: set[int] = field(default_factory=set)
    moved: dict[int, str] = field(default_factory=dict)
    roles_added: int = 0
    roles_ended: int = 0


def apply_saas_users(changes: Sequence[SaaSUserChange], writing: Writing) -> AppliedUsers:
    """Create and update a batch of accounts and their roles. Runs inside a transaction.

    About eight queries, whatever the size of the batch.
    """
    applied = AppliedUsers()
    rows = _new_rows(changes, writing, applied)
    new = {change.saas_user_id for change in changes if change.is_new}
    created = [(i, *row, writing.now) for i, row in rows.items() if i in new]
    if created:
        insert_rows(SaaSUser, ["id", *_COLUMNS, "created_at"], created)
    update_rows(SaaSUser, _COLUMNS, [(i, *row) for i, row in rows.items() if i not in new])
    applied.done.update(rows)
    written = [change for change in changes if change.saas_user_id in rows]
    _write_roles([change for change in written if "roles" in change.changes], writing, applied)
    write_events(
        CustomField.Object.SAAS_USER,
        (
            (change.saas_user_id, _kind(change), change.changes_json, change.note)
            for change in written
            if change.is_new or not _WITHOUT_EVENT.issuperset(change.changes)
        ),
        writing,
    )
    return applied


def note_found(found: Collection[int], not_found: Collection[int], *, now: datetime) -> None:
    """Keep since when accounts are not found at the vendor (GT-36). No event; two queries at most.

    The first time stays while an account is not found again.
    """
    if found:
        lost = SaaSUser.objects.filter(pk__among=found, not_found_at__isnull=False)
        lost.update(not_found_at=None)
    if not_found:
        known = SaaSUser.objects.filter(pk__among=not_found, not_found_at__isnull=True)
        known.update(not_found_at=now)


def _new_rows(
    changes: Sequence[SaaSUserChange], writing: Writing, applied: AppliedUsers
) -> dict[int, list[Any]]:
    """The new row of each account by id, in the order of `_COLUMNS`. Up to two queries."""
    old = [change.saas_user_id for change in changes if not change.is_new]
    current: dict[int, dict[str, Any]] = {}
    if old:
        locked = SaaSUser.objects.select_for_update().filter(pk__among=old).order_by("pk")
        current = {row["id"]: row for row in locked.values("id", *_COLUMNS)}
    rows: dict[int, list[Any]] = {}
    taken = _taken([change for change in changes if change.is_new])
    for change in changes:
        if change.is_new and (change.application_id, change.external_id) in taken:
            applied.moved[change.saas_user_id] = "Another run has made the account meanwhile."
            continue
        row = _blank(change) if change.is_new else current.get(change.saas_user_id)
        if row is None:
            applied.moved[change.saas_user_id] = "The account is no longer there."
            continue
        differing = [] if change.is_new else _differing(row, change)
        if differing:
            applied.moved[change.saas_user_id] = (
                f"Changed since the plan was made: {', '.join(differing)}."
            )
            continue
        _write_into(row, change, writing.now)
        rows[change.saas_user_id] = [row[column] for column in _COLUMNS]
    return rows


def _taken(new: Sequence[SaaSUserChange]) -> set[tuple[int, str]]:
    """Accounts to be made that are there already, by application and id at the vendor."""
    if not new:
        return set()
    accounts = SaaSUser.objects.filter(
        application__in={change.application_id for change in new},
        external_id__among=[change.external_id for change in new],
    )
    return set(accounts.values_list("application_id", "external_id"))


def _blank(change: SaaSUserChange) -> dict[str, Any]:
    return {
        "application_id": change.application_id,
        "external_id": change.external_id,
        "person_id": None,
        "email": "",
        "email_key": None,
        "name": "",
        "status": SaaSUser.Status.ACTIVE.value,
        "last_activity": None,
        "custom": {},
    }


def _differing(row: Mapping[str, Any], change: SaaSUserChange) -> list[str]:
    """Fields that no longer hold what was shown; roles and activity follow the vendor anyway."""
    return [
        name
        for name, (old, _new) in change.changes.items()
        if name not in _FOLLOWING
        and ((row[name] or None) if name in _PLAIN else row["custom"].get(name)) != old
    ]


def _write_into(row: dict[str, Any], change: SaaSUserChange, now: datetime) -> None:
    custom = dict(row["custom"])
    for name, (_old, new) in change.changes.items():
        if name in _PLAIN:
            row[name] = new or ""
        elif name == "last_activity":
            row[name] = datetime.fromisoformat(new) if new else None
        elif name not in {"roles", "person"}:
            if new is None:
                custom.pop(name, None)
            else:
                custom[name] = new
    if "email" in change.changes:
        row["email_key"] = email_key(row["email"])
    if change.person_id is not None:
        row["person_id"] = change.person_id
    elif change.changes.get("person", (None, "kept"))[1] is None:
        row["person_id"] = None
    row["custom"] = orjson.dumps(custom).decode()
    row["updated_at"] = now


def _write_roles(
    changes: Sequence[SaaSUserChange], writing: Writing, applied: AppliedUsers
) -> None:
    """End the roles that are gone, add the new ones, mend scopes and order. Up to four queries."""
    held: dict[int, dict[tuple[str, str], tuple[int, str, int]]] = {}
    old = [change.saas_user_id for change in changes if not change.is_new]
    if old:
        rows = SaaSUserRole.objects.filter(saas_user__among=old, valid_to__isnull=True)
        for pk, user, role, scope_id, scope, rank in rows.values_list(
            "pk", "saas_user_id", "role", "scope_id", "scope", "rank"
        ):
            held.setdefault(user, {})[role, scope_id] = (pk, scope, rank)
    added: list[tuple[Any, ...]] = []
    ended: list[int] = []
    mended: list[tuple[Any, ...]] = []
    for change in changes:
        has = held.get(change.saas_user_id, {})
        wanted: dict[tuple[str, str], tuple[str, int]] = {}
        for rank, row in enumerate(change.changes["roles"][1] or []):
            wanted.setdefault((row["role"], row["scope_id"]), (row["scope"], rank))
        ended.extend(pk for key, (pk, _scope, _rank) in has.items() if key not in wanted)
        for (role, scope_id), (scope, rank) in wanted.items():
            known = has.get((role, scope_id))
            if known is None:
                added.append((change.saas_user_id, role, scope_id, scope, rank, writing.now, None))
            elif known[1:] != (scope, rank):
                mended.append((known[0], scope, rank))
    if ended:
        SaaSUserRole.objects.filter(pk__among=ended).update(valid_to=writing.now)
    if added:
        insert_rows(SaaSUserRole, _ROLE_COLUMNS, added)
    update_rows(SaaSUserRole, ["scope", "rank"], mended)
    applied.roles_added += len(added)
    applied.roles_ended += len(ended)


def _kind(change: SaaSUserChange) -> str:
    if change.is_new:
        return Event.Kind.NEW
    if change.changes.get("status", (None, None))[1] == SaaSUser.Status.DEACTIVATED:
        return Event.Kind.ARCHIVE
    return Event.Kind.EDIT
