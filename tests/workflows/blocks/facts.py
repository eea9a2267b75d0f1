"""Checking single blocks as Validate does, at a place that the test describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import read_facts
from workflows.kinds import find_kind
from workflows.models import Workflow


def check_block(
    workflow: Workflow, kind: str, settings: Mapping[str, Any], **facts: Any
) -> list[Mistake]:
    """The mistakes in a block of this kind called `block`; `facts` are those of its place."""
    found = find_kind(kind)
    assert found is not None
    part = BlockPart("block", kind, settings=settings)
    return list(found.check(part, replace(read_facts(workflow), **facts)))
