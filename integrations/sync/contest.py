"""Records of one listing that would write the same person, or take the same e-mail (M-3, F-33)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Count, QuerySet

from integrations.models import PlannedChange, RecordIssue, StagedRecord
from integrations.sync.links import own_links
from integrations.sync.plan_rows import count_row
from integrations.sync.taken_keys import key_taken
from integrations.sync.work import Issue, Work, write_issues
from people.bulk import update_rows
from people.identity import email_key, username_key

Action, State = PlannedChange.Action, PlannedChange.State
_SEVERAL = "Several records of this listing have the same {word}. Mend it at the vendor."
_KEYS = {"email": (email_key, "e-mail"), "username": (username_key, "username")}


@dataclass(frozen=True)
class _Record:
    """A record with plan rows for a person; `linked` to that person before this run."""

    external_id: str
    key: str
    active: bool
    linked: bool


def settle_contests(work: Work) -> None:
    """See to it that one record at most writes a person, and no two take one e-mail or username.

    Each record is matched on its own; only the whole plan shows that two of them met. Two queries
    where nobody is renamed and none met, some ten more where they did. Raises LeaseLost.
    """
    contested = _contested(work)
    renamed = list(_person_rows(work).filter(moves_keys=True).values_list("changes", flat=True))
    if contested or renamed or work.relying:
        with transaction.atomic():
            work.show("plan", 0, None)
            _settle_people(work, contested)
            _settle_keys(work, renamed)
            _settle_relying(work)


def _person_rows(work: Work) -> QuerySet[PlannedChange]:
    return PlannedChange.objects.filter(
        run=work.run.pk, object="person", state__in=[State.PLANNED, State.REMOVAL]
    )


def _contested(work: Work) -> list[int | None]:
    """People whom several records would write. One query."""
    rows = _person_rows(work).exclude(action=Action.CREATE).order_by().values("target_id")
    several = rows.annotate(records=Count("external_id", distinct=True)).filter(records__gt=1)
    return list(several.values_list("target_id", flat=True))


def _settle_people(work: Work, contested: Collection[int | None]) -> None:
    if not contested:
        return
    rows = _person_rows(work).exclude(action=Action.CREATE)
    issues: list[Issue] = []
    silent: set[str] = set()
    for person, records in _records_of(work, rows.filter(target_id__among=contested)).items():
        speaking = [one for one in records if one.active] or records
        silent.update(one.external_id for one in records if one not in speaking)
        # Of several linked ones the planner has let one speak already.
        rivals = [one for one in speaking if not one.linked]
        if len(speaking) > 1:
            issues.extend(_rival(one, person, alone=len(rivals) == len(speaking)) for one in rivals)
    _silence(work, silent)
    _take_back(work, {issue.external_id for issue in issues})
    write_issues(work, issues)


def _records_of(work: Work, rows: QuerySet[PlannedChange]) -> dict[int, list[_Record]]:
    found = list(rows.order_by("pk").values_list("target_id", "external_id", "key"))
    external_ids = [external_id for _target, external_id, _key in found]
    active = dict(
        StagedRecord.objects.filter(run=work.run.pk, external_id__among=external_ids).values_list(
            "external_id", "active"
        )
    )
    links = dict(
        own_links(work)
        .filter(external_id__among=external_ids)
        .values_list("external_id", "person_id")
    )
    people: dict[int, dict[str, _Record]] = {}
    for target, external_id, key in found:
        if target is not None:
            linked = links.get(external_id) == target
            people.setdefault(target, {})[external_id] = _Record(
                external_id, key, active.get(external_id, False), linked
            )
    return {target: list(records.values()) for target, records in people.items()}


def _rival(one: _Record, person: int, *, alone: bool) -> Issue:
    reason = (
        "Several records of this listing would be the same person. Say who each of them is."
        if alone
        else "Another record of this listing stands for the person that this one matches."
    )
    code = "two_records_one_person" if alone else "claimed_by_other_record"
    return Issue(one.external_id, one.key, code, reason, candidates=(person,))


def _silence(work: Work, external_ids: Collection[str]) -> None:
    """Let inactive records write nothing where an active one stands for the person (M-3)."""
    if not external_ids:
        return
    rows = _person_rows(work).filter(external_id__among=list(external_ids))
    _uncount(work, rows)
    for external_id in external_ids:
        work.count("person", external_id, "skipped")
    rows.filter(action=Action.CREATE).update(target_id=None)
    rows.update(
        action=Action.SKIP,
        state=State.SKIPPED,
        changes={},
        manager_ref="",
        moves_keys=False,
        reason="Listed as inactive; an active record has the same person, e-mail or username.",
    )
    work.leave_out(external_ids)


def _take_back(work: Work, external_ids: Collection[str]) -> None:
    """Take what is planned for the people of these records out of the plan again."""
    if not external_ids:
        return
    rows = _person_rows(work).filter(external_id__among=list(external_ids))
    _uncount(work, rows)
    rows.delete()
    accounts = PlannedChange.objects.filter(
        run=work.run.pk, object="saas_user", external_id__among=list(external_ids)
    )
    kept, empty = [], {}
    for pk, external_id, action, changes in accounts.values_list(
        "pk", "external_id", "action", "changes"
    ):
        if changes.pop("person", None) is None:
            continue
        if changes or action != Action.UPDATE:
            kept.append((pk, orjson.dumps(changes).decode()))
        else:
            empty[pk] = external_id
    emptied = accounts.filter(pk__among=list(empty))
    _uncount(work, emptied)
    for external_id in empty.values():
        work.count("saas_user", external_id, "unchanged")
    emptied.delete()
    update_rows(PlannedChange, ["changes"], kept)
    work.leave_out(external_ids)


def _uncount(work: Work, rows: QuerySet[PlannedChange]) -> None:
    """Take rows out of the counts: a preview counts what is planned, a sync what is applied."""
    for row in rows.values("object", "external_id", "action", "state", "changes"):
        if row["state"] == State.REMOVAL:
            continue  # it is counted when it is applied
        if row["action"] == Action.LINK:
            work.count("person", row["external_id"], "unchanged", by=-1)
        elif work.preview:
            count_row(work, row, by=-1, with_roles=True)


def _settle_keys(work: Work, renamed: Iterable[Mapping[str, Any]]) -> None:
    """Report records that would take one e-mail or username in this run; none of them gets it.

    Inactive ones give way to active ones without an issue (M-3).
    """
    issues: dict[str, Issue] = {}
    silent: set[str] = set()
    for name, (key_of, word) in _KEYS.items():
        keys = {key_of(changes[name][1]) for changes in renamed if name in changes}
        for group in _sharing(work, f"{name}_key", keys):
            competing = [one for one in group if one["active"]] or group
            silent.update(one["external_id"] for one in group if one not in competing)
            for one in competing if len(competing) > 1 else ():
                issues[one["external_id"]] = Issue(
                    one["external_id"],
                    one["key"],
                    "two_records_one_person",
                    _SEVERAL.format(word=word),
                    field=name,
                )
    _silence(work, silent - issues.keys())
    if issues:
        _take_back(work, issues.keys())
        told = RecordIssue.objects.filter(run=work.run.pk, external_id__among=list(issues))
        known = set(told.filter(severity=RecordIssue.Severity.ISSUE).values_list("external_id"))
        write_issues(work, [one for one in issues.values() if (one.external_id,) not in known])


def _settle_relying(work: Work) -> None:
    """Report records that take a key whose holder does not give it up after all (F-37).

    Whoever is taken back keeps a key that the next one may rely on: up to as many rounds as
    people pass keys on to each other, four queries each.
    """
    relying = list(work.relying)
    while relying:
        holders = [one.holder for one in relying]
        moving = {
            (target, name)
            for target, changes in _person_rows(work)
            .filter(moves_keys=True, target_id__among=holders)
            .values_list("target_id", "changes")
            for name in changes
        }
        failing = [one for one in relying if (one.holder, one.field) not in moving]
        if not failing:
            return
        relying = [one for one in relying if one not in failing]
        planned = set(
            _person_rows(work)
            .filter(external_id__among=[one.external_id for one in failing])
            .values_list("external_id", flat=True)
        )
        issues = {
            one.external_id: key_taken(one, f"person {one.holder}, who keeps it")
            for one in failing
            if one.external_id in planned
        }
        _take_back(work, issues.keys())
        write_issues(work, issues.values())


def _sharing(work: Work, column: str, keys: Iterable[str | None]) -> list[list[Mapping[str, Any]]]:
    """Groups of records that share one of these keys though they are of different people."""
    wanted = [key for key in keys if key]
    if not wanted:
        return []
    staged = StagedRecord.objects.filter(
        run=work.run.pk, outcome="mapped", **{f"{column}__among": wanted}
    )
    by_key: dict[str, list[Mapping[str, Any]]] = {}
    for one in staged.order_by("pk").values("external_id", "key", "active", column):
        by_key.setdefault(one[column], []).append(one)
    groups = [records for records in by_key.values() if len(records) > 1]
    external_ids = [one["external_id"] for group in groups for one in group]
    links = own_links(work).filter(external_id__among=external_ids)
    person_of = dict(links.values_list("external_id", "person_id"))
    return [
        group
        for group in groups
        if len({person_of.get(one["external_id"], one["external_id"]) for one in group}) > 1
    ]
