"""The trials: which points there are, what is done there, and who goes on afterwards."""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.flows.children import LONGEST, Child, begin
from trials.flows.company import WAYS, Company
from trials.flows.driving import lead, start
from trials.flows.judging import Verdict, judge
from trials.killing.trap import OWN_COMMIT_PHASES, REQUEST_PHASES, Point

if TYPE_CHECKING:
    from workflows.models import WorkflowRun

PEOPLE = 3
QUIET = 0.3  # seconds for what a dead process began; longer than any request here takes
KILLED, AGAIN, RANDOM = "killed", "killed twice", "killed at a random moment"
STOPPED, TOGETHER, ENDED = "stopped past its lease", "three at once", "told to end"
# Of a hundred trials; all others are kills at a point.
SHARES = {AGAIN: 10, RANDOM: 8, STOPPED: 10, TOGETHER: 6, ENDED: 6}


@dataclass(frozen=True)
class Trial:
    """One disturbance of a run of one workflow."""

    kind: str
    name: str
    points: tuple[Point, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}, {self.name} {', '.join(map(str, self.points))}".strip()


class Stage:
    """A company, how long its workflows are, and what was found so far."""

    def __init__(self, company: Company, draw: random.Random) -> None:
        self.company = company
        self.verdict = Verdict()
        self.asks: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._draw = draw
        self._seconds: dict[str, float] = {}
        self.points = {name: self._measure(name) for name in WAYS}

    def new_run(self, name: str) -> WorkflowRun:
        """Queue a run for new people."""
        people = self.company.people(name, PEOPLE)
        return start(name, [person.pk for person in people])

    def _measure(self, name: str) -> list[Point]:
        """The points of an undisturbed run, which is judged as well."""
        run = self.new_run(name)
        with tempfile.TemporaryDirectory(prefix="rolecall-flows-") as folder:
            tally = Path(folder) / "tally"
            began = time.monotonic()
            child = begin(partial(lead, run.pk), self.company.trap, tally=tally)
            child.wait()
            self._seconds[name] = time.monotonic() - began
            commits = int(tally.read_text())
        requests = self.company.trap.count["request"]
        judge(self.company, run, name, f"undisturbed {name}", self.verdict)
        return [
            *(
                Point("commit", at, phase)
                for at in range(1, commits + 1)
                for phase in OWN_COMMIT_PHASES
            ),
            *(
                Point("request", at, phase)
                for at in range(1, requests + 1)
                for phase in REQUEST_PHASES
            ),
        ]

    # Which.

    def plan(self, wanted: int, *, short: bool) -> list[Trial]:
        """So many trials: kills spread over all points, and some of each other kind."""
        shares = (
            dict.fromkeys(SHARES, 1) if short else {k: n * wanted // 100 for k, n in SHARES.items()}
        )
        names = list(WAYS)
        trials = [
            self._other(kind, names[at % len(names)])
            for kind, number in shares.items()
            for at in range(number)
        ]
        every = [(name, point) for name in names for point in self.points[name]]
        left = max(0, wanted - len(trials))
        kinds = [[one for one in every if one[1].kind == kind] for kind in ("commit", "request")]
        chosen = [
            *self._draw.sample(kinds[0], min(len(kinds[0]), left - left // 2)),
            *self._draw.sample(kinds[1], min(len(kinds[1]), left // 2)),
        ]
        trials += [Trial(KILLED, name, (point,)) for name, point in chosen]
        self._draw.shuffle(trials)
        return trials

    def _other(self, kind: str, name: str) -> Trial:
        points = self.points[name]
        if kind == AGAIN:
            half = points[: len(points) // 2]
            return Trial(kind, name, (self._draw.choice(points), self._draw.choice(half)))
        if kind in {STOPPED, ENDED}:
            requests = [one for one in points if one.kind == "request" and one.phase != "after"]
            return Trial(kind, name, (self._draw.choice(requests),))
        return Trial(kind, name)

    # What is done.

    def run(self, trial: Trial) -> None:
        """Do it, let another process go on, and judge the end."""
        run = self.new_run(trial.name)
        do: dict[str, Callable[[Trial, WorkflowRun], bool]] = {
            KILLED: self._kill,
            AGAIN: self._kill,
            RANDOM: self._kill_some_time,
            STOPPED: self._stop,
            TOGETHER: self._together,
            ENDED: self._end,
        }
        if do[trial.kind](trial, run):
            self.done[trial.kind] += 1
        self.finish(run)
        judge(self.company, run, trial.name, str(trial), self.verdict)

    def finish(self, run: WorkflowRun) -> None:
        """Go on in this process as another worker, and answer what asks a person."""
        self.company.trap.release()
        self.company.wire.quiet(seconds=QUIET)
        lead(run.pk, asks=self.asks, effects=self.company.effects(), alone=True)

    def _begin(self, run: WorkflowRun, at: Point | None = None, **options: Any) -> Child:
        return begin(partial(lead, run.pk), self.company.trap, at, **options)

    def _kill(self, trial: Trial, run: WorkflowRun) -> bool:
        from trials.flows.driving import free_all

        killed = []
        for point in trial.points:
            child = self._begin(run, point)
            child.wait()
            self._note(child, trial)
            killed.append(child.was_killed)
            self.company.wire.quiet(seconds=QUIET)
            free_all()
        return killed[0]

    def _kill_some_time(self, trial: Trial, run: WorkflowRun) -> bool:
        child = self._begin(run)
        time.sleep(self._draw.uniform(0, self._seconds[trial.name]))
        child.kill()
        child.wait()
        return True

    def _stop(self, trial: Trial, run: WorkflowRun) -> bool:
        """Stop it past its lease, end the run, wake it: it writes nothing more (F-12)."""
        (point,) = trial.points
        child = self._begin(run, point, act=lambda one: one.signal(signal.SIGSTOP))
        end = time.monotonic() + LONGEST
        while not self.company.trap.sprung.is_set() and time.monotonic() < end:
            if child.has_ended():
                return False
            time.sleep(0.005)
        self.finish(run)
        before = rows_of(run)
        child.signal(signal.SIGCONT)
        if not child.wait():
            self.verdict.not_ended.append(f"{trial}: the process that was woken")
            child.kill()
            child.wait()
        self._note(child, trial)
        if rows_of(run) != before:
            self.wrong.append(f"{trial}: it wrote after another one had taken over")
        return True

    def _together(self, trial: Trial, run: WorkflowRun) -> bool:
        """Three processes are woken for the same (F-11)."""
        children = [self._begin(run) for _one in range(3)]
        for child in children:
            child.wait()
            self._note(child, trial)
        return True

    def _end(self, trial: Trial, run: WorkflowRun) -> bool:
        """SIGTERM in the midst of a batch, and little time to end (F-06)."""
        (point,) = trial.points
        child = begin(
            work_as_worker,
            self.company.trap,
            point,
            act=lambda one: one.signal(signal.SIGTERM),
            then="hold",
        )
        child.wait()
        self._note(child, trial)
        return self.company.trap.sprung.is_set() or trial.name == "leaving"

    def _note(self, child: Child, trial: Trial) -> None:
        if child.failed:
            self.wrong.append(f"{trial}: a process ended with a mistake of its own")


def work_as_worker() -> None:
    """What a worker's process does that ends within half a second of SIGTERM."""
    from integrations.worker import Worker, ends_on_signals

    worker = Worker(stop_within=0.5)
    with ends_on_signals(worker):
        worker.do_due()


def rows_of(run: WorkflowRun) -> list[Any]:
    """Everything that a run has written, but what only tells of processes."""
    from django.db.models import Q

    from integrations.models import Notification, Operation
    from people.models import Event

    ids = list(run.items.order_by("pk").values_list("pk", flat=True))
    of_items = Q()
    for pk in ids:
        of_items |= Q(key__startswith=f"item:{pk}:")
    people = list(run.items.values_list("record_id", flat=True))
    return [
        list(run.items.order_by("pk").values()),
        list(Operation.objects.filter(of_items).order_by("pk").values()),
        list(Event.objects.filter(object_id__in=people).order_by("pk").values()),
        Notification.objects.count(),
        [list(item.way.order_by("pk").values()) for item in run.items.order_by("pk")],
    ]
