"""A preset's request as Advanced Mode shows it, and what of a typed one differs from it; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.forms.lines import plain_breaks
from integrations.manifest_presets import Preset
from integrations.plain_json import TOO_NESTED, is_too_nested
from workflows.forms.rows import Row


class BodyInvalid(Exception):
    """The text is no JSON; `message` says where and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def request_of(preset: Preset | None) -> dict[str, Any]:
    """What a preset sends: {method, url, params, headers, body}. Of GraphQL the body is variables.

    Nothing for no preset, and for one that reads roles.
    """
    request = preset.request if preset is not None else None
    if request is None:
        return {"method": "GET", "url": "", "params": {}, "headers": {}, "body": None}
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.params),
        "headers": dict(request.headers),
        "body": dict(request.variables) if request.query else request.body,
    }


def merged(base: Any, over: Any) -> Any:
    """Objects by key, null leaves one out; anything else takes the place of what was there."""
    if not isinstance(base, Mapping | None) or not isinstance(over, Mapping):
        return over
    both = {**(base or {}), **over}
    return {key: value for key, value in both.items() if value is not None}


def difference(base: Any, wanted: Any) -> Any:
    """The least that `merged` over `base` makes `wanted`; None for no difference."""
    if _same(base, wanted):
        return None
    if not isinstance(base, Mapping) or not isinstance(wanted, Mapping):
        return wanted
    left_out = {key: None for key in base if key not in wanted}
    new = {key: value for key, value in wanted.items() if not _same(base.get(key), value)}
    return {**left_out, **new}


def as_rows(values: Mapping[str, Any]) -> list[Row]:
    """Parameters or headers as rows of name and value."""
    return [{"name": str(name), "value": as_typed(value)} for name, value in values.items()]


def from_rows(rows: Sequence[Row], base: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse: a value that reads as the preset's keeps the preset's type."""
    return {
        row["name"].strip(): base[name]
        if (name := row["name"].strip()) in base and as_typed(base[name]) == row["value"]
        else read_value(row["value"])
        for row in rows
    }


def as_typed(value: Any) -> str:
    """A value as it is typed into a field."""
    if value is None:
        return ""
    return plain_breaks(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_before(stored: Any, typed: str) -> Any:
    """The stored value where it reads as what was typed, so that it stays what it is."""
    return stored if as_typed(stored) == typed else typed


def body_text(body: Any) -> str:
    """A body as indented JSON; nothing for none."""
    return "" if body is None else json.dumps(body, indent=2, ensure_ascii=False)


def read_body(text: str) -> Any:
    """The tree that the text means; None for blank. Raises BodyInvalid."""
    if not text.strip():
        return None
    try:
        tree = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, character {problem.colno}"
        raise BodyInvalid(f"This is no JSON at {where}. {_advice(text, problem)}") from None
    except (ValueError, RecursionError):
        raise BodyInvalid("This body holds something that JSON cannot: write it anew.") from None
    # How deep Python can compare and write it again depends on who calls, so it is not tried.
    if is_too_nested(tree):
        raise BodyInvalid(TOO_NESTED)
    return tree


def read_value(text: str) -> Any:
    """Lists and objects may be typed as JSON; everything else stays text. Raises BodyInvalid."""
    if text.strip()[:1] not in {"[", "{"} or text.strip().startswith("{{"):
        return text
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if is_too_nested(tree):
        raise BodyInvalid(TOO_NESTED)
    return tree


def _advice(text: str, problem: json.JSONDecodeError) -> str:
    if text[problem.pos : problem.pos + 1] == "{" and text[: problem.pos].rstrip()[-1:] in ":[,{":
        return 'A placeholder stands in quotes: "{{ email }}".'
    return "Names and texts stand in double quotes, with a comma between two of them, none at last."


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _same(one: Any, other: Any) -> bool:
    """For Python true equals 1; for a vendor it does not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
