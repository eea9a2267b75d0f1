"""Fields that a user may not see (M-36): which blocks read them, and what is made of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.models import User

from people.visibility import hidden_by_object
from workflows.api.settings import find_preset
from workflows.definition import BlockPart, Definition
from workflows.judging import fields_in
from workflows.templates import placed_in

_PERSON = "person"
_VARIABLES = "variables"


def hidden_from(user: User | None) -> frozenset[str]:
    """Keys of custom fields that the user may not see; nobody is a command, which sees all.

    At most one query, and permissions.
    """
    return frozenset().union(*hidden_by_object(user).values()) if user is not None else frozenset()


def plain(name: str) -> str:
    """A field as it is known of its record: `person.salary` is `salary`."""
    return name.removeprefix(f"{_PERSON}.")


def made_of(hidden: frozenset[str], definition: Definition) -> frozenset[str]:
    """These fields, and what Update blocks fill from them: fields, and `variables.x`."""
    found = set(hidden)
    before = -1
    while hidden and len(found) > before:
        before = len(found)
        for block in definition.blocks:
            wanted = block.settings.get("set")
            for target, template in wanted.items() if isinstance(wanted, Mapping) else ():
                if any(name in found for _at, name in _in_templates(template, "")):
                    found.add(str(target))
    return frozenset(found)


def read_by(block: BlockPart) -> Iterator[tuple[str, str]]:
    """What the settings of a block read, rules left out: (place, field or `variables.x`)."""
    yield from _in_templates(block.settings, "settings")
    until = block.settings.get("until_field")
    if isinstance(until, str):
        yield "settings.until_field", plain(until)


def names_of(block: BlockPart) -> frozenset[str]:
    """Everything that a block reads: by its settings, by its rules, by its preset."""
    found = {name for _at, name in read_by(block)}
    found |= {plain(name) for name in fields_in(block.settings.get("rules"))}
    preset = find_preset(block) if block.kind == "api" else None
    return frozenset(found | (preset.named if preset is not None else set()))


def hidden_in_rules(definition: Definition, hidden: frozenset[str]) -> list[str]:
    """What rules name though it may not be seen: who counts could tell the values."""
    unseen = made_of(hidden, definition)
    named = {plain(name) for name in fields_in(definition.begin.rules)} & hidden
    for block in definition.blocks:
        named |= {plain(name) for name in fields_in(block.settings.get("rules"))} & unseen
    return sorted(named)


def _in_templates(tree: Any, place: str) -> Iterator[tuple[str, str]]:
    for at, one in placed_in(tree, place):
        steps = [str(step) for step in one.steps]
        if steps[0] == _VARIABLES:
            yield at, ".".join(steps[:2])
        else:
            yield at, steps[1] if steps[0] == _PERSON and len(steps) > 1 else steps[0]
