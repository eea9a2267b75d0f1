"""The two vendors of issue, each with a sandbox of its own and a launched integration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.server import Sandbox
from tests.integrations.bad_input.world import OpenWorld, World, open_world

NO_LIMIT = {"per_minute": None, "per_second": None}


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    limits = {"aha": NO_LIMIT, "bamboohr": NO_LIMIT}
    with Sandbox(people=30, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def open_vendor(transactional_db: None, sandbox: Sandbox) -> OpenWorld:
    def opened(vendor: str, **options: Any) -> World:
        return open_world(vendor, sandbox, **options)

    return opened


@pytest.fixture(params=["bamboohr", "aha"])
def world(request: pytest.FixtureRequest, open_vendor: OpenWorld) -> World:
    """Each vendor in turn."""
    return open_vendor(request.param)


@pytest.fixture
def bamboohr(open_vendor: OpenWorld) -> World:
    return open_vendor("bamboohr")


@pytest.fixture
def aha(open_vendor: OpenWorld) -> World:
    return open_vendor("aha")
