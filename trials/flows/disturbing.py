"""What is done in each trial to who works on a run, and who goes on afterwards."""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.flows.children import LONGEST, Child, begin
from trials.flows.company import WAYS, Company
from trials.flows.driving import lead, start
from trials.flows.judging import Verdict, judge
from trials.flows.planning import (
    AGAIN,
    BOUNDARY,
    ENDED,
    KILLED,
    RANDOM,
    STOPPED,
    TOGETHER,
    Course,
    Place,
    Trial,
)
from trials.killing.trap import Point

if TYPE_CHECKING:
    from workflows.models import WorkflowRun

PEOPLE = 3
QUIET = 0.3  # seconds for what a dead process began; longer than any request here takes


class Stage:
    """A company, how long its workflows are, and what was found so far."""

    def __init__(self, company: Company, draw: random.Random) -> None:
        self.company = company
        self.verdict = Verdict()
        self.asks: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.hits: Counter[Place] = Counter()
        self.resumed: list[float] = []  # seconds from the end of a process to the next claim
        self.wrong: list[str] = []
        self._draw = draw
        self._seconds: dict[str, float] = {}
        self.courses = {name: self._measure(name) for name in WAYS}

    def new_run(self, name: str) -> WorkflowRun:
        """Queue a run for new people."""
        people = self.company.people(name, PEOPLE)
        return start(name, [person.pk for person in people])

    def _measure(self, name: str) -> Course:
        """What undisturbed runs pass, which are judged as well; the first one gets tokens."""
        self._undisturbed(name, lead)
        at_once = self._undisturbed(name, lambda _run: work_as_worker())
        with tempfile.TemporaryDirectory(prefix="rolecall-flows-") as folder:
            tally = Path(folder) / "tally"
            began = time.monotonic()
            requests = self._undisturbed(name, lead, tally=tally)
            self._seconds[name] = time.monotonic() - began
            commits = int(tally.read_text())
        blocks = tuple(block for block, _exit in WAYS[name])
        return Course(name, blocks, commits, requests, at_once)

    def _undisturbed(self, name: str, do: Callable[[int], object], **options: Any) -> int:
        """How many requests a process makes that does this with a run."""
        run = self.new_run(name)
        begin(partial(do, run.pk), self.company.trap, **options).wait()
        requests = self.company.trap.count["request"]
        self.finish(run)
        judge(self.company, run, name, f"undisturbed {name}", self.verdict)
        return requests

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
            if point.kind == BOUNDARY and child.was_killed:
                self._note_boundary(trial, point, run)
        if killed[0]:
            self.hits[trial.name, trial.points[0].kind, trial.points[0].number] += 1
        return killed[0]

    def _note_boundary(self, trial: Trial, point: Point, run: WorkflowRun) -> None:
        """Whoever dies at a boundary leaves what the blocks before it did, all or nothing."""
        left = sum(item.way.count() for item in run.items.all())
        whole = point.number if point.phase == "after" else point.number - 1
        if left != whole * PEOPLE:
            self.wrong.append(f"{trial}: it left {left} rows of the way, not {whole * PEOPLE}")

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
        ended = time.monotonic()
        self._note(child, trial)
        if not self.company.trap.sprung.is_set():
            return False
        self.company.trap.release()
        self.company.wire.quiet(seconds=QUIET)
        self.resumed.append(take_up() - ended)
        return True

    def _note(self, child: Child, trial: Trial) -> None:
        if child.failed:
            self.wrong.append(f"{trial}: a process ended with a mistake of its own")


def work_as_worker() -> None:
    """What a worker's process does that ends within half a second of SIGTERM."""
    from integrations.worker import Worker, ends_on_signals

    worker = Worker(stop_within=0.5)
    with ends_on_signals(worker):
        worker.do_due()


def take_up() -> float:
    """Be another worker beside a tick, with no lease made older; when there was something to do."""
    from django.utils import timezone

    from integrations.tick import make_due
    from integrations.worker import BREAKABLE

    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        make_due(timezone.now())
        if any(piece(timezone.now()) for piece in BREAKABLE):
            break
        time.sleep(0.05)
    return time.monotonic()


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
