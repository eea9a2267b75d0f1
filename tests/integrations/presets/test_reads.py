"""Reads: plans that send nothing, values that are looked up first, listings, roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.utils import timezone

from integrations.client import VendorClient
from integrations.errors import PresetRefused, VendorError
from integrations.models import LinkState, RecordLink
from integrations.presets.calling import call_now, plan_call
from integrations.presets.look_up import find, is_surely_gone
from integrations.presets.outcome import Kind
from integrations.presets.read import Reading
from integrations.registry import get_preset, get_vendor
from integrations.services import access_for
from integrations.vendors.aha.sandbox_records import PRODUCTS
from integrations.vendors.goto.sandbox import Vendor as GoToSide
from saas.models import SaaSUser
from tests.makers import make_person

from .desk import Desk

LICENCE = "7902142105473202120"


def read(desk: Desk, preset: str, record: str, **given: Any) -> Reading:
    called = call_now(
        f"{desk.vendor}.{preset}", desk.credentials, record, given, key="read", started_by="test"
    )
    assert called.reading is not None
    return called.reading


def see(desk: Desk, user: SaaSUser) -> None:
    """The account was in the last listing: it can be a control record."""
    link = RecordLink.objects.create(
        vendor=desk.vendor, tenant=desk.tenant, external_id=user.external_id, saas_user=user
    )
    LinkState.objects.create(link=link, integration=desk.integration, seen_at=timezone.now())


# Plans.


def test_a_plan_sends_nothing(aha: Desk, betterworks: Desk, goto: Desk):
    """GT-20: of every preset, whoever it is for."""
    for desk in (aha, betterworks, goto):
        vendor, _preset = get_preset(f"{desk.vendor}.user_role")
        user = desk.account(desk.person(), email="plan@acme.example")
        desk.sandbox.log.clear()
        for key, preset in vendor.presets.items():
            given = {
                name: one.choices[:1] if one.choices else "1"
                for name, one in preset.inputs.items()
                if one.required or key.startswith("update")
                if one.type in {"text", "list", "choice"}
            }
            call, _preset, request = plan_call(
                f"{desk.vendor}.{key}", desk.credentials, user.external_id, given
            )
            assert call.record.kind == "saas_user"
            assert request is not None
            assert not any(secret in repr(request) for secret in desk.secrets)
        assert list(desk.sandbox.log) == []


def test_a_plan_shows_that_something_would_be_looked_up(goto: Desk):
    """M-28, GT-18, GT-20: method, URL and parameters."""
    person = make_person(email="ann@acme.example")

    _call, _preset, request = plan_call(
        "goto.unassign_license_by_email", goto.credentials, person.email, {"license_key": LICENCE}
    )

    assert request is not None
    assert request["method"] == "DELETE"
    assert request["url"].endswith(f"/licenses/{LICENCE}/users/<looked up>")
    assert request["params"] == {"suppressEmail": False}
    assert list(goto.sandbox.log) == []


# What is looked up first (M-28).


def test_exactly_one_match_is_used_whatever_its_case(goto: Desk):
    """GT-18: the user is found by e-mail, and the call goes by key."""
    user = goto.account(email="Ann.Lee@acme.example")
    goto.account(email="ann.lee@acme.example.org")
    person = make_person(email="ann.lee@ACME.example")

    call = goto.prepare("unassign_license_by_email", person.email, {"license_key": LICENCE})

    assert call.request.path.endswith(f"/licenses/{LICENCE}/users/{user.external_id}")
    assert call.target == user.external_id
    assert goto.effects() == []


def test_no_match_is_a_clear_failure_and_nothing_is_sent(goto: Desk):
    """M-28."""
    person = make_person(email="nobody@acme.example")

    with pytest.raises(PresetRefused, match="GoTo has no user with this e-mail"):
        goto.prepare("unassign_license_by_email", person.email, {"license_key": LICENCE})
    assert goto.sent("PUT", "POST", "DELETE") == []


def test_a_look_up_that_fails_is_no_match_either(goto: Desk):
    """C-25, M-11: 403 says nothing about whether there is one."""
    person = make_person(email="ann@acme.example")
    goto.sandbox.faults.add("status", vendor="goto", status=403, path=r"/users")

    with pytest.raises(VendorError) as refused:
        goto.prepare("get_user_by_email", person.email)

    assert refused.value.status == 403


def test_the_owner_of_the_key_is_spared_by_what_is_looked_up(goto: Desk):
    """F-27: the record does not name the key, the look-up does."""
    side = goto.sandbox.state["goto"]
    assert isinstance(side, GoToSide)
    person = make_person(email=side.directory.users[side.owner_key].email)

    with pytest.raises(PresetRefused, match="the credentials belong to this record"):
        goto.prepare("unassign_license_by_email", person.email, {"license_key": LICENCE})


# One answer.


def test_the_details_of_a_user_are_read(aha: Desk):
    """AH-40, BW-37, GT-30: named values and the whole answer."""
    user = aha.account(email="ann@acme.example")

    reading = read(aha, "get_user_details", user.external_id)

    assert reading.outcome.kind == Kind.DONE
    assert reading.outcome.values["aha_user_id"] == user.external_id
    assert reading.answer["user"]["email"] == "ann@acme.example"
    assert aha.effects() == []


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthorized"), (403, "forbidden"), (404, "not_found")]
)
def test_a_read_that_fails_says_how(aha: Desk, status: int, code: str):
    """C-25."""
    user = aha.account(email="ann@acme.example")
    aha.sandbox.faults.add("status", vendor="aha", status=status)

    reading = read(aha, "get_user_details", user.external_id)

    assert (reading.outcome.kind, reading.outcome.code) == (Kind.REFUSED, code)
    assert reading.answer is None


def test_the_inputs_of_the_account_come_from_its_integration_and_can_be_typed(aha: Desk):
    """AH-11, AH-37."""
    user = aha.account(email="ann@acme.example")

    assert aha.prepare("get_user_details", user.external_id).vendor_inputs == {"subdomain": "acme"}
    person = aha.person(vendor_id="1")
    typed = aha.prepare("get_user_details", person.email, {"subdomain": "Other.aha.io"}, plan=True)
    assert (typed.vendor_inputs, typed.tenant) == ({"subdomain": "other"}, "other")
    with pytest.raises(PresetRefused, match="Subdomain: this cannot be used"):
        aha.prepare("get_user_details", person.email, {"subdomain": "a b"}, plan=True)


# Listings.


def test_a_listing_is_read_to_its_end_and_holds_who_is_meant(betterworks: Desk):
    """BW-28, BW-29, BW-31: Admin, Super Admin and HR Admin, over several pages."""
    for number in range(35):
        flag = ("is_admin", "is_super_admin", "is_hr_admin")[number % 3]
        betterworks.account(None, email=f"admin{number}@acme.example", **{flag: True})
    betterworks.account(email="group@acme.example", is_group_admin=True)
    person = make_person()

    reading = read(betterworks, "list_users_with_admin_role", person.email)

    emails = {one["email"] for one in reading.answer}
    assert {f"admin{number}@acme.example" for number in range(35)} <= emails
    assert "group@acme.example" not in emails
    flags = ("is_admin", "is_super_admin", "is_hr_admin")
    assert all(any(one[flag] is True for flag in flags) for one in reading.answer)
    assert len(betterworks.sent("GET")) >= 2


def test_a_listing_that_breaks_off_is_no_list(betterworks: Desk):
    """C-25: a partial list would say of the others that they have no role."""
    for number in range(35):
        betterworks.account(email=f"admin{number}@acme.example", is_admin=True)
    betterworks.sandbox.faults.add("repeat_page", vendor="betterworks")

    reading = read(betterworks, "list_users_with_admin_role", make_person().email)

    assert reading.outcome.kind != Kind.DONE
    assert reading.answer is None


# Roles.


def test_each_role_in_a_project_is_a_row(aha: Desk):
    """AH-46, AH-47: the same role in two projects stays two rows."""
    user = aha.account(make_person())
    products = [one.id for one in PRODUCTS if one.name][:2]
    for product in products:
        give_role(aha, user, product)

    roles = read(aha, "user_role", user.email).roles

    assert roles is not None
    assert (roles.found, roles.status) == (True, "active")
    assert roles.rows is not None
    assert {(role, scope_id) for role, scope_id, _scope in roles.rows} == {
        ("Owner", product) for product in products
    }


def give_role(desk: Desk, user: SaaSUser, product: str) -> None:
    """Give a role at the vendor, over its own API."""
    with desk_client(desk) as client:
        body = {"product_role": {"role": "product_owner", "product_id": product}}
        client.call("POST", f"users/{user.external_id}/product_roles", json=body)


def desk_client(desk: Desk) -> VendorClient:
    vendor = get_vendor(desk.vendor).corrected(desk.credentials.overrides)
    return VendorClient(vendor, access_for(desk.credentials), inputs=desk.inputs)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_status_is_that_of_the_vendor(aha: Desk, enabled: Any):
    """AH-51, M-12: told by this preset, changed by nobody."""
    user = aha.account(make_person(), enabled=enabled)

    roles = read(aha, "user_role", user.external_id).roles

    assert roles is not None
    assert roles.status == ("active" if enabled else "deactivated")
    assert roles.rows == (("Member", "", ""),)
    assert SaaSUser.objects.get(pk=user.pk).status == "active"


def test_an_account_that_is_not_there_is_not_found(aha: Desk):
    """C-25: the vendor's own word, while another account is found by the same call."""
    see(aha, aha.account(make_person()))
    gone = aha.account(make_person())
    aha.sandbox.state["aha"].delete_record(gone.external_id)

    reading = read(aha, "user_role", gone.external_id)

    assert (reading.outcome.kind, reading.outcome.code) == (Kind.DONE, "not_found")
    assert reading.roles is not None
    assert not reading.roles.found


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 403},
        {"kind": "status", "status": 404},
        {"kind": "html"},
        {"kind": "empty"},
    ],
    ids=["401", "403", "404 of all", "page", "empty"],
)
def test_no_other_ending_means_not_found(aha: Desk, fault: Mapping[str, Any]):
    """C-25."""
    see(aha, aha.account(make_person()))
    user = aha.account(make_person())
    values = dict(fault)
    aha.sandbox.faults.add(values.pop("kind"), vendor="aha", **values)

    reading = read(aha, "user_role", user.external_id)

    assert reading.outcome.kind != Kind.DONE
    assert reading.roles is None


