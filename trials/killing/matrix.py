"""Which trials there are, how each disturbs a worker, and the table that they add up to."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import islice
from statistics import median

from trials.killing import disturb
from trials.killing.sabotage import KINDS
from trials.killing.stage import Outcome, Stage
from trials.killing.trap import COMMIT_PHASES, OWN_COMMIT_PHASES, REQUEST_PHASES, Point
from trials.report import Promise, progress

KILLED_AT_REQUEST = "killed at a vendor request"
KILLED_AT_COMMIT = "killed at a commit"
KILLED_AT_RANDOM = "killed at a random moment"
KILLED_TWICE = "killed, and killed again"
ANSWER_LOST = "answer to a commit lost"
CONNECTIONS_LOST = "all connections ended"
STOPPED = "stopped past its lease, then continued"
TOGETHER = "three workers at once"
REAL_LEASES = "taken up with the real leases"
RECOVERIES = 5
PATIENT = {REAL_LEASES, STOPPED}
PATIENT_AT_A_TIME = 5


@dataclass(frozen=True)
class Trial:
    """One disturbance; `disturb` fills the outcome in."""

    line: str
    name: str
    disturb: Callable[[Outcome], Outcome]


def plan_trials(stage: Stage, *, wanted: int, short: bool) -> list[Trial]:
    """Some of every kind, and every point at least once where `wanted` allows it."""
    draw = random.Random(1)  # noqa: S311 - moments, no secret
    plan = _Plan(stage, draw)
    if stage.sabotage:
        return plan.make(few=0, points=len(KINDS), recoveries=0)
    if short:
        return plan.make(few=1, points=8, recoveries=0)
    few = max(2, wanted // 20)
    points = max(10, wanted - RECOVERIES - plan.others(few))
    return plan.make(few=few, points=points, recoveries=RECOVERIES)


class _Plan:
    """Makes the trials of one stage."""

    def __init__(self, stage: Stage, draw: random.Random) -> None:
        self.stage = stage
        self.draw = draw
        self.on_postgresql = stage.place.engine == "postgresql"
        start = stage.start
        commit_phases = COMMIT_PHASES if self.on_postgresql else OWN_COMMIT_PHASES
        self.requests = _points("request", start.requests, REQUEST_PHASES)
        self.commits = _points("commit", start.commits, commit_phases)

    def others(self, few: int) -> int:
        """How many trials are not about one point each."""
        return (6 if self.on_postgresql else 3) * few

    def make(self, *, few: int, points: int, recoveries: int) -> list[Trial]:
        """`few` of each special kind, and so many points; the rest of them is killed twice."""
        every = [*self.requests, *self.commits]
        once = every if len(every) <= points else self.draw.sample(every, points)
        again = [self.draw.choice(every) for _one in range(points - len(once))]
        trials = [
            self._at(REAL_LEASES, point, disturb.recover) for point in self._some(every, recoveries)
        ]
        trials += [
            self._at(STOPPED, point, disturb.stop)
            for point in self._some(self._where_to_stop(), few)
        ]
        trials += [self._killed_twice(point) for point in again]
        trials += [self._killed(point) for point in once]
        trials += [self._random_moment() for _one in range(few)]
        trials += [self._trial(TOGETHER, "three at once", disturb.together) for _one in range(few)]
        if self.on_postgresql:
            own = [point for point in self.commits if point.phase == "answer on its way"]
            trials += [
                self._at(ANSWER_LOST, point, disturb.lose_answer)
                for point in self._some(own, 2 * few)
            ]
            trials += [
                self._at(CONNECTIONS_LOST, point, disturb.end_connections)
                for point in self._some(every, few)
            ]
        return trials

    def _some(self, points: Sequence[Point], number: int) -> Iterator[Point]:
        """Different ones as long as there are, spread over the run."""
        order = self.draw.sample(points, len(points))
        return islice((point for _round in range(number) for point in order), number)

    def _where_to_stop(self) -> list[Point]:
        """On SQLite a process that is stopped within a transaction stops everybody's writes."""
        return [*self.requests, *self.commits] if self.on_postgresql else self.requests

    def _trial(self, line: str, name: str, disturb: Callable[[Stage, Outcome], Outcome]) -> Trial:
        return Trial(line, name, lambda outcome: disturb(self.stage, outcome))

    def _killed(self, point: Point) -> Trial:
        line = KILLED_AT_REQUEST if point.kind == "request" else KILLED_AT_COMMIT
        return self._trial(line, str(point), partial(disturb.kill, points=[point]))

    def _killed_twice(self, first: Point) -> Trial:
        second = self.draw.choice([*self.requests, *self.commits])
        both = [first, second]
        return self._trial(KILLED_TWICE, f"{first}; {second}", partial(disturb.kill, points=both))

    def _random_moment(self) -> Trial:
        moment = self.draw.uniform(0, self.stage.start.seconds)
        name = f"after {moment * 1000:.0f} ms"
        return self._trial(KILLED_AT_RANDOM, name, partial(disturb.kill_after, moment=moment))

    def _at(self, line: str, point: Point, how: Callable[..., Outcome]) -> Trial:
        return self._trial(line, str(point), partial(how, point=point))


