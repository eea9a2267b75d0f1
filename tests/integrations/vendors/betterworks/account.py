"""A Betterworks account at the sandbox, clients of it, and an integration that reads it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

from integrations import services
from integrations.auth import Access
from integrations.client import VendorClient
from integrations.models import Integration, SyncRun
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from people.models import PersonRole
from tests.integrations.sync.worlds import sync
from tests.makers import make_credentials, make_mapping, make_user

VENDOR = "betterworks"
FREE: dict[str, Any] = {"per_minute": None, "per_second": None}
FAST: dict[str, Any] = {"rate.per_second": 1000}
MAPPINGS: tuple[dict[str, Any], ...] = (
    {"source": "email", "target": "email", "sync_key": 1},
    {"source": "email", "target": "username"},
    {"source": "first_name", "target": "first_name"},
    {"source": "last_name", "target": "last_name"},
    {"source": "title", "target": "title"},
    {"source": "employee_id", "target": "employee_id"},
    {"source": "department", "target": "department"},
    {"source": "manager_id", "target": "manager"},
    {"source": "hire_date", "target": "hire_date"},
)
_NUMBERS = itertools.count(4_000_000)
OpenClient = Callable[..., VendorClient]


def open_at(base_url: str, *, value: str, overrides: dict[str, Any] | None = None) -> VendorClient:
    """A client at an address, without waits; the caller closes it."""
    access = Access(
        credentials_id=next(_NUMBERS),
        name="Betterworks production",
        type="api_key",
        secrets={"value": value},
        base_url=base_url,
        overrides={**FAST, **(overrides or {})},
    )
    return VendorClient(get_vendor(VENDOR), access, inputs={}, sleep=lambda _seconds: None)


def set_up(sandbox: Sandbox, **settings: Any) -> None:
    sandbox.change(StateChange(vendor=VENDOR, settings=settings))


class Account:
    """An empty Betterworks account and an integration that reads it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        PersonRole.objects.get_or_create(name="Employee")
        self.integration = Integration.objects.create(
            name="Betterworks users",
            vendor=VENDOR,
            load="users",
            user_selection="user_plus_saas_user",
            credentials=make_credentials(
                "Betterworks production",
                vendor=VENDOR,
                secret=sandbox.credentials(VENDOR)["secrets"]["value"],
                base_url=sandbox.base_url(VENDOR),
                overrides=dict(FAST),
            ),
            run_as=User.objects.first() or make_user("runner"),
        )
        for mapping in MAPPINGS:
            make_mapping(self.integration, **mapping)
        services.launch(self.integration, by="admin")

    def add(self, first_name: str, **values: Any) -> str:
        named = {"email": f"{first_name.lower()}@acme.example", "first_name": first_name}
        record = {**named, "last_name": "Example", **values}
        return self.sandbox.change(StateChange(vendor=VENDOR, add=[record]))[VENDOR][0]

    def change(self, record_id: str, **values: Any) -> None:
        one = RecordChange(id=record_id, set=values)
        self.sandbox.change(StateChange(vendor=VENDOR, change=[one]))

    def remove(self, record_id: str) -> None:
        self.sandbox.change(StateChange(vendor=VENDOR, delete=[record_id]))

    def sync(self) -> SyncRun:
        return sync(self.integration)
