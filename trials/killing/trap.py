"""The points at which a process may be killed, and the trap that springs at one of them, once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

REQUEST_PHASES = ("not sent", "in flight", "answered", "after")
COMMIT_PHASES = ("not sent", "answer on its way", "after")
OWN_COMMIT_PHASES = ("before", "after")  # seen from inside of the process, on SQLite


@dataclass(frozen=True)
class Point:
    """The nth vendor request or commit of a process, and how far it has come."""

    kind: str
    number: int
    phase: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number}, {self.phase}"


class Sprung(Exception):
    """The connection on which the trap sprang is to be closed."""


class Trap:
    """Counts what passes on the wires of one attempt; at its point it calls `spring`.

    Then `close` ends that connection, `hold` lets nothing pass on it until `release`, and `go_on`
    passes it on.
    """

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.sprung = threading.Event()
        self._point: Point | None = None
        self._spring: Callable[[], None] = lambda: None
        self._then = "close"
        self._held = False

    def set(self, point: Point, spring: Callable[[], None], *, then: str = "close") -> None:
        """Arm it, counting from nothing."""
        self.count.clear()
        self.sprung.clear()
        self._point, self._spring, self._then = point, spring, then
        self._held = then == "hold"

    def release(self) -> None:
        """Let everything pass from now on."""
        self._point = None
        self._held = False

    def next(self, kind: str) -> int:
        """The number of the request or commit that begins."""
        self.count[kind] += 1
        return self.count[kind]

    async def reach(self, kind: str, number: int, phase: str) -> None:
        """Spring if this is the point. Raises Sprung when the connection is to be closed."""
        if self._point != Point(kind, number, phase):
            return
        self._point = None
        self._spring()
        self.sprung.set()
        while self._held:  # noqa: ASYNC110 - another thread releases it
            await asyncio.sleep(0.02)
        if self._then == "close":
            raise Sprung
