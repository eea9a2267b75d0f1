"""Leading records through a definition as the engine would, by `plan` alone: nothing happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from workflows.definition import END, BlockPart, Definition
from workflows.kinds import BlockKind, Item, Planned, Step, find_kind
from workflows.models import Workflow, WorkflowVersion
from workflows.records import ACTIVE, DEACTIVATED, Record


@dataclass
class Walker:
    """One record on its way. `context` is that of an item; `way` is what each block would do."""

    record: Record
    number: int
    at: str
    context: dict[str, Any] = field(default_factory=dict)
    way: list[tuple[BlockPart, Planned]] = field(default_factory=list)

    def item(self) -> Item:
        """As blocks get it; its id is that of no item."""
        return Item(
            id=-self.number, run_id=0, record=self.record, fence=0, context=dict(self.context)
        )


@dataclass(frozen=True)
class Walk:
    """What all records of a preview share."""

    workflow: Workflow
    version: WorkflowVersion
    definition: Definition
    now: datetime
    variables: Mapping[str, str] = field(repr=False)

    def lead(self, walkers: Sequence[Walker]) -> None:
        """Lead them all to the end, block by block, each block once for all that reach it."""
        for block in in_walking_order(self.definition):
            kind = find_kind(block.kind)
            here = [walker for walker in walkers if walker.at == block.key]
            if kind is None or not here:
                continue
            for walker, planned in zip(here, self.plan(kind, block, here), strict=True):
                walker.way.append((block, planned))
                go_on(walker, block, planned)

    def plan(
        self, kind: BlockKind, block: BlockPart, walkers: Sequence[Walker]
    ) -> Iterator[Planned]:
        """What a block would do with these records, as many at once as it takes."""
        most = max(1, kind.batch(block))
        for start in range(0, len(walkers), most):
            part = walkers[start : start + most]
            yield from kind.plan(self.step(block, [walker.item() for walker in part]))

    def step(self, block: BlockPart, items: Sequence[Item]) -> Step:
        """A batch at a block, at the moment of the preview."""
        return Step(
            workflow=self.workflow,
            version=self.version,
            definition=self.definition,
            block=block,
            items=items,
            now=self.now,
            zone=timezone.get_default_timezone(),
            clock=lambda: self.now,
            variables=self.variables,
        )


def go_on(walker: Walker, block: BlockPart, planned: Planned) -> None:
    """Take the planned exit with the planned values, as later blocks would find them."""
    walker.at = block.exits.get(planned.exit) or END
    values = dict(walker.record.values)
    status = walker.record.status
    for name, change in planned.changes.items():
        values[name] = change[1]
        if isinstance(inside := values.get("person"), Mapping) and walker.record.object == "person":
            values["person"] = {**inside, name: change[1]}
        if name == "status":
            status = DEACTIVATED if change[1] == DEACTIVATED else ACTIVE
    walker.record = replace(walker.record, values=values, status=status)
    if planned.variables:
        own = walker.context.get("variables") or {}
        walker.context["variables"] = {**own, **planned.variables}
    if planned.exit == "failure":
        failure = {"reason": planned.problem or planned.summary, "code": "", "status": None}
        walker.context["failure"] = failure


def in_walking_order(definition: Definition) -> list[BlockPart]:
    """The blocks that can be reached, each behind all those that lead to it."""
    by_key = {block.key: block for block in definition.blocks}
    order: list[BlockPart] = []
    done: set[str] = set()
    ahead: list[tuple[str, bool]] = [(definition.first, False)]
    while ahead:
        key, is_left = ahead.pop()
        if is_left:
            order.append(by_key[key])
        elif key in by_key and key not in done:
            done.add(key)
            ahead.append((key, True))
            ahead += [(target, False) for target in by_key[key].exits.values()]
    return order[::-1]
