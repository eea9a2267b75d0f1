"""Steps as the engine makes them: real items of a real run at one block, with their records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from integrations.services import variables as global_variables
from people.models import Person
from saas.models import SaaSUser
from tests.workflows.makers import make_item, make_run
from workflows.kinds import Item, Outcome, Planned, Step, find_kind
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.records import read_records
from workflows.versions import read_definition


def make_step(
    workflow: Workflow,
    block: str,
    records: Iterable[Person | SaaSUser],
    *,
    now: datetime | None = None,
    clock: Callable[[], datetime] | None = None,
    run: WorkflowRun | None = None,
    variables: Mapping[str, str] | None = None,
    **item: Any,
) -> Step:
    """A batch at the block with this key; one item in a run of its own for each record.

    `item` sets what every item has, such as `approved_by`, `retry`, `tries` or `context`. A clock
    stands still at `now` unless one is given.
    """
    moment = now or timezone.now()
    version = workflow.active_version
    assert version is not None
    under_way = run or make_run(workflow)
    definition = read_definition(version)
    part = definition.find(block)
    assert part is not None, f"the workflow has no block {block}"
    listed = list(records)
    rows = [make_item(under_way, record, block=block) for record in listed]
    return Step(
        workflow=workflow,
        version=version,
        definition=definition,
        block=part,
        items=_items(workflow, rows, item),
        now=moment,
        zone=timezone.get_default_timezone(),
        clock=clock or (lambda: moment),
        variables=global_variables() if variables is None else variables,
    )


def _items(workflow: Workflow, rows: Sequence[RunItem], values: Mapping[str, Any]) -> list[Item]:
    found = read_records(workflow, [row.record_id for row in rows])
    return [
        Item(id=row.pk, run_id=row.run_id, record=found[row.record_id], fence=row.fence, **values)
        for row in rows
    ]


def again(step: Step, *, now: datetime | None = None, **item: Any) -> Step:
    """The same items at the same block once more, with their records read anew."""
    ids = [one.record.id for one in step.items]
    found = read_records(step.workflow, ids)
    items = [replace(one, record=found[one.record.id], **item) for one in step.items]
    if now is None:
        return replace(step, items=items)
    return replace(step, items=items, now=now, clock=lambda: now)


def run_step(step: Step) -> list[Outcome]:
    """Run the block for the whole batch."""
    kind = find_kind(step.block.kind)
    assert kind is not None
    outcomes = list(kind.run(step))
    assert len(outcomes) == len(step.items)
    return outcomes


def plan_step(step: Step) -> list[Planned]:
    """Plan the block for the whole batch."""
    kind = find_kind(step.block.kind)
    assert kind is not None
    planned = list(kind.plan(step))
    assert len(planned) == len(step.items)
    return planned
