"""An account of GoTo's sandbox, clients of it, and credentials that are connected to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from django.contrib.auth.models import User

from integrations import services
from integrations.auth import Access
from integrations.client import VendorClient
from integrations.models import Credentials, Integration, SyncRun
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from integrations.secrets import seal
from integrations.vendors.goto.sandbox import Vendor as Side
from people.models import PersonRole
from tests.integrations.sync.worlds import sync
from tests.makers import make_mapping, make_user

VENDOR = "goto"
FREE: dict[str, Any] = {"per_minute": None, "per_second": None}
FAST: dict[str, Any] = {"rate.per_second": 1000}
OWNER = "key-owner@acme.example"
MAPPINGS: tuple[dict[str, Any], ...] = (
    {"source": "email", "target": "email", "sync_key": 1},
    {"source": "email", "target": "username"},
    {"source": "first_name", "target": "first_name"},
    {"source": "last_name", "target": "last_name"},
)
_NUMBERS = itertools.count(5_000_000)
OpenClient = Callable[..., VendorClient]


@dataclass
class FreshTokens:
    """Refreshes at the token endpoint whenever it is asked to; counts how often."""

    sandbox: Sandbox
    token: str = ""
    refreshes: int = field(default=0)

    def current(self) -> str:
        """The last token, or the first one."""
        return self.token or self.renew("")

    def renew(self, refused: str) -> str:
        """Another token, by the imported grant."""
        del refused
        given = self.sandbox.credentials(VENDOR)
        secrets = given["secrets"]
        answer = requests.post(
            given["settings"]["token_url"],
            auth=(secrets["client_id"], secrets["client_secret"]),
            data={"grant_type": "refresh_token", "refresh_token": secrets["refresh_token"]},
            timeout=10,
        )
        self.refreshes += 1
        self.token = answer.json()["access_token"]
        return self.token


def open_client(
    base_url: str, tokens: Any, *, account_key: str, overrides: dict[str, Any] | None = None
) -> VendorClient:
    """A client with access tokens from `tokens`, that does not sleep."""
    access = Access(
        credentials_id=next(_NUMBERS),
        name="GoTo production",
        type="oauth2",
        base_url=base_url,
        overrides={**FAST, **(overrides or {})},
        tokens=tokens,
    )
    inputs = {"account_key": account_key}
    return VendorClient(get_vendor(VENDOR), access, inputs=inputs, sleep=lambda _seconds: None)


def side_of(sandbox: Sandbox) -> Side:
    """GoTo's side of a sandbox."""
    side = sandbox.state[VENDOR]
    assert isinstance(side, Side)
    return side


def make_goto_credentials(sandbox: Sandbox, name: str = "GoTo production") -> Credentials:
    """Credentials with the imported grant of the sandbox, sealed."""
    given = sandbox.credentials(VENDOR)
    credentials = Credentials(
        name=name,
        vendor=VENDOR,
        type=Credentials.Type.OAUTH2,
        settings=given["settings"],
        base_url=sandbox.base_url(VENDOR),
        overrides=dict(FAST),
    )
    seal(credentials, given["secrets"], by="maker")
    credentials.save()
    return credentials


class Account:
    """A GoTo account that has its owner only, and an integration that reads it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.side = side_of(sandbox)
        self.side.owner_key = self.add("Key-Owner", adminRoles=["SUPER_USER"])
        PersonRole.objects.get_or_create(name="Employee")
        self.credentials = make_goto_credentials(sandbox)
        self.integration = Integration.objects.create(
            name="GoTo users",
            vendor=VENDOR,
            load="users",
            user_selection="user_plus_saas_user",
            credentials=self.credentials,
            inputs=self.side.inputs(),
            run_as=User.objects.first() or make_user("runner"),
        )
        for mapping in MAPPINGS:
            make_mapping(self.integration, **mapping)
        services.launch(self.integration, by="admin")

    def add(self, first_name: str, **values: Any) -> str:
        """A user who is active and has no role; the key."""
        email = f"{first_name.lower()}@acme.example"
        named = {"email": email, "firstName": first_name, "lastName": "Example"}
        change = StateChange(vendor=VENDOR, add=[{**named, **values}])
        return self.sandbox.change(change)[VENDOR][0]

    def change(self, key: str, **values: Any) -> None:
        """Set values of a user, as an admin of GoTo would."""
        one = RecordChange(id=key, set=values)
        self.sandbox.change(StateChange(vendor=VENDOR, change=[one]))

    def remove(self, key: str) -> None:
        """Take a user away."""
        self.sandbox.change(StateChange(vendor=VENDOR, delete=[key]))

    def set(self, **settings: Any) -> None:
        """Change settings of GoTo's side."""
        self.sandbox.change(StateChange(vendor=VENDOR, settings=settings))

    def sync(self) -> SyncRun:
        """Run the load."""
        return sync(self.integration)

    def effects(self) -> list[tuple[str, str]]:
        """(op, user key) of what was changed at GoTo, refreshes left out."""
        return [(one.op, one.id) for one in self.sandbox.ledger if not one.op.startswith("token.")]