def _points(kind: str, number: int, phases: Sequence[str]) -> list[Point]:
    return [Point(kind, one, phase) for one in range(1, number + 1) for phase in phases]


def run_trials(trials: Sequence[Trial], *, at_a_time: int) -> list[Outcome]:
    """Run them side by side; those that wait for leases or time-outs do so beside all others."""
    began = time.monotonic()
    waiting = [trial for trial in trials if trial.line in PATIENT]
    with ThreadPoolExecutor(at_a_time) as pool, ThreadPoolExecutor(PATIENT_AT_A_TIME) as patient:
        ended = [patient.submit(_run, trial) for trial in waiting]
        ended += [pool.submit(_run, trial) for trial in trials if trial not in waiting]
        for number, _future in enumerate(as_completed(ended), 1):
            if number % 20 == 0:
                seconds = time.monotonic() - began
                progress(f"{number} of {len(trials)} trials after {seconds:.0f} s")
        return [future.result() for future in ended]


def _run(trial: Trial) -> Outcome:
    outcome = Outcome(trial.line, trial.name)
    try:
        trial.disturb(outcome)
    except Exception:  # noqa: BLE001 - the other trials go on, this one is shown as broken
        outcome.other.append(f"the trial itself failed: {traceback.format_exc(limit=-4)}")
    return outcome


def sum_up(outcomes: Sequence[Outcome]) -> list[Promise]:
    """A line for each kind of disturbance, and one for each thing that may never happen."""
    lines = []
    for line in dict.fromkeys(outcome.line for outcome in outcomes):
        those = [one for one in outcomes if one.line == line]
        missed = sum(one.missed for one in those)
        figures: dict[str, object] = {"ended before the point": missed} if missed else {}
        for name, seconds in (
            ("taken up after s", [one.recovered for one in those]),
            ("ended after s", [one.ended for one in those]),
        ):
            known = [value for value in seconds if value is not None]
            if known:
                figures[name] = f"{median(known):.1f} (median), {max(known):.1f} (most)"
        broken = [sentence for one in those for sentence in one.broken]
        lines.append(Promise(line, len(those) - missed, broken, figures))
    return [*lines, _total(outcomes)]


def _total(outcomes: Sequence[Outcome]) -> Promise:
    """All trials; its sentences stand in the lines above."""
    figures = {
        "lost": sum(bool(one.difference.lost) for one in outcomes),
        "twice": sum(bool(one.difference.twice) for one in outcomes),
        "forbidden": sum(bool(one.difference.forbidden) for one in outcomes),
        "not ended": sum(bool(one.not_ended) for one in outcomes),
        "tables different": sum(bool(one.difference) for one in outcomes),
    }
    return Promise("all trials", sum(not one.missed for one in outcomes), (), figures)
