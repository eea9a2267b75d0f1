"""A sandbox without people, and a desk at each of its vendors; rows that sending threads see."""

from __future__ import annotations

from tests.integrations.presets.conftest import sandbox
from tests.integrations.presets.conftest import shared_aha as aha
from tests.integrations.presets.conftest import shared_betterworks as betterworks
from tests.integrations.presets.conftest import shared_goto as goto

__all__ = ["aha", "betterworks", "goto", "sandbox"]
