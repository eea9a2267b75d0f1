"""Held removals: each sync computes them anew and says what became of them (M-14)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.conf import settings
from django.db.models import QuerySet

from integrations.models import PlannedChange, SyncRun
from integrations.sync.work import Work

State = PlannedChange.State
_OPEN = (State.HELD, State.REJECTED)
COLUMNS = (
    "id",
    "run_id",
    "object",
    "action",
    "state",
    "key",
    "external_id",
    "link_id",
    "target_id",
    "changes",
    "reason",
    "absent",
    "decided_by",
    "seconded_by",
)
Row = dict[str, Any]


def row_hash(row: Mapping[str, Any]) -> str:
    """What is approved when a row is approved: object, action, old -> new; no times, no wording."""
    said = [row["object"], row["target_id"], row["action"], row["changes"]]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def held_rows(integration_id: int) -> QuerySet[PlannedChange]:
    """Removals of an integration that wait for a person, in whichever run they lie now."""
    return PlannedChange.objects.filter(run__integration=integration_id, state=State.HELD)


def decided_or_held(integration_id: int) -> QuerySet[PlannedChange]:
    """Held removals of an integration and those that were rejected, while both are true."""
    return PlannedChange.objects.filter(run__integration=integration_id, state__in=_OPEN)


def take_over_held(work: Work) -> None:
    """Join what this run would remove with what is held already. Inside a transaction.

    The same removal keeps its row, its approvals and its rejection; a changed one is replaced, one
    that a complete listing no longer asks for is gone; both say so. Some eight statements.
    """
    earlier = _by_target(decided_or_held(work.integration.pk))
    if not earlier:
        return
    mine = _by_target(PlannedChange.objects.filter(run=work.run.pk, state=State.REMOVAL))
    same, replaced, gone = [], [], []
    for target, row in earlier.items():
        new = mine.get(target)
        if new is None:
            gone.append(row)
        elif row_hash(new) == row_hash(row):
            same.append((row, new))
        else:
            replaced.append(row)
    _keep(work, same)
    run = work.run.pk
    _close(replaced, State.REPLACED, f"Run {run} found another removal instead.")
    if work.complete and work.only_person is None:
        _close(gone, State.GONE, f"Run {run}: {work.vendor.label} does not ask for it any more.")
    taken_from = {old["run_id"] for old, _new in same if old["state"] == State.HELD} - {run}
    left = PlannedChange.objects.filter(run__in=taken_from, state=State.HELD).values("run")
    SyncRun.objects.filter(pk__in=taken_from).exclude(pk__in=left).update(held_in=run)
    for run_id in {row["run_id"] for row in earlier.values()} - {run}:
        end_holding(run_id)


def _by_target(rows: QuerySet[PlannedChange]) -> dict[tuple[str, int], Row]:
    found = rows.order_by("pk").values(*COLUMNS)
    return {(row["object"], row["target_id"]): row for row in found}


def _keep(work: Work, same: Iterable[tuple[Row, Row]]) -> None:
    pairs = list(same)
    PlannedChange.objects.filter(pk__among=[new["id"] for _old, new in pairs]).delete()
    PlannedChange.objects.filter(pk__among=[old["id"] for old, _new in pairs]).update(
        run=work.run.pk
    )


def _close(rows: Iterable[Row], state: str, reason: str) -> None:
    ids = [row["id"] for row in rows]
    if ids:
        PlannedChange.objects.filter(pk__among=ids).update(state=state, reason=reason)


def open_rows(run_id: int) -> QuerySet[PlannedChange]:
    """Removals of a run that are not decided on: to be judged, or held."""
    return PlannedChange.objects.filter(run=run_id, state__in=[State.REMOVAL, State.HELD])


def end_holding(run_id: int) -> None:
    """A held run without held rows is done, or partial where records had issues. Two queries."""
    run = SyncRun.objects.only("state", "counts", "listing").get(pk=run_id)
    if run.state != SyncRun.State.HELD or _has_held(run_id):
        return
    whole = not run.counts.get("issues") and run.listing.get("complete", True)
    state = SyncRun.State.DONE if whole else SyncRun.State.PARTIAL
    SyncRun.objects.filter(pk=run_id, state=SyncRun.State.HELD).update(state=state)


def _has_held(run_id: int) -> bool:
    return PlannedChange.objects.filter(run=run_id, state=State.HELD).exists()


def approved_rows(rows: QuerySet[PlannedChange]) -> QuerySet[PlannedChange]:
    """Rows that as many people approved as the setting SECOND_PERSON asks for (M-17)."""
    rows = rows.exclude(decided_by="")
    return rows.exclude(seconded_by="") if settings.SECOND_PERSON else rows


def read_rows(rows: QuerySet[PlannedChange]) -> list[Row]:
    return list(rows.order_by("pk").values(*COLUMNS))


def is_approved(row: Row) -> bool:
    return bool(row["decided_by"]) and bool(row["seconded_by"] or not settings.SECOND_PERSON)
