"""Both loads against the sandbox, as strict as the vendors, and against its 500 hostile answers."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from integrations.auth import Access
from integrations.client import VendorClient
from integrations.errors import VendorError
from integrations.registry import get_vendor
from integrations.roles import compile_roles
from integrations.sandbox.hostile import hostile_answers
from integrations.sandbox.server import Sandbox

if TYPE_CHECKING:
    from integrations.sandbox.faults import Kind

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = NOON.date()
LOADS = [("aha", "users"), ("bamboohr", "employees")]
_NUMBERS = itertools.count(2_000_000)
MakeClient = Callable[..., VendorClient]


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A company of 500 whose clock stands still, without limits of calls."""
    free = {"per_second": None, "per_minute": None}
    with Sandbox(
        people=500, now=lambda: NOON, today=TODAY, settings={"aha": free, "bamboohr": free}
    ) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(world: Sandbox) -> Iterator[Sandbox]:
    yield world
    world.faults.clear()


@pytest.fixture
def make_client(sandbox: Sandbox, settings: Any) -> Iterator[MakeClient]:
    """Make a client of one of its vendors."""
    settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
    made = []

    def make(vendor: str, **changes: Any) -> VendorClient:
        given = {**sandbox.credentials(vendor), "base_url": sandbox.base_url(vendor), **changes}
        client = VendorClient(
            get_vendor(vendor),
            Access(credentials_id=next(_NUMBERS), name="Sandbox", **given),
            inputs=sandbox.state[vendor].inputs(),
            now=lambda: NOON,
            sleep=lambda _seconds: None,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def read(client: VendorClient, load: str) -> list[Any]:
    return [row for page in client.pages(load, today=TODAY) for row in page.records]


@pytest.mark.parametrize(("vendor", "load"), LOADS)
def test_the_load_reads_everybody(
    sandbox: Sandbox, make_client: MakeClient, vendor: str, load: str
):
    client = make_client(vendor)

    rows = read(client, load)

    assert client.listing.complete, client.listing.problems
    assert client.listing.undeclared == ()
    known = {str(row["id"]) for row in rows}
    assert len(known) == len(rows) > 100
    assert client.test().owner_id in known


def test_people_who_left_are_in_the_bamboohr_load(make_client: MakeClient):
    rows = read(make_client("bamboohr"), "employees")

    statuses = {row["status"] for row in rows}
    assert {"Active", "Inactive"} <= statuses
    assert len(rows) == 500


def test_a_status_that_lies_in_the_future_comes_with_its_date(make_client: MakeClient):
    """BB-38."""
    rows = read(make_client("bamboohr"), "employees")

    coming = [row for row in rows if row["rolecallNextEmploymentStatus"]]
    assert coming
    for row in coming:
        assert row["rolecallNextEmploymentStatusDate"] > TODAY.isoformat()
        assert row["employmentHistoryStatus"] != row["rolecallNextEmploymentStatus"]


def test_the_older_base_url_of_bamboohr_works(sandbox: Sandbox, make_client: MakeClient):
    older = f"{sandbox.url}/bamboohr{sandbox.state['bamboohr'].gateway_path}"  # type: ignore[attr-defined]

    assert len(read(make_client("bamboohr", base_url=older), "employees")) == 500


def test_every_aha_user_has_roles(make_client: MakeClient):
    """M-29."""
    rule = get_vendor("aha").load("users").roles
    assert rule is not None
    roles = compile_roles(rule)

    found = [roles(row) for row in read(make_client("aha"), "users")]

    assert all(found)
    assert {"Administrator", "Member", "Owner"} <= {
        row.role for rows in found for row in rows or []
    }


@pytest.mark.parametrize(("vendor", "load"), LOADS)
def test_a_wrong_key_is_told_as_such(make_client: MakeClient, vendor: str, load: str):
    """BB-05."""
    client = make_client(vendor, secrets={"value": "wrong"})

    with pytest.raises(VendorError) as caught:
        read(client, load)

    assert caught.value.code in {"unauthorized", "forbidden"}
    assert caught.value.is_connection_failure


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("status", {"status": 500}, "server_error"),
    ("status", {"status": 503}, "server_error"),
    ("status", {"status": 429, "retry_after": 86400}, "rate_limited"),
    ("status", {"status": 401}, "unauthorized"),
    ("status", {"status": 403}, "forbidden"),
    ("status", {"status": 404}, "not_found"),
    ("html", {}, "html"),
    ("redirect", {"location": "http://169.254.169.254/latest/meta-data/"}, "redirect"),
    ("gzip_bomb", {"size": 10 * 1024**3}, "too_large"),
    ("reset", {}, "connection"),
    ("cut", {}, "truncated"),
    ("truncate", {}, "truncated"),
    ("empty", {"form": "nothing"}, "empty"),
    ("empty", {"form": "null"}, ""),
    ("empty", {"form": "object"}, "contradiction"),
    ("empty", {"form": "no_content"}, "empty"),
]


