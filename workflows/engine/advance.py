"""One piece of work: a batch of items at one block is claimed, worked on, and moved on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import Error, transaction
from django.utils import timezone

from integrations.errors import IntegrationsError, LeaseLost
from integrations.models import Operation
from integrations.operations.advance import moving_from
from integrations.services import variables
from integrations.sync.lease import keep_beating
from people.bulk import insert_rows, update_rows
from workflows.engine.circuit import note_outcomes
from workflows.engine.claims import Batch, Row, claim_batch
from workflows.engine.finish import refresh_runs
from workflows.engine.leases import State
from workflows.engine.moves import (
    ITEM_COLUMNS,
    WAY_COLUMNS,
    Ended,
    approved_by,
    item_row,
    times_away,
    way_row,
)
from workflows.engine.telling import queue_mails, tell_held
from workflows.engine.wanted import Events, find_events, find_unwanted
from workflows.kinds import Item, Outcome, Step, Then, operation_key, stops
from workflows.models import BlockRun, RunItem
from workflows.records import Record, read_records
from workflows.writing import apply_outcomes

logger = logging.getLogger(__name__)
_GONE = Ended(State.FAILED.value, "The record was deleted while the workflow ran.", "record_gone")
# A call went through, but not all of its answer could be stored.
_NOT_WRITTEN = frozenset({"not_stored", "not_written"})
_NO_LONGER = Ended(
    State.NO_LONGER_APPLIES.value, "The record no longer matches the rules of Begin."
)


def advance_one(now: datetime, *, only_run: int | None = None) -> bool:
    """Claim a batch and work on it; False when nothing is ready. Not in a transaction.

    Safe in several threads and processes at once. Raises django.db.Error, nothing else: whatever
    else goes wrong stops the items concerned and says so.
    """
    batch = claim_batch(now, only_run=only_run)
    if batch is None:
        return False
    if not batch.rows:
        return True  # another process was faster
    clock = moving_from(now)
    began = clock()
    try:
        with keep_beating(batch.lease.beat, name=f"items-{batch.rows[0]['pk']}"):
            done = _work(batch, began, clock)
    except LeaseLost:
        return True
    _write(batch, done, began, clock())
    refresh_runs({row["run_id"] for row in batch.rows}, clock())
    return True


_Done = Mapping[int, Outcome | Ended]


def _work(batch: Batch, now: datetime, clock: Any) -> tuple[Step | None, _Done]:
    """What becomes of each item, by id. No transaction; vendors are called here."""
    if batch.kind is None or batch.block is None:
        return None, {row["pk"]: _without_block(batch, row) for row in batch.rows}
    records = read_records(batch.workflow, [row["record_id"] for row in batch.rows])
    done: dict[int, Outcome | Ended] = {
        row["pk"]: _GONE for row in batch.rows if row["record_id"] not in records
    }
    events = find_events(row["event_id"] for row in batch.rows)
    done |= _that_no_longer_apply(batch, records, events, now)
    items = [
        _item(row, records[row["record_id"]], events.get(row["event_id"] or 0))
        for row in batch.rows
        if row["pk"] not in done
    ]
    step = Step(
        workflow=batch.workflow,
        version=batch.version,
        definition=batch.definition,
        block=batch.block,
        items=items,
        now=now,
        zone=timezone.get_default_timezone(),
        clock=clock,
        variables=variables(),
        taken=Counter(row["run_id"] for row in batch.rows if not approved_by(row)),
    )
    if items:
        outcomes = _run(batch, step)
        done |= {item.id: outcome for item, outcome in zip(items, outcomes, strict=True)}
    return step, done


def _without_block(batch: Batch, row: Row) -> Outcome | Ended:
    """At the end, or at a block that this Rolecall does not know."""
    if batch.block is None and batch.definition.find(batch.key) is None and batch.key == "end":
        return Ended(State.FAILED.value if row["has_failed"] else State.DONE.value, "")
    kind = batch.block.kind if batch.block else batch.key
    return stops(f'Rolecall has no kind of block "{kind}". Change the block, then retry.')


def _that_no_longer_apply(
    batch: Batch,
    records: Mapping[int, Record],
    events: Events,
    now: datetime,
) -> dict[int, Outcome | Ended]:
    """Judge Begin's rules again after a wait, and before a call that changes something (M-23)."""
    assert batch.kind is not None  # noqa: S101 - the caller looked
    assert batch.block is not None  # noqa: S101
    always = batch.kind.judges_again(batch.block)
    rows = [
        row
        for row in batch.rows
        if row["record_id"] in records and (always or row["context"].get("waited"))
    ]
    begun = _begun(batch, rows)
    rows = [row for row in rows if row["pk"] not in begun]
    if not rows:
        return {}
    try:
        unwanted = find_unwanted(batch.workflow, batch.definition, rows, records, events, now)
    except IntegrationsError as problem:
        unreadable = stops(f"The rules of Begin cannot be read: {problem.message}")
        return {row["pk"]: unreadable for row in rows}
    return dict.fromkeys(unwanted, _NO_LONGER)


