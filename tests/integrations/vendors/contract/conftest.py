"""One company for all contract tests of loads, mended after each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.registry import Vendor, get_vendor
from integrations.sandbox.server import Sandbox

from .world import NO_LIMITS, PEOPLE, Called, OpenClient, open_client


@pytest.fixture(scope="module")
def company() -> Iterator[Sandbox]:
    with Sandbox(people=PEOPLE, seed=1, settings=NO_LIMITS) as running:
        yield running


@pytest.fixture
def sandbox(company: Sandbox, settings: Any) -> Iterator[Sandbox]:
    """The vendors' side without faults, its log empty; changes of records stay until the end."""
    settings.EGRESS_EXTRA_HOSTS = [company.url.removeprefix("http://")]
    settings.EGRESS_ALLOW_HTTP = True
    company.log.clear()
    yield company
    company.faults.clear()
    company.closed_until.clear()


@pytest.fixture
def call(sandbox: Sandbox) -> Iterator[OpenClient]:
    """Open clients of the sandbox's vendors; by key, or a vendor with other facts."""
    opened: list[Called] = []

    def of(vendor: Vendor | str) -> Called:
        chosen = get_vendor(vendor) if isinstance(vendor, str) else vendor
        opened.append(open_client(sandbox, chosen))
        return opened[-1]

    yield of
    for one in opened:
        one.client.close()
