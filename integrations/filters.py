"""The filters of templates: lower, upper, trim, default("x"), date("%Y"), json, first, join."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from integrations.errors import TemplateError, TransformFailed, did_you_mean
from integrations.paths import MISSING
from integrations.values import read_date, read_datetime, write_json

Filter = Callable[[Any], Any]

_NAME = re.compile(r"\s*\|\s*([^\W\d]\w*)?", re.ASCII)
_ARGUMENT = re.compile(r'\s*\(\s*(?:"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\')\s*\)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def as_text(value: Any) -> str:
    """Write a value into text: nothing for None, true/false, ISO dates, JSON for trees."""
    if value is None or value is MISSING:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping | list | tuple):
        return write_json(value)
    return str(value)


def _json(value: Any) -> str:
    return write_json(None if value is MISSING else value)


def _text_only(change: Callable[[str], str], value: Any) -> Any:
    return value if value is MISSING or value is None else change(as_text(value))


def _default(instead: str, value: Any) -> Any:
    return instead if value in (MISSING, None, "") else value


def _date(pattern: str, value: Any) -> Any:
    if value is MISSING or value is None or value == "":
        return value
    try:
        has_time = isinstance(value, datetime) or (isinstance(value, str) and ":" in value)
        moment = read_datetime(value) if has_time else read_date(value)
        return moment.strftime(pattern) if moment else None
    except (TransformFailed, ValueError):
        raise TemplateError("the value is no date", 1) from None


def _first(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value[0] if value else None
    return value


def _join(separator: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return separator.join(as_text(item) for item in value)
    return value


_PLAIN: dict[str, Filter] = {
    "lower": partial(_text_only, str.lower),
    "upper": partial(_text_only, str.upper),
    "trim": partial(_text_only, str.strip),
    "json": _json,
    "first": _first,
}
_WITH_TEXT: dict[str, Callable[[str, Any], Any]] = {
    "default": _default,
    "date": _date,
    "join": _join,
}
FILTERS = (*_PLAIN, *_WITH_TEXT)


def gives_default(filters: tuple[Filter, ...]) -> bool:
    """Whether one of the filters puts something in the place of nothing."""
    return any(isinstance(one, partial) and one.func is _default for one in filters)


def read_filters(text: str, at: int) -> tuple[tuple[Filter, ...], int]:
    """Read `| filter | filter("x")` from `at`; give the filters and where the next sign stands."""
    filters: list[Filter] = []
    while text.startswith("|", at):
        match = _NAME.match(text, at)
        name = match.group(1) if match else None
        if match is None or name is None:
            raise TemplateError("after | comes the name of a filter", at + 1)
        argument = _ARGUMENT.match(text, match.end())
        filters.append(_make(name, argument, at + 1))
        at = argument.end() if argument else match.end()
        while at < len(text) and text[at].isspace():
            at += 1
    return tuple(filters), at


def _make(name: str, argument: re.Match[str] | None, position: int) -> Filter:
    if name in _PLAIN:
        if argument:
            raise TemplateError(f"the filter {name} takes nothing in brackets", position)
        return _PLAIN[name]
    if name in _WITH_TEXT:
        if argument is None:
            raise TemplateError(f'the filter {name} needs a text: {name}("...")', position)
        quoted = argument.group(1) if argument.group(1) is not None else argument.group(2)
        return partial(_WITH_TEXT[name], _ESCAPE.sub(r"\1", quoted))
    raise TemplateError(f'there is no filter "{name}".{did_you_mean(name, FILTERS)}', position)
