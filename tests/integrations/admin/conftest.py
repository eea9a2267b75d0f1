"""Signed-in browsers of each kind of user, and a sandbox to call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.sandbox.server import Sandbox


@pytest.fixture
def open_as() -> Callable[[User], Client]:
    def opened(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return opened


@pytest.fixture
def admin_page(it_admin: User, open_as: Callable[[User], Client]) -> Client:
    """An IT admin, in the group only; signed in just now."""
    return open_as(it_admin)


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    limits = {name: {"per_minute": None, "per_second": None} for name in ("aha", "bamboohr")}
    with Sandbox(people=20, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        yield running
