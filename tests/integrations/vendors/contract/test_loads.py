"""Every load walks all its pages against its vendor's side, and says what each account may do."""

from __future__ import annotations

import pytest

from integrations.paths import compile_path
from integrations.registry import get_vendor
from integrations.roles import compile_roles
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import StateChange

from .world import (
    LOADS,
    OpenClient,
    has_pages,
    listing_requests,
    read,
    with_small_pages,
)

every_load = pytest.mark.parametrize(("vendor", "load"), LOADS)
LOADS_WITH_ROLES = [(vendor, load) for vendor, load in LOADS if get_vendor(vendor).load(load).roles]


@every_load
def test_a_load_reads_everybody_and_is_complete(
    sandbox: Sandbox, call: OpenClient, vendor: str, load: str
):
    client = call(vendor).client

    rows = read(client, load)

    assert client.listing.complete, client.listing.problems
    ids = ids_of(vendor, load, rows)
    assert len(ids) == len(set(ids)) > 20
    assert all(sandbox.state[vendor].has_record(one) for one in ids)


@every_load
def test_small_pages_are_walked_to_the_end_and_give_the_same_records(
    sandbox: Sandbox, call: OpenClient, vendor: str, load: str
):
    """F-23."""
    whole = read(call(vendor).client, load)
    sandbox.log.clear()
    client = call(with_small_pages(get_vendor(vendor), load)).client

    rows = read(client, load)

    assert client.listing.complete, client.listing.problems
    assert rows == whole
    if has_pages(get_vendor(vendor).load(load)):
        assert len(listing_requests(sandbox, get_vendor(vendor), load)) > 1


@every_load
def test_a_record_that_is_gone_is_the_only_one_missing(
    sandbox: Sandbox, call: OpenClient, vendor: str, load: str
):
    small = with_small_pages(get_vendor(vendor), load)
    before = ids_of(vendor, load, read(call(small).client, load))
    gone = before[len(before) // 2]
    sandbox.change(StateChange(vendor=vendor, delete=[gone]))

    client = call(small).client
    after = ids_of(vendor, load, read(client, load))

    assert client.listing.complete, client.listing.problems
    assert set(before) - set(after) == {gone}
    assert set(after) <= set(before)


@every_load
def test_the_harmless_call_says_whose_account_it_is(call: OpenClient, vendor: str, load: str):
    """M-1."""
    del load
    connection = call(vendor).client.test()

    assert connection.tenant
    assert get_vendor(vendor).label in connection.text


@pytest.mark.parametrize(("vendor", "load"), LOADS_WITH_ROLES)
def test_every_record_means_at_least_one_role(call: OpenClient, vendor: str, load: str):
    """M-29."""
    rule = get_vendor(vendor).load(load).roles
    assert rule is not None
    roles_of = compile_roles(rule)

    found = [roles_of(row) for row in read(call(vendor).client, load)]

    assert all(found)
    names = {role.role for roles in found for role in roles or ()}
    assert rule.otherwise in names
    assert len(names) > 1  # the side has administrators or other roles to tell apart
    assert rule.administrators


def ids_of(vendor: str, load: str, rows: list[dict[str, object]]) -> list[str]:
    """The ids of records, as the load's manifest leads to them."""
    where = compile_path(get_vendor(vendor).load(load).id)
    return [str(where(row)) for row in rows]
