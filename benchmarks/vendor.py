"""A vendor that answers single calls as fast as it can, or after so many milliseconds.

`GET` and `PUT .../users/<id>`, and `GET .../user_roles`, in the shape of Aha!; with a limit, 429
above so many calls in any second. `GET /told` says what arrived since it was asked last;
`GET /answer/<milliseconds>/<limit>` says how it answers from then on (0: at once, no limit).
Prints its port, then serves.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque

import orjson

_HEAD = re.compile(rb"(GET|PUT) (\S+) HTTP/1.1\r\n(.*?)\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_WINDOW = 1.0


def answer(content: object, status: str = "200 OK", more: str = "") -> bytes:
    """A whole HTTP answer."""
    body = orjson.dumps(content)
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


def user(number: str) -> bytes:
    """One user with two roles, as a real answer has them."""
    roles = [
        {"role": role, "role_description": name, "product_id": "600001", "product_name": "Rockets"}
        for role, name in ((35, "Developer"), (40, "Reviewer"))
    ]
    return answer(
        {
            "user": {
                "id": number,
                "name": f"First{number} Last{number}",
                "email": f"user{number}@example.com",
                "created_at": "2024-05-01T08:42:00.000Z",
                "accessed_at": "2026-10-01T06:00:03.000Z",
                "product_roles": roles,
                "enabled": True,
                "paid_seat": True,
                "administrator": False,
            }
        }
    )


_ROLE = {"name": "Support", "role_id": "7", "scope": {"id": "1", "name": "Everything"}}
_ROLES = answer({"user_roles": [_ROLE], "pagination": {"total_pages": 1}})
_REFUSED = answer({"error": "Too many requests"}, "429 Too Many Requests", "Retry-After: 1\r\n")


class Told:
    """What arrived. One process, one thread: nothing to lock."""

    calls = refused = 0
    first = last = 0.0
    seconds = 0.0
    limit = 0
    recent: deque[float] = deque()

    @classmethod
    def note(cls) -> bool:
        """Count a call; whether it is within the limit."""
        now = time.monotonic()
        cls.calls += 1
        cls.first, cls.last = cls.first or now, now
        if not cls.limit:
            return True
        while cls.recent and cls.recent[0] <= now - _WINDOW:
            cls.recent.popleft()
        if len(cls.recent) >= cls.limit:
            cls.refused += 1
            return False
        cls.recent.append(now)
        return True

    @classmethod
    def read(cls) -> bytes:
        """Say it, and begin again."""
        told = answer({"calls": cls.calls, "refused": cls.refused, "seconds": cls.last - cls.first})
        cls.calls = cls.refused = 0
        cls.first = cls.last = 0.0
        return told


class Vendor(asyncio.Protocol):
    """One connection; requests come one after another, a body perhaps in a packet of its own."""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._data += data
        while head := _HEAD.match(self._data):
            length = _LENGTH.search(head[3])
            end = head.end() + (int(length[1]) if length else 0)
            if len(self._data) < end:
                return
            self._data = self._data[end:]
            self._answer(head[2])

    def _answer(self, target: bytes) -> None:
        if target == b"/told":
            self.transport.write(Told.read())
            return
        if target.startswith(b"/answer/"):
            milliseconds, limit = target.split(b"/")[2:]
            Told.seconds, Told.limit = float(milliseconds) / 1000, int(limit)
            self.transport.write(Told.read())
            return
        known = target.partition(b"?")[0].rpartition(b"/")[2].decode()
        if not Told.note():
            content = _REFUSED
        elif known == "user_roles":
            content = _ROLES
        else:
            content = user(known if known.isdigit() else "1")
        if Told.seconds:
            asyncio.get_running_loop().call_later(Told.seconds, self.transport.write, content)
        else:
            self.transport.write(content)


async def serve() -> None:
    """Serve on a free port of loopback until killed."""
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
