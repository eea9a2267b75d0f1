"""A mail server on loopback that tells how far a mail has come, and refuses when it is told to."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

# The moments of one mail, in their order. From "taken" on it counts as delivered.
PHASES = ("connected", "hello", "sender", "recipient", "data", "taken", "answered", "goodbye")
_MESSAGE_ID = re.compile(rb"^Message-ID: (.*?)\r?$", re.IGNORECASE | re.MULTILINE)
_VERBS = {b"EHLO": "hello", b"HELO": "hello", b"MAIL": "sender", b"RCPT": "recipient"}

Watcher = Callable[[str], None]


@dataclass
class MailServer:
    """Serves one connection at a time, in the thread that calls `serve_one`.

    `refuse` is {phase: answer}, such as {"sender": "451 later"}; `delivered` counts Message-IDs.
    """

    refuse: Mapping[str, str] = field(default_factory=dict)
    delivered: Counter[str] = field(default_factory=Counter)
    texts: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.close()

    def close_listening(self) -> None:
        """In a forked process, which only sends."""
        self._listening.close()

    def serve_one(self, watch: Watcher = lambda _phase: None, *, seconds: float = 20.0) -> bool:
        """Serve the next connection to its end; False when none came in time."""
        self._listening.settimeout(seconds)
        try:
            connection, _address = self._listening.accept()
        except TimeoutError:
            return False
        connection.settimeout(seconds)
        with connection, suppress(OSError):  # whoever sent may be killed
            self._dialogue(connection, watch)
        return True

    def _dialogue(self, connection: socket.socket, watch: Watcher) -> None:
        stream = connection.makefile("rb")

        def answer(phase: str, good: str) -> bool:
            watch(phase)
            said = self.refuse.get(phase, good)
            connection.sendall(f"{said}\r\n".encode())
            return said == good

        if not answer("connected", "220 trial"):
            return
        while line := stream.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                if answer("data", "354 go on"):
                    self._take(stream.readline, answer)
                    watch("answered")
            elif verb == b"QUIT":
                answer("goodbye", "221 bye")
                return
            else:
                answer(_VERBS.get(verb, "other"), "250 fine")

    def _take(self, read_line: Callable[[], bytes], answer: Callable[[str, str], bool]) -> None:
        lines = []
        while (line := read_line()) not in {b".\r\n", b""}:
            lines.append(line)
        if not line:
            return
        text = b"".join(lines)
        if "taken" not in self.refuse:
            found = _MESSAGE_ID.search(text)
            self.delivered[found[1].decode() if found else "without an id"] += 1
            self.texts.append(text)
        answer("taken", "250 taken")
