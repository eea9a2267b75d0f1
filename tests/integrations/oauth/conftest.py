"""A vendor with a token server on loopback, and credentials that are connected to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from integrations.models import Credentials
from integrations.oauth import DatabaseTokens
from integrations.sandbox.server import Sandbox
from integrations.sealing import Edit, write_edit

ROTATING = {"rotate": True, "per_second": None}


@dataclass
class TokenWorld:
    """The vendor's side and its token server, with the addresses that credentials name."""

    sandbox: Sandbox
    vendor: str = "goto"

    @property
    def oauth(self) -> Any:
        """The token server, with its `store`."""
        return self.sandbox.state[self.vendor].oauth  # type: ignore[attr-defined]

    @property
    def url(self) -> str:
        return f"{self.sandbox.url}/{self.vendor}"

    def count(self, op: str) -> int:
        """How often the token server did something, such as `token.refresh`."""
        return int(self.oauth.store.counts[op])

    def change(self, **settings: Any) -> None:
        """Change settings of the vendor's side."""
        self.sandbox.state[self.vendor].settings.update(settings)

    def settings(self) -> dict[str, str]:
        return {
            "auth_url": f"{self.url}/oauth/authorize",
            "token_url": f"{self.url}/oauth/token",
        }

    def secrets(self) -> dict[str, str]:
        return dict(self.sandbox.credentials(self.vendor)["secrets"])

    def connected(self, name: str = "GoTo production", **fields: Any) -> Credentials:
        """Credentials with an imported refresh token and no access token yet."""
        row = Credentials(
            name=name,
            vendor=self.vendor,
            type=Credentials.Type.OAUTH2,
            settings=self.settings(),
            base_url=self.sandbox.base_url(self.vendor),
            **fields,
        )
        write_edit(row, Edit(by="maker", secrets=self.secrets()))
        return row

    def waiting(self, name: str = "GoTo production") -> Credentials:
        """Credentials that nobody has connected yet."""
        secrets = self.secrets()
        del secrets["refresh_token"]
        row = Credentials(
            name=name,
            vendor=self.vendor,
            type=Credentials.Type.OAUTH2,
            settings=self.settings(),
            base_url=self.sandbox.base_url(self.vendor),
        )
        write_edit(row, Edit(by="maker", secrets=secrets))
        return row


def tokens_of(row: Credentials, **options: Any) -> DatabaseTokens:
    """As another process would have them: nothing in memory."""
    return DatabaseTokens(Credentials.objects.get(pk=row.pk), **options)


@pytest.fixture
def world(settings: Any) -> Iterator[TokenWorld]:
    with Sandbox(people=5, seed=1, settings={"goto": ROTATING}) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        yield TokenWorld(running)
