"""What no version can hold. Everything else may be saved: Validate says what is wrong with it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from workflows.definition import BEGIN, END, BlockPart, Definition
from workflows.errors import Mistake

MOST_BLOCKS = 500
"""More than Validate lets run, so that somebody can save and take some away."""
_LONGEST = {"key": 60, "kind": 40, "name": 150, "preset": 120, "credentials": 150}
_LARGEST = 4_000_000
"""Characters of a whole definition as JSON."""
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""NUL in JSON; the same six characters typed as a text have a backslash more."""


def what_cannot_be_kept(definition: Definition) -> Iterator[Mistake]:
    """Each reason why this cannot be saved, on its block and field. Pure."""
    if len(definition.blocks) > MOST_BLOCKS:
        yield Mistake("", "blocks", f"A workflow has at most {MOST_BLOCKS} blocks.")
        return
    if wrong := _wrong_whole(definition.as_data()):
        yield Mistake("", "blocks", wrong)
    counted = Counter(block.key for block in definition.blocks)
    for block in definition.blocks:
        yield from _wrong_lengths(block)
        if counted[block.key] > 1:
            same = f'{counted[block.key]} blocks have the key "{block.key}". Give each its own.'
            yield Mistake(block.key, "key", same)


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
    """Why no database, or no page, takes it as JSON; empty where both do."""
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return "A text in this workflow holds half of a character: write it anew."
    except RecursionError:
        return "A value in this workflow is nested too deep to be kept: make it flatter."
    except (TypeError, ValueError):
        return "A number in this workflow is not a number that can be kept."
    if len(text) > _LARGEST:
        longest = f"at most {_LARGEST:,} characters can be kept"
        return f"The workflow has {len(text):,} characters; {longest}."
    if _NUL.search(text):
        return "A text in this workflow holds the character NUL: remove it."
    return ""