@pytest.mark.parametrize(("vendor", "load"), LOADS)
@pytest.mark.parametrize(("kind", "values", "code"), FAULTS, ids=[f"{k}{v}" for k, v, _ in FAULTS])
def test_a_fault_ends_as_the_right_error(
    sandbox: Sandbox,
    make_client: MakeClient,
    vendor: str,
    load: str,
    kind: str,
    values: dict[str, Any],
    code: str,
):
    """F-19, F-24, F-25, S-13: at every listing call, and never an empty listing."""
    overrides = {"max_bytes": 8_000_000} if vendor == "bamboohr" else {}
    client = make_client(vendor, overrides=overrides)
    path = "reports/custom" if vendor == "bamboohr" else "users"
    sandbox.faults.add(cast("Kind", kind), vendor=vendor, path=path, **values)

    with pytest.raises(VendorError) as caught:
        read(client, load)

    assert caught.value.code == code or (
        not code and caught.value.code in {"empty", "contradiction"}
    )
    assert not client.listing.complete
    assert client.listing.records == 0


@pytest.mark.parametrize("as_", ["seconds", "date"])
def test_a_limit_is_waited_out(sandbox: Sandbox, make_client: MakeClient, as_: str):
    """F-18: one 429 costs one wait and one more call."""
    sandbox.faults.add(
        "status", vendor="aha", path="users", status=429, retry_after=3, retry_after_as=as_, count=1
    )
    client = make_client("aha")

    read(client, "users")

    assert client.listing.complete
    assert client.listing.requests == 2


@pytest.mark.parametrize("kind", ["shrink", "repeat_page", "stuck"])
def test_spoiled_pages_are_kept_and_the_listing_is_not_complete(
    sandbox: Sandbox, make_client: MakeClient, kind: str
):
    """F-23."""
    client = make_client("aha", overrides={"loads.users.paging.page_size": 20})
    everybody = len(read(client, "users"))
    sandbox.faults.add(cast("Kind", kind), vendor="aha", path="users")

    rows = read(client, "users")

    assert 0 < len(rows) < everybody
    assert not client.listing.complete
    assert len(client.listing.problems) >= 1


def test_a_report_without_the_status_fails_loudly(sandbox: Sandbox, make_client: MakeClient):
    sandbox.faults.add("omit_field", vendor="bamboohr", path="reports/custom", field="status")

    with pytest.raises(VendorError, match="leaves out status"):
        read(make_client("bamboohr"), "employees")


@pytest.mark.parametrize(("vendor", "load"), LOADS)
def test_poisoned_records_do_not_spoil_the_others(
    sandbox: Sandbox, make_client: MakeClient, vendor: str, load: str
):
    """F-31, R8."""
    everybody = len(read(make_client(vendor), load))
    path = "reports/custom" if vendor == "bamboohr" else "users"
    for seed in range(8):
        sandbox.faults.clear()
        sandbox.faults.add("poison", vendor=vendor, path=path, rate=0.1, seed=seed)
        client = make_client(vendor)

        rows = read(client, load)

        good = [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
        assert len(good) >= everybody * 0.8


@pytest.mark.parametrize(
    ("vendor", "load", "path"),
    [("aha", "users", "users"), ("bamboohr", "employees", "reports/custom")],
)
def test_500_hostile_answers_end_as_records_or_as_a_vendor_error(
    sandbox: Sandbox, make_client: MakeClient, vendor: str, load: str, path: str
):
    """S-13: 0 unhandled."""
    client = make_client(vendor)
    endings: list[str] = []

    for _kind, content_type, body in hostile_answers(f"{vendor}/{path}", 7, 500):
        sandbox.faults.clear()
        sandbox.faults.add("body", vendor=vendor, path=path, body=body, content_type=content_type)
        try:
            read(client, load)
            endings.append("records")
        except VendorError as problem:
            endings.append(problem.code)

    assert len(endings) == 500
    assert {"records", "truncated", "html"} <= set(endings)
