"""A few programs kept running: each restarted when it dies, all stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from integrations.children import bond

_LONGEST_WAIT = 30.0  # seconds before a program that dies at once is started again
_STEADY_AFTER = 60.0  # seconds after which an earlier death is forgotten
_LOOK_EVERY = 0.2  # seconds


class Stopping(BaseException):
    """SIGINT or SIGTERM asked for an orderly end; no `except Exception` may swallow it."""


@dataclass(frozen=True)
class Program:
    """`command` never holds a secret (S-26); `output` is a private file for standard output."""

    name: str
    command: tuple[str, ...]
    output: Path | None = None


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    deaths: int = 0
    start_again_at: float | None = None


@dataclass
class Supervisor:
    """Use as a context manager: leaving it ends every program within `grace` seconds.

    Programs must be started from the main thread: Linux ends them when the thread that started
    them ends. `report` gets a sentence for each death.
    """

    report: Callable[[str], None]
    grace: float = 30.0
    _children: list[_Child] = field(default_factory=list)

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _ask_to_stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, program: Program) -> None:
        """Start a program now and keep it running from then on."""
        self._children.append(_Child(program, _spawn(program), time.monotonic()))

    def wait(self, until: Callable[[], bool], *, seconds: float | None = None) -> bool:
        """Keep everything running until `until()` holds; False when the time is over first."""
        end = None if seconds is None else time.monotonic() + seconds
        while not until():
            if end is not None and time.monotonic() > end:
                return False
            self._restart_the_dead(time.monotonic())
            time.sleep(_LOOK_EVERY)
        return True

    def stop(self) -> None:
        """Ask all to end, wait, then kill what is left with everything that it started."""
        # A second Ctrl-C means: at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._kill())
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        end = time.monotonic() + self.grace
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, end - time.monotonic()))
        self._kill()
        for child in self._children:
            child.process.wait()
        self._children.clear()

    def _kill(self) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)

    def _restart_the_dead(self, now: float) -> None:
        for child in self._children:
            if child.process.poll() is None:
                continue
            if child.start_again_at is None:
                self._note_death(child, now)
            elif now >= child.start_again_at:
                child.process = _spawn(child.program)
                child.started_at, child.start_again_at = now, None

    def _note_death(self, child: _Child, now: float) -> None:
        steady = now - child.started_at >= _STEADY_AFTER
        child.deaths = 1 if steady else child.deaths + 1
        wait = min(_LONGEST_WAIT, 2.0 ** (child.deaths - 1))
        child.start_again_at = now + wait
        self.report(
            f"{child.program.name} ended ({_how(child.process.returncode)}); "
            f"it is started again in {wait:.0f} s."
        )


def _ask_to_stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopping


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(_private(program.output)) if program.output else None
        return subprocess.Popen(  # noqa: S603 - our own programs, no shell
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            # A group of its own: Ctrl-C in a terminal reaches the supervisor alone, which then
            # ends all in order.
            process_group=0,
            preexec_fn=bond(),  # noqa: PLW1509 - one thread here
        )


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
