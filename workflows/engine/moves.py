"""What becomes of each item after its block: the row to be written, and the row of its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from integrations.values import write_json
from people.masking import mask
from workflows.definition import END
from workflows.engine.claims import Batch, Row
from workflows.engine.leases import State, WaitsFor
from workflows.kinds import BlockKind, Outcome, Then

ITEM_COLUMNS = (
    "state",
    "block",
    "waits_for",
    "due_at",
    "leased_until",
    "worker",
    "tries",
    "context",
    "operation_id",
    "has_failed",
    "code",
    "note",
    "held_hash",
    "decided_by",
    "seconded_by",
    "decided_at",
    "finished_at",
)
WAY_COLUMNS = (
    "item_id",
    "version_id",
    "block",
    "kind",
    "name",
    "retry",
    "exit",
    "request",
    "answer",
    "status",
    "code",
    "note",
    "operation_id",
    "approved_by",
    "tries",
    "started_at",
    "ended_at",
)
# What an item carries only while it stays at a block.
OF_THE_STAY = ("since", "waited", "approval", "told", "began", "away")
# Of no use where nothing can be retried: parts of answers are not kept longer than needed.
_OF_THE_WAY = ("variables", "failure", "written")
_NEVER_AGAIN = (State.DONE, State.NO_LONGER_APPLIES)
STOPPED = "stopped"


@dataclass(frozen=True)
class Ended:
    """Why an item ends though its block did not run: the record is gone, or no longer matches."""

    state: str
    note: str
    code: str = ""


def item_row(batch: Batch, row: Row, what: Outcome | Ended, now: datetime) -> tuple[Any, ...]:
    """The item as it is to be written, in the order of `ITEM_COLUMNS` behind its id."""
    values = _stay(batch, row, now) | (
        _ended(what, now) if isinstance(what, Ended) else _moved(batch, row, what, now)
    )
    context = values["context"]
    if values["state"] in _NEVER_AGAIN:
        context = {key: value for key, value in context.items() if key not in _OF_THE_WAY}
    values["context"] = orjson.dumps(context).decode()
    return (row["pk"], *(values[column] for column in ITEM_COLUMNS))


def _stay(batch: Batch, row: Row, now: datetime) -> dict[str, Any]:
    """As if nothing became of it, but that nobody works on it."""
    return {
        "state": State.READY.value,
        "block": batch.key,
        "waits_for": "",
        "due_at": now,
        "leased_until": None,
        "worker": "",
        "tries": row["tries"],
        "context": dict(row["context"]),
        "operation_id": row["operation_id"],
        "has_failed": row["has_failed"],
        "code": "",
        "note": "",
        "held_hash": "",
        "decided_by": "",
        "seconded_by": "",
        "decided_at": None,
        "finished_at": None,
    }


def _ended(what: Ended, now: datetime) -> dict[str, Any]:
    return {"state": what.state, "note": what.note, "code": what.code, "finished_at": now}


def _moved(batch: Batch, row: Row, outcome: Outcome, now: datetime) -> dict[str, Any]:
    note = mask(outcome.note)
    context = _context(row["context"], outcome)
    told = {"code": outcome.code[:50], "note": note, "operation_id": outcome.operation_id}
    if outcome.then == Then.STOPS:
        end = {"state": State.FAILED.value, "has_failed": True, "finished_at": now}
        return {**told, **end, "context": _without_stay(context), "tries": 0}
    if outcome.then == Then.IS_HELD:
        held = {"state": State.HELD.value, "held_hash": outcome.held_hash, "due_at": None}
        return {**told, **held, "context": context, "tries": 0}
    if outcome.then == Then.WAITS:
        return told | _waits(row, outcome, context, now)
    return told | _leaves(batch, row, outcome, context, now)


def _waits(row: Row, outcome: Outcome, context: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Pauses that the vendor needs are counted, apart from processes that died of it."""
    context.setdefault("began", now.isoformat())
    vendor_is_away = outcome.waits_for == WaitsFor.TIME and bool(outcome.code)
    if vendor_is_away:
        context["away"] = times_away(context) + 1
    elif outcome.waits_for in {WaitsFor.TIME, WaitsFor.APPROVAL}:
        context["waited"] = True
    return {
        "state": State.WAITING.value,
        "waits_for": outcome.waits_for,
        "due_at": outcome.due_at,
        "context": context,
        "tries": 0,
        # What was approved stays approved until it is done.
        "held_hash": row["held_hash"],
        "decided_by": row["decided_by"],
        "seconded_by": row["seconded_by"],
    }


def times_away(context: Mapping[str, Any]) -> int:
    """How often the vendor was away since the item came to its block."""
    return int(context.get("away", 0))


def _leaves(
    batch: Batch, row: Row, outcome: Outcome, context: dict[str, Any], now: datetime
) -> dict[str, Any]:
    assert batch.block is not None and batch.kind is not None  # noqa: S101, PT018 - a block ran
    failed = _has_failed(batch.kind, row, outcome)
    following = batch.block.exits.get(outcome.exit) or END
    moved: dict[str, Any] = {
        "context": _without_stay(context),
        "has_failed": failed,
        "tries": 0,
        "operation_id": None,
    }
    if following != END:
        return {**moved, "block": following, "code": "", "note": ""}
    state = State.FAILED if failed else State.DONE
    told = _why_failed(context) if failed else {}
    return {**moved, "block": END, "state": state.value, "finished_at": now, **told}


def _why_failed(context: Mapping[str, Any]) -> dict[str, str]:
    """What a failed item says of itself: the failure, also where a notification came after it."""
    failure = context.get("failure") or {}
    return {"code": str(failure.get("code", ""))[:50], "note": str(failure.get("reason", ""))}


def _has_failed(kind: BlockKind, row: Row, outcome: Outcome) -> bool:
    if kind.only_tells or "failure" not in kind.exits:
        return bool(row["has_failed"])
    return outcome.exit == "failure"


def _context(old: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    context = {**old, **outcome.context}
    if outcome.variables:
        context["variables"] = {**(old.get("variables") or {}), **outcome.variables}
    if outcome.failure is not None:
        failure = outcome.failure
        context["failure"] = {
            "reason": mask(failure.reason),
            "code": failure.code,
            "status": failure.status,
        }
    return context


def _without_stay(context: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if key not in OF_THE_STAY}


def approved_by(row: Row) -> str:
    """Who approved by name what the block does with this item; "" where nobody was asked."""
    if not row["held_hash"]:
        return ""
    return " and ".join(dict.fromkeys(filter(None, [row["decided_by"], row["seconded_by"]])))


def way_row(batch: Batch, row: Row, outcome: Outcome, began: datetime, now: datetime) -> Any:
    """The row of the way of an item that leaves its block or stops there; None while it stays."""
    if batch.block is None or outcome.then in {Then.WAITS, Then.IS_HELD}:
        return None
    since = row["context"].get("began")
    return (
        row["pk"],
        batch.version.pk,
        batch.key,
        batch.block.kind,
        batch.block.label[:150],
        row["retry"],
        STOPPED if outcome.then == Then.STOPS else outcome.exit,
        None if outcome.request is None else write_json(outcome.request),
        None if outcome.answer is None else write_json(outcome.answer),
        outcome.status,
        outcome.code[:50],
        mask(outcome.note),
        outcome.operation_id,
        approved_by(row),
        times_away(row["context"]) + max(row["tries"], 1),
        datetime.fromisoformat(since) if since else began,
        now,
    )
