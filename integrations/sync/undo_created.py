"""Which records that a run created may be taken out again: those that nothing else touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.models import PlannedChange
from integrations.sync.people_rows import shown
from integrations.sync.undo_facts import Facts, read_facts
from integrations.sync.undo_judge import UndoRow
from integrations.sync.undo_links import links_to_take_back
from integrations.sync.undo_rows import Effect, Index, Record, Scope, read_effects
from integrations.sync.work import batches
from people.models import Person
from saas.models import SaaSUser

Action = PlannedChange.Action
_TOO_NEW = "something newer touched it"


@dataclass
class Created:
    """Who of the created records is taken out, and why the others stay."""

    people: set[int] = field(default_factory=set)
    users: set[int] = field(default_factory=set)
    kept: dict[tuple[str, int], str] = field(default_factory=dict)


def find_removable(scope: Scope, index: Index) -> Created:
    """Judge every created record. Some ten queries per batch of them, none where there are none."""
    created = Created()
    users = [record for record in index.users if record.created]
    for batch in batches(users):
        effects = read_effects(batch)
        _sort_out(effects, read_facts(scope, effects, lock=False), created, created.users)
    for batch in batches(index.created_people):
        effects = read_effects(batch)
        facts = read_facts(scope, effects, lock=False)
        _sort_out(effects, facts, created, created.people)
    _keep_people_of_accounts(scope, index, created)
    _keep_managers(scope, index, created)
    return created


def _sort_out(effects: Sequence[Effect], facts: Facts, created: Created, going: set[int]) -> None:
    for effect in effects:
        if effect.target_id not in facts.rows:
            continue
        reason = why_kept(effect, facts)
        if reason:
            created.kept[effect.object, effect.target_id] = reason
        else:
            going.add(effect.target_id)


def why_kept(effect: Effect, facts: Facts) -> str:
    """Why a created record stays, as far as its own rows say it; empty when it may go."""
    target = effect.target_id
    touched = list(facts.touched(target).values())
    if touched:
        return touched[-1].in_words
    history = facts.history.get(target)
    if history and any(not event.changes for event in history.later):
        return _TOO_NEW
    if _differs(effect, facts):
        return "it holds something else now than the run wrote"
    uses = {use.external_id for use in effect.links}
    for link in facts.links.get(target, []):
        if not link.own_vendor or link.external_id not in uses:
            return "it is linked to another record too"
        if link.shared:
            return "another integration or a person relies on its link"
    return ""


def _differs(effect: Effect, facts: Facts) -> bool:
    row = facts.rows[effect.target_id]
    if effect.object == "saas_user":
        wanted = effect.changes.get("roles", [None, []])[1] or []
        return bool(
            row["status"] != effect.changes["status"][1]
            or facts.roles.get(row["id"], []) != _once(wanted)
        )
    return any(
        shown(row, name) != new for name, (_old, new) in effect.changes.items() if name != "manager"
    )


def _once(roles: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Roles as they are stored: the first of those with the same role and scope."""
    by_key: dict[tuple[str, str], dict[str, str]] = {}
    for role in roles:
        by_key.setdefault((role["role"], role["scope_id"]), dict(role))
    return list(by_key.values())


def _keep_people_of_accounts(scope: Scope, index: Index, created: Created) -> None:
    """Keep people to whom an account belongs that does not go and was theirs by another hand."""
    known = {record.target_id: record for record in index.users}
    for batch in _chunks(sorted(created.people)):
        owned = SaaSUser.objects.filter(person__among=batch).values_list("pk", "person_id")
        staying = [(user, person) for user, person in owned if user not in created.users]
        ours = [known[user] for user, _person in staying if user in known]
        freed = _freed(scope, ours, "person")
        for user, person in staying:
            if user not in freed:
                created.people.discard(person or 0)
                created.kept["person", person or 0] = "an account that stays belongs to it"


def _keep_managers(scope: Scope, index: Index, created: Created) -> None:
    """Keep people who are managers of somebody who stays and whose manager the run did not set."""
    known = {record.target_id: record for record in (*index.key_moves, *index.other_people)}
    above: dict[int, int] = {}
    for batch in _chunks(sorted(created.people)):
        reports = Person.objects.filter(manager__among=batch).values_list("pk", "manager_id")
        pairs = [(person, manager) for person, manager in reports if manager is not None]
        ours = [known[person] for person, _manager in pairs if person in known]
        freed = _freed(scope, ours, "manager")
        above |= {person: manager for person, manager in pairs if person not in freed}
    while True:
        kept = {m for p, m in above.items() if p not in created.people and m in created.people}
        if not kept:
            return
        created.people -= kept
        for person in kept:
            created.kept["person", person] = "it is the manager of somebody who stays"


def _freed(scope: Scope, records: Sequence[Record], name: str) -> set[int]:
    """Whose `name` the run wrote and nothing newer did: it is written back, and so no tie."""
    free: set[int] = set()
    for batch in batches([one for one in records if not one.created]):
        effects = read_effects(batch)
        facts = read_facts(scope, effects, lock=False)
        free |= {
            effect.target_id
            for effect in effects
            if name in effect.changes and name not in facts.touched(effect.target_id)
        }
    return free


def _chunks(ids: Sequence[int], size: int = 2_000) -> Iterable[list[int]]:
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def judge_created(effects: Sequence[Effect], facts: Facts, created: Created) -> list[UndoRow]:
    """Take out those that may go and are still as they were; list the others. No query."""
    rows = []
    for effect in effects:
        target = effect.target_id
        if target not in facts.rows:
            continue
        reason = created.kept.get((effect.object, target)) or why_kept(effect, facts)
        if reason:
            rows.append(UndoRow(effect, Action.SKIP.value, left={"": reason}))
            continue
        unjoined, made = links_to_take_back(effect, facts)
        changes: dict[str, list[Any]] = {
            name: [new, None] for name, (_old, new) in effect.changes.items()
        }
        rows.append(UndoRow(effect, Action.REMOVE.value, changes, unjoined=unjoined, made=made))
    return rows
