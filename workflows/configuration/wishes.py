"""What a file wants of each workflow, set against what is stored. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.configuration.problems import Path, Problems
from integrations.configuration.receipt import Change, FieldChange
from workflows.configuration.describe import LIVE, Described, Stored, with_whole_schedule
from workflows.configuration.schema import WorkflowPart
from workflows.definition import BeginPart, BlockPart, Definition

SECTION = "workflows"


@dataclass(frozen=True)
class Wish:
    """One workflow of the file; `stored` is None when it is new."""

    path: Path
    name: str
    stored: Stored | None
    wanted: Described

    @property
    def is_changed(self) -> bool:
        """Whether its blocks or its Begin become other ones."""
        was = self.stored.described.definition if self.stored else Definition()
        return was.as_data() != self.wanted.definition.as_data()

    @property
    def was(self) -> str:
        """The state that it has now."""
        return self.stored.described.state if self.stored else "draft"

    @property
    def goes_live(self) -> bool:
        """Whether a version is activated: another one than runs now, or of one that never ran."""
        return self.wanted.state in LIVE and (self.is_changed or self.was not in LIVE)


def read_wishes(
    parts: Sequence[WorkflowPart], stored: Mapping[str, Stored], problems: Problems
) -> list[Wish]:
    """Each workflow of the file once; a name that stands twice is a mistake."""
    wishes: dict[str, Wish] = {}
    for number, part in enumerate(parts):
        path: Path = (SECTION, number)
        if part.name in wishes:
            line = problems.line_of((*wishes[part.name].path, "name"))
            problems.add((*path, "name"), f"stands in line {line} already")
            continue
        row = stored.get(part.name)
        wishes[part.name] = Wish(path, part.name, row, _wanted(part, row))
    return list(wishes.values())


def _wanted(part: WorkflowPart, stored: Stored | None) -> Described:
    """What the file says, over what is stored where it says nothing."""
    old = stored.described if stored else None
    begin, blocks = part.begin.as_part(), tuple(one.as_part() for one in part.blocks)
    if old is not None and not part.says("begin"):
        begin = old.definition.begin
    if old is not None and not part.says("blocks"):
        blocks = old.definition.blocks
    return Described(
        object=part.object,
        application=part.application or (old.application if old else ""),
        description=part.description.strip()
        if old is None or part.says("description")
        else old.description,
        state=part.state if old is None or part.says("state") else old.state,
        definition=with_whole_schedule(Definition(begin, blocks)),
    )


def change_of(wish: Wish) -> Change | None:
    """What becomes of it, old -> new; None where all is so already."""
    old = wish.stored.described if wish.stored else None
    fields = list(_fields(old, wish.wanted))
    if old is not None and not fields:
        return None
    return Change(SECTION, wish.name, old is None, tuple(fields))


def _fields(old: Described | None, new: Described) -> Iterator[FieldChange]:
    for name in ("object", "application", "description"):
        was, becomes = getattr(old, name, ""), getattr(new, name)
        if was != becomes:
            yield FieldChange(name, was or None, becomes)
    before = old.definition if old is not None else Definition()
    yield from _begin(before.begin, new.definition.begin)
    yield from _blocks(before.blocks, new.definition.blocks)
    was = old.state if old is not None else None
    if was != new.state:
        yield FieldChange("state", was, new.state)


def _begin(old: BeginPart, new: BeginPart) -> Iterator[FieldChange]:
    was, becomes = old.as_data(), new.as_data()
    for key in {**was, **becomes}:
        if was.get(key) != becomes.get(key):
            yield FieldChange(f"begin.{key}", was.get(key) or None, becomes.get(key))


def _blocks(old: Sequence[BlockPart], new: Sequence[BlockPart]) -> Iterator[FieldChange]:
    before, after = _by_key(old), _by_key(new)
    told = False
    for key in {**before, **after}:
        if before.get(key) != after.get(key):
            told = True
            yield FieldChange(f"blocks.{key}", before.get(key), after.get(key))
    if not told and list(before) != list(after):
        yield FieldChange("blocks", list(before), list(after))


def _by_key(blocks: Sequence[BlockPart]) -> dict[str, dict[str, Any]]:
    return {
        block.key: {name: value for name, value in block.as_data().items() if name != "key"}
        for block in blocks
    }