def _begun(batch: Batch, rows: Sequence[Row]) -> set[int]:
    """Items whose call was asked for by an earlier try: its result is theirs. At most one query."""
    if not rows or batch.kind is None or batch.block is None:
        return set()
    if not batch.kind.changes_vendor(batch.block):
        return set()
    keys = {operation_key(row["pk"], batch.key, row["retry"]): row["pk"] for row in rows}
    known = Operation.objects.filter(key__among=list(keys))
    return {keys[key] for key in known.values_list("key", flat=True)}


def _item(row: Row, record: Record, event: tuple[str, Mapping[str, Any]] | None) -> Item:
    return Item(
        id=row["pk"],
        run_id=row["run_id"],
        record=record,
        fence=row["fence"],
        retry=row["retry"],
        tries=times_away(row["context"]) + 1,
        context=row["context"],
        event_changes=event[1] if event is not None else None,
        operation_id=row["operation_id"],
        approved_by=approved_by(row),
        held_hash=row["held_hash"],
    )


def _run(batch: Batch, step: Step) -> list[Outcome]:
    """Let the kind work. A mistake of our own is found by trying one item at a time."""
    assert batch.kind is not None  # noqa: S101 - the caller looked
    try:
        outcomes = list(batch.kind.run(step))
    except (Error, LeaseLost):
        raise
    except Exception as problem:
        logger.exception("Block %s of %s met an error of our own.", batch.key, batch.version)
        if len(step.items) > 1:
            # The others are on their way for the guard: it lets no part of them pass (M-15).
            alone = [_run(batch, replace(step, items=[item], taken={})) for item in step.items]
            return [outcome for one in alone for outcome in one]
        return [
            stops(
                f"Rolecall met an error of its own ({type(problem).__name__}); the log of the "
                "worker has the details. Retry it when that is mended.",
                code="internal",
            )
        ]
    if len(outcomes) != len(step.items):
        raise RuntimeError(f"{batch.key} gave {len(outcomes)} outcomes for {len(step.items)} items")
    return outcomes


def _write(batch: Batch, worked: tuple[Step | None, _Done], began: datetime, now: datetime) -> None:
    """Write all of it at once, for the items that are still ours. About eight queries."""
    step, done = worked
    with transaction.atomic():
        ours = batch.lease.lock()
        rows = [row for row in batch.rows if row["pk"] in ours]
        done = {**done, **_applied(step, done, ours, now)}
        outcomes = {row["pk"]: done[row["pk"]] for row in rows}
        update_rows(
            RunItem,
            ITEM_COLUMNS,
            [item_row(batch, row, outcomes[row["pk"]], now) for row in rows],
        )
        went = [(row, what) for row in rows if isinstance(what := outcomes[row["pk"]], Outcome)]
        way = [way_row(batch, row, what, began, now) for row, what in went]
        if any(way):
            insert_rows(BlockRun, WAY_COLUMNS, [one for one in way if one is not None])
        _forget_mapped(went)
        queue_mails(batch, went)
        told = [what for _row, what in went]
        note_outcomes(batch.workflow, batch.kind, told, block=batch.block)
        tell_held(batch, went, now)


def _applied(
    step: Step | None, done: _Done, ours: set[int], now: datetime
) -> dict[int, Outcome | Ended]:
    """Write what blocks want written; gives the outcomes that it changed, by item."""
    if step is None:
        return {}
    pairs = [
        (item, what)
        for item in step.items
        if item.id in ours and isinstance(what := done[item.id], Outcome) and _writes(what)
    ]
    if not pairs:
        return {}
    items, outcomes = [item for item, _what in pairs], [what for _item, what in pairs]
    applied = apply_outcomes(replace(step, items=items), outcomes, now=now)
    return {item.id: what for item, what in zip(items, applied, strict=True)}


def _writes(what: Outcome) -> bool:
    wants = what.sets or what.removes or what.roles is not None or what.found is not None
    return bool(wants)


def _forget_mapped(went: Sequence[tuple[Row, Outcome]]) -> None:
    """What was asked for from answers is in its fields now: the journal keeps no copy (M-8).

    What could not be written yet is kept, for a retry.
    """
    ids = [
        what.operation_id
        for _row, what in went
        if what.operation_id is not None
        and what.then == Then.GOES_ON
        and what.code not in _NOT_WRITTEN
    ]
    taken = [row for row in went if row[1].sets or row[1].variables]
    if ids and taken:
        Operation.objects.filter(pk__among=ids).update(mapped={})
