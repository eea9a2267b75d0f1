"""What stands on the page of one workflow: its blocks as a table, its last runs, what it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from integrations.errors import UnknownPreset
from integrations.registry import get_preset
from workflows.admin.begin import ExitRow, WorkflowForm
from workflows.admin.doing import does_in_words
from workflows.admin.listing import short_state, timetable_of
from workflows.admin.pages import ACTIVATE, CHANGE, block_url
from workflows.definition import BlockPart, Definition
from workflows.kinds import find_kind, kinds
from workflows.models import Workflow, WorkflowVersion

_SHOWN_RUNS = 5


@dataclass(frozen=True)
class BlockRow:
    """A block in the table of blocks."""

    number: int
    block: BlockPart
    kind: str
    icon: str
    preset: str
    does: str
    url: str
    exits: Sequence[ExitRow]
    is_first: bool
    is_last: bool
    is_destructive: bool


def sheet_of(
    request: HttpRequest,
    row: Workflow,
    version: WorkflowVersion,
    kept: Definition,
    form: WorkflowForm,
    *,
    writes: bool,
) -> dict[str, Any]:
    """The context of the page. Two queries for the last runs."""
    may = request.user.has_perm
    runs = list(row.runs.order_by("-pk")[:_SHOWN_RUNS]) if may("workflows.view_workflowrun") else []
    return {
        "form": form,
        "blocks": _block_rows(row, kept, form),
        "kinds": [one for one in kinds().values() if row.object in one.objects],
        "runs": runs,
        **bar_of(request, row, version),
        "timetable": timetable_of(row, timezone.now()),
        "writes": writes,
        "may_copy": may("workflows.add_workflow"),
    }


def bar_of(request: HttpRequest, row: Workflow, version: WorkflowVersion) -> dict[str, Any]:
    """What the bar of buttons shows, which stands on every page of a workflow. No query."""
    may = request.user.has_perm
    running = row.active_version
    runs = may("workflows.run_workflow") and row.state == Workflow.State.ACTIVE
    return {
        "short_state": short_state(row),
        "version": version,
        "running": running,
        "is_saved_only": running is not None and running.pk != version.pk,
        "preview_url": _url("preview", row) if may(CHANGE) else "",
        "may_activate": may(ACTIVATE),
        "run_url": _url("run", row) if runs else "",
    }


def _url(page: str, row: Workflow) -> str:
    """A page of the workflow; empty where there is none."""
    try:
        return reverse(f"admin:workflows_workflow_{page}", args=(row.pk,))
    except NoReverseMatch:
        return ""


def _block_rows(row: Workflow, kept: Definition, form: WorkflowForm) -> list[BlockRow]:
    last = len(kept.blocks) - 1
    return [_block_row(row, block, number, last, form) for number, block in enumerate(kept.blocks)]


def _block_row(
    row: Workflow, block: BlockPart, number: int, last: int, form: WorkflowForm
) -> BlockRow:
    kind = find_kind(block.kind)
    return BlockRow(
        number=number + 1,
        block=block,
        kind=kind.label if kind is not None else f"{block.kind} (unknown)",
        icon=kind.icon if kind is not None else "help",
        preset=preset_label(block.preset),
        does=does_in_words(block, form.hidden),
        url=block_url(row, block.key),
        exits=form.exit_rows(block),
        is_first=number == 0,
        is_last=number == last,
        is_destructive=kind is not None and kind.is_destructive(block),
    )


def preset_label(preset_id: str) -> str:
    """How people know a preset; its id where no vendor folder has it any more."""
    if not preset_id:
        return ""
    try:
        return get_preset(preset_id)[1].label
    except UnknownPreset:
        return f"{preset_id} (does not exist)"


def with_order(definition: Definition, wanted: str) -> Definition:
    """With one block a place higher or lower, as `up:key` or `down:key` asks."""
    what, _, key = wanted.partition(":")
    step: Mapping[str, int] = {"up": -1, "down": 1}
    keys = [block.key for block in definition.blocks]
    if what not in step or key not in keys:
        return definition
    here = keys.index(key)
    there = here + step[what]
    if not 0 <= there < len(keys):
        return definition
    blocks = list(definition.blocks)
    blocks[here], blocks[there] = blocks[there], blocks[here]
    return replace(definition, blocks=tuple(blocks))


def without(definition: Definition, block: BlockPart) -> Definition:
    """Without a block; what led to it leads nowhere, and says so."""
    left = definition.without_block(block.key)
    blocks = tuple(
        replace(one, exits={name: to for name, to in one.exits.items() if to})
        for one in left.blocks
    )
    return replace(left, blocks=blocks)
