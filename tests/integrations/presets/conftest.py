"""A sandbox without people, and a desk at each of its vendors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.server import Sandbox

from .desk import NO_LIMIT, VENDORS, Desk


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    limits = dict.fromkeys(VENDORS, NO_LIMIT)
    with Sandbox(people=3, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def aha(db: None, sandbox: Sandbox) -> Desk:
    return Desk(sandbox, "aha")


@pytest.fixture
def shared_aha(transactional_db: None, sandbox: Sandbox) -> Desk:
    """The same, with rows that other threads see."""
    return Desk(sandbox, "aha")


@pytest.fixture
def betterworks(db: None, sandbox: Sandbox) -> Desk:
    return Desk(sandbox, "betterworks")


@pytest.fixture
def goto(db: None, sandbox: Sandbox) -> Desk:
    return Desk(sandbox, "goto")


@pytest.fixture
def shared_betterworks(transactional_db: None, sandbox: Sandbox) -> Desk:
    return Desk(sandbox, "betterworks")


@pytest.fixture
def shared_goto(transactional_db: None, sandbox: Sandbox) -> Desk:
    return Desk(sandbox, "goto")
