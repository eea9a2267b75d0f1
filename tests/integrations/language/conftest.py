"""Clients against loopback servers: real HTTP, waits noted instead of slept."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from integrations.auth import Access
from integrations.client import VendorClient
from integrations.registry import Vendor, get_vendor, read_vendor
from tests.integrations.language.server import Answering, Server, serving

SECRET = "k3y-c4nary-9f27ab"
_NUMBERS = itertools.count(1_000_000)


@dataclass
class Called:
    """A client, the server that it calls, and the waits that it asked for."""

    client: VendorClient
    server: Server
    waits: list[float] = field(default_factory=list)
    told: list[tuple[float, str]] = field(default_factory=list)


CallVendor = Callable[..., Called]


@pytest.fixture
def call_vendor(settings: Any) -> Iterator[CallVendor]:
    """Make a client of a vendor whose base URL is a server that answers as the test says."""
    running: list[Any] = []

    def make(answer: Answering, *, vendor: Vendor | str = "aha", **changes: Any) -> Called:
        manager = serving(answer)
        server = manager.__enter__()
        running.append((manager.__exit__, (None, None, None)))
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        settings.EGRESS_ALLOW_HTTP = True
        waits: list[float] = []
        told: list[tuple[float, str]] = []
        options = {
            "type": "api_key",
            "settings": {},
            "secrets": {"value": SECRET},
            "base_url": server.url,
            "overrides": {},
            **{name: value for name, value in changes.items() if name != "now"},
        }
        client = VendorClient(
            get_vendor(vendor) if isinstance(vendor, str) else vendor,
            Access(credentials_id=next(_NUMBERS), name="Production", **options),
            inputs={"subdomain": "acme"},
            sleep=waits.append,
            on_wait=lambda seconds, why: told.append((seconds, why)),
            **({"now": changes["now"]} if "now" in changes else {}),
        )
        running.append((client.close, ()))
        return Called(client, server, waits, told)

    yield make
    for end, arguments in reversed(running):
        end(*arguments)


MANIFEST: dict[str, Any] = {
    "key": "tiny",
    "label": "Tiny",
    "docs": "https://tiny.example/docs",
    "sources": {"T1": "https://tiny.example/docs/users"},
    "inputs": {"subdomain": {"label": "Subdomain", "domains": ["tiny.example"]}},
    "tenant": {"input": "subdomain"},
    "base_url": "https://{{ subdomain }}.tiny.example/api",
    "hosts": ["{{ subdomain }}.tiny.example"],
    "auth": {"api_key": {"prefix": "Token "}, "basic": {}},
    "rate": {"per_second": 1000, "source": "T1"},
    "timeouts": {"connect": 10, "read": 60, "total": 120},
    "max_bytes": 4_000_000,
    "test": {"request": {"path": "me"}},
    "loads": {
        "users": {
            "label": "Tiny users",
            "request": {"path": "users"},
            "paging": {"kind": "offset", "offset": "skip", "limit": "take", "page_size": 3},
            "records": "users",
            "id": "id",
            "fields": {
                "id": {"label": "Id", "path": "id", "source": "T1"},
                "email": {"label": "Email", "path": "contact.email", "source": "T1"},
            },
            "account": {"external_id": "id", "email": "email"},
        }
    },
}


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Put changes over a tree; None takes a key out."""
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


@pytest.fixture
def make_vendor(tmp_path: Path) -> Callable[..., Vendor]:
    """Write a vendor folder with changes to a small manifest, and read it."""

    def make(changes: dict[str, Any] | None = None, *, text: str | None = None) -> Vendor:
        folder = tmp_path / "tiny"
        folder.mkdir(exist_ok=True)
        manifest = merge(MANIFEST, changes or {})
        written = text if text is not None else yaml.safe_dump(manifest, sort_keys=False)
        (folder / "vendor.yaml").write_text(written)
        return read_vendor(folder)

    return make
