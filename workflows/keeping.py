"""What no version can hold. Everything else may be saved: Validate says what is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.plain_json import TOO_NESTED, is_too_nested, why_not_kept
from workflows.definition import BEGIN, END, BeginPart, BlockPart, Definition
from workflows.errors import Mistake

MOST_BLOCKS = 500
"""More than Validate lets run, so that somebody can save and take some away."""
_LONGEST = {"key": 60, "kind": 40, "name": 150, "preset": 120, "credentials": 150}
_LARGEST = 1_000_000
"""Characters of a whole definition as JSON: several such fit into a configuration file."""


def what_cannot_be_kept(definition: Definition) -> Iterator[Mistake]:
    """Each reason why this cannot be saved, on its block and field. Pure."""
    if len(definition.blocks) > MOST_BLOCKS:
        yield Mistake("", "blocks", f"A workflow has at most {MOST_BLOCKS} blocks.")
        return
    if too_nested := [*_too_nested_begin(definition.begin), *_too_nested_blocks(definition)]:
        yield from too_nested
        return
    if wrong := _wrong_whole(definition.as_data()):
        yield Mistake("", "blocks", wrong)
    counted = Counter(block.key for block in definition.blocks)
    for block in definition.blocks:
        yield from _wrong_lengths(block)
        if counted[block.key] > 1:
            same = f'{counted[block.key]} blocks have the key "{block.key}". Give each its own.'
            yield Mistake(block.key, "key", same)


def _too_nested_begin(begin: BeginPart) -> Iterator[Mistake]:
    for field in ("rules", "schedule"):
        if is_too_nested(getattr(begin, field)):
            yield Mistake(BEGIN, field, TOO_NESTED)


def _too_nested_blocks(definition: Definition) -> Iterator[Mistake]:
    """Each body, value and list of rules counts by itself, as people write it."""
    for block in definition.blocks:
        for name, group in block.settings.items():
            parts = group if isinstance(group, Mapping) else {"": group}
            for key, value in parts.items():
                if is_too_nested(value):
                    at = f"settings.{name}.{key}".removesuffix(".")
                    yield Mistake(block.key, at, TOO_NESTED)


def _wrong_lengths(block: BlockPart) -> Iterator[Mistake]:
    if not block.key:
        yield Mistake("", "key", "A block has no key. Give it one, such as create_account.")
    elif block.key in (BEGIN, END):
        yield Mistake(block.key, "key", f'"{block.key}" is a word of its own. Use another key.')
    for field, longest in _LONGEST.items():
        length = len(getattr(block, field))
        if length > longest:
            yield Mistake(
                block.key[: _LONGEST["key"]],
                field,
                f"The {field} of a block has at most {longest} characters; this has {length}.",
            )


def _wrong_whole(data: Any) -> str:
    """Why it cannot be stored, or not be exported; empty where it can."""
    if wrong := why_not_kept(data):
        return f"This workflow cannot be kept. {wrong}"
    length = len(json.dumps(data, ensure_ascii=False))
    if length > _LARGEST:
        longest = f"at most {_LARGEST:,} characters can be kept"
        return f"The workflow has {length:,} characters; {longest}."
    return ""
