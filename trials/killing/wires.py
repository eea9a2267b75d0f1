"""Loopback proxies between a worker and its vendor, and a worker and PostgreSQL.

They see each vendor request and each commit at every phase, and let the trap decide what happens.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from trials.killing.trap import Sprung, Trap

HOST = "127.0.0.1"
_SSL_OR_GSS = {80_877_103, 80_877_104}
_WRITES = (b"INSERT", b"UPDATE", b"DELETE")
_ENDINGS = (Sprung, OSError, asyncio.IncompleteReadError, asyncio.CancelledError)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Wires:
    """All proxies of a trial, in one thread with one event loop; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def to_vendor(self, port: int, trap: Trap) -> Wire:
        """A wire to the sandbox."""
        return self._open(lambda wire: _VendorWire(wire, port, trap).serve)

    def to_postgresql(self, port: int, trap: Trap) -> Wire:
        """A wire to the database server."""
        return self._open(lambda wire: _DatabaseWire(wire, port, trap).serve)

    def _open(self, make: Callable[[Wire], Serve]) -> Wire:
        wire = Wire(self._loop)
        asyncio.run_coroutine_threadsafe(wire.open(make(wire)), self._loop).result(10)
        return wire


class Wire:
    """One listening port; `quiet` waits until the last connection through it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.port = 0
        self._loop = loop
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self, serve: Serve) -> None:
        """Listen, and serve each connection until it ends."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - asyncio makes one for each connection
            self._open.add(task)
            try:
                with suppress(Sprung, OSError, asyncio.IncompleteReadError):
                    await serve(reader, writer)
            finally:
                self._open.discard(task)
                writer.transport.abort()

        self._server = await asyncio.start_server(connected, HOST, 0, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]

    def quiet(self, *, seconds: float = 5.0) -> None:
        """Wait until every connection has ended: what a dead process began is over then."""

        async def wait() -> None:
            if self._open:
                await asyncio.wait(set(self._open), timeout=seconds)

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(seconds + 5)

    def close(self) -> None:
        """Stop listening, and end what is still open."""

        async def end() -> None:
            if self._server is not None:
                self._server.close()
            for task in set(self._open):
                task.cancel()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)


class _VendorWire:
    """HTTP/1.1 with Content-Length, as the sandbox speaks it."""

    def __init__(self, wire: Wire, port: int, trap: Trap) -> None:
        self._port = port
        self._trap = trap

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass requests and answers on, one after another."""
        far_reader, far_writer = await asyncio.open_connection(HOST, self._port, limit=2**24)
        try:
            while True:
                request = await _message(reader)
                number = self._trap.next("request")
                await self._trap.reach("request", number, "not sent")
                far_writer.write(request)
                await far_writer.drain()
                await self._trap.reach("request", number, "in flight")
                answer = await _message(far_reader)
                await self._trap.reach("request", number, "answered")
                writer.write(answer)
                await writer.drain()
                await self._trap.reach("request", number, "after")
        finally:
            far_writer.transport.abort()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """One request or answer. Raises IncompleteReadError at the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return head + (await reader.readexactly(length) if length else b"")


class _DatabaseWire:
    """PostgreSQL's protocol, as far as needed to see commits.

    A commit is `COMMIT`, or a statement that writes outside of a transaction. Its answer is held
    back until it is whole.
    """

    def __init__(self, wire: Wire, port: int, trap: Trap) -> None:
        self._port = port
        self._trap = trap

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass messages both ways until one side ends."""
        start = await _startup(reader, writer)
        far_reader, far_writer = await asyncio.open_connection(HOST, self._port, limit=2**24)
        session = _Session(self._trap)
        try:
            far_writer.write(start)
            pumps = [
                asyncio.ensure_future(session.forward(reader, far_writer)),
                asyncio.ensure_future(session.answer(far_reader, writer)),
            ]
            done, waiting = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in waiting:
                pump.cancel()
            ends = await asyncio.gather(*done, *waiting, return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException) and not isinstance(end, _ENDINGS):
                    raise end
        finally:
            far_writer.transport.abort()


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The start-up message; encryption is declined, as on loopback."""
    while True:
        length = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(length, "big") - 4)
        if int.from_bytes(body[:4], "big") not in _SSL_OR_GSS:
            return length + body
        writer.write(b"N")


class _Session:
    """What is known of one connection to the database."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap
        self._status = b"I"
        self._commit: int | None = None

    async def forward(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        """From the worker to the server."""
        while True:
            kind, message = await _typed(reader)
            if kind == b"Q" and self._is_commit(message[5:]):
                self._commit = self._trap.next("commit")
                await self._trap.reach("commit", self._commit, "not sent")
            far.write(message)
            await far.drain()

    def _is_commit(self, sql: bytes) -> bool:
        begin = sql[:16].lstrip().upper()
        return begin.startswith(b"COMMIT") or (self._status == b"I" and begin.startswith(_WRITES))

    async def answer(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the server to the worker; the answer to a commit when it is complete."""
        held = b""
        while True:
            kind, message = await _typed(far)
            held += message
            ready = kind == b"Z"
            if ready:
                self._status = message[5:6]
            if self._commit is not None and not ready:
                continue
            number, self._commit = self._commit, None
            if number is not None:
                await self._trap.reach("commit", number, "answer on its way")
            writer.write(held)
            held = b""
            await writer.drain()
            if number is not None:
                await self._trap.reach("commit", number, "after")


async def _typed(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The kind of a message, and the whole of it."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