# Look-ups of effects (M-27, M-11).


def test_gone_needs_a_control_record_that_is_found(goto: Desk):
    """M-27: 404 alone could be a wrong account key."""
    _vendor, preset = get_preset("goto.delete_users")
    assert preset.change is not None
    look_up = preset.change.look_up
    assert look_up is not None
    there, gone = goto.account(make_person()), goto.account(make_person())
    values = {"goto_user_key": gone.external_id, "account": goto.inputs}
    goto.sandbox.state["goto"].delete_record(gone.external_id)

    with desk_client(goto) as client:
        with pytest.raises(VendorError, match="lists nobody else"):
            is_surely_gone(client, look_up, values, tenant=goto.tenant)
        see(goto, there)
        assert is_surely_gone(client, look_up, values, tenant=goto.tenant)
        assert find(client, look_up, {**values, "goto_user_key": there.external_id}) == [{}]
        goto.sandbox.state["goto"].delete_record(there.external_id)
        with pytest.raises(VendorError, match="does not find the record"):
            is_surely_gone(client, look_up, values, tenant=goto.tenant)


def test_a_look_up_with_a_hole_is_not_sent(goto: Desk):
    """GT-19."""
    _vendor, preset = get_preset("goto.add_users")
    assert preset.change is not None
    look_up = preset.change.look_up
    assert look_up is not None

    with desk_client(goto) as client, pytest.raises(VendorError) as refused:
        find(client, look_up, {"account": goto.inputs, "inputs": {"email": ""}})

    assert refused.value.sent is False
    assert goto.sent() == []
