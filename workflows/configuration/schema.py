"""The keys of a workflow in the configuration file, and what each may hold."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from integrations.configuration.schema import Name, Part, Rules, Text
from workflows.definition import BeginPart, BlockPart

Place = Annotated[int, Field(strict=True, ge=-100_000, le=100_000)]


class BeginSection(Part):
    """When it starts, and for which records."""

    actions: list[Literal["new", "edit", "archive", "schedule", "manual"]] = []
    schedule: dict[str, Any] = {}
    records: Literal["active", "deactivated", "all"] = "active"
    rules: Rules = {}
    next: Text = ""
    also: list[Literal["undo", "restore", "import", "settling"]] = []

    def as_part(self) -> BeginPart:
        """As definitions hold it."""
        return BeginPart.from_data(self.model_dump())


class BlockSection(Part):
    """One block; its exits name keys of others, or `end`."""

    key: Text
    kind: Text
    name: Text = ""
    preset: Text = ""
    credentials: Text = ""
    settings: dict[str, Any] = {}
    exits: dict[str, Text] = {}
    x: Place | None = None
    y: Place | None = None

    def as_part(self) -> BlockPart:
        """As definitions hold it."""
        return BlockPart.from_data(self.model_dump())


class WorkflowPart(Part):
    """One workflow. `begin` and `blocks` are made exactly as they are written."""

    name: Name
    object: Literal["person", "saas_user"]
    application: Name | None = None
    description: Annotated[Text, Field(max_length=2_000)] = ""
    begin: BeginSection = BeginSection()
    blocks: list[BlockSection] = []
    state: Literal["draft", "active", "paused", "archived"] = "draft"


PARTS: dict[str, type[Part]] = {
    "workflows": WorkflowPart,
    "workflows.begin": BeginSection,
    "workflows.blocks": BlockSection,
}
