"""Where a new block stands among the others: its key, and the exit that leads to it; pure."""

from __future__ import annotations

import re
from dataclasses import replace

from workflows.definition import BEGIN, END, BlockPart, Definition
from workflows.kinds import find_kind


def new_key(wanted: str, definition: Definition) -> str:
    """A key that no block has: the words in snake case, numbered where they are taken."""
    words = re.sub(r"[^a-z0-9]+", "_", wanted.casefold()).strip("_")[:50] or "block"
    base = words if words[0].isalpha() else f"b_{words}"
    base = base if base not in (BEGIN, END) else f"{base}_block"
    taken = {one.key for one in definition.blocks}
    number = 2
    key = base
    while key in taken:
        key, number = f"{base}_{number}", number + 1
    return key


def free_places(definition: Definition) -> list[tuple[str, str]]:
    """Begin, then every exit of every block, as `key:exit`; then nothing."""
    places = [(BEGIN, "Begin")]
    for block in definition.blocks:
        kind = find_kind(block.kind)
        names = kind.exits if kind else tuple(block.exits)
        places += [
            (f"{block.key}:{name}", f"{block.label}: {name.replace('_', ' ')}") for name in names
        ]
    return [*places, ("", "Nothing yet")]


def last_place(definition: Definition) -> str:
    """The first exit of the last block that leads to the end or nowhere; Begin without blocks."""
    if not definition.blocks:
        return BEGIN
    for block in reversed(definition.blocks):
        kind = find_kind(block.kind)
        first = kind.exits[0] if kind else ""
        if first and block.exits.get(first, END) == END:
            return f"{block.key}:{first}"
    return ""


def connected(definition: Definition, part: BlockPart, after: str) -> Definition:
    """With a new block behind an exit; its own first exit goes on where that one led."""
    key, _sign, name = after.partition(":")
    former = definition.first if after == BEGIN else ""
    before = definition.find(key) if name else None
    if before is not None:
        former = before.exits.get(name, "")
    kind = find_kind(part.kind)
    first = kind.exits[0] if kind and kind.exits else ""
    if former and former != END and first and part.exits.get(first, END) == END:
        part = replace(part, exits={**part.exits, first: former})
    together = definition.with_block(part)
    if after == BEGIN:
        return replace(together, begin=replace(together.begin, next=part.key))
    if before is not None:
        led = replace(before, exits={**before.exits, name: part.key})
        return together.with_block(led, instead_of=key)
    return together
