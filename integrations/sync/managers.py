"""Managers whose own record does not become a person in this run: left out before it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.db import transaction

from integrations.models import PlannedChange, StagedRecord
from integrations.sync.links import links_by_external_id
from integrations.sync.manager_references import find_managers, manager_unknown
from integrations.sync.plan_rows import count_row
from integrations.sync.work import BATCH, Work, write_issues
from people.bulk import update_rows

Action, State = PlannedChange.Action, PlannedChange.State
_COLUMNS = ("id", "object", "action", "external_id", "key", "manager_ref", "changes")


def leave_managers_who_do_not_come(work: Work) -> None:
    """Take managers out of the plan whose record has an issue or is skipped (F-38, M-13).

    The planner took them for people who come with this listing. No query where nobody was left out,
    else two, and some ten for each batch of rows. Raises LeaseLost.
    """
    if "manager" not in work.fields:
        return
    references = _references(work)
    if not references:
        return
    rows = PlannedChange.objects.filter(
        run=work.run.pk, object="person", state=State.PLANNED, manager_ref__among=references
    )
    after = 0
    while batch := list(rows.filter(pk__gt=after).order_by("pk").values(*_COLUMNS)[:BATCH]):
        after = batch[-1]["id"]
        known = find_managers(work, {row["manager_ref"] for row in batch})
        with transaction.atomic():
            work.show("plan", len(batch), None)
            _leave_out(work, [row for row in batch if row["manager_ref"] not in known])


def _references(work: Work) -> list[str]:
    """Every way to name a record that stays without a person in this run."""
    if not work.left_out:
        return []
    staged = StagedRecord.objects.filter(run=work.run.pk, external_id__among=list(work.left_out))
    references = []
    for external_id, number, email in staged.values_list("external_id", "employee_id", "email_key"):
        references.append(f"external_id:{external_id}")
        references += [f"employee_id:{number}"] if number else []
        references += [f"email:{email}"] if email else []
    return references


def _leave_out(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """Take the manager out of these rows; one that holds nothing else is no change at all."""
    links = links_by_external_id(work, [row["external_id"] for row in rows])
    kept, gone = [], []
    for row in rows:
        changes = {name: change for name, change in row["changes"].items() if name != "manager"}
        link = links.get(row["external_id"])
        if changes or row["action"] not in {Action.UPDATE, Action.LINK}:
            kept.append((row["id"], orjson.dumps(changes).decode(), row["action"], ""))
            continue
        if work.preview:
            count_row(work, row, by=-1)
        work.count("person", row["external_id"], "unchanged")
        if link is None or link.person_id is None:
            kept.append((row["id"], "{}", Action.LINK.value, ""))
        else:
            gone.append(row["id"])
    update_rows(PlannedChange, ["changes", "action", "manager_ref"], kept)
    PlannedChange.objects.filter(pk__among=gone).delete()
    work.look_again.update(row["external_id"] for row in rows)
    because = "has an issue of their own or was left out; set as soon as a sync brings that person."
    write_issues(
        work,
        [
            manager_unknown(row["external_id"], row["key"], row["manager_ref"], because)
            for row in rows
        ],
    )
