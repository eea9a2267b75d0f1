"""Stored plan of a run: staged records against our rows, in batches, only where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection, transaction

from integrations.models import PlannedChange, StagedRecord
from integrations.sync.links import Link
from integrations.sync.match import Claims, Match, find_claims, match
from integrations.sync.people_rows import PersonPlan, for_known_person, for_new_person
from integrations.sync.read_records import read_active_twins, read_batch
from integrations.sync.records import Records, Staged
from integrations.sync.user_rows import for_known_user, for_new_user
from integrations.sync.work import BATCH, Issue, Relying, Work, write_issues
from people.bulk import commit_lazily, insert_rows, reserve_ids
from people.models import Person
from saas.models import SaaSUser

COLUMNS = (
    "run_id",
    "object",
    "action",
    "state",
    "key",
    "external_id",
    "link_id",
    "target_id",
    "manager_ref",
    "reason",
    "changes",
    "moves_keys",
)
Action, State = PlannedChange.Action, PlannedChange.State


@dataclass
class Row:
    """A plan row in the making; `target_id` is filled in for creates when ids are reserved."""

    object: str
    action: str
    one: Staged
    changes: dict[str, list[Any]]
    reason: str = ""
    state: str = State.PLANNED.value
    link_id: int | None = None
    target_id: int | None = None
    manager_ref: str = ""
    moves_keys: bool = False


@dataclass
class Plan:
    """Rows and issues of one batch, and who of it relies on a key that another gives up."""

    rows: list[Row] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    relying: list[Relying] = field(default_factory=list)


def make_plan(work: Work) -> None:
    """Store the plan of the run. Fixed queries per batch of 2,000 records that differ.

    Raises LeaseLost.
    """
    claims = find_claims(work)
    changed = changed_ids(work)
    _count_unchanged(work)
    for start in range(0, len(changed), BATCH):
        batch = changed[start : start + BATCH]
        plan = _plan_batch(work, claims, batch)
        with transaction.atomic():
            commit_lazily()
            work.show("plan", start + len(batch), len(changed))
            _store(work, plan)
        work.relying += plan.relying
    if work.only_person is not None:
        # Of the others nothing is written, so nothing is to be remembered either.
        with transaction.atomic():
            work.show("plan", len(work.looked_at), None)
            others = StagedRecord.objects.filter(run=work.run.pk)
            others.exclude(external_id__in=work.looked_at).delete()


def changed_ids(work: Work) -> list[int]:
    """Ids of staged records to look at: new ones, changed ones, all under a new revision (M-1).

    One query. Also those whose person was changed by another hand since (M-7), see `touched`.
    """
    sql = f"{_STAGED_WITH_STATE} AND NOT ({_UNCHANGED}) ORDER BY s.id"
    with connection.cursor() as cursor:
        cursor.execute(sql.format(columns="s.id"), _parameters(work))
        return [row[0] for row in cursor.fetchall()]


_STAGED_WITH_STATE = """
    SELECT {columns} FROM integrations_stagedrecord s
    LEFT JOIN integrations_recordlink l
      ON l.vendor = %(vendor)s AND l.tenant = %(tenant)s AND l.external_id = s.external_id
    LEFT JOIN integrations_linkstate t ON t.link_id = l.id AND t.integration_id = %(integration)s
    WHERE s.run_id = %(run)s
"""
_DONE_BEFORE = """s.external_id IN (
    SELECT c.external_id FROM integrations_plannedchange c
    WHERE c.run_id = %(run)s AND c.object = '{kind}' AND c.state = 'applied')
