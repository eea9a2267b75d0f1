"""Stored plan of a run: staged records against our rows, in batches, only where they differ."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from integrations.models import PlannedChange, StagedRecord
from integrations.sync.match import Claims, find_claims
from integrations.sync.plan_batch import BatchPlan
from integrations.sync.plan_people import plan_person
from integrations.sync.plan_rows import COLUMNS, Action, Row, State, count_row
from integrations.sync.plan_users import plan_user
from integrations.sync.read_records import read_active_twins, read_batch
from integrations.sync.records import Records, Staged
from integrations.sync.unchanged import changed_ids, count_unchanged
from integrations.sync.work import BATCH, Work, write_issues
from people.bulk import commit_lazily, insert_rows, reserve_ids
from people.models import Person
from saas.models import SaaSUser


def make_plan(work: Work) -> None:
    """Store the plan of the run. Fixed queries per batch of 2,000 records that differ.

    Raises LeaseLost.
    """
    claims = find_claims(work)
    changed = changed_ids(work)
    count_unchanged(work)
    for start in range(0, len(changed), BATCH):
        batch = changed[start : start + BATCH]
        plan = _plan_batch(work, claims, batch)
        with transaction.atomic():
            commit_lazily()
            work.show("plan", start + len(batch), len(changed))
            _store(plan)
        work.relying += plan.relying
    if work.only_person is not None:
        _drop_others(work)


def _plan_batch(work: Work, claims: Claims, ids: Sequence[int]) -> BatchPlan:
    records = read_batch(work, ids)
    read_active_twins(work, records)
    plan = BatchPlan(work, records, claims)
    for one in records.staged:
        if work.only_person is not None:
            if not _is_about(one, records, work.only_person):
                continue
            work.looked_at.add(one.external_id)
        _plan_record(one, plan)
    _reserve(plan.rows)
    return plan


def _is_about(one: Staged, records: Records, email: str) -> bool:
    person = records.people.get(records.person_id(one) or 0)
    return one.email_key == email or bool(person and person["email_key"] == email)


def _plan_record(one: Staged, plan: BatchPlan) -> None:
    if one.problem is not None:
        code, field_name, reason = one.problem
        plan.report(one, code, reason, field_name=field_name)
        return
    owner = plan_person(one, plan)
    if plan.work.writes_users:
        plan_user(one, owner, plan)


def _reserve(rows: Sequence[Row]) -> None:
    """Take ids for the rows to be created. Up to four queries."""
    for kind, model in (("person", Person), ("saas_user", SaaSUser)):
        new = [row for row in rows if row.object == kind and row.action == Action.CREATE]
        for row, pk in zip(new, reserve_ids(model, len(new)), strict=True):
            row.target_id = pk


def _store(plan: BatchPlan) -> None:
    work = plan.work
    write_issues(work, plan.issues)
    if work.preview:
        for row in plan.rows:
            if row.state == State.PLANNED:
                count_row(work, vars(row), with_roles=True)
    if plan.rows:
        insert_rows(PlannedChange, COLUMNS, (row.values(work.run.pk) for row in plan.rows))


def _drop_others(work: Work) -> None:
    """Forget the others of a run about one person: nothing is written, so nothing remembered."""
    with transaction.atomic():
        work.show("plan", len(work.looked_at), None)
        others = StagedRecord.objects.filter(run=work.run.pk)
        others.exclude(external_id__in=work.looked_at).delete()
