"""What workflows hold, and what a person decides about it: row by row, as shown (M-14, M-17)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from integrations.approvals import Decision, keep_unchanged
from integrations.broker import wake
from workflows.engine.finish import refresh_runs
from workflows.models import RunItem, WorkflowRun
from workflows.storms import HELD_STARTS
from workflows.versions import kept_definition

State = RunItem.State
_COLUMNS = (
    "id",
    "run_id",
    "workflow_id",
    "version_id",
    "version__created_at",
    "record_id",
    "label",
    "block",
    "retry",
    "state",
    "code",
    "note",
    "held_hash",
    "decided_by",
    "seconded_by",
    "created_at",
)
Row = dict[str, Any]


@dataclass(frozen=True)
class HeldItem:
    """One record that waits for a decision; `why` says what would be done and why it is held.

    `starts`: it has not begun yet, and approving lets it begin. `hash` is what is approved.
    """

    id: int
    run_id: int
    record_id: int
    label: str
    block: str
    block_label: str
    starts: bool
    why: str
    decided_by: str
    hash: str


def held_rows() -> QuerySet[RunItem]:
    """Everything that workflows hold for a decision."""
    return RunItem.objects.filter(state=State.HELD)


def held_hash(row: Row) -> str:
    """What is approved when an item is: the step, and what it would do when it was shown."""
    said = [row["id"], row["block"], row["retry"], row["code"], row["held_hash"], row["note"]]
    return hashlib.sha256(orjson.dumps(said)).hexdigest()[:32]


def held_items(run: WorkflowRun, ids: Sequence[int] | None = None) -> list[HeldItem]:
    """What a run holds, in its order; `ids` only these. One query where versions are known."""
    rows = held_rows().filter(run=run.pk)
    if ids is not None:
        rows = rows.filter(pk__among=list(ids))
    return [_shown(row) for row in rows.order_by("pk").values(*_COLUMNS)]


def _shown(row: Row) -> HeldItem:
    block = kept_definition(row["version_id"], row["version__created_at"]).find(row["block"])
    return HeldItem(
        id=row["id"],
        run_id=row["run_id"],
        record_id=row["record_id"],
        label=row["label"],
        block=row["block"],
        block_label=block.label if block is not None else row["block"],
        starts=row["code"] in HELD_STARTS,
        why=row["note"],
        decided_by=row["decided_by"],
        hash=held_hash(row),
    )


def count_held() -> dict[int, int]:
    """How many items each run holds, by its id. One query."""
    rows = held_rows().order_by().values("run").annotate(number=Count("pk"))
    return dict(rows.values_list("run", "number"))


def approve(
    shown: Iterable[tuple[int, str]], *, by: str, alone: bool = False, now: datetime | None = None
) -> Decision:
    """Let held items go on that are still as they were shown (id and hash).

    With SECOND_PERSON the first word only counts when another person says the same; `alone` is for
    a shell, which could name anybody. About eight queries. Safe to repeat.
    """
    decision = Decision()
    moment = now or timezone.now()
    with transaction.atomic():
        rows = _as_shown(shown, decision)
        two = settings.SECOND_PERSON and not alone
        ready = [row for row in rows if not two or row["decided_by"] not in ("", by)]
        ids = [row["id"] for row in ready]
        first = [row["id"] for row in rows if row["id"] not in set(ids)]
        _held(first).update(decided_by=by, decided_at=moment)
        second = [row["id"] for row in ready if row["decided_by"] not in ("", by)]
        _held(second).update(seconded_by=by)
        alone_ids = list(set(ids) - set(second))
        _held(alone_ids).update(decided_by=by, seconded_by=by if alone else "")
        _let_begin([row for row in ready if row["code"] in HELD_STARTS], by)
        _held(ids).update(state=State.READY, due_at=moment, decided_at=moment)
        _go_on(ready, moment)
    decision.decided, decision.waiting = len(ready), len(first)
    return decision


def _let_begin(rows: Sequence[Row], by: str) -> None:
    """That somebody let them begin is no word about what their blocks will want to do.

    One query for each who approved first, or none.
    """
    ids: dict[str, list[int]] = {}
    for row in rows:
        ids.setdefault(row["decided_by"], []).append(row["id"])
    for first, theirs in ids.items():
        names = " and ".join(dict.fromkeys(filter(None, [first, by])))
        _held(theirs).update(context={"start_approved_by": names}, code="", note="")


def reject(shown: Iterable[tuple[int, str]], *, by: str, now: datetime | None = None) -> Decision:
    """End held items as they were shown: nothing of what they would do is done."""
    decision = Decision()
    moment = now or timezone.now()
    with transaction.atomic():
        rows = _as_shown(shown, decision)
        _held([row["id"] for row in rows]).update(
            state=State.CANCELLED,
            decided_by=by,
            decided_at=moment,
            seconded_by="",
            finished_at=moment,
        )
        refresh_runs(sorted({row["run_id"] for row in rows}), moment)
    decision.decided = len(rows)
    return decision


def _as_shown(shown: Iterable[tuple[int, str]], decision: Decision) -> list[Row]:
    """Lock the items that are held and unchanged; note why others are not decided on."""
    hashes = dict(shown)
    only_items = ("self",) if connection.features.has_select_for_update_of else ()
    locked = RunItem.objects.select_for_update(of=only_items).filter(pk__among=list(hashes))
    found = {row["id"]: row for row in locked.order_by("pk").values(*_COLUMNS)}
    return keep_unchanged(hashes, found, decision, states=State, name="label", hash_of=held_hash)


def _held(ids: Sequence[int]) -> QuerySet[RunItem]:
    return RunItem.objects.filter(pk__among=ids, state=State.HELD)


def _go_on(rows: Sequence[Row], now: datetime) -> None:
    """Runs that only held something are under way again. Two queries, or none."""
    run_ids = sorted({row["run_id"] for row in rows})
    if run_ids:
        refresh_runs(run_ids, now)
        transaction.on_commit(wake)
