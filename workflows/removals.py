"""Removals that blocks ask for: shields, and the guard over all routes (M-15).

A removal deactivates a record here. Nobody else counts between the judging and the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations.guard import Room, accounts_room, people_room
from integrations.models import Installation, Integration, RecordLink
from integrations.sync.held import row_hash
from integrations.sync.protect import LAST_ADMINISTRATOR, last_administrators, shield_of
from people.identity import email_key
from people.models import Person
from saas.models import Application, SaaSUser
from workflows.kinds import Item, Outcome, Step, Then
from workflows.models import Workflow
from workflows.records import vendor_of
from workflows.together import NOBODY, Others, others_of, waits_for_others

DEACTIVATED = "deactivated"
CHANGED_SINCE = "It changed since it was approved, so it waits for approval again."


@dataclass(frozen=True)
class Asked:
    """A removal that a block asks for; `changes` is old -> new as it is shown to who approves."""

    item: Item
    outcome: Outcome
    changes: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a removal: written, with who approved it if somebody did, or `instead`."""

    approved_by: str = ""
    instead: Outcome | None = None


def removal_changes(status: str, roles: Sequence[Mapping[str, str]]) -> dict[str, list[Any]]:
    """What deactivating changes: the status, and of an account its roles are closed (M-29)."""
    changes: dict[str, list[Any]] = {"status": [status, DEACTIVATED]}
    if roles:
        changes["roles"] = [[dict(row) for row in roles], []]
    return changes


def removal_hash(kind: str, record_id: int, changes: Mapping[str, Sequence[Any]]) -> str:
    """What is approved when a removal is: object, action, old -> new; no times, no wording."""
    said = {"object": kind, "target_id": record_id, "action": "deactivate", "changes": changes}
    return row_hash(said)


def held(outcome: Outcome, hash_: str, because: str) -> Outcome:
    """The outcome of a removal that a person has to approve by name; nothing of it is written."""
    return replace(
        outcome,
        then=Then.IS_HELD,
        exit="",
        roles=None,
        sets={},
        code="held",
        note=f"{outcome.removes} Not deactivated yet: {because}".strip(),
        held_hash=hash_,
    )


def room_of(workflow: Workflow, now: datetime) -> Room:
    """What the counter of people, or of the workflow's application, allows now. Three queries."""
    if workflow.object == Workflow.Object.PERSON:
        return people_room(now)
    assert workflow.application is not None  # noqa: S101 - a constraint says so
    return accounts_room(workflow.application, now)


def lock_counters(workflow: Workflow) -> None:
    """Let nobody else count until the transaction ends. Call it before records are locked."""
    Installation.the()
    Installation.objects.select_for_update().get(pk=1)
    if workflow.application_id is not None:
        Application.objects.select_for_update().get(pk=workflow.application_id)


def judge(step: Step, asked: Sequence[Asked], *, now: datetime) -> list[Verdict]:
    """Judge removals of one batch, in their order; all of a run are held, not only the excess.

    Up to ten queries, whatever their number. Inside a transaction that holds the counters.
    """
    workflow = step.workflow
    spared = _spared(workflow, {one.item.record.id for one in asked})
    verdicts: dict[int, Verdict] = {}
    counted: dict[int, list[int]] = {}
    for number, one in enumerate(asked):
        shield = spared.get(one.item.record.id, "")
        if shield and one.outcome.found is not True:
            verdicts[number] = Verdict(instead=_left(one.outcome, shield))
        elif one.item.approved_by:
            verdicts[number] = _approved(one)
        else:
            counted.setdefault(one.item.run_id, []).append(number)
    if counted:
        others = others_of(step, counted)
        verdicts |= _guarded(asked, counted, room_of(workflow, now), others, now)
    return [verdicts[number] for number in range(len(asked))]


def foresee(step: Step) -> tuple[Mapping[int, str], str]:
    """Why records would be left as they are, by their id; and why all others would be held.

    For previews; queries as `judge`, and none where all are deactivated already.
    """
    records = {item.record.id for item in step.items if item.record.status != DEACTIVATED}
    if not records:
        return {}, ""
    spared = _spared(step.workflow, records)
    room, number = room_of(step.workflow, step.now), len(records - set(spared))
    return spared, "" if room.allows(number) else room.in_words(number)


