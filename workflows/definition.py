"""A workflow's definition as plain data: what forms, files, checks and the engine share.

Its shape is that of the configuration file: {begin: {...}, blocks: [{...}, ...]}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

END = "end"
"""The word of an exit that leads to the end."""
BEGIN = "begin"
"""Stands for the Begin block in mistakes."""
ACTIONS = ("new", "edit", "archive", "schedule", "manual")
EVENT_ACTIONS = ("new", "edit", "archive")
RECORDS = ("active", "deactivated", "all")
ALSO = ("undo", "restore", "import", "settling")
"""Sources of events that start nothing unless Begin names them (M-19)."""


@dataclass(frozen=True)
class BeginPart:
    """When a workflow starts, and for which records."""

    actions: tuple[str, ...] = ()
    schedule: Mapping[str, Any] = field(default_factory=dict)
    records: str = "active"
    rules: Any = field(default_factory=dict)
    next: str = ""
    also: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """As it is stored and written to files; what says nothing is left out."""
        data: dict[str, Any] = {"actions": list(self.actions)}
        if self.schedule:
            data["schedule"] = dict(self.schedule)
        data["records"] = self.records
        if self.rules:
            data["rules"] = self.rules
        if self.also:
            data["also"] = list(self.also)
        if self.next:
            data["next"] = self.next
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> BeginPart:
        """The reverse of `as_data`."""
        return cls(
            actions=tuple(data.get("actions") or ()),
            schedule=data.get("schedule") or {},
            records=data.get("records") or "active",
            rules=data.get("rules") or {},
            next=data.get("next") or "",
            also=tuple(data.get("also") or ()),
        )


@dataclass(frozen=True)
class BlockPart:
    """One block; `credentials` is their name, `exits` {exit: key of a block, or `end`}."""

    key: str
    kind: str
    name: str = ""
    preset: str = ""
    credentials: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    exits: Mapping[str, str] = field(default_factory=dict)
    x: int | None = None
    y: int | None = None

    @property
    def label(self) -> str:
        """How people know it."""
        return self.name or self.key

    def as_data(self) -> dict[str, Any]:
        """As it is written to files; what says nothing is left out."""
        data: dict[str, Any] = {"key": self.key, "kind": self.kind}
        for name in ("name", "preset", "credentials"):
            if value := getattr(self, name):
                data[name] = value
        if self.settings:
            data["settings"] = dict(self.settings)
        if self.exits:
            data["exits"] = dict(self.exits)
        if self.x is not None and self.y is not None:
            data |= {"x": self.x, "y": self.y}
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> BlockPart:
        """The reverse of `as_data`."""
        return cls(
            key=data["key"],
            kind=data["kind"],
            name=data.get("name") or "",
            preset=data.get("preset") or "",
            credentials=data.get("credentials") or "",
            settings=data.get("settings") or {},
            exits=data.get("exits") or {},
            x=data.get("x"),
            y=data.get("y"),
        )


@dataclass(frozen=True)
class Definition:
    """Begin and the blocks, in the order in which people see them."""

    begin: BeginPart = field(default_factory=BeginPart)
    blocks: tuple[BlockPart, ...] = ()

    @property
    def first(self) -> str:
        """The key of the block after Begin: the first of the list when none is named."""
        return self.begin.next or (self.blocks[0].key if self.blocks else END)

    def find(self, key: str) -> BlockPart | None:
        """The block with this key, if there is one."""
        return next((block for block in self.blocks if block.key == key), None)

    def with_block(self, block: BlockPart, *, instead_of: str = "") -> Definition:
        """With a block put in the place of another, or added behind the last."""
        if not instead_of:
            return replace(self, blocks=(*self.blocks, block))
        kept = tuple(block if one.key == instead_of else one for one in self.blocks)
        return replace(self, blocks=kept).renamed(instead_of, block.key)

    def without_block(self, key: str) -> Definition:
        """Without a block; exits that led to it lead nowhere, which Validate reports."""
        kept = tuple(one for one in self.blocks if one.key != key)
        return replace(self, blocks=kept).renamed(key, "")

    def renamed(self, old: str, new: str) -> Definition:
        """With every exit that led to `old` leading to `new`."""
        if old == new:
            return self
        blocks = tuple(
            replace(one, exits={k: new if v == old else v for k, v in one.exits.items()})
            for one in self.blocks
        )
        begin = replace(self.begin, next=new) if self.begin.next == old else self.begin
        return Definition(begin, blocks)

    def paths_to(self, key: str) -> Iterator[BlockPart]:
        """Every block from which an exit leads to this key."""
        return (one for one in self.blocks if key in one.exits.values())

    def as_data(self) -> dict[str, Any]:
        """{begin, blocks}, as in the configuration file."""
        return {"begin": self.begin.as_data(), "blocks": [one.as_data() for one in self.blocks]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Definition:
        """The reverse of `as_data`."""
        return cls(
            BeginPart.from_data(data.get("begin") or {}),
            tuple(BlockPart.from_data(one) for one in data.get("blocks") or ()),
        )
