"""The YAML of a configuration file, read into plain data with the line of every key.

Words mean what they look like: `true` and `false` are switches, `12` and `1.5` are numbers, `null`
and nothing at all are "not said". `yes`, `06:00`, `2026-12-01` and `007` are text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from integrations.configuration.problems import Path
from integrations.plain_json import MOST_NESTED

MAX_BYTES = 10_000_000
# An alias costs nothing to write and doubles what it repeats.
_MAX_VALUES = 200_000
_MAX_DEPTH = MOST_NESTED + 10  # what people nest stands inside of the file's own keys
_MAX_DIGITS = 300
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_PREFIX = "tag:yaml.org,2002:"


class Unreadable(Exception):
    """The text is no YAML that we take; `line` counts from 1."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _Loader(yaml.SafeLoader):
    """Of YAML's many spellings only those that nobody takes for text."""

    yaml_implicit_resolvers: dict[Any, Any] = {}


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        _PREFIX + _tag, re.compile(rf"^(?:{_pattern})\Z"), ["" if c == "\0" else c for c in _first]
    )


@dataclass(frozen=True)
class Document:
    """A file that was read: plain data, and the line of each key and list item in it."""

    data: Any
    lines: dict[Path, int] = field(repr=False)

    def line_of(self, path: Path) -> int | None:
        """The line of the deepest part of this path that stands in the file, from 1."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def read(text: str) -> Document:
    """Read one YAML document. Raises Unreadable with the line of the first mistake."""
    try:
        root = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        _refuse(f"this is no YAML: {problem.problem}", mark.line + 1 if mark else None)
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        _refuse("holds a character that YAML does not allow", line)
    except RecursionError:
        _refuse("is nested too deep", None)
    reading = _Reading()
    data = None if root is None else reading.value(root, ())
    return Document(data, reading.lines)


def _refuse(message: str, line: int | None) -> NoReturn:
    raise Unreadable(message, line) from None


class _Reading:
    """Walks the nodes once; the same node under an alias is read again at its own path."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self._left = _MAX_VALUES

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._left -= 1
        if self._left < 0:
            _refuse("holds too many values", line)
        if len(path) > _MAX_DEPTH:
            _refuse("is nested too deep", line)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_PREFIX}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_PREFIX}seq":
            return self._sequence(node, path)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, line)
        return _refuse(f"{node.tag} is not used here", line)

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        items = []
        for number, child in enumerate(node.value):
            place = (*path, number)
            self.lines[place] = child.start_mark.line + 1
            items.append(self.value(child, place))
        return items

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own: dict[str, yaml.Node] = {}
        merged: list[yaml.Node] = []
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                _refuse("a key is a plain word", line)
            if key_node.tag == f"{_PREFIX}merge":
                merged.append(child)
                continue
            key = str(_checked(key_node.value, line))
            if key in own:
                _refuse(f'the key "{key}" stands in line {self.lines[*path, key]} already', line)
            own[key] = child
            self.lines[*path, key] = line
        inherited: dict[str, Any] = {}
        for child in merged:
            inherited |= self._merged(child, path)
        return inherited | {key: self.value(child, (*path, key)) for key, child in own.items()}

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        """What `<<: *name` brings; keys that stand in the mapping itself go before it."""
        lines = dict(self.lines)
        value = self.value(node, path)
        self.lines = {**self.lines, **lines}
        if not isinstance(value, dict):
            _refuse("after <<: comes one mapping", node.start_mark.line + 1)
        return value


def _scalar(node: yaml.ScalarNode, line: int) -> Any:
    kind = node.tag.removeprefix(_PREFIX)
    text = str(_checked(node.value, line))
    if kind in {"str", "merge"}:
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        if len(text) > _MAX_DIGITS:
            _refuse("the number is too long; write it in quotes", line)
        return _number(int, text, line)
    if kind == "float":
        return _number(float, text, line)
    return _refuse(f"{node.tag} is not used here", line)


def _number(read_as: type[int | float], text: str, line: int) -> int | float:
    try:
        number = read_as(text)
    except ValueError:
        _refuse("is no number", line)
    if number in (float("inf"), float("-inf")):
        _refuse("the number is too large", line)
    return number


def _checked(text: str, line: int) -> str:
    if _NOT_STORABLE.search(text):
        _refuse("holds a character that cannot be stored", line)
    return text
