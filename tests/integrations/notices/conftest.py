"""An empty company at vendors that serve over loopback HTTP, and mails kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.server import Sandbox
from tests.integrations.sync.worlds import NO_LIMIT, World


@pytest.fixture
def world(db: None, settings: Any) -> Iterator[World]:
    limits = {"aha": NO_LIMIT, "bamboohr": NO_LIMIT}
    with Sandbox(people=0, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield World(running)
