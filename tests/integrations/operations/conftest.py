"""A sandbox whose clock is that of the tests, and a desk from which calls are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.server import Sandbox

from .calls import NO_LIMIT, Clock, Desk


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(settings: Any, clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(people=3, seed=1, settings={"betterworks": NO_LIMIT}, now=clock) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def desk(db: None, sandbox: Sandbox, clock: Clock) -> Desk:
    return Desk(sandbox, clock)


@pytest.fixture
def shared_desk(transactional_db: None, sandbox: Sandbox, clock: Clock) -> Desk:
    """The same, with rows that other threads see."""
    return Desk(sandbox, clock)
