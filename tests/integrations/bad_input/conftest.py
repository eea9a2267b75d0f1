"""Vendors in a sandbox, each with a launched integration: two in depth, every one for a listing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.server import Sandbox
from tests.integrations.bad_input.world import OpenWorld, World, open_world
from tests.integrations.vendors.contract.world import NO_LIMITS, VENDORS


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=30, seed=1, settings=NO_LIMITS) as running:
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


@pytest.fixture(params=VENDORS)
def every_world(request: pytest.FixtureRequest, open_vendor: OpenWorld) -> World:
    """Each vendor that has a folder, in turn."""
    return open_vendor(request.param)


@pytest.fixture
def bamboohr(open_vendor: OpenWorld) -> World:
    return open_vendor("bamboohr")


@pytest.fixture
def aha(open_vendor: OpenWorld) -> World:
    return open_vendor("aha")
