"""Validate: every mistake of a definition at once, each with its block, its field and its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from workflows.begin import check_begin
from workflows.definition import BEGIN, Definition
from workflows.errors import Mistake
from workflows.facts import Facts, at_place, read_facts
from workflows.graph import Place, check_graph, check_variables, order_of, places
from workflows.judging import fields_in
from workflows.kinds import find_kind
from workflows.models import Workflow
from workflows.readiness import measure, warnings_of
from workflows.sight import hidden_from, plain

_STEP = re.compile(r"\[(\d+)\]")
_WORDS = {
    "settings": "",
    "exits": "exit",
    "all": "",
    "any": "",
    "inputs": "input",
    "set": "",
}

_NOT_COUNTED = Mistake(
    BEGIN,
    "rules",
    "The rules name a field that you may not see, so the records that match now are not counted "
    "for you. An IT admin can validate it with them.",
    warning=True,
)


def validate(
    workflow: Workflow,
    definition: Definition,
    *,
    user: User | None = None,
    kept: Definition | None = None,
    now: datetime | None = None,
) -> list[Mistake]:
    """Every mistake and warning, ordered by block. Some fifteen queries, and those of counting.

    `user` is who asks: what they may not use is a mistake, but for what `kept`, the stored
    definition, has already (M-25). Without mistakes that are no warnings it can be activated; then
    the records that match now are counted too: who lacks a field, whom a switch would meet. Of
    fields that the user may not see nothing is counted (M-36).
    """
    facts = read_facts(workflow, user=user, kept=kept)
    mistakes = check(definition, facts)
    if not is_valid(mistakes):
        return mistakes
    hidden = hidden_from(user)
    if any(plain(name) in hidden for name in fields_in(definition.begin.rules)):
        return in_order(definition, [*mistakes, _NOT_COUNTED])
    measured = measure(workflow, definition, facts, now=now or timezone.now())
    return in_order(definition, [*mistakes, *warnings_of(measured, hidden)])


def check(definition: Definition, facts: Facts) -> list[Mistake]:
    """`validate` with facts that were read already. Pure."""
    shapeless = list(_check_shape(definition))
    if shapeless:
        return shapeless
    found = [
        *check_begin(definition, facts),
        *check_graph(definition, facts),
        *_check_blocks(definition, facts),
        *check_variables(definition, facts),
    ]
    return in_order(definition, found)


def in_order(definition: Definition, found: Iterable[Mistake]) -> list[Mistake]:
    """Each once, as people go through a workflow: the whole, Begin, the blocks. Warnings last."""
    order = order_of(definition)
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda one: (order.get(one.block, len(order)), one.warning))


def check_block(definition: Definition, key: str, facts: Facts) -> list[Mistake]:
    """The mistakes of one block's settings, with what is known where it stands. Pure."""
    block = definition.find(key)
    kind = find_kind(block.kind) if block is not None else None
    if block is None or kind is None or list(_check_shape(definition)):
        return []
    return list(dict.fromkeys(kind.check(block, _facts_at(facts, places(definition).get(key)))))


def facts_for(definition: Definition, key: str, facts: Facts) -> Facts:
    """The facts at one block: with the variables and failures of the blocks before it. Pure."""
    return _facts_at(facts, places(definition).get(key))


def is_valid(mistakes: Iterable[Mistake]) -> bool:
    """Whether nothing forbids activating."""
    return all(one.warning for one in mistakes)


def in_words(definition: Definition, mistake: Mistake) -> str:
    """A mistake that is read without its form: block and field first, then what to do."""
    return f"{place_in_words(definition, mistake)}: {mistake.message}"


def place_in_words(definition: Definition, mistake: Mistake) -> str:
    """Where a mistake is: `Block "Tell IT", subject`; `Begin, rules, row 2, value`."""
    if not mistake.block:
        whole = "The workflow"
    elif mistake.block == BEGIN:
        whole = "Begin"
    else:
        block = definition.find(mistake.block)
        whole = f'Block "{block.label if block is not None else mistake.block}"'
    parts = [word for word in _field_in_words(mistake.field) if word]
    return ", ".join([whole, *parts])


def _field_in_words(field: str) -> Iterator[str]:
    parts = field.split(".")
    while parts:
        part = parts.pop(0)
        name = part.split("[")[0]
        word = _WORDS.get(name, name.replace("_", " "))
        if name in {"exits", "inputs"} and parts:
            word = f'{word} "{parts.pop(0)}"'
        yield word
        for number in _STEP.findall(part):
            yield f"row {int(number) + 1}"


def _facts_at(facts: Facts, place: Place | None) -> Facts:
    """What is known at a block; one that cannot be reached is told of that alone."""
    if place is None:
        return at_place(facts, item_variables=frozenset(), after_failure=True)
    return at_place(facts, item_variables=place.set_on_some, after_failure=place.after_failure)


def _check_blocks(definition: Definition, facts: Facts) -> Iterator[Mistake]:
    known = places(definition)
    for block in definition.blocks:
        kind = find_kind(block.kind)
        if kind is not None and facts.object in kind.objects:
            yield from kind.check(block, _facts_at(facts, known.get(block.key)))


# What no form writes, but a file can: parts of another shape.


def _check_shape(definition: Definition) -> Iterator[Mistake]:
    begin: Any = definition.begin
    blocks: Sequence[Any] = definition.blocks
    if not isinstance(begin.schedule, Mapping):
        yield Mistake(BEGIN, "schedule", "A schedule is written as in {every: day, at: ...}.")
    if not isinstance(begin.records, str) or not isinstance(begin.next, str):
        yield Mistake(BEGIN, "records", "What stands under records and next is one word each.")
    for name in ("actions", "also"):
        if not _are_texts(getattr(begin, name)):
            yield Mistake(BEGIN, name, "This is a list of words.")
    for number, block in enumerate(blocks, start=1):
        texts = (block.key, block.kind, block.name, block.preset, block.credentials)
        if not _are_texts(texts):
            yield Mistake(
                str(block.key),
                "key",
                f"Key, kind, name, preset and credentials of block {number} are texts. Write "
                "each of them as one text.",
            )
        if not isinstance(block.settings, Mapping):
            yield Mistake(str(block.key), "settings", "Settings are names with values.")
        exits = block.exits
        if not isinstance(exits, Mapping) or not _are_texts([*exits, *exits.values()]):
            yield Mistake(
                str(block.key),
                "exits",
                "Exits are names, each with the key of the block that comes next, or end.",
            )


def _are_texts(values: Sequence[Any]) -> bool:
    return all(isinstance(one, str) for one in values)
