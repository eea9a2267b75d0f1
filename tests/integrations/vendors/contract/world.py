"""What every vendor folder is held against: its sandbox, a client of it, pages made small."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from integrations import templates
from integrations.auth import Access
from integrations.client import VendorClient
from integrations.manifest_load import Load, Single
from integrations.manifest_parts import Request, Timeouts
from integrations.registry import Vendor, vendors
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import VendorSide, find_vendor_names

from .endings import Ending

VENDORS = list(vendors())
LOADS = [(vendor.key, load) for vendor in vendors().values() for load in vendor.loads]
PRESETS = [f"{vendor.key}.{key}" for vendor in vendors().values() for key in vendor.presets]
PEOPLE = 90
SMALL_PAGE = 7
NO_LIMIT = {"per_minute": None, "per_second": None}
NO_LIMITS = {name: dict(NO_LIMIT) for name in find_vendor_names()}
_numbers = itertools.count(3_000_000)


@dataclass(frozen=True)
class SignedTokens:
    """Access tokens of a vendor's side, for vendors that take nothing else."""

    side: VendorSide

    def current(self) -> str:
        """The token with which the side's own requests are signed."""
        return self.side.signed()["authorization"].split()[-1]

    def renew(self, refused: str) -> str:
        """The same: only a refresh gives another."""
        del refused
        return self.current()


@dataclass
class Called:
    """A client, and the waits that it asked for instead of sleeping."""

    client: VendorClient
    waits: list[float] = field(default_factory=list)


OpenClient = Callable[..., Called]


def open_client(sandbox: Sandbox, vendor: Vendor) -> Called:
    """A client of a vendor of the sandbox, signed as the side says, whose waits are noted."""
    side = sandbox.state[vendor.key]
    given = sandbox.credentials(vendor.key)
    is_oauth = given["type"] == "oauth2"
    waits: list[float] = []
    access = Access(
        credentials_id=next(_numbers),
        name="Contract",
        type=given["type"],
        settings=given["settings"],
        secrets={} if is_oauth else given["secrets"],
        base_url=sandbox.base_url(vendor.key),
        tokens=SignedTokens(side) if is_oauth else None,
    )
    client = VendorClient(vendor, access, inputs=side.inputs(), now=sandbox.now, sleep=waits.append)
    return Called(client, waits)


def with_small_pages(vendor: Vendor, load: str) -> Vendor:
    """The vendor, asking this load for a few records at a time where it may say how many."""
    paging = vendor.load(load).paging
    if getattr(paging, "page_size", None) is None:
        return vendor
    return _with_load(vendor, load, paging=paging.model_copy(update={"page_size": SMALL_PAGE}))


def patient_for(ending: Ending, vendor: Vendor) -> Vendor:
    """The vendor; where it stays silent, given up on after a fraction of a second."""
    if ending.kind != "blackhole":
        return vendor
    return _replaced(vendor, timeouts=Timeouts(connect=10, read=0.6, total=2))


def _with_load(vendor: Vendor, load: str, **changes: Any) -> Vendor:
    loads = {**vendor.manifest.loads, load: vendor.load(load).model_copy(update=changes)}
    return _replaced(vendor, loads=loads)


def _replaced(vendor: Vendor, **changes: Any) -> Vendor:
    return replace(vendor, manifest=vendor.manifest.model_copy(update=changes))


def has_pages(load: Load) -> bool:
    """Whether a listing takes several calls."""
    return not isinstance(load.paging, Single)


def listing_path(sandbox: Sandbox, vendor: Vendor, load: str) -> str:
    """A pattern of the listing's address below the vendor's name, for faults."""
    side = sandbox.state[vendor.key]
    return address_of(side, vendor.load(load).request, side.inputs())


def address_of(side: VendorSide, request: Request, values: Mapping[str, Any]) -> str:
    """A pattern of the address that a request goes to; of GraphQL, of its operation."""
    path = templates.render_url(request.path, values)
    whole = re.escape(f"{side.base_path}/{path}")
    if request.query:
        return whole + "#" + "".join(word.title() for word in request.query.split("_")) + "$"
    return whole + r"(\?|$)"


def listing_requests(sandbox: Sandbox, vendor: Vendor, load: str) -> list[Any]:
    """What arrived at the address of the listing."""
    side = sandbox.state[vendor.key]
    path = templates.render_url(vendor.load(load).request.path, side.inputs())
    wanted = f"{side.base_path}/{path}"
    return [seen for seen in sandbox.log if seen.vendor == vendor.key and seen.path == wanted]


def read(client: VendorClient, load: str) -> list[Any]:
    """Every record of a load, in the order in which they came."""
    today = datetime.now(UTC).date()
    return [row for page in client.pages(load, today=today) for row in page.records]
