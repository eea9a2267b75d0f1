"""A test database of a trial's own, in the database that DATABASE_URL names, SQLite by default."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def own_database(tag: str) -> Iterator[None]:
    """Make Django ready and an empty database with every migration; drop it afterwards."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    os.environ["TEST_DB_SUFFIX"] = f"_{tag}_{os.getpid()}"
    import django

    django.setup()
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def fork(do: Callable[[], None]) -> int:
    """Do something in a process of its own, with connections of its own; gives its id.

    Whatever it raises ends it. The caller must not hold a transaction.
    """
    from django.db import connections

    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    try:
        do()
    finally:
        os._exit(0)


def kill(pid: int) -> None:
    """End a process of ours without a word, if it still lives, and wait until it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    os.waitpid(pid, 0)


def die() -> None:
    """End this process without a word."""
    os.kill(os.getpid(), signal.SIGKILL)
