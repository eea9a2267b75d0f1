"""The state file: the vendors' whole world, written so that a crash leaves the old or the new."""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

SHORTEST_PAUSE = 0.2
PAUSE_PER_WRITE = 10.0


class StateFile:
    """One JSON file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        """What was written last; None when there is no file."""
        if not self.path.exists():
            return None
        state: dict[str, Any] = orjson.loads(self.path.read_bytes())
        return state

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file; after a crash it holds the old state or the new one, never half."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(orjson.dumps(state))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise


class StateKeeper:
    """Writes the state soon after it changed, in a thread of its own, and once at the end.

    A large world is written more seldom: the pause is ten times as long as writing took.
    """

    def __init__(self, file: StateFile, take: Callable[[], dict[str, Any]]) -> None:
        self._file = file
        self._take = take
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-state")

    def start(self) -> None:
        """Begin; writes the state as it is now."""
        self._file.write(self._take())
        self._thread.start()

    def note_change(self) -> None:
        """Say that there is something to write."""
        self._changed.set()

    def stop(self) -> None:
        """Write what is left and end the thread."""
        self._stopping.set()
        self._changed.set()
        self._thread.join()
        self._file.write(self._take())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._changed.wait()
            if self._stopping.is_set():
                return
            self._changed.clear()
            began = time.monotonic()
            self._file.write(self._take())
            taken = time.monotonic() - began
            self._stopping.wait(max(SHORTEST_PAUSE, taken * PAUSE_PER_WRITE))
