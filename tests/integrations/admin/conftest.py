"""Signed-in browsers of each kind of user, and a sandbox to call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.server import Sandbox


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    limits = {name: {"per_minute": None, "per_second": None} for name in ("aha", "bamboohr")}
    with Sandbox(people=20, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        yield running
