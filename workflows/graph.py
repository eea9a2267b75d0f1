"""Is a definition whole: keys, exits, ways from Begin to End, what is known on each. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from integrations.errors import did_you_mean
from workflows.definition import BEGIN, END, BlockPart, Definition
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.kinds import BlockKind, find_kind, kinds
from workflows.templates import placed_in

MOST_BLOCKS = 200
_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}\Z")
_RESERVED_KEYS = frozenset({END, BEGIN})
_SHOWN = 8
FAILURE = "failure"


@dataclass(frozen=True)
class Place:
    """What is known where a block stands: item variables, and whether something may have failed.

    `set_on_some` may be set there, `set_on_all` certainly are.
    """

    set_on_some: frozenset[str] = frozenset()
    set_on_all: frozenset[str] = frozenset()
    after_failure: bool = False


def check_graph(definition: Definition, facts: Facts) -> Iterator[Mistake]:
    """Every mistake in keys, kinds, exits and ways. Of the settings it says nothing."""
    if not definition.blocks:
        yield Mistake("", "blocks", "The workflow has no blocks, so it would do nothing. Add one.")
    if len(definition.blocks) > MOST_BLOCKS:
        yield Mistake(
            "",
            "blocks",
            f"The workflow has {len(definition.blocks)} blocks; at most {MOST_BLOCKS} are taken. "
            "Divide it into several workflows.",
        )
    yield from _check_begin(definition)
    counted = Counter(block.key for block in definition.blocks)
    for block in definition.blocks:
        yield from _check_key(block, counted)
        yield from _check_kind(block, facts)
        yield from _check_exits(block, definition)
    yield from _check_ways(definition)


def places(definition: Definition) -> dict[str, Place]:
    """What is known at each block that can be reached, by its key."""
    found: dict[str, Place] = {definition.first: Place()}
    arriving: dict[str, dict[tuple[str, str], Place]] = {}
    waiting = [definition.first]
    by_key = {block.key: block for block in definition.blocks}
    while waiting:
        key = waiting.pop()
        block = by_key.get(key)
        if block is None:
            continue
        for exit_, target in block.exits.items():
            if not isinstance(target, str) or target not in by_key:
                continue
            ways = arriving.setdefault(target, {})
            ways[(key, exit_)] = _leaving(block, exit_, found[key])
            place = _joined([*ways.values()], begins=target == definition.first)
            if found.get(target) != place:
                found[target] = place
                waiting.append(target)
    found.pop(END, None)
    return {key: place for key, place in found.items() if key in by_key}


def check_variables(definition: Definition, facts: Facts) -> Iterator[Mistake]:
    """Warn of variables that are set on some of the ways to a block only."""
    for key, place in places(definition).items():
        block = definition.find(key)
        unsure = place.set_on_some - place.set_on_all - facts.variables
        if block is None or not unsure:
            continue
        for at, one in placed_in(block.settings, "settings"):
            name = ".".join(str(step) for step in one.steps[1:])
            if one.steps[0] == "variables" and name in unsure:
                yield Mistake(
                    key,
                    at,
                    f'The variable "{name}" is set on some of the ways that lead here only. Where '
                    "it is not set it is empty: set it on every way, or add a default, such as "
                    f'{{{{ variables.{name} | default("none") }}}}.',
                    one.position,
                    warning=True,
                )


def order_of(definition: Definition) -> Mapping[str, int]:
    """Where mistakes of a block stand among those of others: the workflow, Begin, the blocks."""
    order = {"": 0, BEGIN: 1}
    for number, block in enumerate(definition.blocks, start=2):
        order.setdefault(block.key, number)
    return order


# Begin, keys, kinds, exits.


def _check_begin(definition: Definition) -> Iterator[Mistake]:
    first = definition.begin.next
    if first and definition.find(first) is None:
        hint = did_you_mean(first, [block.key for block in definition.blocks])
        yield Mistake(
            BEGIN,
            "next",
            f'Begin leads to "{first}", but no block has this key.{hint} Choose the first block.',
        )


def _check_key(block: BlockPart, counted: Mapping[str, int]) -> Iterator[Mistake]:
    if not _KEY.match(block.key):
        yield Mistake(
            block.key,
            "key",
            "A key has 1 to 60 letters, digits, hyphens and underscores. Give the block another.",
        )
    elif block.key in _RESERVED_KEYS:
        yield Mistake(
            block.key,
            "key",
            f'No block can have the key "{block.key}": that is what the '
            f"{'end' if block.key == END else 'beginning'} of a workflow is called. Choose another "
            "key.",
        )
    if counted[block.key] > 1:
        yield Mistake(
            block.key,
            "key",
            f'The key "{block.key}" stands at {counted[block.key]} blocks. Give each one of its '
            "own, so that exits can name it.",
        )


def _check_kind(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    kind = find_kind(block.kind)
    if kind is None:
        yield Mistake(
            block.key,
            "kind",
            f'There is no kind of block "{block.kind}".{did_you_mean(block.kind, kinds())} Choose '
            f"one of: {', '.join(kinds())}.",
        )
    elif facts.object not in kind.objects:
        about = "people" if facts.object == "person" else "Software SaaS Users"
        yield Mistake(
            block.key,
            "kind",
            f"A block {kind.label} cannot be used in a workflow on {about}. Remove it, or make a "
            f"workflow on {'Software SaaS Users' if facts.object == 'person' else 'People'}.",
        )


def _check_exits(block: BlockPart, definition: Definition) -> Iterator[Mistake]:
    kind = find_kind(block.kind)
    if kind is None:
        return
    for name in kind.exits:
        if not block.exits.get(name):
            yield Mistake(
                block.key,
                f"exits.{name}",
                f'The exit "{name}" leads nowhere. Choose the block that comes next, or End.',
            )
    known = [one.key for one in definition.blocks]
    for name, target in block.exits.items():
        if name not in kind.exits:
            yield Mistake(
                block.key,
                f"exits.{name}",
                f'A block {kind.label} has no exit "{name}".{did_you_mean(name, kind.exits)} Its '
                f"exits are: {', '.join(kind.exits)}.",
            )
        elif target and target != END and target not in known:
            yield Mistake(
                block.key,
                f"exits.{name}",
                f'The exit "{name}" leads to "{target}", but no block has this key.'
                f"{did_you_mean(str(target), [*known, END])} Choose a block that exists, or End.",
            )


# Ways.


def _check_ways(definition: Definition) -> Iterator[Mistake]:
    """Report what cannot be reached, what goes round in a circle, and that End is never reached."""
    reached = _reached(definition)
    for block in definition.blocks:
        if block.key not in reached:
            yield Mistake(
                block.key,
                "key",
                "No way from Begin leads to this block, so it would never run. Let an exit lead to "
                "it, or remove it.",
            )
    yield from _check_circles(definition)
    if definition.blocks and END not in reached:
        yield Mistake(
            BEGIN,
            "next",
            "No way leads from Begin to End. Follow the exits from the first block, and let the "
            "last one lead to End.",
        )


def _reached(definition: Definition) -> set[str]:
    by_key = {block.key: block for block in definition.blocks}
    reached: set[str] = set()
    waiting = [definition.first]
    while waiting:
        key = waiting.pop()
        if key in reached:
            continue
        reached.add(key)
        block = by_key.get(key)
        if block is not None:
            waiting += [one for one in _exits(block).values() if isinstance(one, str)]
    return reached


def _exits(block: BlockPart) -> Mapping[str, str]:
    """The exits that its kind has; all of them where the kind is not known."""
    kind = find_kind(block.kind)
    if kind is None:
        return block.exits
    return {name: block.exits[name] for name in kind.exits if block.exits.get(name)}


def _check_circles(definition: Definition) -> Iterator[Mistake]:
    """Report each exit that leads back, found by following all ways once."""
    by_key = {block.key: block for block in definition.blocks}
    done: set[str] = set()
    for start in [definition.first, *by_key]:
        if start in done or start not in by_key:
            continue
        way: list[str] = [start]
        ahead = [iter(_exits(by_key[start]).items())]
        while way:
            name, target = next(ahead[-1], ("", ""))
            if not name:
                done.add(way.pop())
                ahead.pop()
            elif target in way:
                yield _circle(definition, way, name, target)
            elif target in by_key and target not in done:
                way.append(target)
                ahead.append(iter(_exits(by_key[target]).items()))


def _circle(definition: Definition, way: list[str], exit_: str, target: str) -> Mistake:
    round_ = [*way[way.index(target) :], target]
    labels = [block.label for key in round_ if (block := definition.find(key)) is not None]
    shown = labels if len(labels) <= _SHOWN else [*labels[: _SHOWN - 2], "…", *labels[-2:]]
    return Mistake(
        way[-1],
        f"exits.{exit_}",
        f'The exit "{exit_}" leads back to a block before it, so a record would go round for ever: '
        f"{' → '.join(shown)}. Let it lead to a later block, or to End.",
    )


# What is known on the ways.


def _leaving(block: BlockPart, exit_: str, place: Place) -> Place:
    """What is known behind an exit. What an answer sets is certain behind the first exit only."""
    kind: BlockKind | None = find_kind(block.kind)
    defined = kind.defines(block) if kind is not None else frozenset()
    certain = kind is not None and bool(kind.exits) and exit_ == kind.exits[0]
    return Place(
        set_on_some=place.set_on_some | defined,
        set_on_all=place.set_on_all | defined if certain else place.set_on_all,
        after_failure=place.after_failure or exit_ == FAILURE,
    )


def _joined(ways: list[Place], *, begins: bool) -> Place:
    everywhere = [way.set_on_all for way in ways]
    if begins:
        everywhere.append(frozenset())
    return Place(
        set_on_some=frozenset().union(*(way.set_on_some for way in ways)),
        set_on_all=frozenset.intersection(*everywhere),
        after_failure=any(way.after_failure for way in ways),
    )
