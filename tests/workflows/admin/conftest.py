"""Signed-in browsers, for the pages of workflows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def editor_page(workflow_editor: User, open_as: Callable[[User], Client]) -> Client:
    """A workflow editor, in the group only."""
    return open_as(workflow_editor)
