"""Asking again for what failed: from the block that failed, with the old version or the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson
from django.db import transaction
from django.utils import timezone

from integrations.broker import wake
from integrations.models import Operation
from integrations.operations.repeats import newest_calls
from people.bulk import update_rows
from workflows.definition import END
from workflows.engine.finish import refresh_runs
from workflows.engine.moves import OF_THE_STAY
from workflows.errors import CannotStart
from workflows.kinds import find_kind, operation_key
from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun, WorkflowVersion
from workflows.storms import HELD_STARTS
from workflows.versions import definition_of

Which = Literal["old", "current"]
State = RunItem.State
_CAN_BE_RETRIED = (State.FAILED, State.CANCELLED)
_OPEN = (*Operation.ACTIVE_STATES, Operation.State.ASKS)
_COLUMNS = (
    "version_id",
    "block",
    "state",
    "retry",
    "tries",
    "waits_for",
    "due_at",
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
_FORGOTTEN = ("failure", *OF_THE_STAY)


@dataclass
class Retried:
    """How many records go on, and (name, why) of those that do not."""

    retried: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def retry(
    ids: Sequence[int], *, by: str, version: Which = "old", now: datetime | None = None
) -> Retried:
    """Let failed or cancelled items go on from the block that failed, as a new try (M-26).

    `old` is the version that the item has, `current` the one that the workflow runs with now.
    Raises CannotStart where the workflow runs nothing. About ten queries.
    """
    at = now or timezone.now()
    found = Retried()
    with transaction.atomic():
        locked = RunItem.objects.select_for_update().filter(pk__among=list(ids))
        items = list(locked.order_by("pk"))
        workflows = _workflows(items)
        ways = _ways(items)
        calls = _calls(items, ways)
        targets = {item.pk: _version_of(item, workflows, version) for item in items}
        versions = WorkflowVersion.objects.in_bulk(set(targets.values()))
        rows = []
        for item in items:
            target = versions[targets[item.pk]]
            block = _failed_block(item, ways.get(item.pk, ()))
            call = calls.get(item.pk)
            why = _why_not(item, block, target, call)
            if why:
                found.refused.append((item.label, why))
            else:
                way = ways.get(item.pk, ())
                number = item.retry + _is_new_try(item, block, target, call, way)
                rows.append(_row(item, block, target.pk, number, at))
        update_rows(RunItem, _COLUMNS, rows)
        _open_again([item for item in items if item.pk in {row[0] for row in rows}], at)
    found.retried = len(rows)
    return found


def _workflows(items: Sequence[RunItem]) -> Mapping[int, Workflow]:
    found = Workflow.objects.in_bulk({item.workflow_id for item in items})
    for workflow in found.values():
        if workflow.state != Workflow.State.ACTIVE:
            raise CannotStart(
                f'"{workflow}" is {workflow.state}, so nothing of it is worked on. An IT admin '
                "makes it active first."
            )
    return found


def _version_of(item: RunItem, workflows: Mapping[int, Workflow], version: Which) -> int:
    active = workflows[item.workflow_id].active_version_id
    return active if version == "current" and active is not None else item.version_id


def _ways(items: Sequence[RunItem]) -> Mapping[int, list[BlockRun]]:
    """The blocks that each item has left, without what was sent and answered. One query."""
    ways: dict[int, list[BlockRun]] = {}
    rows = BlockRun.objects.filter(item__in=[item.pk for item in items])
    for row in rows.defer("request", "answer").order_by("pk"):
        ways.setdefault(row.item_id, []).append(row)
    return ways


def _failed_block(item: RunItem, way: Sequence[BlockRun]) -> str:
    """Where it stopped on its way; of one that came to the end, the last block that failed."""
    if item.block != END:
        return item.block
    for row in reversed(way):
        kind = find_kind(row.kind)
        only_tells = kind is not None and kind.only_tells
        if row.exit == "failure" and not only_tells:
            return row.block
    return item.block


def _calls(
    items: Sequence[RunItem], ways: Mapping[int, Sequence[BlockRun]]
) -> Mapping[int, Operation]:
    """The newest call of each item's last try, where it made one. Up to two queries."""
    keys = {}
    for item in items:
        block = _failed_block(item, ways.get(item.pk, ()))
        keys[operation_key(item.pk, block, item.retry)] = item.pk
    return {keys[key]: call for key, call in newest_calls(keys).items()}


def _is_new_try(
    item: RunItem,
    block: str,
    version: WorkflowVersion,
    call: Operation | None,
    way: Sequence[BlockRun],
) -> bool:
    """False where the call went through and the item does not know: then it takes the result.

    Another version may call for something else there, and lead to blocks that were left before.
    """
    was_left = any(row.block == block and row.retry == item.retry for row in way)
    is_same_version = version.pk == item.version_id
    took_place = call is not None and call.state == Operation.State.DONE
    return was_left or not is_same_version or not took_place


def _why_not(item: RunItem, block: str, version: WorkflowVersion, call: Operation | None) -> str:
    if item.state not in _CAN_BE_RETRIED:
        return f"It has not failed ({item.get_state_display().lower()})."
    if item.code in HELD_STARTS:
        return (
            "Its start was held and not approved, so there is nothing to retry. Start the workflow "
            "for it by hand."
        )
    if call is not None and call.state in _OPEN:
        return (
            f"The call of its last try has not ended: see operation {call.pk}. Settle that first, "
            "so that nothing is done twice."
        )
    if block != END and definition_of(version).find(block) is None:
        return (
            f'The version that runs now has no block "{block}", at which it failed. Retry it with '
            "the version that it had, or start the workflow for it anew."
        )
    return ""


def _row(
    item: RunItem, block: str, version_id: int, retry_number: int, now: datetime
) -> tuple[Any, ...]:
    context = {key: value for key, value in item.context.items() if key not in _FORGOTTEN}
    values: dict[str, Any] = {
        "version_id": version_id,
        "block": block,
        "state": State.READY.value,
        "retry": retry_number,
        "tries": 0,
        "waits_for": "",
        "due_at": now,
        "context": orjson.dumps(context).decode(),
        "operation_id": None,
        "has_failed": False,
        "code": "",
        "note": "",
        "held_hash": "",
        "decided_by": "",
        "seconded_by": "",
        "decided_at": None,
        "finished_at": None,
    }
    return (item.pk, *(values[column] for column in _COLUMNS))


def _open_again(items: Sequence[RunItem], now: datetime) -> None:
    """The runs of these items are under way again. Three queries, or none."""
    run_ids = sorted({item.run_id for item in items})
    if not run_ids:
        return
    WorkflowRun.objects.filter(pk__in=run_ids).exclude(state=WorkflowRun.State.QUEUED).update(
        state=WorkflowRun.State.RUNNING, finished_at=None, error_code="", error_message=""
    )
    refresh_runs(run_ids, now)
    transaction.on_commit(wake)
