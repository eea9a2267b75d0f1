"""Counting the commits of a process on SQLite from inside, and killing it at one of them.

SQLite has no wire to listen on. This is installed in a worker of a trial only, around Django's
own connection; the product knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from django.db.backends.signals import connection_created

WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Tally:
    """How many commits there were; at one of them the process group kills itself."""

    def __init__(self, number: int | None, phase: str) -> None:
        self.number = 0
        self._kill_at = number
        self._phase = phase
        self._lock = threading.Lock()

    def next(self) -> int:
        """The number of the commit that is about to be made."""
        with self._lock:
            self.number += 1
            return self.number

    def reach(self, number: int, phase: str) -> None:
        """Die here, if this is the place."""
        if (number, phase) == (self._kill_at, self._phase):
            os.killpg(os.getpgrp(), signal.SIGKILL)


class Newest:
    """The newest row of a table, by which it is seen whether a commit is about to add any."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._id = 0
        self._lock = threading.Lock()

    def grew(self, connection: Any) -> bool:
        """Whether there are rows since the last look; those not yet committed count. One query."""
        with self._lock, connection.cursor() as cursor:
            cursor.execute(f'SELECT coalesce(max(id), 0) FROM "{self._table}"')  # noqa: S608 - ours
            before, self._id = self._id, max(self._id, cursor.fetchone()[0])
            return self._id > before


def count_commits(kill: tuple[int, str] | None) -> Tally:
    """Count the commits of every connection that this process opens from now on."""
    tally = Tally(*(kill or (None, "")))

    def watch(connection: Any, **_rest: Any) -> None:
        commit = connection._commit

        def counted_commit() -> None:
            number = tally.next()
            tally.reach(number, "before")
            commit()
            tally.reach(number, "after")

        def counted_statement(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            if connection.in_atomic_block or not sql.lstrip().upper().startswith(WRITES):
                return execute(sql, *rest)
            number = tally.next()
            tally.reach(number, "before")
            result = execute(sql, *rest)
            tally.reach(number, "after")
            return result

        connection._commit = counted_commit
        connection.execute_wrappers.append(counted_statement)

    connection_created.connect(watch, weak=False)
    return tally


def die_at_addition(table: str, kill: tuple[int, str]) -> None:
    """Die at the nth commit that adds rows to a table, on either kind of database."""
    tally, newest = Tally(*kill), Newest(table)

    def watch(connection: Any, **_rest: Any) -> None:
        commit = connection._commit
        newest.grew(connection)

        def watched_commit() -> None:
            number = tally.next() if newest.grew(connection) else 0
            tally.reach(number, "before")
            commit()
            tally.reach(number, "after")

        connection._commit = watched_commit

    connection_created.connect(watch, weak=False)
