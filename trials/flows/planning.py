"""Which trials there are: kills at every boundary and call in turn, and some of each other kind.

A boundary is the commit that writes what a block did, so the moment between two blocks (F-04); a
call is a request to a vendor. Kills go through both in a fixed order.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice

from trials.killing.trap import OWN_COMMIT_PHASES, REQUEST_PHASES, Point

KILLED, AGAIN, RANDOM = "killed", "killed twice", "killed at a random moment"
STOPPED, TOGETHER, ENDED = "stopped past its lease", "three at once", "told to end"
# All others are kills at one point.
SHARES = {AGAIN: 10, RANDOM: 5, STOPPED: 10, TOGETHER: 5, ENDED: 10}
BOUNDARY, CALL = "boundary", "request"
PHASES = {BOUNDARY: OWN_COMMIT_PHASES, CALL: REQUEST_PHASES}
# On each of two databases, so that each is hit ten times. What is left are kills in calls.
EACH_BOUNDARY = 5

Place = tuple[str, str, int]
"""A workflow, the kind of place, and its number."""


@dataclass(frozen=True)
class Course:
    """What an undisturbed run of a workflow passes.

    `blocks` are those that it leaves, each in one commit; `at_once` are the requests of a worker
    that does what can be done now and then ends.
    """

    name: str
    blocks: tuple[str, ...]
    commits: int
    requests: int
    at_once: int

    def places(self, kind: str) -> list[Place]:
        """Its boundaries, or its calls."""
        last = len(self.blocks) if kind == BOUNDARY else self.requests
        return [(self.name, kind, number) for number in range(1, last + 1)]


@dataclass(frozen=True)
class Trial:
    """One disturbance of a run of one workflow."""

    kind: str
    name: str
    points: tuple[Point, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}, {self.name} {', '.join(map(str, self.points))}".strip()


class Plan:
    """The trials on one database; on the `second` phases begin where the first has their middle."""

    def __init__(
        self, courses: Iterable[Course], draw: random.Random, *, second: bool = False
    ) -> None:
        self._courses = {course.name: course for course in courses}
        self._draw = draw
        self._second = second

    def places(self, kind: str) -> list[Place]:
        """Every boundary, or every call."""
        return [place for course in self._courses.values() for place in course.places(kind)]

    def trials(self, wanted: int, *, short: bool) -> list[Trial]:
        """So many. The short form has one of each kind, and kills at the first few places."""
        shares = dict.fromkeys(SHARES, 1) if short else dict(SHARES)
        kills = wanted - sum(shares.values())
        at_boundaries = kills // 2 if short else EACH_BOUNDARY * len(self.places(BOUNDARY))
        boundaries, calls = self._around(BOUNDARY), self._around(CALL)
        first = [*islice(boundaries, at_boundaries), *islice(calls, kills - at_boundaries)]
        twice = islice(calls, shares.pop(AGAIN))
        names = list(self._courses)
        return [
            *(Trial(KILLED, name, (point,)) for name, point in first),
            *(Trial(AGAIN, name, (point, self._commit(name))) for name, point in twice),
            *(
                self._other(kind, names[at % len(names)])
                for kind, number in shares.items()
                for at in range(number)
            ),
        ]

    def spare(self, hits: Counter[Place]) -> Trial:
        """A kill where there were fewest, in the stead of a trial whose point never came."""
        every = [*self.places(BOUNDARY), *self.places(CALL)]
        name, kind, number = min(every, key=lambda place: hits[place])
        return Trial(KILLED, name, (Point(kind, number, PHASES[kind][0]),))

    def _around(self, kind: str) -> Iterator[tuple[str, Point]]:
        """Every place of this kind, then every one in its next phase, and so on without an end."""
        phases = PHASES[kind]
        for turn in count(len(phases) // 2 if self._second else 0):
            for at, (name, _kind, number) in enumerate(self.places(kind)):
                yield name, Point(kind, number, phases[(turn + at) % len(phases)])

    def _commit(self, name: str) -> Point:
        """Where whoever goes on dies: early, as it has less to do."""
        last = self._courses[name].commits // 2
        return Point("commit", self._draw.randint(1, last), self._draw.choice(OWN_COMMIT_PHASES))

    def _other(self, kind: str, name: str) -> Trial:
        if kind not in {STOPPED, ENDED}:
            return Trial(kind, name)
        course = self._courses[name]
        # Who is told to end would wait for nothing, so it is told in a call that needs no waiting.
        last = course.at_once if kind == ENDED else course.requests
        number, phase = self._draw.randint(1, last), self._draw.choice(REQUEST_PHASES[:-1])
        return Trial(kind, name, (Point(CALL, number, phase),))
