"""Signed-in clients, for the tests of pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client


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
