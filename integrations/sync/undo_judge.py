"""What undoing would write to each record: the old value where nothing newer touched the field."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.models import PlannedChange
from integrations.sync.people_rows import shown
from integrations.sync.stuck import find_stuck
from integrations.sync.undo_facts import Facts, Happened
from integrations.sync.undo_links import links_to_take_back, why_linked
from integrations.sync.undo_rows import Changes, Effect
from people.identity import email_key
from people.models import CustomField, Event, Person, PersonRole
from saas.models import SaaSUser

Action = PlannedChange.Action
_DIFFERS = "it holds something else now"
# Follows the vendor all the time and is written without an event: not worth a word.
_SILENT = {"last_activity"}


@dataclass(frozen=True, slots=True)
class UndoRow:
    """What undoing does to one record; `left` says per field why it stays, "" is the record."""

    effect: Effect
    action: str
    changes: Changes = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, int | None] = field(default_factory=dict)
    manager_id: int | None = None
    # Links that no longer stand for the record, and those of them that the run had made.
    unjoined: tuple[int, ...] = ()
    made: tuple[int, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether anything is undone."""
        return bool(self.changes or self.unjoined or self.action == Action.REMOVE)


@dataclass(frozen=True)
class World:
    """What is the same for all batches: names that exist, and who had which e-mail before."""

    roles: Collection[str]
    fields: Mapping[str, Collection[str]]
    had_email: Mapping[str, int]
    # Accounts that the run created and that stay.
    kept_users: Collection[int]

    @classmethod
    def read(cls, had_email: Mapping[str, int], kept_users: Collection[int]) -> World:
        """Two queries."""
        fields: dict[str, set[str]] = {"person": set(), "saas_user": set()}
        for kind, key in CustomField.objects.values_list("object", "key"):
            fields[kind].add(key)
        roles = set(PersonRole.objects.values_list("name", flat=True))
        return cls(roles, fields, had_email, kept_users)


def judge_people(effects: Sequence[Effect], facts: Facts, world: World) -> list[UndoRow]:
    """What becomes of people who were there before the run. At most one query."""
    managers = _find_managers(effects, world)
    return [
        _judge_person(effect, facts, world, managers)
        for effect in effects
        if effect.target_id in facts.rows
    ]


def judge_users(effects: Sequence[Effect], facts: Facts, world: World) -> list[UndoRow]:
    """What becomes of accounts that were there before the run. No query."""
    return [
        _judge_user(effect, facts, world) for effect in effects if effect.target_id in facts.rows
    ]


def _judge_person(
    effect: Effect, facts: Facts, world: World, managers: Mapping[str, int]
) -> UndoRow:
    row = facts.rows[effect.target_id]
    touched = facts.touched(effect.target_id)
    changes: Changes = {}
    left: dict[str, str] = {}
    manager_id = None
    for name, (old, new) in effect.changes.items():
        if name == "manager":
            reason, manager_id = _judge_manager(effect, row, touched, managers)
            now: Any = new
        else:
            now = shown(row, name)
            reason = _why_left(name, now, new, touched) or _why_impossible(name, old, world)
        if name != "manager" and now == old:
            continue
        if reason:
            left[name] = reason
        else:
            changes[name] = [now, old]
    return _finished(effect, facts, world, changes, left, manager_id=manager_id)


def _why_left(name: str, now: Any, new: Any, touched: Mapping[str, Happened]) -> str:
    if name in touched:
        return touched[name].in_words
    return "" if now == new else _DIFFERS


def _why_impossible(name: str, old: Any, world: World, kind: str = "person") -> str:
    """Why the old value has no place any more."""
    if name == "role" and kind == "person" and old is not None and old not in world.roles:
        return "the role that it had is no longer there"
    model = Person if kind == "person" else SaaSUser
    known = name in {one.name for one in model._meta.fields} or name == "roles"
    return "" if known or name in world.fields[kind] else "the field is no longer there"


def _judge_manager(
    effect: Effect,
    row: Mapping[str, Any],
    touched: Mapping[str, Happened],
    managers: Mapping[str, int],
) -> tuple[str, int | None]:
    """Why the manager stays, or who it becomes. Managers who were removed count as the run's."""
    old, new = effect.changes["manager"]
    if "manager" in touched:
        return touched["manager"].in_words, None
    if new is None and row["manager_id"] is not None:
        return _DIFFERS, None
    if old is None:
        return "", None
    manager = managers.get(old)
    if manager is None or manager == effect.target_id:
        return "the manager of before is no longer found by that e-mail", None
    return "", manager


