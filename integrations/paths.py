"""Paths into plain data: `name`, `.name`, `["any key"]`, `[0]`; a look-up, never an attribute."""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from integrations.errors import TemplateError

Steps = tuple[str | int, ...]


class _Missing(Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing.MISSING
"""What a look-up gives when there is nothing at the path; `None` is a value that is there."""

_MAX_STEPS = 64
_NAME = re.compile(r"[^\W\d]\w*", re.ASCII)
_INDEX = re.compile(r"\[\s*(\d{1,6})\s*\]")
_KEY = re.compile(r'\[\s*(?:"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\')\s*\]')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def read_steps(text: str, start: int = 0) -> tuple[Steps, int]:
    """Read the path that begins at `start`; give its steps and where it ends.

    Raises TemplateError with the position of the character that does not belong.
    """
    match = _NAME.match(text, start)
    if match is None:
        raise TemplateError("a path begins with a name", start + 1)
    steps: list[str | int] = [match.group()]
    at = match.end()
    while at < len(text) and text[at] in ".[":
        if len(steps) >= _MAX_STEPS:
            raise TemplateError(f"a path has at most {_MAX_STEPS} steps", at + 1)
        step, at = _read_step(text, at)
        steps.append(step)
    return tuple(steps), at


def _read_step(text: str, at: int) -> tuple[str | int, int]:
    if text[at] == ".":
        match = _NAME.match(text, at + 1)
        if match is None:
            raise TemplateError("after a dot comes a name", at + 2)
        return match.group(), match.end()
    if match := _INDEX.match(text, at):
        return int(match.group(1)), match.end()
    if match := _KEY.match(text, at):
        quoted = match.group(1) if match.group(1) is not None else match.group(2)
        return _ESCAPE.sub(r"\1", quoted), match.end()
    raise TemplateError('in brackets comes a number or a key in quotes: [0], ["key"]', at + 1)


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Steps:
    """Give the steps of a path that is the whole text. Raises TemplateError."""
    stripped = text.strip()
    steps, end = read_steps(stripped)
    if end != len(stripped):
        raise TemplateError(f'"{stripped[end]}" does not belong in a path', end + 1)
    return steps


def walk(value: Any, steps: Steps) -> Any:
    """Follow the steps through dicts and lists; MISSING where one leads nowhere."""
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step, MISSING) if isinstance(step, str) else MISSING
        elif isinstance(value, list | tuple) and isinstance(step, int):
            value = value[step] if step < len(value) else MISSING
        else:
            return MISSING
    return value


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Callable[[Any], Any]:
    """Make the look-up of one path, for running over every record; MISSING where nothing is.

    Records that are no objects give MISSING. Raises TemplateError.
    """
    steps = parse_path(text)
    if len(steps) > 1:
        return lambda record: walk(record, steps)
    name = steps[0]
    return lambda record: record.get(name, MISSING) if isinstance(record, dict) else MISSING


def first_of(record: Any, paths: tuple[str, ...]) -> Any:
    """Give the value at the first of several paths that leads somewhere, else MISSING."""
    for path in paths:
        value = compile_path(path)(record)
        if value is not MISSING:
            return value
    return MISSING
