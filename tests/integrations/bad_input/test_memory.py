"""Answers that are made to be large: what a worker's memory is at most while it meets them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from integrations import services
from integrations.models import Integration
from tests.integrations.bad_input.processes import execute_apart
from tests.integrations.bad_input.world import World

MEGABYTE = 1024 * 1024
MOST = 300  # MB of memory of the whole process (S-13)
SMILE = "\N{GRINNING FACE}".encode()
ROW = (
    b'{"id":"%d","workEmail":"a%d@acme.example","email":"a%d@acme.example","name":"Ann %d",'
    b'"status":"Active","employmentHistoryStatus":"Full-Time","about":"%s"}'
)
HEAD = {
    "bamboohr": b'{"fields":[{"id":"status"},{"id":"employmentHistoryStatus"}],"employees":[',
    "aha": b'{"users":[',
}


def large_answers(head: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and body; each body is small when it is compressed."""
    yield "200 MB of blanks", b"[" + b" " * (200 * MEGABYTE) + b"]"
    yield "19 MB of empty objects", head + b"{}," * (19 * MEGABYTE // 3) + b"{}]}"
    yield "19 MB of empty lists elsewhere", b'{"x":[' + b"[]," * (19 * MEGABYTE // 3) + b"[]]}"
    keys = b",".join(b'"key%d":1' % number for number in range(1_400_000))
    yield "1,400,000 keys in one record", head + b"{" + keys + b"}]}"
    wide = SMILE + b"a" * (19 * MEGABYTE)
    yield "19 MB of text with four bytes a letter", head + b'{"id":"1","x":"' + wide + b'"}]}'
    spoiled = b'{"id":"1","x":"\\ud800' + SMILE + b"a" * (7 * MEGABYTE)
    yield "7 MB of such text with half a letter", head + spoiled + b'"}]}'


def test_memory_stays_bounded_whatever_an_answer_is_made_of(world: World) -> None:
    """S-13: each in a worker of its own, which is watched by what the kernel says of it."""
    peaks = {}

    for name, body in large_answers(HEAD[world.vendor]):
        peaks[name] = _peak(world, body)

    assert all(peak < MOST for peak in peaks.values()), peaks


def test_a_report_of_the_largest_size_that_is_read_fits_into_memory(bamboohr: World) -> None:
    """S-13: 120 MB of good employees in one answer, with fields that nobody asked for."""
    rows = b",".join(ROW % (n, n, n, n, b"y" * 6_000) for n in range(1, 20_001))

    peak = _peak(bamboohr, HEAD["bamboohr"] + rows + b"]}", state="done")

    assert peak < MOST


def _peak(world: World, body: bytes, *, state: str | None = None) -> int:
    packed = gzip.compress(body, 1)
    world.fault("body", body=packed, headers={"Content-Encoding": "gzip"})
    integration = Integration.objects.get(pk=world.integration.pk)
    done = execute_apart(services.queue_run(integration, by="admin").pk)
    world.heal()
    assert done["code"] in {"", "too_large", "not_json", "contradiction"}
    assert state in (None, done["state"])
    peak: int = done["peak"]
    return peak