def _find_managers(effects: Sequence[Effect], world: World) -> dict[str, int]:
    """Who the managers of before are, by the e-mail or `person <id>` of then. One query."""
    names = {effect.changes["manager"][0] for effect in effects if "manager" in effect.changes}
    found: dict[str, int] = {}
    by_key: dict[str, str] = {}
    by_id: dict[int, str] = {}
    for name in names - {None}:
        key = email_key(name)
        if name.startswith("person ") and name[7:].isdigit():
            by_id[int(name[7:])] = name
        elif key is not None and key in world.had_email:
            by_id[world.had_email[key]] = name
        elif key is not None:
            by_key[key] = name
    if by_key:
        rows = Person.objects.filter(email_key__among=list(by_key)).values_list("email_key", "pk")
        found = {by_key[key or ""]: pk for key, pk in rows}
    if by_id:
        there = Person.objects.filter(pk__among=list(by_id)).values_list("pk", flat=True)
        found |= {by_id[pk]: pk for pk in there}
    return found


def _judge_user(effect: Effect, facts: Facts, world: World) -> UndoRow:
    row = facts.rows[effect.target_id]
    touched = facts.touched(effect.target_id)
    changes: Changes = {}
    left: dict[str, str] = {}
    for name, (old, new) in effect.changes.items():
        if name == "person":
            if row["person_id"] is None:
                continue
            reason, now = _judge_owner(effect, facts, touched), new
        else:
            now = _shown_user(row, name, facts)
            reason = _why_left(name, now, new, touched)
            reason = reason or _why_impossible(name, old, world, "saas_user")
            if (now or None) == (old or None):
                continue
        if not reason:
            changes[name] = [now, old]
        elif name not in _SILENT:
            left[name] = reason
    return _finished(effect, facts, world, changes, left)


def _judge_owner(effect: Effect, facts: Facts, touched: Mapping[str, Happened]) -> str:
    """Why an account keeps its person; plans do not say whose it was before, history does."""
    if "person" in touched:
        return touched["person"].in_words
    history = facts.history.get(effect.target_id)
    named = [event for event in history.earlier if "person" in event.changes] if history else []
    if named and named[-1].changes["person"][1] is not None:
        return "it belonged to somebody before, and the run did not note to whom"
    return ""


def _shown_user(row: Mapping[str, Any], name: str, facts: Facts) -> Any:
    if name in {"email", "name", "status"}:
        return row[name] or None
    if name == "last_activity":
        return row[name].isoformat() if row[name] else None
    if name == "roles":
        return facts.roles.get(row["id"], [])
    return row["custom"].get(name)


def _finished(
    effect: Effect,
    facts: Facts,
    world: World,
    changes: Changes,
    left: dict[str, str],
    *,
    manager_id: int | None = None,
) -> UndoRow:
    unjoined, made = links_to_take_back(effect, facts)
    if unjoined and (reason := why_linked(effect, facts, world.kept_users)):
        left["link"] = reason
        unjoined, made = (), ()
    action = Action.SKIP
    if changes:
        action = _action(changes)
    elif unjoined:
        action = Action.UNLINK
    return UndoRow(
        effect,
        action.value,
        changes,
        left,
        _origins(effect, facts, changes),
        manager_id,
        unjoined,
        made,
    )


def _action(changes: Changes) -> PlannedChange.Action:
    status = changes.get("status", [None, None])[1]
    if status == Person.Status.DEACTIVATED:
        return Action.DEACTIVATE
    return Action.REACTIVATE if status == Person.Status.ACTIVE else Action.UPDATE


def _origins(effect: Effect, facts: Facts, changes: Changes) -> dict[str, int | None]:
    """Which integration had written the values that come back (M-6); None: somebody by hand."""
    history = facts.history.get(effect.target_id)
    if effect.object != "person" or history is None:
        return {}
    origins: dict[str, int | None] = {}
    for event in history.earlier:
        if event.source == Event.Source.UNDO:
            continue  # it brought back what another had written
        run = facts.runs.get(event.run_id or 0)
        for name in changes.keys() & event.changes.keys():
            if name == "manager" or event.changes[name][1] == changes[name][1]:
                origins[name] = run.integration_id if run else None
    return origins


def leave_stuck_keys(rows: Sequence[UndoRow], going: Sequence[int]) -> list[UndoRow]:
    """Leave e-mails and usernames that somebody else has now. One query.

    `going` are people who are taken out again, and so give theirs up.
    """
    moving = [
        {
            "id": number,
            "target_id": row.effect.target_id,
            "changes": {
                name: change
                for name, change in row.changes.items()
                if name in {"email", "username"}
            },
        }
        for number, row in enumerate(rows)
    ]
    gone = [
        {
            "id": -1 - number,
            "target_id": person,
            "changes": {"email": [None, None], "username": [None, None]},
        }
        for number, person in enumerate(going)
    ]
    stuck = find_stuck([*moving, *gone], {})
    return [_without_keys(row) if number in stuck else row for number, row in enumerate(rows)]


def _without_keys(row: UndoRow) -> UndoRow:
    keys = row.changes.keys() & {"email", "username"}
    changes = {name: change for name, change in row.changes.items() if name not in keys}
    left = {**row.left, **dict.fromkeys(keys, "somebody else has the e-mail or username now")}
    action = row.action
    if not changes:
        action = (Action.UNLINK if row.unjoined else Action.SKIP).value
    return replace(row, changes=changes, left=left, action=action)
