"""Taking turns at SQLite's one write lock, so that whoever waits comes in (F-09).

SQLite itself knows no queue: it asks again every 100 ms, and where others write one transaction
after another it may meet the lock each time until its patience is over. Here at most one process
waits for whoever writes now; the others, and the writer when it wants to write again, wait for its
place, which is a lock on a file beside the database. The kernel frees it when a process dies.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import OperationalError

WAIT_SECONDS = 20.0
_ASKED_BY_SQLITE_MS = 3
_READS = ("SELECT", "PRAGMA", "EXPLAIN")


def take_turns(connection: Any, **_signal: Any) -> None:
    """Let a new connection wait like this; a receiver of `connection_created`."""
    if connection.vendor != "sqlite" or not Path(connection.settings_dict["NAME"]).is_file():
        return
    connection.connection.execute(f"PRAGMA busy_timeout = {_ASKED_BY_SQLITE_MS}")
    if not any(isinstance(wrapper, _Turns) for wrapper in connection.execute_wrappers):
        connection.execute_wrappers.append(_Turns(f"{connection.settings_dict['NAME']}-turn"))


class _Turns:
    """Wraps the statements of one connection; those within a transaction have the lock already."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._descriptor = -1
        self._process = 0

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,  # noqa: FBT001 - Django calls it so
        context: dict[str, Any],
    ) -> Any:
        if context["connection"].in_atomic_block:
            return execute(sql, params, many, context)
        end = time.monotonic() + WAIT_SECONDS
        if sql.lstrip().upper().startswith(_READS):
            return _patiently(lambda: execute(sql, params, many, context), end)
        with self._turn(end):
            return _patiently(lambda: execute(sql, params, many, context), end)

    @contextmanager
    def _turn(self, end: float) -> Iterator[None]:
        """Be the one that waits for the writer; without the turn in time SQLite alone decides."""
        file = self._open()
        while not _locked(file) and time.monotonic() < end:
            _pause()
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _open(self) -> int:
        """The file of the turns; a forked process needs a lock of its own."""
        if self._process != os.getpid():
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._process = os.getpid()
        return self._descriptor

    def __del__(self) -> None:
        if self._process == os.getpid():
            os.close(self._descriptor)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _patiently(execute: Callable[[], Any], end: float) -> Any:
    """Try again what the lock kept from beginning: nothing of it was done."""
    while True:
        try:
            return execute()
        except OperationalError as error:
            if not _is_busy(error) or time.monotonic() > end:
                raise
        _pause()


def _is_busy(error: OperationalError) -> bool:
    cause = error.__cause__
    code = cause.sqlite_errorcode if isinstance(cause, sqlite3.OperationalError) else 0
    return code & 0xFF == sqlite3.SQLITE_BUSY


def _pause() -> None:
    time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311 - a pause, no secret
