"""A preview is what happens: random worlds, each previewed, then run, then compared (G-09).

Random people, or in every fourth world accounts of one application, and a random workflow; the
preview of every record is kept; then the workflow runs at the sandbox to its end, approvals and
held removals approved. Compared are: who it is for, the way with its exits, the calls that arrived,
what vendors committed, the mails, and what was written to every record: its fields, and of an
account its status and roles. What a look-up of roles finds there is in no preview; here it is what
the account has.
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
RECORDS = 12
OF_ACCOUNTS = 4  # every fourth world is of accounts
FIRST_SEED = 28  # records of the first four worlds pass every kind of block


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    title = "Previews of workflows against what they do (G-09)"
    return run_on_both("simulate", title, __doc__, arguments, _try)


def _try(options: argparse.Namespace) -> list[Promise]:
    from trials.flows.comparing import Differences

    number = SHORT_WORLDS if options.short else WORLDS
    found = Differences()
    with open_company() as company:
        for at in range(number):
            try_world(company, FIRST_SEED + at, found)
            if at % 10 == 0 and not options.short:
                progress(f"{at} of {number}")
    return [
        Promise("worlds", number, (), Counter(found.kinds)),
        Promise("records that match", found.records, found.matching),
        Promise("ways, block by block", found.blocks, found.ways),
        Promise("requests as shown", found.calls, found.requests),
        Promise("effects at vendors", found.effects, found.ledger),
        Promise("mails", found.mails, found.outbox),
        Promise("rows of people and accounts", found.records, found.rows),
        Promise("who approved what by name (S-21)", found.approved.total(), found.approvals),
        Promise("every item ended", found.items, found.not_ended),
    ]


def try_world(company: Company, seed: int, found: Differences) -> None:
    """One world: preview, run, compare."""
    from django.utils import timezone

    from tests.workflows.makers import make_workflow
    from trials.flows.comparing import compare
    from trials.flows.driving import lead
    from trials.flows.worlds import make_accounts, make_definition, make_people
    from workflows.preview import preview
    from workflows.starts import start_run
    from workflows.versions import read_definition

    draw = random.Random(seed)  # noqa: S311 - repeatable
    of_accounts = seed % OF_ACCOUNTS == OF_ACCOUNTS - 1
    make = make_accounts if of_accounts else make_people
    ids = [one.pk for one in make(company, draw, RECORDS)]
    data = make_definition(company, draw, of_accounts=of_accounts)
    workflow = make_workflow(
        data["blocks"],
        begin=data["begin"],
        name=f"World {seed}",
        application=company.desks["aha"].application if of_accounts else None,
    )
    version = workflow.active_version
    assert version is not None  # noqa: S101 - it was made active
    plan = preview(workflow, read_definition(version), ids, now=timezone.now())
    before = len(company.sandbox.log), len(company.effects())
    run = start_run(workflow, trigger="manual", started_by="trial", ids=ids)
    ended = lead(run.pk, effects=company.effects(), alone=True, held=found.approve)
    run.refresh_from_db()
    compare(company, f"world {seed}", plan, run, before, found, ended=ended)
    found.kinds.update(block.kind for one in plan for block in one.way)
    _clear()


def _clear() -> None:
    """Nobody of this world is seen by the next one, and what was taken away counts no more."""
    from integrations.models import Operation
    from people.models import Event, Person
    from saas.models import SaaSUser

    for model in (SaaSUser, Person, Event):
        model.objects.all().delete()
    Operation.objects.update(guarded=False)


if __name__ == "__main__":
    sys.exit(main())
