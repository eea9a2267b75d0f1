"""What the caller of an operation asked for from its answer, written down with its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import templates
from integrations.errors import TemplateError, UnknownPreset
from integrations.models import Operation
from integrations.paths import Steps, parse_path
from integrations.presets.answers import masked
from integrations.presets.outcome import Outcome
from integrations.registry import get_preset
from integrations.values import write_json

Pairs = tuple[tuple[str, str], ...]
# Longer values belong into no field; letters of JSON.
_LARGEST = 100_000
_NOT_NAMED = frozenset({"set-cookie", "set-cookie2"})


@dataclass(frozen=True)
class Maps:
    """(template over response, response_headers and failure; target), for a good and a bad end."""

    positive: Pairs = ()
    negative: Pairs = ()

    def as_json(self) -> dict[str, list[list[str]]]:
        """What the row keeps until the call has ended."""
        both = {"positive": self.positive, "negative": self.negative}
        return {name: [list(pair) for pair in pairs] for name, pairs in both.items()}


NO_MAPS = Maps()


def maps_of(row: Operation) -> Maps:
    """The mappings that were asked for with a row."""
    kept = row.request.get("maps")
    if not kept:
        return NO_MAPS
    return Maps(*(tuple((one, to) for one, to in kept[name]) for name in ("positive", "negative")))


def map_end(row: Operation, outcome: Outcome, *, done: bool) -> dict[str, Any]:
    """`mapped`, and `note` with what could not be mapped, to be written with the end of a call.

    Without an answer, as where a look-up shows the effect, the values that the preset names have
    to do. Values are masked. No query.
    """
    maps = maps_of(row)
    pairs = maps.positive if done else maps.negative
    if not pairs:
        return {"note": outcome.note}
    if done and outcome.code == "adopted":
        mapped, missing = _of_values(row.preset, outcome.values, pairs)
    else:
        mapped, missing = _of_answer(outcome, pairs, done=done)
    return {"mapped": mapped, "note": _with_missing(outcome.note, missing)}


def map_adopted(row: Operation, values: Mapping[str, Any], note: str) -> dict[str, Any]:
    """The same for an effect of which only a look-up, or another call's row, tells."""
    pairs = maps_of(row).positive
    if not pairs:
        return {"note": note}
    mapped, missing = _of_values(row.preset, values, pairs)
    return {"mapped": mapped, "note": _with_missing(note, missing)}


def _of_answer(outcome: Outcome, pairs: Pairs, *, done: bool) -> tuple[dict[str, Any], list[str]]:
    known: dict[str, Any] = {
        "response": outcome.response,
        "response_headers": {
            name: text
            for name, text in (outcome.headers or {}).items()
            if name.casefold() not in _NOT_NAMED
        },
    }
    if not done:
        known["failure"] = {
            "reason": outcome.note,
            "code": outcome.code,
            "status": outcome.status,
        }
    mapped, missing = {}, []
    for template, target in pairs:
        try:
            value = masked(templates.render(template, known))
        except TemplateError:
            missing.append(template)
            continue
        if len(write_json(value)) > _LARGEST:
            missing.append(template)
        else:
            mapped[target] = value
    return mapped, missing


def _of_values(
    preset_id: str, values: Mapping[str, Any], pairs: Pairs
) -> tuple[dict[str, Any], list[str]]:
    """By the target's name, or by the path that the preset names for a value."""
    try:
        named = get_preset(preset_id)[1].answer.values
    except UnknownPreset:
        named = {}
    by_path = {parse_path(path): name for name, paths in named.items() for path in paths}
    mapped, missing = {}, []
    for template, target in pairs:
        name = target if target in values else by_path.get(_path_of(template), "")
        if name in values:
            mapped[target] = values[name]
        else:
            missing.append(template)
    return mapped, missing


def _path_of(template: str) -> Steps:
    """The path that a template consists of; none where it is more than that, or no template."""
    try:
        parsed = templates.parse(template)
    except TemplateError:
        return ()
    found = parsed.placeholders
    return found[0].steps if len(parsed.parts) == len(found) == 1 else ()


def _with_missing(note: str, missing: Sequence[str]) -> str:
    if not missing:
        return note
    words = f"Not stored, because the answer has no such value: {', '.join(missing)}."
    return f"{note} {words}".strip()
