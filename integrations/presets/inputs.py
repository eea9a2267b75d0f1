"""The inputs of a preset: what was given is checked, what was not is filled in or left unset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from integrations import templates
from integrations.errors import PresetRefused, Problem, TemplateError, did_you_mean
from integrations.filters import as_text
from integrations.manifest_presets import Preset, PresetInput
from integrations.presets.render import is_blank

Given = Mapping[str, Any]
_INTEGER = re.compile(r"-?[0-9]{1,100}")
_SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_UNCHANGED = frozenset({"unset", "unchanged", "leave unchanged"})


class _Refused(Exception):
    """Why a value cannot be this input; a sentence without the input's name."""


def check_inputs(preset: Preset, given: Given, values: Mapping[str, Any]) -> dict[str, Any]:
    """Each input by its key, None where it is unset, with the type in which it is sent.

    A given value is never read as a template; a default is one, over `values`. What is given blank
    is unset, and then has no default. Raises PresetRefused with every problem at once.
    """
    problems = [
        Problem(
            f"inputs.{name}",
            f'{preset.label} has no input "{name}".{did_you_mean(name, preset.inputs)}',
        )
        for name in given
        if name not in preset.inputs
    ]
    checked: dict[str, Any] = {}
    for name, one in preset.inputs.items():
        raw = given[name] if name in given else _default_of(one, values)
        try:
            checked[name] = read_input(one, raw)
            if one.required and checked[name] is None:
                problems.append(Problem(f"inputs.{name}", _needed(preset, one, given)))
        except _Refused as problem:
            problems.append(Problem(f"inputs.{name}", f"{one.label}: {problem}"))
    if problems:
        raise PresetRefused(problems)
    return checked


def warnings_about(preset: Preset, inputs: Mapping[str, Any]) -> list[str]:
    """A sentence for each switch whose value is worth a warning (AH-42)."""
    return [
        f"{one.label} is set to {'true' if one.warns else 'false'}. {one.help}".strip()
        for name, one in preset.inputs.items()
        if one.warns is not None and inputs.get(name) is one.warns
    ]


def takes_access(preset: Preset, inputs: Mapping[str, Any]) -> bool:
    """Whether the call may take somebody's access away: by its kind, or by a switch set so."""
    if preset.change is None:
        return False
    by_kind = preset.change.takes_access or preset.change.destructive
    return by_kind or bool(warnings_about(preset, inputs))


def read_input(one: PresetInput, raw: Any) -> Any:
    """The value of one input as it is sent; None when there is nothing."""
    if isinstance(raw, list | tuple) and not one.type.endswith(("choices", "list")):
        if len(raw) > 1:
            raise _Refused("it takes one value, and several were given.")
        raw = raw[0] if raw else None
    return _READERS[one.type](one, raw)


def _needed(preset: Preset, one: PresetInput, given: Given) -> str:
    hint = ""
    if one.default and one.key not in given:
        named = templates.parse(one.default).names
        hints = [preset.if_empty[name] for name in sorted(named) if name in preset.if_empty]
        hint = " ".join(["", *hints]) if hints else f" The record has no {' or '.join(named)}."
    return f"{one.label} is needed.{hint}"


def _default_of(one: PresetInput, values: Mapping[str, Any]) -> Any:
    if one.default is None:
        return None
    try:
        return templates.render(one.default, values, absent="blank")
    except TemplateError:
        return None


def _read_text(one: PresetInput, raw: Any) -> str | None:
    text = as_text(raw).strip()
    if not text:
        return None
    _check_length(one, text)
    _check_signs(text, more="")
    return text


def _read_long_text(one: PresetInput, raw: Any) -> str | None:
    text = as_text(raw)
    if not text.strip():
        return None
    _check_length(one, text)
    _check_signs(text, more="\n\r\t")
    return text


def _read_choice(one: PresetInput, raw: Any) -> str | None:
    text = as_text(raw).strip()
    if not text:
        return None
    if text not in one.choices:
        hint = did_you_mean(text, one.choices)
        raise _Refused(f'"{text}" is none of {", ".join(one.choices)}.{hint}')
    return text


def _read_choices(one: PresetInput, raw: Any) -> list[str] | None:
    chosen = [_read_choice(one, text) for text in _parts(raw)]
    return [text for text in chosen if text] or None


def _read_list(one: PresetInput, raw: Any) -> list[Any] | None:
    texts = _parts(raw)
    for text in texts:
        _check_length(one, text)
        _check_signs(text, more="")
        if one.items == "integer" and not _INTEGER.fullmatch(text):
            raise _Refused(f'"{text}" is no whole number.')
    return [int(text) if one.items == "integer" else text for text in texts] or None


def _read_switch(one: PresetInput, raw: Any) -> bool | None:
    if raw is None or isinstance(raw, bool):
        return raw
    text = as_text(raw).strip().casefold()
    if not text or text in _UNCHANGED:
        return None
    if text not in _SWITCH:
        raise _Refused(f'"{text}" is neither true nor false; "unset" leaves it unchanged.')
    return _SWITCH[text]


def _read_timezone(one: PresetInput, raw: Any) -> str | None:
    text = as_text(raw).strip()
    if not text:
        return None
    if text not in _zones():
        hint = did_you_mean(text, _zones())
        raise _Refused(f'"{text}" is no time zone; one looks like Europe/London.{hint}')
    return text


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _parts(raw: Any) -> list[str]:
    """The items of a list: `a,b`, or several values, each once and in order."""
    values = raw if isinstance(raw, list | tuple) else [raw]
    texts = [
        part.strip()
        for value in values
        if not is_blank(value)
        for part in as_text(value).split(",")
    ]
    return list(dict.fromkeys(text for text in texts if text))


def _check_length(one: PresetInput, text: str) -> None:
    if len(text) > one.max_length:
        raise _Refused(f"it has {len(text)} characters, at most {one.max_length} are taken.")
    if len(text) < one.min_length:
        raise _Refused(f"it has {len(text)} characters, at least {one.min_length} are needed.")


def _check_signs(text: str, *, more: str) -> None:
    """Refuse what no vendor's field takes: control characters, and halves of characters."""
    for sign in text:
        if (sign < " " and sign not in more) or sign == "\x7f" or "\ud800" <= sign <= "\udfff":
            raise _Refused("it holds a line break or a sign that cannot be written.")


_READERS: Mapping[str, Callable[[PresetInput, Any], Any]] = {
    "text": _read_text,
    "long_text": _read_long_text,
    "choice": _read_choice,
    "choices": _read_choices,
    "list": _read_list,
    "switch": _read_switch,
    "timezone": _read_timezone,
}
