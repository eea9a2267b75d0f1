"""What the tests of `workflows:` in the configuration file share."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.integrations.configuration.files import SECRET


@pytest.fixture(autouse=True)
def aha_key(monkeypatch: pytest.MonkeyPatch, it_admin: User) -> str:
    """The secret that the files name, in the environment; and the user that they name."""
    monkeypatch.setenv("AHA_KEY", SECRET)
    return SECRET
