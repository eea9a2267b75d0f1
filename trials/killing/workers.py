"""Worker processes: forked by the zygote, watched, killed as a group."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL


class Worker:
    """One process that the zygote forked; it leads a process group."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.pid = 0
        self.code: int | None = None
        self.began = threading.Event()
        self.ended = threading.Event()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group (F-05); one that has ended gets none."""
        self.began.wait(30)
        if not self.ended.is_set():
            with suppress(ProcessLookupError):
                try:
                    os.killpg(self.pid, number)
                except ProcessLookupError:  # it leads no group yet
                    os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a machine without power would."""
        self.signal(signal.SIGKILL)

    def wait(self, *, seconds: float = 60.0) -> bool:
        """Wait for its end; whether it came."""
        return self.ended.wait(seconds)

    def said(self) -> str:
        """The last lines of its log."""
        text = self.log.read_text() if self.log.exists() else ""
        return text[-1_500:]


class Zygote:
    """The process that forks workers; a context manager."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._workers: dict[int, Worker] = {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._listen, name="zygote", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trials.killing.zygote"],
            cwd=ROOT, env=self._environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._reader.start()
        if not self._ready.wait(60):
            raise RuntimeError("The process that forks workers did not begin.")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait(30)

    def start(self, before: Callable[[Worker], None] = lambda _worker: None, **job: Any) -> Worker:
        """Fork a worker for this job, which may not have begun yet; `before` comes first."""
        with self._lock:
            number = len(self._workers) + 1
            worker = Worker(self._folder / f"worker{number}.log")
            self._workers[number] = worker
            before(worker)
            assert self._process is not None  # noqa: S101 - started by the context
            assert self._process.stdin is not None  # noqa: S101 - a pipe
            order = {"number": number, "log": str(worker.log), **job}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        return worker

    def _listen(self) -> None:
        assert self._process is not None  # noqa: S101 - started by the context
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        for line in self._process.stdout:
            told = json.loads(line)
            if told.get("ready"):
                self._ready.set()
                continue
            worker = self._workers[told["number"]]
            if "pid" in told:
                worker.pid = told["pid"]
                worker.began.set()
            else:
                worker.code = told["ended"]
                worker.ended.set()


def wait_until(holds: Any, *, seconds: float, pause: float = 0.02) -> bool:
    """Ask again and again; whether it held in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
