"""Worker processes that are killed, stopped or told to end at a point of their way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trials.killing.trap import Point, Trap

LONGEST = 60.0


class Child:
    """One forked process; it leads a process group."""

    def __init__(self, pid: int, gate: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self._gate = gate

    def go(self) -> None:
        """Let it begin."""
        os.write(self._gate, b"g")
        os.close(self._gate)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it as a machine without power would."""
        self.signal(signal.SIGKILL)

    def has_ended(self) -> bool:
        """Whether it has; notes how."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def wait(self, seconds: float = LONGEST) -> bool:
        """Wait for its end; whether it came."""
        end = time.monotonic() + seconds
        while not self.has_ended() and time.monotonic() < end:
            time.sleep(0.005)
        return self.has_ended()

    @property
    def was_killed(self) -> bool:
        """Whether it ended by SIGKILL."""
        return self.status is not None and os.WIFSIGNALED(self.status)

    @property
    def failed(self) -> bool:
        """Whether it ended by a mistake of its own."""
        return self.status is not None and not self.was_killed and os.WEXITSTATUS(self.status) != 0


def begin(
    do: Callable[[], object],
    trap: Trap,
    at: Point | None = None,
    *,
    act: Callable[[Child], None] = Child.kill,
    then: str = "close",
    tally: Path | None = None,
) -> Child:
    """Do something in a process of its own; at a request `act` is done to it, at others it dies.

    `tally` gets the number of its commits. The caller holds no transaction.
    """
    from django.db import connections

    connections.close_all()
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        _live(do, read, at, tally)
    os.close(read)
    child = Child(pid, write)
    with suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)
    if at is not None and at.kind == "request":
        trap.set(at, lambda: act(child), then=then)
    else:
        trap.release()
        trap.count.clear()
    child.go()
    return child


def _live(do: Callable[[], object], gate: int, at: Point | None, tally: Path | None) -> None:
    """The child: never returns."""
    from trials.killing.commits import count_commits, die_at_addition
    from workflows.models import BlockRun

    code = 70
    try:
        with suppress(PermissionError):
            os.setpgid(0, 0)
        os.read(gate, 1)
        dies = (at.number, at.phase) if at is not None and at.kind == "commit" else None
        counted = count_commits(dies)
        if at is not None and at.kind == "boundary":
            die_at_addition(BlockRun._meta.db_table, (at.number, at.phase))
        do()
        if tally is not None:
            tally.write_text(str(counted.number))
        code = 0
    except BaseException:  # noqa: BLE001 - a child must never return into the trial
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
