"""Definitions in their rows: how a version is read, and how a new one is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from django.db.models import Max

from integrations.models import Credentials
from workflows.definition import BeginPart, BlockPart, Definition
from workflows.models import Block, Workflow, WorkflowVersion


def read_definition(version: WorkflowVersion) -> Definition:
    """The definition of a version. One query."""
    blocks = (
        Block.objects.filter(version=version).select_related("credentials").order_by("position")
    )
    return Definition(BeginPart.from_data(version.begin), tuple(_part(block) for block in blocks))


def read_definitions(versions: Iterable[WorkflowVersion]) -> dict[int, Definition]:
    """The definitions of many versions by their ids. One query."""
    by_id = {version.pk: version for version in versions}
    blocks: dict[int, list[BlockPart]] = {pk: [] for pk in by_id}
    rows = Block.objects.filter(version__in=by_id).select_related("credentials")
    for block in rows.defer("credentials__sealed").order_by("version", "position"):
        blocks[block.version_id].append(_part(block))
    return {
        pk: Definition(BeginPart.from_data(version.begin), tuple(blocks[pk]))
        for pk, version in by_id.items()
    }


def definition_of(version: WorkflowVersion) -> Definition:
    """The definition of a version that was activated: such a one never changes. No query if kept.

    Credentials are those of that time by name; the engine takes them from the rows.
    """
    return kept_definition(version.pk, version.created_at)


@lru_cache(maxsize=256)
def kept_definition(version_id: int, created_at: datetime) -> Definition:
    """The same by its id, which after a restore may stand for another version: hence the time."""
    return read_definition(WorkflowVersion.objects.get(pk=version_id, created_at=created_at))


def block_rows(version_id: int) -> Mapping[str, Block]:
    """The rows of a version's blocks by key, with their credentials as they are now. One query."""
    rows = Block.objects.filter(version=version_id).select_related("credentials")
    return {row.key: row for row in rows.defer("credentials__sealed")}


def _part(block: Block) -> BlockPart:
    credentials = block.credentials
    return BlockPart(
        key=block.key,
        kind=block.kind,
        name=block.name,
        preset=block.preset,
        credentials=credentials.name if credentials is not None else block.credentials_name,
        settings=block.settings,
        exits=block.exits,
        x=block.x,
        y=block.y,
    )


def write_version(
    workflow: Workflow, definition: Definition, *, by: str, note: str = ""
) -> WorkflowVersion:
    """Add a version with these blocks. Inside a transaction; four queries.

    Credentials that do not exist are kept by name: Validate reports them.
    """
    latest = workflow.versions.aggregate(latest=Max("number"))["latest"] or 0
    version = WorkflowVersion.objects.create(
        workflow=workflow,
        number=latest + 1,
        begin=definition.begin.as_data(),
        created_by=by[:200],
        note=note[:300],
    )
    write_blocks(version, definition)
    return version


def write_blocks(version: WorkflowVersion, definition: Definition) -> None:
    """Write the blocks of a version that has none. Three queries."""
    names = {block.credentials for block in definition.blocks if block.credentials}
    rows = {row.name: row for row in Credentials.objects.filter(name__in=names).defer("sealed")}
    Block.objects.bulk_create(
        Block(
            version=version,
            key=part.key,
            kind=part.kind,
            name=part.name,
            preset=part.preset,
            credentials=rows.get(part.credentials),
            credentials_name=part.credentials,
            settings=dict(part.settings),
            exits=dict(part.exits),
            position=position,
            x=part.x,
            y=part.y,
        )
        for position, part in enumerate(definition.blocks)
    )
    outside = Credentials.Stored.REFERENCE
    version.local = any(row.stored == outside for row in rows.values())
    version.save(update_fields=["local"])
