"""A vendor that answers as fast as it can: Aha!'s user listing, its pages rendered beforehand.

`GET .../users?page=N&per_page=200`, `GET .../me`, and `POST /version/K`: from version K > 0 on,
every hundredth record has another name and another last sign-in. Prints its port, then serves.
"""

from __future__ import annotations

import asyncio
import re
import sys

import orjson

PER_PAGE = 200
_LINE = re.compile(rb"(GET|POST) (\S+) HTTP")
_PAGE = re.compile(rb"[?&]page=(\d+)")


def record(number: int, version: int) -> dict[str, object]:
    """One user, with the fields and the two roles that a real answer has."""
    moved = version if number % 100 == 0 else 0
    return {
        "id": str(6_700_000_000_000_000_000 + number),
        "name": f"First{number} Last{number}" + (f" {moved}" if moved else ""),
        "email": f"user{number}@example.com",
        "created_at": "2024-05-01T08:42:00.000Z",
        "updated_at": "2026-11-19T06:22:03.000Z",
        "accessed_at": f"2026-10-{1 + number % 28:02}T06:{moved % 60:02}:03.000Z",
        "product_roles": [
            {
                "role": role,
                "role_description": name,
                "product_id": str(600_000 + number % 7 + step),
                "product_name": f"Product {number % 7 + step}",
            }
            for step, (role, name) in enumerate(((35, "Developer"), (40, "Reviewer")))
        ],
        "enabled": True,
        "paid_seat": number % 3 == 0,
        "administrator": False,
        "identity_provider": {"type": "password"},
    }


def answer(content: object) -> bytes:
    """A whole HTTP answer."""
    body = orjson.dumps(content)
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def render(records: int, version: int) -> list[bytes]:
    """Every page of a version, ready to send."""
    pages = -(-records // PER_PAGE)
    return [
        answer(
            {
                "users": [
                    record(number, version)
                    for number in range(first, min(first + PER_PAGE, records))
                ],
                "pagination": {
                    "total_records": records,
                    "total_pages": pages,
                    "current_page": first // PER_PAGE + 1,
                },
            }
        )
        for first in range(0, records, PER_PAGE)
    ]


class Source(asyncio.Protocol):
    """One connection; requests come one after another and are small enough for one packet."""

    pages: list[bytes]
    records: int
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        line = _LINE.match(data)
        target = line[2] if line else b""
        if target.startswith(b"/version/"):
            Source.pages = render(self.records, int(target.rsplit(b"/", 1)[1]))
            self.transport.write(answer({"ok": True}))
        elif target.split(b"?")[0].endswith(b"/users"):
            asked = _PAGE.search(target)
            self.transport.write(self.pages[int(asked[1]) - 1 if asked else 0])
        else:
            self.transport.write(answer({"user": {"id": "1", "email": "owner@example.com"}}))


async def serve(records: int) -> None:
    """Serve on a free port of loopback until killed."""
    Source.records, Source.pages = records, render(records, 0)
    server = await asyncio.get_running_loop().create_server(Source, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
