"""Taking a batch: ready items of one version at one block, those that are due longest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, Q, QuerySet

from integrations.models import Installation
from integrations.sync.lease import process_name
from workflows.definition import END, BlockPart, Definition
from workflows.engine.leases import Lease, State, lease_end
from workflows.kinds import BlockKind, find_kind
from workflows.models import RunItem, Workflow, WorkflowVersion
from workflows.versions import definition_of

_COLUMNS = (
    "pk",
    "run_id",
    "record_id",
    "label",
    "event_id",
    "fence",
    "retry",
    "tries",
    "context",
    "operation_id",
    "has_failed",
    "decided_by",
    "seconded_by",
    "held_hash",
    "created_at",
)
_AT_THE_END = 5_000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """Items that this process has claimed, as their rows were.

    `kind` is None at the end, and where Rolecall does not know the kind of the block.
    """

    workflow: Workflow
    version: WorkflowVersion
    definition: Definition
    key: str
    block: BlockPart | None
    kind: BlockKind | None
    rows: Sequence[Row]
    lease: Lease


def ready_items(now: datetime) -> QuerySet[RunItem]:
    """Items that may be worked on now: of active workflows, while Rolecall is not paused."""
    paused = Installation.objects.filter(pk=1, paused_at__isnull=False)
    is_time = Q(due_at__isnull=True) | Q(due_at__lte=now)
    return RunItem.objects.filter(
        is_time, ~Exists(paused), state=State.READY, workflow__state=Workflow.State.ACTIVE
    )


def claim_batch(now: datetime, *, only_run: int | None = None) -> Batch | None:
    """Claim the items that are due longest, with the others at the same block. Four queries.

    None when nothing is ready. Workers leave alone what only commands can read secrets for (M-35);
    a command names its run. Safe at once in several threads and processes.
    """
    ready = ready_items(now)
    ready = ready.filter(version__local=False) if only_run is None else ready.filter(run=only_run)
    first = ready.order_by("due_at", "pk").values_list("version_id", "block").first()
    if first is None:
        return None
    version_id, key = first
    version = WorkflowVersion.objects.select_related("workflow__application").get(pk=version_id)
    definition = definition_of(version)
    block = definition.find(key) if key != END else None
    kind = find_kind(block.kind) if block is not None else None
    size = kind.batch(block) if kind is not None and block is not None else _AT_THE_END
    rows = _take(ready.filter(version=version_id, block=key), size)
    lease = Lease({row["pk"]: row["fence"] for row in rows})
    return Batch(version.workflow, version, definition, key, block, kind, rows, lease)


def _take(ready: QuerySet[RunItem], size: int) -> list[Row]:
    """Claim up to so many; gives their rows with the new fence and try. Two queries."""
    with transaction.atomic():
        free = ready.select_for_update(
            of=("self",) if connection.features.has_select_for_update_of else (),
            skip_locked=connection.features.has_select_for_update_skip_locked,
        )
        rows = list(free.order_by("due_at", "pk").values(*_COLUMNS)[:size])
        RunItem.objects.filter(pk__among=[row["pk"] for row in rows]).update(
            state=State.WORKING,
            fence=F("fence") + 1,
            tries=F("tries") + 1,
            leased_until=lease_end(),
            worker=process_name(),
        )
    return [{**row, "fence": row["fence"] + 1, "tries": row["tries"] + 1} for row in rows]