"""
_UNCHANGED = "COALESCE(t.hash, '') <> '' AND t.hash = s.hash AND t.revision = %(revision)s"


def _parameters(work: Work) -> dict[str, Any]:
    return {
        "vendor": work.vendor.key,
        "tenant": work.tenant,
        "integration": work.integration.pk,
        "run": work.run.pk,
        "revision": work.run.revision,
    }


def _count_unchanged(work: Work) -> None:
    """Count records that nobody has to look at. One query, one more in a run that was resumed."""
    _count_those(work, "", by=1)
    if work.done_before:
        # They are counted with what an earlier attempt did.
        for kind in ("person", "saas_user"):
            _count_those(work, f"AND {_DONE_BEFORE.format(kind=kind)}", by=-1, only=kind)


def _count_those(work: Work, condition: str, *, by: int, only: str = "") -> None:
    sql = _STAGED_WITH_STATE.format(
        columns="s.outcome, l.person_id IS NULL, l.saas_user_id IS NULL, COUNT(*)"
    )
    sql = f"{sql} AND {_UNCHANGED} {condition} GROUP BY 1, 2, 3"
    with connection.cursor() as cursor:
        cursor.execute(sql, _parameters(work))
        rows = cursor.fetchall()
    for outcome, no_person, no_user, number in rows:
        counted = "skipped" if outcome == "filtered" else "unchanged"
        if not no_person and only != "saas_user":
            work.counts["people"][counted] += by * number
        if not no_user and work.writes_users and only != "person":
            work.counts["saas_users"][counted] += by * number


def _plan_batch(work: Work, claims: Claims, ids: Sequence[int]) -> Plan:
    records = read_batch(work, ids)
    read_active_twins(work, records)
    plan = Plan()
    for one in records.staged:
        if work.only_person is not None:
            if not _is_about(one, records, work.only_person):
                continue
            work.looked_at.add(one.external_id)
        _plan_record(one, records, claims, work, plan)
    _reserve(plan.rows)
    return plan


def _is_about(one: Staged, records: Records, email: str) -> bool:
    link = records.links.get(one.external_id)
    person = records.people.get(link.person_id or 0) if link else None
    return one.email_key == email or bool(person and person["email_key"] == email)


def _plan_record(one: Staged, records: Records, claims: Claims, work: Work, plan: Plan) -> None:
    if one.problem is not None:
        code, field_name, reason = one.problem
        plan.issues.append(Issue(one.external_id, one.key, code, reason, field=field_name))
        work.leave_out([one.external_id])
        return
    person_id, person = _plan_person(one, records, claims, work, plan)
    if work.writes_users:
        _plan_user(one, records, plan, work, person_id=person_id, person=person)


def _plan_person(
    one: Staged, records: Records, claims: Claims, work: Work, plan: Plan
) -> tuple[int | None, str | None]:
    """Plan the person's row; give the person's id (0 for one to be created) and e-mail."""
    link = records.links.get(one.external_id)
    if one.outcome == "filtered" and (link is None or link.person_id is None):
        work.count("person", one.external_id, "skipped")
        return None, None
    found = match(one, records, claims, work)
    if found.kind == "issue":
        _issue(one, found, work, plan)
        return None, None
    if found.kind == "skip":
        _skip(one, found.reason, work, plan)
        return found.person_id, _email_of(found.person_id, records)
    if found.kind == "nobody":
        return _plan_new(one, records, found, work, plan)
    return _plan_known(one, records, found, work, plan)


def _email_of(person_id: int | None, records: Records) -> str | None:
    row = records.people.get(person_id or 0)
    return row["email"] if row else None


def _issue(one: Staged, found: Match, work: Work, plan: Plan) -> None:
    work.leave_out([one.external_id])
    plan.issues.append(
        Issue(one.external_id, one.key, found.code, found.reason, candidates=found.candidates)
    )


def _skip(one: Staged, reason: str, work: Work, plan: Plan) -> None:
    work.leave_out([one.external_id])
    work.count("person", one.external_id, "skipped")
    plan.rows.append(Row("person", Action.SKIP.value, one, {}, reason, state=State.SKIPPED.value))


def _plan_new(
    one: Staged, records: Records, found: Match, work: Work, plan: Plan
) -> tuple[int | None, str | None]:
    if work.integration.preference == "update_only":
        _skip(one, "No person has its sync key, and the preference is Update only.", work, plan)
        return None, None
    missing = [name for name in work.load.required_targets if not one.people.get(name)]
    if missing and not one.active:
        _skip(one, f"It left already and has no {missing[0]}.", work, plan)
        return None, None
    if missing:
        work.leave_out([one.external_id])
        plan.issues.append(
            Issue(
                one.external_id,
                one.key,
                "required_blank",
                f"It has no {' and no '.join(missing)}. Fill it in at {work.vendor.label}.",
                field=missing[0],
            )
        )
        return None, None
    if _taken(one, records, None, work, plan):
        return None, None
    person = for_new_person(one, records, work)
    _note(person, one, work, plan)
    link = records.links.get(one.external_id)
    plan.rows.append(
        Row(
            "person",
            Action.CREATE.value,
            one,
            person.changes,
            found.reason or _why_created(person),
            link_id=link.id if link else None,
            manager_ref=person.manager_ref,
        )
    )
    return 0, one.key


def _why_created(person: PersonPlan) -> str:
    if person.changes["status"][1] == Person.Status.DEACTIVATED:
        return "Not known here; listed as having left."
    return "Not known here."


def _plan_known(
    one: Staged, records: Records, found: Match, work: Work, plan: Plan
) -> tuple[int | None, str | None]:
    assert found.person_id is not None  # noqa: S101 - linked and matched have one
    row = records.people[found.person_id]
    link = records.links.get(one.external_id)
    new_link = found.kind == "matched"
    if work.integration.preference == "create_only":
        reason = "The person is known, and the preference is Create only."
        _skip(one, reason, work, plan)
        work.left_out.discard(one.external_id)  # not written, but here all the same
        if new_link:
            plan.rows.append(_link_row(one, found, link))
        return found.person_id, row["email"]
    if _taken(one, records, found.person_id, work, plan):
        return None if new_link else found.person_id, row["email"]
    person = for_known_person(one, row, records, work)
    _note(person, one, work, plan)
    if person.removal:
        _removal(one, person.removal, found.person_id, link.id if link else None, work, plan)
    if person.changes:
        plan.rows.append(
            Row(
                "person",
                Action.REACTIVATE.value if person.reactivates else Action.UPDATE.value,
                one,
                person.changes,
                found.reason or _why_updated(person, row, work),
                link_id=link.id if link else None,
                target_id=found.person_id,
                manager_ref=person.manager_ref,
                moves_keys=bool({"email", "username"} & person.changes.keys()),
            )
        )
    elif new_link:
        plan.rows.append(_link_row(one, found, link))
        work.count("person", one.external_id, "unchanged")
    elif not person.removal:
        work.count("person", one.external_id, _untouched(one))
    return found.person_id, row["email"]


def _untouched(one: Staged) -> str:
    return "skipped" if one.outcome == "filtered" else "unchanged"


def _link_row(one: Staged, found: Match, link: Link | None) -> Row:
    return Row(
        "person",
        Action.LINK.value,
        one,
        {},
        found.reason,
        link_id=link.id if link else None,
        target_id=found.person_id,
    )


def _why_updated(person: PersonPlan, row: Mapping[str, Any], work: Work) -> str:
    """The reason of an update; it says so when it overwrites what somebody typed (M-7, BB-27)."""
    if person.reactivates:
        return f"{work.vendor.label} lists this person as active again."
    by_hand = [
        work.fields[name].target.label
        for name, (old, _new) in person.changes.items()
        if old is not None and name not in row["sources"] and name != "status"
    ]
    if by_hand:
        return f"{work.vendor.label} overwrites what was written by hand: {', '.join(by_hand)}."
    return f"{work.vendor.label} has other values."


def _removal(
    one: Staged, reason: str, target: int, link_id: int | None, work: Work, plan: Plan
) -> None:
    """A removal is only listed here; it is judged when all else is applied (M-14, M-15)."""
    work.look_again.add(one.external_id)
    plan.rows.append(
        Row(
            "person",
            Action.DEACTIVATE.value,
            one,
            {"status": [Person.Status.ACTIVE.value, Person.Status.DEACTIVATED.value]},
            reason,
            state=State.REMOVAL.value,
            link_id=link_id,
            target_id=target,
        )
    )


def _note(person: PersonPlan, one: Staged, work: Work, plan: Plan) -> None:
    """Keep what is told at the end of the run: warnings, and the departments that it writes."""
    if department := person.changes.get("department", (None, None))[1]:
        work.departments.add(department)
    if person.warning is not None:
        plan.issues.append(person.warning)
        work.look_again.add(one.external_id)


def _taken(one: Staged, records: Records, person_id: int | None, work: Work, plan: Plan) -> bool:
    """Whether a key that would be written belongs to somebody else who keeps it: then an issue."""
    for name, key, holders in (
        ("email", one.email_key, records.by_email),
        ("username", one.username_key, records.by_username),
    ):
        mapped = work.fields.get(name)
        holder = holders.get(key or "")
        if mapped is None or holder is None or holder == person_id:
            continue
        if person_id is not None and not mapped.owned:
            continue
        if _is_given_up(name, key, holder, records):
            plan.relying.append(Relying(one.external_id, one.key, name, holder))
            continue
        work.leave_out([one.external_id])
        owner = records.people[holder]
        who = owner["full_name"] or owner["email"] or f"person {holder}"
        plan.issues.append(key_taken(Relying(one.external_id, one.key, name, holder), who))
        return True
    return False


def key_taken(one: Relying, who: str) -> Issue:
    """The issue of a record that would take somebody else's e-mail or username."""
    return Issue(
        one.external_id,
        one.key,
        "key_taken",
        f"The {'e-mail' if one.field == 'email' else one.field} belongs to {who}. "
        "Change it at the vendor or there.",
        field=one.field,
        candidates=(one.holder,),
    )


