"""Taking up a run whose process died: what it applied stays and is counted, the rest goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from integrations.models import PlannedChange, RecordIssue
from integrations.sync.plan_rows import count_row
from integrations.sync.removal_rows import count_removal, is_removal, removals_of
from integrations.sync.work import BATCH, Work

Action, State = PlannedChange.Action, PlannedChange.State
_COLUMNS = ("id", "object", "external_id", "action", "changes", "absent")
# Held rows are no part of an attempt: they wait for a person, with what was decided on them.
_KEPT = (State.APPLIED, State.HELD, State.REJECTED)


def resume(work: Work) -> None:
    """Take the earlier attempts at this run over; nothing is done in a first attempt.

    The plan is made again from what the tables hold now: rows that were applied stay as history and
    in the counts, once per record; rows that were only planned, and issues, are found again or no
    longer true. Four queries, and one for each batch of rows. Raises LeaseLost.
    """
    if not work.is_resumed:
        return
    with transaction.atomic():
        work.show("start", 0, None)
        rows = PlannedChange.objects.filter(run=work.run.pk)
        rows.exclude(state__in=_KEPT).delete()
        rows = rows.filter(state=State.APPLIED)
        RecordIssue.objects.filter(run=work.run.pk).delete()
        # Whoever still lacks a manager differs from the listing, and so is planned again.
        rows.update(manager_ref="")
    after = 0
    while batch := list(rows.filter(pk__gt=after).order_by("pk").values(*_COLUMNS)[:BATCH]):
        after = batch[-1]["id"]
        for row in batch:
            if not is_removal(row):
                _count(work, row)
    for kind, external_id, absent, changes in removals_of(work.run.pk).values_list(
        "object", "external_id", "absent", "changes"
    ):
        count_removal(work, kind, changes)
        if not absent:  # the record is listed, and known to have been dealt with
            work.done_before.add((kind, external_id))
            work.look_again.add(external_id)


def _count(work: Work, row: Mapping[str, Any]) -> None:
    if row["action"] == Action.LINK:
        work.count("person", row["external_id"], "unchanged")
    else:
        count_row(work, row, with_roles=True)
    if department := row["changes"].get("department", (None, None))[1]:
        work.departments.add(department)
    work.done_before.add((row["object"], row["external_id"]))
