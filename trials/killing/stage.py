"""One attempt: a copy of the start, wires of its own, workers; and the judgement on its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import Any

from django.db import connections
from django.db.models import F

from integrations.models import Credentials, StagedRecord, SyncRun
from trials.killing import place as places
from trials.killing.place import Place
from trials.killing.sabotage import KINDS, spoil
from trials.killing.tables import Difference, Tables, compare, read_tables, wrong_counts
from trials.killing.trap import Point, Trap
from trials.killing.wires import Wire, Wires
from trials.killing.workers import ROOT, Worker, Zygote, wait_until
from trials.killing.world import Company
from trials.report import progress

HOST = "127.0.0.1"
LONGEST = 120.0


@dataclass
class Outcome:
    """What came of one trial. `seconds` are from the return of a process to work, and to the end.

    `missed`: the trap never sprang, so that nothing was tried.
    """

    line: str
    name: str
    difference: Difference = field(default_factory=Difference)
    not_ended: str = ""
    other: list[str] = field(default_factory=list)
    recovered: float | None = None
    ended: float | None = None
    missed: bool = False

    @property
    def broken(self) -> list[str]:
        """A sentence for each thing that is wrong."""
        found = [
            f"{self.name}: {what}: {sentence}"
            for what in ("lost", "twice", "forbidden", "other")
            for sentence in getattr(self.difference, what)
        ]
        found += [f"{self.name}: {sentence}" for sentence in self.other]
        if self.not_ended:
            found.append(f"{self.name}: not ended: {self.not_ended}")
        return found


@dataclass(frozen=True)
class Start:
    """What an undisturbed run does: the tables it leaves, and how many points it has."""

    before: Tables
    tables: Tables
    requests: int
    commits: int
    seconds: float


class Attempt:
    """A database, a trap and wires; `start` gives a worker that goes through them."""

    def __init__(self, stage: Stage, alias: str) -> None:
        self.stage = stage
        self.alias = alias
        self.trap = Trap()
        self.vendor = stage.wires.to_vendor(stage.sandbox_port, self.trap)
        self.database: Wire | None = None
        if stage.place.engine == "postgresql":
            self.database = stage.wires.to_postgresql(stage.database_port, self.trap)
        Credentials.objects.using(alias).update(
            base_url=stage.company.sandbox.base_url("aha").replace(
                f":{stage.sandbox_port}/", f":{self.vendor.port}/"
            )
        )

    def start(
        self,
        at: Point | None = None,
        act: Callable[[Worker], None] = Worker.kill,
        *,
        then: str = "close",
        tally: str = "",
    ) -> Worker:
        """Fork a worker. At the point `act` is done to it, and `then` to the connection.

        Its own commits on SQLite are seen from inside only: there it kills itself.
        """
        database: dict[str, Any] = {"NAME": self.alias}
        if self.database is not None:
            database |= {"HOST": HOST, "PORT": self.database.port}
        inside = at is not None and at.kind == "commit" and self.database is None

        def arm(worker: Worker) -> None:
            if at is not None and not inside:
                self.trap.set(at, lambda: act(worker), then=then)

        return self.stage.zygote.start(
            arm,
            database=database,
            hosts=[f"{HOST}:{self.vendor.port}"],
            kill=[at.number, at.phase] if at is not None and inside else None,
            tally=tally or (os.devnull if inside else ""),
        )

    def run(self) -> SyncRun:
        """The run as it is now. One query."""
        return SyncRun.objects.using(self.alias).get(pk=self.stage.company.run_id)

    def has_ended(self) -> bool:
        return self.run().state not in SyncRun.ACTIVE_STATES

    def let_lease_expire(self) -> None:
        """Make the lease an hour older, instead of waiting for it to run out."""
        SyncRun.objects.using(self.alias).filter(state=SyncRun.State.RUNNING).update(
            heartbeat_at=F("heartbeat_at") - timedelta(hours=1)
        )

    def quiet(self) -> None:
        """Wait until what a dead process had begun is over, at the vendor and in the database."""
        self.vendor.quiet()
        if self.database is not None:
            self.database.quiet()

    def take_up(self) -> Worker:
        """Let another process take the run up and end it."""
        self.let_lease_expire()
        worker = self.start()
        worker.wait(seconds=LONGEST)
        return worker

    def close_our_connection(self) -> None:
        """End the connection with which this thread looks into the database."""
        connections[self.alias].close()

    def close(self) -> None:
        """End the wires."""
        self.trap.release()
        self.vendor.close()
        if self.database is not None:
            self.database.close()


class Stage:
    """What all attempts of one engine share."""

    def __init__(
        self,
        place: Place,
        company: Company,
        zygote: Zygote,
        wires: Wires,
        *,
        sabotage: bool = False,
    ) -> None:
        self.place = place
        self.company = company
        self.zygote = zygote
        self.wires = wires
        self.sabotage = sabotage
        self._spoil_how = cycle(KINDS)
        self.sandbox_port = int(company.sandbox.url.rpartition(":")[2])
        self.database_port = places.server_port()
        self.start: Start = self._undisturbed()

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """A fresh copy of the start; workers that are left are killed at its end."""
        with self.place.copy() as alias:
            attempt = Attempt(self, alias)
            try:
                yield attempt
            finally:
                attempt.close()

    def _undisturbed(self) -> Start:
        with self.attempt() as attempt:
            before = read_tables(attempt.alias)
            tally = self.place.folder / "tally"
            began = time.monotonic()
            worker = attempt.start(tally=str(tally))
            worker.wait(seconds=LONGEST)
            run = attempt.run()
            if run.state not in {SyncRun.State.DONE, SyncRun.State.PARTIAL} or worker.code != 0:
                raise RuntimeError(
                    f"The undisturbed run ended {run.state}: {run.error_message} {worker.said()}"
                )
            progress(f"The undisturbed run: {run.state}, {run.counts}")
            own = int(tally.read_text())
            counted = attempt.trap.count
            return Start(
                before,
                read_tables(attempt.alias),
                counted["request"],
                counted["commit"] if self.place.engine == "postgresql" else own,
                time.monotonic() - began,
            )

    def judge(self, attempt: Attempt, outcome: Outcome, last: Worker | None = None) -> Outcome:
        """Compare what is there with what the undisturbed run left."""
        run = attempt.run()
        if run.state in SyncRun.ACTIVE_STATES:
            said = last.said() if last else ""
            outcome.not_ended = f"{run.state}, step {run.step}, attempts {run.attempts} {said}"
            return outcome
        if self.sabotage:
            spoil(attempt.alias, next(self._spoil_how), run.pk)
        outcome.difference = compare(
            self.start.before, self.start.tables, read_tables(attempt.alias)
        )
        outcome.other += wrong_counts(attempt.alias, run.pk)
        if effects := len(self.company.sandbox.ledger):
            outcome.other.append(f"{effects} effects at the vendor, of a run that only reads")
        if StagedRecord.objects.using(attempt.alias).exists():
            outcome.other.append("the stage was left behind")
        return outcome

    @contextmanager
    def real_loop(self, attempt: Attempt) -> Iterator[None]:
        """`manage.py run_due --loop`, started as a supervisor starts it, until the end."""
        environment = {
            **os.environ,
            **places.environment(self.place.engine, self.place.folder, attempt.alias),
            "EGRESS_EXTRA_HOSTS": f"{HOST}:{attempt.vendor.port}",
        }
        with (self.place.folder / "loop.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "run_due", "--loop"],
                cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                yield
            finally:
                process.terminate()
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, 9)

    def measure_recovery(self, attempt: Attempt, outcome: Outcome) -> None:
        """Wait with the real leases until a process took the run up, and until it ended."""
        fence = attempt.run().fence
        began = time.monotonic()
        with self.real_loop(attempt):
            if wait_until(lambda: attempt.run().fence > fence, seconds=LONGEST, pause=0.1):
                outcome.recovered = time.monotonic() - began
            if wait_until(attempt.has_ended, seconds=LONGEST, pause=0.1):
                outcome.ended = time.monotonic() - began