def _left(outcome: Outcome, shield: str) -> Outcome:
    """A protected record stays as it is, and the outcome says so."""
    return replace(outcome, removes="", note=f"{outcome.removes} Left as it is. {shield}".strip())


def _hash(one: Asked) -> str:
    record = one.item.record
    return removal_hash(record.object, record.id, one.changes)


def _approved(one: Asked) -> Verdict:
    hash_ = _hash(one)
    if one.item.held_hash and one.item.held_hash != hash_:
        return Verdict(instead=held(one.outcome, hash_, CHANGED_SINCE))
    return Verdict(approved_by=one.item.approved_by)


def _guarded(
    asked: Sequence[Asked],
    counted: Mapping[int, Sequence[int]],
    room: Room,
    others: Mapping[int, Others],
    now: datetime,
) -> dict[int, Verdict]:
    """Each run passes as a whole, is held as a whole, or waits for those that are coming."""
    verdicts: dict[int, Verdict] = {}
    passed: set[int] = set()
    for run_id in sorted(counted):
        numbers = counted[run_id]
        going = {asked[number].item.record.id for number in numbers} - passed
        rest = others.get(run_id, NOBODY)
        number_here = len(passed) + len(going) + rest.staying
        if room.allows(number_here):
            if not room.allows(number_here + rest.coming):
                verdicts |= dict.fromkeys(numbers, Verdict(instead=waits_for_others(now)))
                continue
            passed |= going
            verdicts |= dict.fromkeys(numbers, Verdict())
            continue
        because = room.in_words(number_here)
        for number in numbers:
            one = asked[number]
            verdicts[number] = Verdict(instead=held(one.outcome, _hash(one), because))
    return verdicts


# Whom nothing removes.


def _spared(workflow: Workflow, ids: Collection[int]) -> dict[int, str]:
    """Why records must not be removed, by their id."""
    if workflow.object == Workflow.Object.PERSON:
        return _spared_people(ids)
    assert workflow.application is not None  # noqa: S101 - a constraint says so
    return _spared_accounts(workflow, workflow.application, ids)


def _spared_people(ids: Iterable[int]) -> dict[int, str]:
    """People whom any integration protects, by e-mail or by their ID at its vendor. Three queries.

    The owner of credentials is known to vendors only, and nothing is taken from them there.
    """
    wanted = list(ids)
    known: dict[int, set[str]] = {}
    own: dict[tuple[str, str | None], dict[int, set[str]]] = {}
    rows = Person.objects.filter(pk__among=wanted).values_list("pk", "email_key", "username")
    for person, *names in rows:
        known[person] = {key for name in names if (key := email_key(name))}
    links = RecordLink.objects.filter(person__among=wanted)
    for vendor, tenant, external_id, person in links.values_list(
        "vendor", "tenant", "external_id", "person_id"
    ):
        own.setdefault((vendor, tenant), {}).setdefault(person or 0, set()).add(external_id)
    reasons: dict[int, str] = {}
    for integration in Integration.objects.select_related("run_as"):
        shield = shield_of([integration], owner=None)
        there = own.get((integration.vendor, integration.tenant), {})
        for person, emails in known.items():
            reason = shield.why(external_ids=there.get(person, set()), emails=emails)
            if reason:
                reasons.setdefault(person, reason)
    return reasons


def _spared_accounts(
    workflow: Workflow, application: Application, ids: Iterable[int]
) -> dict[int, str]:
    """Accounts that an integration of the application protects, and the last administrator.

    Two queries, one more for each load of the vendor.
    """
    wanted = set(ids)
    integrations = Integration.objects.filter(vendor=application.vendor, tenant=application.tenant)
    shield = shield_of(integrations.select_related("run_as"), owner=None)
    reasons: dict[int, str] = {}
    rows = SaaSUser.objects.filter(pk__among=list(wanted))
    for pk, external_id, *keys in rows.values_list(
        "pk", "external_id", "email_key", "person__email_key"
    ):
        emails = {key for key in keys if key}
        if reason := shield.why(external_ids={external_id}, emails=emails):
            reasons[pk] = reason
    vendor = vendor_of(workflow)
    for load in vendor.loads.values() if vendor else ():
        for pk in last_administrators(load.roles, application.pk, wanted):
            reasons.setdefault(pk, LAST_ADMINISTRATOR)
    return reasons
