"""Reading answers of presets: values by path, and what of an answer may be kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integrations.paths import MISSING, parse_path, walk
from integrations.values import write_json
from people.masking import MASK, mask

_LONGEST_TEXT = 500
_MOST_ITEMS = 20
_MOST_KEYS = 60
_DEEPEST = 8
_LARGEST = 16_000  # letters of JSON
_LEFT_OUT = "…"
_SECRET = re.compile(
    r"pass(word|wd|phrase)|secret|token|authorization|api_?key|private_?key|credential|cookie",
    re.IGNORECASE,
)


def at(answer: Any, path: str, *, record: Any = MISSING) -> Any:
    """The value at a path; MISSING where it leads nowhere.

    A path that begins with `response` is one in the whole answer; another is one in the record, or
    in the answer where no record is given.
    """
    steps = parse_path(path)
    if steps[0] == "response":
        return walk({"response": answer}, steps)
    return walk(answer if record is MISSING else record, steps)


def for_conditions(answer: Any) -> dict[str, Any]:
    """The answer so that conditions find paths in it with and without `response` before them."""
    inside = answer if isinstance(answer, Mapping) else {}
    return {**inside, "response": answer}


def named_values(
    paths: Mapping[str, str | tuple[str, ...]], answer: Any, *, record: Any = MISSING
) -> dict[str, Any]:
    """The values at several paths by their names, masked; those that lead nowhere are left out.

    Of several paths for one name, the first that leads somewhere counts.
    """
    found = {}
    for name, given in paths.items():
        choices = (given,) if isinstance(given, str) else given
        values = (at(answer, path, record=record) for path in choices)
        found[name] = next((value for value in values if value is not MISSING), MISSING)
    return {name: _fitting(masked(value)) for name, value in found.items() if value is not MISSING}


def masked(value: Any) -> Any:
    """A tree in which every secret that this process has opened is replaced.

    So are the signs that a database cannot hold.
    """
    if isinstance(value, str):
        return _storable(mask(value))
    if isinstance(value, Mapping):
        return {_storable(mask(str(key))): masked(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [masked(part) for part in value]
    return value


def kept(answer: Any) -> Any:
    """What of an answer a row may keep: masked, and trimmed to some 16,000 letters of JSON."""
    trimmed = _trimmed(answer, 0)
    text = write_json(trimmed)
    if len(text) <= _LARGEST:
        return trimmed
    return {"trimmed": text[:_LARGEST] + _LEFT_OUT}


def _fitting(value: Any) -> Any:
    """A value as it is, unless it is far too long for a row."""
    return value if len(write_json(value)) <= _LARGEST else kept(value)


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _trimmed(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        text = _storable(mask(value))
        return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + _LEFT_OUT
    if depth >= _DEEPEST and isinstance(value, Mapping | list | tuple):
        return _LEFT_OUT
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST_KEYS]
        return {
            _trimmed(str(key), depth): MASK
            if _SECRET.search(str(key)) and part and not isinstance(part, bool)
            else _trimmed(part, depth + 1)
            for key, part in pairs
        }
    if isinstance(value, list | tuple):
        items = [_trimmed(part, depth + 1) for part in value[:_MOST_ITEMS]]
        rest = len(value) - _MOST_ITEMS
        return [*items, f"{_LEFT_OUT} and {rest} more"] if rest > 0 else items
    return value