def _is_given_up(name: str, key: str | None, holder: int, records: Records) -> bool:
    """Whether the holder's own listed record has another key now, as when two swap (F-37)."""
    for link in records.links_of.get(holder, []):
        listed = records.listed.get(link.external_id)
        if listed is not None and getattr(listed, f"{name}_key") not in (None, key):
            return True
    return False


def _plan_user(
    one: Staged,
    records: Records,
    plan: Plan,
    work: Work,
    *,
    person_id: int | None,
    person: str | None,
) -> None:
    """Plan the account's row (M-5); a filtered-out record only keeps a known one true (M-9)."""
    row = records.users.get(one.external_id)
    link = records.links.get(one.external_id)
    if row is None and one.outcome == "filtered":
        work.count("saas_user", one.external_id, "skipped")
        return
    if person_id is None:
        work.look_again.add(one.external_id)
    if row is None:
        changes = for_new_user(one, person=person if person_id is not None else None)
        action, reason = Action.CREATE.value, "An account that was not known here."
    else:
        if not work.roles_are_known:
            one = one._replace(roles=None)
            work.look_again.add(one.external_id)
        changes = for_known_user(one, row, records, person_id=person_id or None, person=person)
        if person_id == 0:
            changes["person"] = [None, person]
        if not changes:
            work.count("saas_user", one.external_id, _untouched(one))
            return
        action, reason = _user_action(changes, work)
    plan.rows.append(
        Row(
            "saas_user",
            action,
            one,
            changes,
            reason,
            link_id=link.id if link else None,
            target_id=row["id"] if row else None,
        )
    )


