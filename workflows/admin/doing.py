"""What a block does, in a few words for the table of blocks; values stand on its own page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from workflows.definition import BlockPart
from workflows.judging import fields_in
from workflows.sight import names_of, plain

_LONGEST = 120


def does_in_words(block: BlockPart, hidden: Collection[str] = ()) -> str:
    """Empty for kinds that call a vendor, whose preset says it, and for what cannot be read.

    Files may have put anything into the settings, so only texts and numbers are shown. A block
    that names a field hidden from the reader says only that (M-36).
    """
    if hidden and _named(block) & set(hidden):
        return "names a field that you may not see"
    told = _WORDS.get(block.kind)
    text = told(block.settings) if told is not None else ""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _named(block: BlockPart) -> frozenset[str]:
    """What it reads and writes, and the field that it waits for."""
    targets = block.settings.get("set")
    written = map(str, targets) if isinstance(targets, Mapping) else ()
    awaited = _text(block.settings.get("until_field"))
    return names_of(block) | {plain(name) for name in (*written, awaited)}


def _delay(settings: Mapping[str, Any]) -> str:
    for name, unit in (("for_days", "days"), ("for_hours", "hours")):
        if number := _text(settings.get(name)):
            return f"for {number} {unit}"
    field = _text(settings.get("until_field"))
    return f"until {field}" if field else ""


def _approval(settings: Mapping[str, Any]) -> str:
    named = _listed(settings.get("approvers"))
    return f"asks {named}" if named else ""


def _notification(settings: Mapping[str, Any]) -> str:
    named = _listed(settings.get("recipients"))
    return f"to {named}" if named else ""


def _update(settings: Mapping[str, Any]) -> str:
    given = settings.get("set")
    named = _listed(list(given)) if isinstance(given, Mapping) else ""
    return f"sets {named}" if named else ""


def _condition(settings: Mapping[str, Any]) -> str:
    named = _listed(sorted({*fields_in(settings.get("rules"))}))
    return f"by {named}" if named else ""


def _archive(_settings: Mapping[str, Any]) -> str:
    return "deactivates the record here"


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "delay": _delay,
    "approval": _approval,
    "notification": _notification,
    "update": _update,
    "condition": _condition,
    "archive": _archive,
}


def _listed(given: Any) -> str:
    parts = given if isinstance(given, list | tuple) else [given]
    return ", ".join(filter(None, map(_text, parts)))


def _text(value: Any) -> str:
    """A text or number; empty for anything else."""
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip() if is_plain else ""
