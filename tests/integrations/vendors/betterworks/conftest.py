"""One company at Betterworks' sandbox, an empty account, and clients that are closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.client import VendorClient
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import StateChange

from .account import FREE, VENDOR, Account, OpenClient, open_at


@pytest.fixture(scope="module")
def company() -> Iterator[Sandbox]:
    with Sandbox(people=150, seed=1, settings={VENDOR: FREE}) as running:
        yield running


@pytest.fixture
def sandbox(company: Sandbox, settings: Any) -> Iterator[Sandbox]:
    """One company for all tests that leave its records as they are; settings and faults go back."""
    settings.EGRESS_EXTRA_HOSTS = [company.url.removeprefix("http://")]
    settings.EGRESS_ALLOW_HTTP = True
    before = dict(company.state[VENDOR].settings)
    company.log.clear()
    yield company
    company.faults.clear()
    company.change(StateChange(vendor=VENDOR, settings=before))


@pytest.fixture
def open_client() -> Iterator[OpenClient]:
    opened: list[VendorClient] = []

    def at(base_url: str, **options: Any) -> VendorClient:
        opened.append(open_at(base_url, **options))
        return opened[-1]

    yield at
    for one in opened:
        one.close()


@pytest.fixture
def client(sandbox: Sandbox, open_client: OpenClient) -> Callable[..., VendorClient]:
    """Open a client of the sandbox, with corrected facts where they are given."""
    value = sandbox.credentials(VENDOR)["secrets"]["value"]

    def of(**overrides: Any) -> VendorClient:
        dotted = {name.replace("__", "."): fact for name, fact in overrides.items()}
        return open_client(sandbox.base_url(VENDOR), value=value, overrides=dotted)

    return of


@pytest.fixture
def empty(db: None, settings: Any) -> Iterator[Account]:
    """An account with its service user only, and an integration that is launched."""
    with Sandbox(people=0, seed=1, settings={VENDOR: FREE}) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield Account(running)
