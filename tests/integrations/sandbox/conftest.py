"""A running sandbox whose clock stands still until a test moves it, and callers of its vendors."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from integrations.sandbox.server import Sandbox
from integrations.vendors.bamboohr.sandbox import Vendor as BambooHR

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NO_LIMIT = {"per_minute": None, "per_second": None}
TIMEOUT = 10


class Clock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


class Caller:
    """Calls one vendor, signed rightly unless headers say otherwise."""

    def __init__(self, sandbox: Sandbox, vendor: str) -> None:
        self.sandbox = sandbox
        self.vendor = vendor

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {
            "Accept": "application/json",
            **{name.title(): value for name, value in self.signed().items()},
            **options.pop("headers", {}),
        }
        account = options.pop("account", "acme")
        url = self.sandbox.base_url(self.vendor).replace("/acme/", f"/{account}/") + path
        options.setdefault("allow_redirects", False)
        timeout = options.pop("timeout", TIMEOUT)
        return requests.request(method, url, headers=headers, timeout=timeout, **options)

    def signed(self) -> dict[str, str]:
        return self.sandbox.state[self.vendor].signed()

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def report(self, *fields: str, query: str = "?format=json", **more: Any) -> dict[str, Any]:
        """BambooHR's custom report, as JSON."""
        body = {"title": "test", "fields": list(fields), **more}
        answer = self("POST", f"/reports/custom{query}", json=body)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def rows(self, *fields: str, **more: Any) -> dict[str, dict[str, Any]]:
        """The rows of a custom report by id."""
        return {row["id"]: row for row in self.report(*fields, **more)["employees"]}


def oauth(sandbox: Sandbox) -> dict[str, str]:
    """Headers of a BambooHR call that is signed by an OAuth token."""
    side = sandbox.state["bamboohr"]
    assert isinstance(side, BambooHR)
    return {"Authorization": f"Bearer {side.oauth_token}"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    settings = {"aha": NO_LIMIT, "bamboohr": NO_LIMIT}
    with Sandbox(people=50, seed=1, now=clock.now, settings=settings) as running:
        yield running


@pytest.fixture
def bamboohr(sandbox: Sandbox) -> Caller:
    return Caller(sandbox, "bamboohr")


@pytest.fixture
def aha(sandbox: Sandbox) -> Caller:
    return Caller(sandbox, "aha")


@pytest.fixture
def goto(sandbox: Sandbox) -> Caller:
    from .goto_calls import GoTo

    caller = GoTo(sandbox, "goto")
    caller.change(**NO_LIMIT)
    return caller
