"""Items as rows: how the starts of a run are written, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from people.bulk import insert_rows
from workflows.models import RunItem, WorkflowRun

_LONGEST_LABEL = 320
_COLUMNS = (
    "run_id",
    "workflow_id",
    "version_id",
    "record_id",
    "label",
    "event_id",
    "block",
    "state",
    "due_at",
    "context",
    "code",
    "note",
    "created_at",
)


class Start(NamedTuple):
    """One record that a workflow begins with; `code` and `note` say why its start is held.

    `approved`: it was caused by a removal that a person approved by name (M-20). `origin`: the run
    of a workflow whose event it is, if any.
    """

    record_id: int
    label: str
    event_id: int | None = None
    approved: bool = False
    chain: int = 0
    origin: int = 0
    code: str = ""
    note: str = ""


def insert_items(run: WorkflowRun, block: str, starts: Iterable[Start], *, now: datetime) -> None:
    """Write an item at `block` for each start: ready, or held where it says why. One statement."""
    insert_rows(RunItem, _COLUMNS, _rows(run, block, starts, now))


def _rows(
    run: WorkflowRun, block: str, starts: Iterable[Start], now: datetime
) -> Iterator[tuple[Any, ...]]:
    ids = (run.pk, run.workflow_id, run.version_id)
    for start in starts:
        held = bool(start.code)
        yield (
            *ids,
            start.record_id,
            start.label[:_LONGEST_LABEL],
            start.event_id,
            block,
            str(RunItem.State.HELD if held else RunItem.State.READY),
            None if held else now,
            "{}",
            start.code,
            start.note,
            now,
        )
