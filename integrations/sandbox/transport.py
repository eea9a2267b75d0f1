"""HTTP/1.1 on loopback: keep-alive, no delayed packets, and every bad ending that faults need."""

import contextlib
import select
import socket
import struct
import sys
import threading
import traceback
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from integrations.sandbox.control import Controlled, control
from integrations.sandbox.exchange import Delivery, World, exchange
from integrations.sandbox.messages import Answer, Request

HOST = "127.0.0.1"
LARGEST_BODY = 20 * 1024**2
LONGEST_SILENCE = 3_600.0
DRIPS = 50
LARGE = 64 * 1024  # bytes of a body that is not copied behind its head


class Served(World, Controlled, Protocol):
    """The sandbox as the server needs it."""

    state: Any


class SandboxServer(ThreadingHTTPServer):
    """Serves one sandbox; a thread for each connection."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, sandbox: Served, port: int) -> None:
        self.sandbox = sandbox
        self.to_reset: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, port), _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="sandbox"
        )

    def server_bind(self) -> None:
        """Bind without the look-up of a host name that the standard library makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, close what is open, and wait for every thread."""
        self.shutdown()
        self._thread.join()
        with self._lock:
            open_now = list(self._open)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can close it."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one that is to be reset is not said goodbye to."""
        with self._lock:
            self._open.discard(request)
        if request in self.to_reset:
            self.to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are everyday; anything else is a mistake of the sandbox."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, lets the sandbox answer, sends it in one piece."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: SandboxServer

    def answer_request(self) -> None:
        """Answer whatever the method is."""
        body = self._body()
        if body is None:
            return
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        request = Request.from_target(self.command, self.path, headers=headers, body=body)
        try:
            delivery = self._delivery(request)
        except Exception:  # noqa: BLE001 - the client is told, the developer sees the trace
            traceback.print_exc()
            delivery = Delivery(Answer.of({"error": "The sandbox itself failed"}, status=500))
        self._deliver(delivery)

    def __getattr__(self, name: str) -> Any:
        """The standard library asks for `do_GET` and so on; every method is answered alike."""
        if name.startswith("do_"):
            return self.answer_request
        raise AttributeError(name)

    def _delivery(self, request: Request) -> Delivery:
        sandbox = self.server.sandbox
        if request.path.startswith("/__") and not request.path.startswith("/__elsewhere"):
            return Delivery(control(sandbox, request))
        return exchange(sandbox, request, self.path)

    def _body(self) -> bytes | None:
        """The request's body; None when it was refused and answered."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self._send(Answer.page(411, "Length required"), close=True)
            return None
        if int(length) > LARGEST_BODY:
            self._send(Answer.page(413, "Too large"), close=True)
            return None
        return self.rfile.read(int(length))

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.reset:
            self._reset()
        elif delivery.answer is None:
            self._stay_silent(delivery.hold or LONGEST_SILENCE)
        elif delivery.drip is not None:
            self._drip(delivery.answer, delivery.drip)
        elif delivery.cut:
            self._cut(delivery.answer)
        else:
            self._send(delivery.answer)

    def _send(self, answer: Answer, *, close: bool = False) -> None:
        self.close_connection = self.close_connection or close
        head = self._head(answer, close=self.close_connection)
        body = b"" if self.command == "HEAD" else answer.body
        if len(body) < LARGE:
            self.wfile.write(head + body)
        else:
            self.wfile.write(head)
            self.wfile.write(body)

    def _head(self, answer: Answer, *, close: bool) -> bytes:
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Date: {formatdate(usegmt=True)}"]
        if answer.content_type is not None:
            lines.append(f"Content-Type: {answer.content_type}")
        if answer.status not in {204, 304}:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines.extend(f"{name}: {value}" for name, value in answer.headers.items())
        if close:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def _drip(self, answer: Answer, seconds: float) -> None:
        """Send the head at once and the body in small pieces over so many seconds."""
        self.wfile.write(self._head(answer, close=False))
        step = max(1, len(answer.body) // DRIPS)
        for start in range(0, len(answer.body), step):
            if self.server.sandbox.stopping.wait(seconds / DRIPS):
                self.close_connection = True
                return
            self.wfile.write(answer.body[start : start + step])

    def _cut(self, answer: Answer) -> None:
        """Announce the whole body, send half of it, close."""
        head = self._head(answer, close=False)
        self.close_connection = True
        self.wfile.write(head + answer.body[: len(answer.body) // 2])

    def _stay_silent(self, seconds: float) -> None:
        """Answer nothing until the client goes away, the time is over or the sandbox stops."""
        self.close_connection = True
        waited = 0.0
        while waited < seconds and not self.server.sandbox.stopping.wait(0.05):
            waited += 0.05
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _reset(self) -> None:
        """Make the client see "connection reset by peer"."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.to_reset.add(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited name
        """Say nothing: the sandbox keeps a log of its own."""
