"""What applying a file did, or would do, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class FieldChange:
    """One value, old -> new; of a secret only the words "set" or "changed"."""

    name: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.name}: {_word(self.old)} -> {_word(self.new)}"


@dataclass(frozen=True)
class Change:
    """One thing of a section that is made or changed."""

    section: str
    name: str
    is_new: bool
    fields: tuple[FieldChange, ...] = ()

    def __str__(self) -> str:
        head = f"{'+' if self.is_new else '~'} {self.section}: {_word(self.name)}"
        lines = [f"{one.name}: {_word(one.new)}" if self.is_new else one for one in self.fields]
        return "\n".join([head, *(f"    {line}" for line in lines)])


@dataclass(frozen=True)
class Receipt:
    """Everything that changes, in the order of the file, and what the reader should know."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    planned: bool = False

    def __str__(self) -> str:
        if not self.changes:
            return "Nothing to change: everything is as the file says."
        made = sum(change.is_new for change in self.changes)
        changed = len(self.changes) - made
        verb = "would be" if self.planned else "were"
        counts = f"{made} {verb} made, {changed} {verb} changed."
        return "\n".join([*(str(change) for change in self.changes), counts])


def _word(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, str):
        return value if value.isprintable() else orjson.dumps(value).decode()
    return orjson.dumps(value).decode()
