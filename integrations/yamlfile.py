"""YAML files that people write: read safely, with the line of each key, double keys refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_MAX_CHARACTERS = 5_000_000
_MAX_DEPTH = 50


class YamlInvalid(Exception):
    """The file is no YAML that we take; `line` counts from 1."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Document:
    """A file that was read: its data, and where things stand in it."""

    data: Any
    root: yaml.Node | None

    def line_of(self, keys: Sequence[str | int]) -> int | None:
        """Give the line of the deepest of these keys that is in the file, from 1.

        Keys that the file does not have are passed over.
        """
        node, line = self.root, None
        for key in keys:
            if isinstance(node, yaml.MappingNode):
                for key_node, value_node in node.value:
                    if key_node.value == str(key):
                        node, line = value_node, key_node.start_mark.line + 1
                        break
            elif isinstance(node, yaml.SequenceNode) and key in range(len(node.value)):
                node = node.value[int(key)]
                line = node.start_mark.line + 1
        return line


def read_yaml(text: str) -> Document:
    """Read one YAML document. Raises YamlInvalid for bad syntax, double keys and aliases."""
    if len(text) > _MAX_CHARACTERS:
        raise YamlInvalid("the file is too long", None)
    try:
        _refuse_aliases_and_depth(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_double_keys(root)
        return Document(yaml.safe_load(text), root)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise YamlInvalid(problem.problem or "bad YAML", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError) as problem:
        raise YamlInvalid(f"bad YAML: {problem}", None) from None


def _refuse_aliases_and_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise YamlInvalid("aliases (*name) are not used here", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise YamlInvalid(f"nested more than {_MAX_DEPTH} deep", line)


def _refuse_double_keys(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise YamlInvalid("a key is a plain word", line)
            if key_node.value in seen:
                first = seen[key_node.value]
                raise YamlInvalid(f"the key {key_node.value} stands in line {first} too", line)
            seen[key_node.value] = line
            _refuse_double_keys(value_node)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_double_keys(child)
