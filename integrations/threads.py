"""Vendor calls on threads: one pool per process, and one database connection for all of a batch.

The thread that asks works as a desk: what a sending thread wants of the database (a slot of the
pace, a mark before a send) is done there, on the connection that is open already.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import connections

Item = TypeVar("Item")
Result = TypeVar("Result")
# After so many seconds a thread lets other batches have their turn.
_TURN = 1.0
_TOLD_AT_ONCE, _TOLD_AFTER = 16, 0.05


class _Current(threading.local):
    """The desk that this thread sends for, if it sends for one."""

    desk: _Desk[Any, Any] | None = None


_current = _Current()
_POOLS: dict[int, ThreadPoolExecutor] = {}
_POOLS_LOCK = threading.Lock()


def sending_threads() -> int:
    """How many calls one process has under way at most (the setting SENDING_THREADS)."""
    return max(1, int(settings.SENDING_THREADS))


def at_desk(do: Callable[[], Result]) -> Result:
    """Do what needs the database: in a sending thread at the desk of its batch, else right here.

    Raises what `do` raises.
    """
    desk = _current.desk
    return do() if desk is None else desk.ask(do)


def on_threads(
    do: Callable[[Item], Result], items: Sequence[Item], *, most: int | None = None
) -> Generator[tuple[int, Result]]:
    """Do something with each item on the sending threads; gives (place, result) as they end.

    No more than `most` at once. Not in a transaction, and not in a sending thread. What `do` raises
    is raised here when the others that had begun have ended; nothing more is begun then. The same
    where the caller goes on without taking every result. Only what breaks a process off, which is
    no Exception, is not kept waiting.
    """
    if len(items) == 1:
        yield 0, do(items[0])
        return
    desk = _Desk(do, items)
    desk.open(min(len(items), most or sending_threads(), sending_threads()))
    try:
        yield from desk.serve()
    except (Exception, GeneratorExit):
        desk.close()
        raise
    except BaseException:
        # This process is to end (F-06): a vendor that does not answer must not keep it.
        desk.leave()
        raise


class _Desk(Generic[Item, Result]):
    """One batch: what is still to be done, and the words of the threads that do it."""

    def __init__(self, do: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._do = do
        self._left = iter(enumerate(items))
        self._lock = threading.Lock()
        self._words: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._done: deque[tuple[int, Result]] = deque()
        self._told = 0.0
        self._threads = 0
        self._open = True
        self._left_alone = False
        self._failure: BaseException | None = None

    def open(self, threads: int) -> None:
        """Put so many threads to work."""
        self._threads = threads
        for _number in range(threads):
            _pool().submit(self._work)

    def serve(self) -> Iterator[tuple[int, Result]]:
        """Answer the threads until the last has left; give the results. Raises what one raised."""
        while self._threads:
            kind, word = self._words.get()
            if kind == "asks":
                _answer(*word)
            elif kind == "left":
                self._threads -= 1
            while self._done:
                yield self._done.popleft()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way. Nobody is at the desk any more."""
        self._open = False
        while self._threads:
            kind, word = self._words.get()
            if kind == "asks":
                word[1].set_exception(RuntimeError("The batch has ended."))
            elif kind == "left":
                self._threads -= 1

    def leave(self) -> None:
        """Begin nothing more and wait for nobody; who asks from now on is refused."""
        self._open = False
        self._left_alone = True
        self._turn_away()

    def _turn_away(self) -> None:
        with suppress(Empty):
            while True:
                kind, word = self._words.get_nowait()
                if kind == "asks":
                    word[1].set_exception(RuntimeError("The batch was broken off."))

    def ask(self, do: Callable[[], Any]) -> Any:
        """Have something done at the desk; called by sending threads."""
        future: Future[Any] = Future()
        self._words.put(("asks", (do, future)))
        if self._left_alone:
            self._turn_away()
        return future.result()

    def _work(self) -> None:
        """Take items until none is left, or until it is the turn of other batches."""
        until = time.monotonic() + _TURN
        _current.desk = self
        try:
            while (next_one := self._next()) is not None:
                place, item = next_one
                self._done.append((place, self._do(item)))
                self._tell()
                if time.monotonic() > until:
                    _pool().submit(self._work)
                    return
        except BaseException as problem:  # noqa: BLE001 - raised again by who asked
            self._open = False
            self._failure = problem
        finally:
            _current.desk = None
            connections.close_all()  # of this thread, should a call have opened one
        self._words.put(("left", None))

    def _tell(self) -> None:
        """Wake the desk for some results at once: each waking costs as much as half a call."""
        now = time.monotonic()
        if len(self._done) >= _TOLD_AT_ONCE or now - self._told > _TOLD_AFTER:
            self._told = now
            self._words.put(("done", None))

    def _next(self) -> tuple[int, Item] | None:
        if not self._open:
            return None
        with self._lock:
            return next(self._left, None)


def _answer(do: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(do())
    except BaseException as problem:
        future.set_exception(problem)
        if not isinstance(problem, Exception):
            raise


def _pool() -> ThreadPoolExecutor:
    """The pool of this process; a forked child has none of its parent's threads."""
    with _POOLS_LOCK:
        pool = _POOLS.get(os.getpid())
        if pool is None:
            _POOLS.clear()
            pool = _POOLS[os.getpid()] = ThreadPoolExecutor(
                sending_threads(), thread_name_prefix="sending"
            )
        return pool
