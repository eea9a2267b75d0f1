"""A request without a preset, and a preset whose request was changed (M-25).

What may change something and is not as the vendor folder describes it counts as the worst that it
could be: it may take access away, it is never sent twice, and nobody can look its effect up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from integrations.errors import PresetRefused, Problem
from integrations.manifest_presets import Change, Preset, PresetAnswer, PresetRequest

OWN_REQUEST = "own_request"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_READING = frozenset({"GET", "HEAD"})
_PARTS = frozenset({"method", "url", "params", "headers", "body"})
_TEXT = "own request"
# Part of a request -> the field of the form.
_FIELDS = {"method": "method", "path": "url", "params": "params", "headers": "headers"}


def own_request_preset(method: str, label: str = "Own request") -> Preset:
    """A preset without a request yet, for `with_request`; GET and HEAD read, others change.

    Raises PresetRefused for a method that there is not.
    """
    chosen = _checked_method(method)
    reads = chosen in _READING
    return Preset(
        key=OWN_REQUEST,
        label=label,
        docs="",
        request=_request({"method": chosen, "path": ""}),
        reads=reads,
        change=None if reads else _own_change(),
        answer=PresetAnswer(may_be_empty=True),
    )


def with_request(preset: Preset, overrides: Mapping[str, Any]) -> Preset:
    """The preset with parts of its request changed: `method`, `url`, `params`, `headers`, `body`.

    Parameters and headers are merged by key, null leaves one out; so is a body that is an object,
    any other takes its place. For GraphQL the body's keys are those of `variables`. Another method
    or address makes another call of it: `own_request`. Raises PresetRefused, field by field.
    """
    given = {name: part for name, part in overrides.items() if part is not None}
    if not given:
        return preset
    request = preset.request
    if request is None:
        raise _refused("request", f"{preset.label} has no single request that could be changed.")
    _check_parts(given)
    parts: dict[str, Any] = request.model_dump()
    if "method" in given:
        parts["method"] = _checked_method(given["method"])
    if "url" in given:
        parts["path"], parts["params"] = _address(str(given["url"]), parts["params"])
    for name in ("params", "headers"):
        parts[name] = _merged(parts[name], given.get(name, {}))
    name = "variables" if request.query else "body"
    if "body" in given:
        parts[name] = _merged(parts[name], given["body"])
    changed = _request(parts)
    moved = (changed.method, changed.path) != (request.method, request.path)
    return _as_own(preset, changed) if moved else preset.model_copy(update={"request": changed})


def _as_own(preset: Preset, request: PresetRequest) -> Preset:
    """What calls something else than its preset does is judged as an own request."""
    own = own_request_preset(request.method, preset.label)
    kept = {"request": request, "inputs": preset.inputs, "looked_up": preset.looked_up}
    kept |= {"records": preset.records, "if_empty": preset.if_empty, "docs": preset.docs}
    if own.reads:
        kept |= {"answer": preset.answer} if preset.reads else {}
    return own.model_copy(update=kept)


def _own_change() -> Change:
    # Target and effect are those of the rendered request (`plan.py`).
    return Change(target=_TEXT, effect=_TEXT, repeat="never", takes_access=True, destructive=True)


def _request(parts: Mapping[str, Any]) -> PresetRequest:
    # HEAD is a method of own requests only.
    method = parts["method"]
    known = {**parts, "method": "GET" if method == "HEAD" else method}
    try:
        request = PresetRequest.model_validate(known)
    except ValidationError as problems:
        raise PresetRefused(
            [
                Problem(
                    _FIELDS.get(str(one["loc"][0]), "body") if one["loc"] else "method",
                    f"The request cannot be used: {one['msg']}.",
                )
                for one in problems.errors()
            ]
        ) from None
    return request.model_copy(update={"method": method})


def _checked_method(given: Any) -> str:
    method = str(given).strip().upper()
    if method not in METHODS:
        raise _refused("method", f"Choose one of {', '.join(METHODS)}.")
    return method


def _check_parts(given: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - _PARTS)
    if unknown:
        names = ", ".join(sorted(_PARTS))
        raise _refused("request", f'A request has no part "{unknown[0]}"; it has {names}.')
    for name in ("params", "headers"):
        if not isinstance(given.get(name, {}), Mapping):
            raise _refused(name, "Give names with their values.")


def _address(url: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The path, or the whole address, and the parameters that stood behind it."""
    text = url.strip()
    at = _question_mark(text)
    if at is None:
        return text, dict(params)
    named: dict[str, list[str]] = {}
    for name, value in parse_qsl(text[at + 1 :], keep_blank_values=True):
        named.setdefault(name, []).append(value)
    behind = {name: found[0] if len(found) == 1 else found for name, found in named.items()}
    return text[:at], {**params, **behind}


def _question_mark(text: str) -> int | None:
    """Where the parameters begin; not one inside of a placeholder."""
    inside = 0
    for at, sign in enumerate(text):
        inside += (sign == "{") - (sign == "}")
        if sign == "?" and inside <= 0:
            return at
    return None


def _merged(base: Any, given: Any) -> Any:
    if not isinstance(given, Mapping) or not isinstance(base, Mapping | None):
        return given
    both = {**(base or {}), **given}
    return {name: part for name, part in both.items() if part is not None}


def _refused(field: str, message: str) -> PresetRefused:
    return PresetRefused([Problem(field, message)])
