"""What every test may ask for: users in their groups, Chromium's path, the hypothesis profile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, settings

from config import groups
from tests.emptying import empty_after_tests_that_commit

# A shared machine is slow now and then: no deadline. The suite tries the same examples each time;
# `--hypothesis-profile=explore` tries others, and more. Failures print what repeats them.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "explore", settings.get_profile("suite"), derandomize=False, max_examples=1_000
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The test database, which tests that commit leave as they found it."""
    with django_db_blocker.unblock():
        empty_after_tests_that_commit()


CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of Chromium: CHROMIUM_PATH, else what is installed; None when there is none."""
    named = os.environ.get("CHROMIUM_PATH")
    if named:
        return named
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("postgresql") and connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: set DATABASE_URL")
    if item.get_closest_marker("browser") and find_chromium() is None:
        if os.environ.get("REQUIRE_ALL"):
            pytest.fail("needs Chromium, and REQUIRE_ALL is set")
        pytest.skip("needs Chromium")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium for Playwright; only tests that are marked `browser` may ask."""
    path = find_chromium()
    assert path, "a test that uses Chromium must be marked `browser`"
    return path


def make_user(username: str, group: str) -> User:
    """A user who may sign in and is in exactly this group."""
    user = User.objects.create_user(username, f"{username}@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def it_admin(db: None) -> User:
    """In the group IT admin, not a superuser: permissions come from the group alone."""
    return make_user("it-admin", groups.IT_ADMIN)


@pytest.fixture
def hr_viewer(db: None) -> User:
    return make_user("hr-viewer", groups.HR_VIEWER)


@pytest.fixture
def auditor(db: None) -> User:
    return make_user("auditor", groups.AUDITOR)


@pytest.fixture
def workflow_editor(db: None) -> User:
    return make_user("workflow-editor", groups.WORKFLOW_EDITOR)


@pytest.fixture
def open_as() -> Callable[[User], Client]:
    """What signs a user in, just now."""

    def opened(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return opened


@pytest.fixture
def admin_page(it_admin: User, open_as: Callable[[User], Client]) -> Client:
    """An IT admin, in the group only; signed in just now."""
    return open_as(it_admin)
