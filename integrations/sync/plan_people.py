"""Planning people: a record's person is created, linked, changed, left as it is, or to go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.sync.match import Match, match
from integrations.sync.people_rows import PersonPlan, for_known_person, for_new_person
from integrations.sync.plan_batch import COMES, NOBODY, BatchPlan, Owner
from integrations.sync.plan_rows import LEAVES, Action, State, has_keys
from integrations.sync.records import Staged
from integrations.sync.taken_keys import is_taken
from integrations.sync.work import Work
from people.models import Person


def plan_person(one: Staged, plan: BatchPlan) -> Owner:
    """Plan the row of the record's person; gives whose its account is. No query."""
    if one.outcome == "filtered" and plan.records.person_id(one) is None:
        plan.work.count("person", one.external_id, "skipped")
        return NOBODY
    found = match(one, plan.records, plan.claims, plan.work)
    if found.kind == "issue":
        plan.report(one, found.code, found.reason, candidates=found.candidates)
        return NOBODY
    if found.kind == "skip":
        plan.skip(one, found.reason)
        known = plan.records.people.get(found.person_id or 0)
        return Owner(found.person_id, known["email"] if known else None)
    if found.kind == "nobody":
        return _plan_new(one, found, plan)
    return _plan_known(one, found, plan)


def _plan_new(one: Staged, found: Match, plan: BatchPlan) -> Owner:
    if _may_not_come(one, plan) or is_taken(one, None, plan):
        return NOBODY
    person = for_new_person(one, plan.records, plan.work)
    _note(person, one, plan)
    reason = found.reason or _why_created(person)
    row = plan.add("person", Action.CREATE, one, person.changes, reason)
    row.manager_ref = person.manager_ref
    return Owner(COMES, one.key)


def _may_not_come(one: Staged, plan: BatchPlan) -> bool:
    """Whether nobody is created for a record that nobody is known for; it says why."""
    if plan.work.integration.preference == "update_only":
        plan.skip(one, "No person has its sync key, and the preference is Update only.")
        return True
    missing = [name for name in plan.work.load.required_targets if not one.people.get(name)]
    if missing and not one.active:
        plan.skip(one, f"It left already and has no {missing[0]}.")
    elif missing:
        plan.report(
            one,
            "required_blank",
            f"It has no {' and no '.join(missing)}. Fill it in at {plan.work.vendor.label}.",
            field_name=missing[0],
        )
    return bool(missing)


def _why_created(person: PersonPlan) -> str:
    if person.changes["status"][1] == Person.Status.DEACTIVATED:
        return "Not known here; listed as having left."
    return "Not known here."


def _plan_known(one: Staged, found: Match, plan: BatchPlan) -> Owner:
    assert found.person_id is not None  # noqa: S101 - linked and matched have one
    known = plan.records.people[found.person_id]
    owner = Owner(found.person_id, known["email"])
    is_matched = found.kind == "matched"
    if plan.work.integration.preference == "create_only":
        plan.skip(one, "The person is known, and the preference is Create only.")
        plan.work.left_out.discard(one.external_id)  # not written, but here all the same
        if is_matched:
            _link(one, found, plan)
        return owner
    if is_taken(one, found.person_id, plan):
        return NOBODY if is_matched else owner
    _plan_changes(one, known, found, plan)
    return owner


def _plan_changes(one: Staged, known: Mapping[str, Any], found: Match, plan: BatchPlan) -> None:
    person = for_known_person(one, known, plan.records, plan.work)
    _note(person, one, plan)
    if person.removal:
        _list_removal(one, person.removal, known["id"], plan)
    if person.changes:
        action = Action.REACTIVATE if person.reactivates else Action.UPDATE
        reason = found.reason or _why_updated(person, known, plan.work)
        row = plan.add("person", action, one, person.changes, reason)
        row.target_id = known["id"]
        row.manager_ref = person.manager_ref
        row.moves_keys = has_keys(person.changes)
    elif found.kind == "matched":
        _link(one, found, plan)
        plan.work.count("person", one.external_id, "unchanged")
    elif not person.removal:
        plan.count_untouched("person", one)


def _link(one: Staged, found: Match, plan: BatchPlan) -> None:
    """Let the record stand for the person, who stays as they are."""
    plan.add("person", Action.LINK, one, {}, found.reason).target_id = found.person_id


def _why_updated(person: PersonPlan, known: Mapping[str, Any], work: Work) -> str:
    """The reason of an update; it says so when it overwrites what somebody typed (M-7, BB-27)."""
    if person.reactivates:
        return f"{work.vendor.label} lists this person as active again."
    by_hand = [
        work.fields[name].target.label
        for name, (old, _new) in person.changes.items()
        if old is not None and name not in known["sources"] and name != "status"
    ]
    if by_hand:
        return f"{work.vendor.label} overwrites what was written by hand: {', '.join(by_hand)}."
    return f"{work.vendor.label} has other values."


def _list_removal(one: Staged, reason: str, person_id: int, plan: BatchPlan) -> None:
    """A removal is only listed here; it is judged when all else is applied (M-14, M-15)."""
    plan.work.look_again.add(one.external_id)
    row = plan.add("person", Action.DEACTIVATE, one, LEAVES, reason)
    row.state = State.REMOVAL.value
    row.target_id = person_id


def _note(person: PersonPlan, one: Staged, plan: BatchPlan) -> None:
    """Keep what is told at the end of the run: warnings, and the departments that it writes."""
    if department := person.changes.get("department", (None, None))[1]:
        plan.work.departments.add(department)
    if person.warning is not None:
        plan.issues.append(person.warning)
        plan.work.look_again.add(one.external_id)
