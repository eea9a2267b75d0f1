"""A company at the sandbox, the readers of the source documents, a shell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from integrations.sandbox.server import Sandbox
from tests.stories.company import Company, Shell
from tests.stories.reader import Reader

_VENDORS = ("aha", "bamboohr", "betterworks", "goto", "monday")


@pytest.fixture
def company(transactional_db: None, settings: Any) -> Iterator[Company]:
    """Twelve workers whom every vendor knows, and no limit of calls."""
    limits: dict[str, dict[str, Any]] = {
        vendor: {"per_minute": None, "per_second": None} for vendor in _VENDORS
    }
    with Sandbox(people=12, seed=1, settings=limits) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield Company(sandbox)


@pytest.fixture
def reader(company: Company, it_admin: User) -> Reader:
    """An IT admin, by the group alone."""
    return Reader(it_admin)


@pytest.fixture
def hr(company: Company, hr_viewer: User) -> Reader:
    """An HR viewer, by the group alone."""
    return Reader(hr_viewer)


@pytest.fixture
def shell(company: Company, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A terminal."""
    return Shell(capsys)
