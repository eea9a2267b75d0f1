"""Workflows whose workers are killed, stopped or many: every block's effect once, in order.

Two workflows of five blocks, with a branch and all kinds of waits, run for a few people each. In
each trial the process that works dies, and another one goes on: at every boundary between two
blocks ten times, and in every vendor call, at its phases in turn (F-04, both databases together),
twice, or at a random moment. Else it is stopped past its lease, is told to end, or has others
beside it. What counts: the sandbox's ledger, the rows of the way, events and mails
(F-01 F-04 F-06 F-11 F-12 F-40 G-01 G-05 S-21).
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
from trials.flows.planning import BOUNDARY, CALL, Plan
from trials.report import Promise, progress
from trials.sides import run_on_both

TRIALS, SHORT_TRIALS, SPARE = 110, 9, 20
MOST_SECONDS = 5.0  # from the end of a worker that was told to, until another one goes on


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    title = "Workflows that are disturbed (F-01 F-04 F-06 F-11 F-12 F-40 S-21)"
    return run_on_both("workflows", title, __doc__, arguments, _try)


def _try(options: argparse.Namespace) -> list[Promise]:
    from django.db import connection

    from trials.flows.editing import try_edits

    draw = random.Random(5)  # noqa: S311 - repeatable
    wanted = SHORT_TRIALS if options.short else TRIALS
    with open_company() as company:
        stage = Stage(company, draw)
        plan = Plan(stage.courses.values(), draw, second=connection.vendor == "postgresql")
        for trial in plan.trials(wanted, short=options.short):
            stage.run(trial)
            number = sum(stage.done.values())
            if number % 20 == 0 and not options.short:
                progress(f"{number} of {wanted}")
        for _spare in range(SPARE):
            # A point that never came tried nothing: another one takes its place.
            if sum(stage.done.values()) < wanted:
                stage.run(plan.spare(stage.hits))
        edits = try_edits(stage, short=options.short)
    hits = [_hits(stage, kind, whole=not options.short) for kind in (BOUNDARY, CALL)]
    return [*_promises(stage, wanted), *hits, _resumed(stage), *edits]


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
        Promise(
            "no effect twice",
            verdict.effects,
            verdict.twice,
            {"the same value set again": verdict.again},
        ),
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


def _hits(stage: Stage, kind: str, *, whole: bool) -> Promise:
    """How often workers were killed at each place; the whole trial leaves none out."""
    what = "boundaries between blocks" if kind == BOUNDARY else "calls"
    figures, never, number = {}, [], 0
    for course in stage.courses.values():
        times = [stage.hits[place] for place in course.places(kind)]
        names = course.blocks if kind == BOUNDARY else range(1, course.requests + 1)
        shown = [f"{name}: {hits}" for name, hits in zip(names, times, strict=True)]
        figures[course.name] = ", ".join(shown)
        never += [f"{course.name}: {one}" for one in shown if whole and one.endswith(": 0")]
        number += len(times)
    hits = sum(times for (_name, at, _number), times in stage.hits.items() if at == kind)
    return Promise(f"kills at each of {number} {what} (F-04)", hits, never, figures)


def _resumed(stage: Stage) -> Promise:
    slow = [f"after {one:.1f} s" for one in stage.resumed if one > MOST_SECONDS]
    longest = max(stage.resumed, default=0.0)
    name = "another worker goes on within 5 s of one that was told to end (F-06)"
    return Promise(name, len(stage.resumed), slow, {"longest s": longest, "goal s": MOST_SECONDS})


if __name__ == "__main__":
    sys.exit(main())
