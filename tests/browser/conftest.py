"""What lets a browser in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from config import groups


@pytest.fixture
def admin_cookies(live_server: LiveServer) -> list[Any]:
    """The cookies of an IT admin who is signed in."""
    user = User.objects.create_user("it", is_staff=True)
    user.groups.add(Group.objects.get(name=groups.IT_ADMIN))
    client = Client()
    client.force_login(user)
    return [
        {"name": name, "value": cookie.value, "url": live_server.url}
        for name, cookie in client.cookies.items()
    ]
