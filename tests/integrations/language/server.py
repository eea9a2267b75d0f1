"""A loopback server that answers what a test tells it to, byte by byte where that matters."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
REASONS = {200: "OK", 204: "No Content", 302: "Found", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass
class Reply:
    """What to send: a whole answer, or raw bytes with pauses, then perhaps nothing more."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: dict[str, str] = field(default_factory=dict)
    raw: Iterator[bytes] | None = None

    def pieces(self) -> Iterator[bytes]:
        if self.raw is not None:
            yield from self.raw
            return
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        if self.content_type is not None:
            lines.append(f"Content-Type: {self.content_type}")
        if not any(name.lower() == "content-length" for name in self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        lines.extend(f"{name}: {value}" for name, value in self.headers.items())
        yield ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if self.body:
            yield self.body


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """An answer that holds JSON; `Retry_After="1"` becomes the header Retry-After."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), headers=named)


Answering = Callable[[Seen], Reply]


class Server:
    """Serves one connection per thread; `seen` holds every request."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.connections = 0
        self._stopping = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.port = int(self._socket.getsockname()[1])

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.origin}/api/v1"

    @property
    def targets(self) -> list[str]:
        return [seen.target for seen in self.seen]

    def start(self) -> None:
        self._thread(self._accept)

    def stop(self) -> None:
        self._stopping.set()
        for one in [*self._open, self._socket]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _thread(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._thread(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        try:
            while (seen := self._read(reader)) is not None:
                self.seen.append(seen)
                reply = self.answer(seen)
                for piece in reply.pieces():
                    connection.sendall(piece)
                if reply.raw is not None:
                    break
        except OSError:
            pass
        finally:
            reader.close()
            connection.close()

    def _read(self, reader: Any) -> Seen | None:
        line = reader.readline().decode("latin-1").strip()
        if not line:
            return None
        method, target, _ = line.split(" ")
        headers: dict[str, str] = {}
        while text := reader.readline().decode("latin-1").strip():
            name, _, value = text.partition(":")
            assert name not in headers, f"{name} was sent twice"
            headers[name] = value.strip()
        body = reader.read(int(headers.get("Content-Length", "0")))
        return Seen(method, target, headers, body, time.monotonic())


@contextmanager
def serving(answer: Answering) -> Iterator[Server]:
    """Serve for as long as the block lasts."""
    server = Server(answer)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def in_turn(*replies: Reply) -> Answering:
    """Answer with one reply after the other; the last one stays."""
    waiting = list(replies)
    lock = threading.Lock()

    def answer(_seen: Seen) -> Reply:
        with lock:
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return answer
