"""Who uses credentials besides integrations: apps above put their own answers here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from integrations.models import Credentials


@dataclass(frozen=True)
class Use:
    """Something that uses credentials, with the address of its page."""

    name: str
    url: str


# Each is asked once per page; who may see the page of credentials may read all of it.
CREDENTIALS_USED_BY: list[Callable[[Credentials], list[Use]]] = []


def other_uses(credentials: Credentials) -> list[Use]:
    """Everything besides integrations that uses the credentials."""
    return [use for uses in CREDENTIALS_USED_BY for use in uses(credentials)]
