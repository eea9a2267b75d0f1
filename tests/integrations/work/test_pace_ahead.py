"""Slots of the pace that many calls share where the rate is far away: few statements, no disk."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.manifest_parts import Rate
from integrations.pace import SharedLimiter
from integrations.threads import on_threads
from tests.integrations.sync.worlds import World

FAR_AWAY = Rate(per_second=1_000_000, source="test")


def test_many_calls_on_threads_share_the_slots_that_one_of_them_reserved(world: World) -> None:
    limiter = SharedLimiter(world.integration("aha").credentials_id or 0, FAR_AWAY)
    limiter.take()

    began = time.monotonic()
    with CaptureQueriesContext(connection) as asked:
        waited = list(on_threads(lambda _call: limiter.take(), range(200), most=32))

    assert [seconds for _place, seconds in waited] == [0.0] * 200
    # One for each of 2, 4, 8 ... 128 calls; more where this machine is slow and slots run out,
    # which they do ten times a second.
    assert len(asked) <= 40 + 20 * (time.monotonic() - began)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such setting.")
def test_only_slots_go_without_waiting_for_the_disk(world: World) -> None:
    limiter = SharedLimiter(world.integration("aha").credentials_id or 0, FAR_AWAY)

    with CaptureQueriesContext(connection) as asked:
        limiter.take()
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        left = cursor.fetchone()

    assert any("synchronous_commit" in one["sql"] for one in asked)
    assert left == ("on",)
