"""What belongs to one record: a look-up and the other calls that the manifest names (M-29)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.auth import Access
from integrations.client import VendorClient
from integrations.errors import VendorError
from integrations.registry import get_vendor
from integrations.roles import compile_roles
from integrations.sandbox.server import Sandbox
from integrations.sync.prove import Prover, Verdict
from integrations.vendors.aha.sandbox import Vendor as AhaSide

_numbers = itertools.count(6_000_000)
LIST = r"/user_roles(\?|$)"


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=60, seed=1) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def side(sandbox: Sandbox) -> AhaSide:
    side = sandbox.state["aha"]
    assert isinstance(side, AhaSide)
    return side


@pytest.fixture
def prover(sandbox: Sandbox, side: AhaSide) -> Iterator[Prover]:
    given = {**sandbox.credentials("aha"), "base_url": sandbox.base_url("aha")}
    vendor = get_vendor("aha")
    with VendorClient(
        vendor,
        Access(credentials_id=next(_numbers), name="Key", **given),
        inputs=side.inputs(),
        sleep=lambda _seconds: None,
    ) as client:
        yield Prover(client, vendor.load("users"), control=side.owner_id)


@pytest.fixture
def expert(side: AhaSide) -> str:
    """Somebody with a custom role."""
    return next(user.id for user in side.users.values() if user.custom_roles)


def roles(record: Any) -> list[str] | None:
    rule = get_vendor("aha").load("users").roles
    assert rule is not None
    found = compile_roles(rule)(record)
    return None if found is None else sorted({row.role for row in found})


def test_reading_one_user_brings_the_roles_that_the_listing_has(
    sandbox: Sandbox, side: AhaSide, prover: Prover, expert: str
):
    """M-29: the answer for one user has no custom roles; another call has them."""
    listed = side.users[expert].shown(with_user_roles=True)

    whole = prover.read([expert])[expert]
    bare = prover.look_up([expert])[expert]

    assert "user_roles" not in bare.record
    assert whole.record["user_roles"] == listed["user_roles"]
    assert roles(whole.record) == roles(listed) != roles(bare.record)
    assert sum("/user_roles" in seen.path for seen in sandbox.log) == 1


def test_an_account_without_such_a_list_has_no_custom_roles(
    sandbox: Sandbox, prover: Prover, expert: str
):
    sandbox.faults.add("status", vendor="aha", path=LIST, status=404, body="{}")

    proof = prover.read([expert])[expert]

    assert proof.verdict == Verdict.THERE
    assert "user_roles" not in proof.record


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("status", {"status": 403}),
        ("status", {"status": 500}),
        ("html", {}),
        ("body", {"body": b"{}"}),
        ("empty", {"form": "nothing"}),
    ],
)
def test_roles_that_could_not_be_read_are_no_absence_of_roles(
    sandbox: Sandbox, prover: Prover, expert: str, kind: Any, values: dict[str, Any]
):
    """M-12, C-25."""
    sandbox.faults.add(kind, vendor="aha", path=LIST, **values)

    with pytest.raises(VendorError):
        prover.read([expert])


def test_who_is_gone_has_nothing_more(sandbox: Sandbox, prover: Prover):
    proof = prover.read(["1"])["1"]

    assert (proof.verdict, proof.record) == (Verdict.GONE, None)
    assert not any("/user_roles" in seen.path for seen in sandbox.log)