def _user_action(changes: dict[str, list[Any]], work: Work) -> tuple[str, str]:
    status = changes.get("status", [None, None])[1]
    if status == SaaSUser.Status.DEACTIVATED:
        return Action.DEACTIVATE.value, f"{work.vendor.label} says: no longer active (M-12)."
    if status == SaaSUser.Status.ACTIVE:
        return Action.REACTIVATE.value, f"{work.vendor.label} says: active again."
    return Action.UPDATE.value, f"{work.vendor.label} has other values."


def _reserve(rows: Sequence[Row]) -> None:
    """Take ids for the rows to be created. Up to four queries."""
    for kind, model in (("person", Person), ("saas_user", SaaSUser)):
        new = [row for row in rows if row.object == kind and row.action == Action.CREATE]
        for row, pk in zip(new, reserve_ids(model, len(new)), strict=True):
            row.target_id = pk


def _store(work: Work, plan: Plan) -> None:
    write_issues(work, plan.issues)
    if work.preview:
        for row in plan.rows:
            if row.state == State.PLANNED:
                count_row(work, vars(row) | {"external_id": row.one.external_id}, with_roles=True)
    if plan.rows:
        insert_rows(PlannedChange, COLUMNS, _values(work, plan.rows))


_COUNTED = {
    Action.CREATE.value: "created",
    Action.UPDATE.value: "updated",
    Action.REACTIVATE.value: "reactivated",
    Action.DEACTIVATE.value: "deactivated",
}


def count_row(work: Work, row: Mapping[str, Any], *, by: int = 1, with_roles: bool = False) -> None:
    """Count a row that was applied, or in a preview one that would be.

    `row` has object, action, external_id and changes; `with_roles` where nobody else counts them.
    """
    if row["action"] not in _COUNTED:
        return
    work.count(row["object"], row["external_id"], _COUNTED[row["action"]], by=by)
    if with_roles and "roles" in row["changes"]:
        old, new = (
            {(role["role"], role["scope_id"]) for role in roles or []}
            for roles in row["changes"]["roles"]
        )
        work.counts["roles"]["added"] += by * len(new - old)
        work.counts["roles"]["ended"] += by * len(old - new)


def _values(work: Work, rows: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
    run = work.run.pk
    for row in rows:
        yield (
            run,
            row.object,
            row.action,
            row.state,
            row.one.key,
            row.one.external_id,
            row.link_id,
            row.target_id,
            row.manager_ref,
            row.reason,
            orjson.dumps(row.changes).decode(),
            row.moves_keys,
        )
