"""What differs between two definitions, in words, by block and field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.filters import as_text
from workflows.definition import BEGIN, END, BlockPart, Definition

_WORDS = {
    "actions": "Starts by",
    "schedule": "Schedule",
    "records": "Records",
    "rules": "Rules",
    "also": "Also started by",
    "next": "First block",
    "kind": "Kind",
    "name": "Name",
    "preset": "Preset",
    "credentials": "Credentials",
    "exits": "Leads to",
    "settings": "Settings",
}
_LONGEST = 2_000
_BEFORE = 200


@dataclass(frozen=True)
class Line:
    """One difference. `block` is how people know it; `old` and `new` are text, empty for nothing.

    `what` is added, removed or changed.
    """

    key: str
    block: str
    field: str
    what: str
    old: str = ""
    new: str = ""


def compare(old: Definition, new: Definition) -> list[Line]:
    """Each difference, Begin first, then the blocks in their new order, then those that went."""
    lines = list(_differences(BEGIN, "Begin", old.begin.as_data(), new.begin.as_data()))
    before = {block.key: block for block in old.blocks}
    after = {block.key: block for block in new.blocks}
    for block in new.blocks:
        was = before.get(block.key)
        if was is None:
            lines.append(Line(block.key, block.label, "Block", "added", "", _summary(block)))
        lines.extend(_of_block(was, block))
    lines.extend(
        Line(block.key, block.label, "Block", "removed", _summary(block), "")
        for block in old.blocks
        if block.key not in after
    )
    stayed = [block for block in old.blocks if block.key in after]
    stay = [block for block in new.blocks if block.key in before]
    if [block.key for block in stayed] != [block.key for block in stay]:
        orders = [", ".join(block.label for block in side) for side in (stayed, stay)]
        lines.append(Line("", "Blocks", "Order", "changed", *orders))
    return lines


def _of_block(was: BlockPart | None, block: BlockPart) -> Iterator[Line]:
    def told(part: BlockPart) -> dict[str, Any]:
        data = part.as_data()
        return {name: data[name] for name in data if name not in ("key", "x", "y")}

    if was is not None:
        yield from _differences(block.key, block.label, told(was), told(block))


def _differences(
    key: str, label: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Line]:
    """Settings and exits are told part by part, the rest as a whole."""
    was, now = dict(_parts(old)), dict(_parts(new))
    for path in [*was, *(path for path in now if path not in was)]:
        if path in was and path in now and was[path] == now[path]:
            continue
        what = "added" if path not in was else "removed" if path not in now else "changed"
        shown = [in_words(path, side[path]) if path in side else "" for side in (was, now)]
        yield Line(key, label, _field_in_words(path), what, *_cut(*shown))


def _cut(old: str, new: str) -> tuple[str, str]:
    """Two long texts as the parts that differ, so that no change is hidden behind the cut."""
    pairs = enumerate(zip(old, new, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(old), len(new)))
    start = max(0, same - _BEFORE) if same > _LONGEST - _BEFORE and old and new else 0
    return _part(old, start), _part(new, start)


def _part(text: str, start: int) -> str:
    shown = text[start : start + _LONGEST]
    before, after = "…" if start else "", "…" if start + _LONGEST < len(text) else ""
    return f"{before}{shown}{after}"


def _parts(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in data.items():
        if name in ("settings", "exits") and isinstance(value, Mapping):
            for part, inner in value.items():
                if name == "settings" and isinstance(inner, Mapping) and inner:
                    yield from (((name, str(part), str(leaf)), inner[leaf]) for leaf in inner)
                else:
                    yield (name, str(part)), inner
        else:
            yield (name,), value


def _field_in_words(path: tuple[str, ...]) -> str:
    if path[0] == "exits":
        return f"On {path[1]}, go to"
    names = path[1:] if path[0] == "settings" else (_WORDS.get(path[0], path[0]),)
    text = ", ".join(name.replace("_", " ") for name in names)
    return text[:1].upper() + text[1:]


def in_words(path: tuple[str, ...], value: Any) -> str:
    """A value as people read it; what has parts of its own is shown as JSON."""
    if path[0] == "exits" and value in (END, ""):
        return "End" if value else "nowhere"
    if value is None:
        text = "nothing"
    elif isinstance(value, list) and all(isinstance(part, str | int) for part in value):
        text = ", ".join(map(as_text, value))
    elif isinstance(value, Mapping | list):
        text = json.dumps(value, ensure_ascii=False, indent=2)
    else:
        text = as_text(value)
    return text


def _summary(block: BlockPart) -> str:
    parts = [block.kind.replace("_", " "), block.preset, block.credentials]
    return ", ".join(part for part in parts if part)
