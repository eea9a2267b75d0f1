"""A preview is what happens: random worlds, each previewed, then run, then compared (G-09).

Random people and a random workflow; the preview of every record is kept; then the workflow runs at
the sandbox to its end, approvals and held removals approved. Compared are: who it is for, the way
with its exits, the calls that arrived, what vendors committed, the mails, and every person's row.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trials.flows.company import Company, open_company
from trials.report import Promise, progress
from trials.sides import run_on_both

if TYPE_CHECKING:
    from trials.flows.comparing import Differences

WORLDS, SHORT_WORLDS = 50, 4
PEOPLE = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    title = "Previews of workflows against what they do (G-09)"
    return run_on_both("simulate", title, __doc__, arguments, _try)


def _try(options: argparse.Namespace) -> list[Promise]:
    from trials.flows.comparing import Differences

    number = SHORT_WORLDS if options.short else WORLDS
    found = Differences()
    with open_company() as company:
        for seed in range(number):
            try_world(company, seed, found)
            if seed % 10 == 0 and not options.short:
                progress(f"{seed} of {number}")
    return [
        Promise("worlds", number, (), Counter(found.kinds)),
        Promise("records that match", found.records, found.matching),
        Promise("ways, block by block", found.blocks, found.ways),
        Promise("requests as shown", found.calls, found.requests),
        Promise("effects at vendors", found.effects, found.ledger),
        Promise("mails", found.mails, found.outbox),
        Promise("rows of people", found.records, found.rows),
        Promise("every item ended", found.items, found.not_ended, {"approved": found.approved}),
    ]


def try_world(company: Company, seed: int, found: Differences) -> None:
    """One world: preview, run, compare."""
    from django.utils import timezone

    from tests.workflows.makers import make_workflow
    from trials.flows.comparing import compare
    from trials.flows.driving import lead
    from trials.flows.worlds import make_definition, make_people
    from workflows.preview import preview
    from workflows.starts import start_run
    from workflows.versions import read_definition

    draw = random.Random(seed)  # noqa: S311 - repeatable
    people = make_people(company, draw, PEOPLE)
    data = make_definition(company, draw)
    ids = [person.pk for person in people]
    workflow = make_workflow(data["blocks"], begin=data["begin"], name=f"World {seed}")
    version = workflow.active_version
    assert version is not None  # noqa: S101 - it was made active
    plan = preview(workflow, read_definition(version), ids, now=timezone.now())
    before = len(company.sandbox.log), len(company.effects())
    matching = [one.id for one in plan if one.matches]
    run = start_run(workflow, trigger="manual", started_by="trial", ids=ids)
    ended = lead(run.pk, effects=company.effects(), alone=True, held=found.approve)
    run.refresh_from_db()
    compare(company, f"world {seed}", plan, run, before, found, ended=ended)
    found.kinds.update(block["kind"] for block in data["blocks"])
    _clear(ids, matching)


def _clear(ids: Sequence[int], _matching: Sequence[int]) -> None:
    """Nobody of this world is seen by the next one, and what was taken away counts no more."""
    from integrations.models import Operation
    from people.models import Event, Person

    Person.objects.filter(pk__in=ids).delete()
    Event.objects.filter(object_id__in=ids).delete()
    Operation.objects.update(guarded=False)


if __name__ == "__main__":
    sys.exit(main())
