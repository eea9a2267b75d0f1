"""Workflows whose workers are killed, stopped or many: every block's effect once, in order.

Two workflows with all kinds of waits run for a few people each. In each trial the process that
works dies at one commit or vendor request, twice, at a random moment, is stopped past its lease, is
told to end, or has others beside it; then another process goes on. What counts: the sandbox's
ledger, the rows of the way, events and mails (F-01 F-06 F-11 F-12 F-40 G-01 G-05 S-21).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence

from trials.flows.company import open_company
from trials.flows.disturbing import Stage
from trials.flows.judging import Verdict
from trials.report import Promise, progress
from trials.sides import run_on_both

TRIALS, SHORT_TRIALS, SPARE = 100, 8, 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    title = "Workflows that are disturbed (F-01 F-06 F-11 F-12 F-40 S-21)"
    return run_on_both("workflows", title, __doc__, arguments, _try)


def _try(options: argparse.Namespace) -> list[Promise]:
    from trials.flows.editing import try_edits

    draw = random.Random(5)  # noqa: S311 - repeatable
    wanted = SHORT_TRIALS if options.short else TRIALS
    with open_company() as company:
        stage = Stage(company, draw)
        for trial in stage.plan(wanted, short=options.short):
            stage.run(trial)
            number = sum(stage.done.values())
            if number % 20 == 0 and not options.short:
                progress(f"{number} of {wanted}")
        for trial in stage.plan(SPARE, short=options.short):
            # A point that never came tried nothing: another one takes its place.
            if sum(stage.done.values()) < wanted:
                stage.run(trial)
        edits = try_edits(stage, short=options.short)
    return [*_promises(stage, wanted), *edits]


def _promises(stage: Stage, wanted: int) -> list[Promise]:
    verdict: Verdict = stage.verdict
    done = stage.done
    missed = (
        [f"{sum(done.values())} of {wanted} trials sprang"] if sum(done.values()) < wanted else []
    )
    return [
        Promise(
            "trials in which a worker was disturbed", sum(done.values()), missed, Counter(done)
        ),
        Promise("no effect lost", verdict.effects, verdict.lost),
        Promise("no effect twice", verdict.effects, verdict.twice),
        Promise("one row of the way per block, in order", verdict.block_runs, verdict.order),
        Promise(
            "every item ended",
            verdict.items,
            verdict.not_ended,
            {"asked a person": sum(stage.asks.values()), **stage.asks},
        ),
        Promise("each effect in journal and way, and back (S-21)", verdict.effects, verdict.audit),
        Promise("processes without a mistake of their own", sum(done.values()), stage.wrong),
    ]


if __name__ == "__main__":
    sys.exit(main())
