"""Batches of one run side by side: while the database writes one, the next is made ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from django.db import connection

Batch = TypeVar("Batch")
_HANDS = 2  # More would only wait for each other: Python prepares one batch at a time.


def do_batches(batches: Iterator[Batch], do: Callable[[Batch], None]) -> None:
    """Call `do` for each batch, two at a time on PostgreSQL, in turn elsewhere.

    Batches must not touch each other's rows, and `do` must be safe in threads; it commits by
    itself. SQLite has one writer, and inside a transaction no other connection would see its rows:
    there the caller does it all. After the first error no batch is begun; it is raised when those
    under way have ended.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        for batch in batches:
            do(batch)
        return
    hands = _Hands(batches, do)
    helpers = [
        threading.Thread(target=hands.help, name=f"batches-{number}") for number in range(1, _HANDS)
    ]
    for helper in helpers:
        helper.start()
    hands.work()
    for helper in helpers:
        helper.join()
    if hands.errors:
        raise hands.errors[0]


class _Hands(Generic[Batch]):
    """What the threads share; whoever is free takes the next batch."""

    def __init__(self, batches: Iterator[Batch], do: Callable[[Batch], None]) -> None:
        self._batches = batches
        self._do = do
        self._next = threading.Lock()
        self.errors: list[BaseException] = []

    def work(self) -> None:
        """Do batches until there are no more, or one of them failed."""
        try:
            while (batch := self._take()) is not None:
                self._do(batch)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.errors.append(error)

    def help(self) -> None:
        """Work in a thread of its own, with a connection of its own."""
        try:
            self.work()
        finally:
            connection.close()

    def _take(self) -> Batch | None:
        with self._next:
            return None if self.errors else next(self._batches, None)
