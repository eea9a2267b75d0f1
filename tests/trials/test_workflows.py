"""The short forms of the trials of workflows keep their promises."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from django.db import connection

from trials.flows.planning import AGAIN, BOUNDARY, CALL, ENDED, KILLED, Course, Place, Plan, Trial
from trials.workflows import SHORT_TRIALS, TRIALS
from workflows.kinds import kinds

ROOT = Path(__file__).resolve().parents[2]


def run_short(name: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a short trial on the kind of database of the suite, and what it printed."""
    database = f"--database={connection.vendor}"
    done = subprocess.run(
        [sys.executable, "-m", f"trials.{name}", "--short", "--json", database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=1_200,
        check=False,
    )
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else {}


def test_each_block_has_its_effect_once_and_in_order_whatever_happens_to_workers() -> None:
    """F-01, F-04, F-06, F-11, F-12, F-40, S-21: a few; `python -m trials.workflows` does all."""
    code, told = run_short("workflows")

    assert code == 0, told
    tried, *_others = told["promises"]
    assert tried["tried"] >= SHORT_TRIALS, told
    assert len(tried["figures"]) >= 5, told
    boundaries, calls = (one for one in told["promises"] if "F-04" in one["name"])
    assert "note: 1, make: 1, room: 0" in boundaries["figures"]["joining"]
    assert calls["figures"]["joining"].startswith("1: 1, 2: 1")
    (resumed,) = (one for one in told["promises"] if "F-06" in one["name"])
    assert 0 < resumed["figures"]["longest s"] <= resumed["figures"]["goal s"] == 5
    edits = next(one for one in told["promises"] if "F-40" in one["name"])
    assert set(edits["figures"].values()) == {1}, told


COURSES = [
    Course("joining", ("note", "make", "room", "is_noted", "tell"), 41, requests=9, at_once=9),
    Course("leaving", ("licence", "pause", "word", "welcome", "tell"), 60, requests=9, at_once=6),
]


def trials_on(*, second: bool) -> list[Trial]:
    """All trials on one of the two databases."""
    draw = random.Random(5)  # noqa: S311 - repeatable
    return Plan(COURSES, draw, second=second).trials(TRIALS, short=False)


def test_workers_are_killed_ten_times_at_each_boundary_and_in_each_call_at_several_phases() -> None:
    """F-04: on both databases together, a hundred trials each."""
    both = [*trials_on(second=False), *trials_on(second=True)]

    phases: dict[Place, Counter[str]] = {}
    for trial in both:
        if trial.kind in {KILLED, AGAIN}:
            first = trial.points[0]
            phases.setdefault((trial.name, first.kind, first.number), Counter())[first.phase] += 1

    assert len(both) == 2 * TRIALS >= 200
    assert set(phases) == {place for course in COURSES for kind in (BOUNDARY, CALL)
                           for place in course.places(kind)}  # fmt: skip
    assert all(
        times == {"before": 5, "after": 5} if kind == BOUNDARY else len(times) > 1
        for (_name, kind, _number), times in phases.items()
    )


def test_a_worker_is_told_to_end_only_in_calls_that_come_before_its_end() -> None:
    """F-06."""
    last = {course.name: course.at_once for course in COURSES}

    told = [trial for trial in trials_on(second=False) if trial.kind == ENDED]

    assert {trial.name for trial in told} == set(last)
    assert all(trial.points[0].number <= last[trial.name] for trial in told)


def test_a_preview_is_what_happens() -> None:
    """G-09, S-21: four random worlds with all kinds of blocks; `python -m trials.simulate`: 50."""
    code, told = run_short("simulate")

    assert code == 0, told
    worlds, *_others = told["promises"]
    assert worlds["tried"] == 4
    assert set(worlds["figures"]) == set(kinds())
