"""Betterworks: the load over HTTP, its roles, and whole syncs against its sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from integrations.client import VendorClient
from integrations.errors import OverrideRefused, VendorError
from integrations.registry import get_vendor
from integrations.roles import compile_roles
from integrations.sandbox.hostile import hostile_answers
from integrations.sandbox.server import Sandbox
from people.models import Person
from saas.models import SaaSUser
from tests.integrations.language.server import json_reply, serving
from tests.integrations.sync.worlds import account, issues, roles_now, run_sync

from .account import VENDOR, Account, OpenClient, set_up

TODAY = date(2026, 3, 2)
TOKEN = "c4n4ry5e1f00d1234567890abcdef012"
FIELDS = (
    "id uuid email first_name last_name preferred_name title employee_id department manager_id "
    "phone_number location status deactivation_date hire_date"
)


def read(client: VendorClient) -> list[Any]:
    return [row for page in client.pages("users", today=TODAY) for row in page.records]


def roles_of(**flags: bool) -> list[str]:
    rule = get_vendor(VENDOR).load("users").roles
    assert rule is not None
    names = ("super_admin", "admin", "hr_admin", "goalmaster", "group_admin")
    record = {f"is_{name}": flags.get(name, False) for name in names}
    return [row.role for row in compile_roles(rule)(record) or []]


# The load.


def test_the_load_has_exactly_the_fields_of_the_interface() -> None:
    fields = get_vendor(VENDOR).load("users").fields

    every_load = {"connect_credentials", "connect_source", "connector_sync_time"}
    assert set(fields) == {*FIELDS.split(), *every_load}
    assert fields["employee_id"].label == "Employee ID"
    assert fields["manager_id"].reference == "external_id"


def test_the_load_reads_everybody_thirty_at_a_time(
    sandbox: Sandbox, client: Callable[..., VendorClient]
) -> None:
    """House promise: 10,000 users in 334 calls."""
    calling = client()

    rows = read(calling)

    known = len(sandbox.state[VENDOR].dump()["users"])
    assert calling.listing.complete, calling.listing.problems
    assert len({row["id"] for row in rows}) == len(rows) == known
    assert calling.listing.requests == -(-known // 30)


@pytest.mark.parametrize("envelope", ["more", "next", "bare"])
def test_every_known_form_of_pages_is_understood(
    sandbox: Sandbox, client: Callable[..., VendorClient], envelope: str
) -> None:
    set_up(sandbox, envelope=envelope)
    calling = client()

    rows = read(calling)

    assert calling.listing.complete, calling.listing.problems
    assert len(rows) == len(sandbox.state[VENDOR].dump()["users"])
    assert calling.test().tenant == "main"


@pytest.mark.parametrize("typed", [TOKEN, f"APIToken {TOKEN}", f"apitoken  {TOKEN} "])
def test_the_word_goes_before_the_token_exactly_once(
    open_client: OpenClient, settings: Any, typed: str
) -> None:
    """BW-06: however it was pasted."""
    with serving(lambda _seen: json_reply([])) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        read(open_client(server.url, value=typed))

    assert [one.headers["Authorization"] for one in server.seen] == [f"APIToken {TOKEN}"]


def test_every_call_has_a_request_id_of_its_own(open_client: OpenClient, settings: Any) -> None:
    answers = [json_reply({}, 503), json_reply({"results": [{"id": 1}], "more": False})]
    with serving(lambda _seen: answers[min(len(server.seen), 2) - 1]) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        read(open_client(server.url, value=TOKEN))

    ids = [one.headers["X-Request-Id"] for one in server.seen]
    assert len(ids) == len(set(ids)) == 2
    assert all(len(one) == 36 for one in ids)


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/api/v1/users/?page=2", "http://127.0.0.1:1/api/v1/users/?page=2", "/x"],
)
def test_a_next_page_at_another_address_is_not_followed(
    open_client: OpenClient, settings: Any, elsewhere: str
) -> None:
    page = {"results": [{"id": 1}], "more": True, "nextURL": elsewhere}
    with serving(lambda _seen: json_reply(page)) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        with pytest.raises(VendorError, match="outside of its own address"):
            read(open_client(server.url, value=TOKEN))

    assert len(server.seen) == 1


def test_a_page_that_announces_more_but_not_where_is_not_the_whole(
    open_client: OpenClient, settings: Any
) -> None:
    page = {"results": [{"id": 1}], "more": True, "nextURL": None}
    with serving(lambda _seen: json_reply(page)) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        calling = open_client(server.url, value=TOKEN)
        read(calling)

    assert not calling.listing.complete


@pytest.mark.parametrize(
    ("kind", "values", "code", "says"),
    [
        ("status", {"status": 401}, "unauthorized", "revoked"),
        ("status", {"status": 403}, "forbidden", "Super Admin"),
        ("status", {"status": 404}, "not_found", "inferred"),
        ("status", {"status": 500}, "server_error", "fault of its own"),
        ("status", {"status": 429, "retry_after": 86400}, "rate_limited", "pause"),
        ("html", {}, "html", "web page"),
        ("truncate", {}, "truncated", "ends in the middle"),
        ("reset", {}, "connection", "Betterworks ended"),
    ],
)
def test_a_bad_ending_is_told_as_what_it_is(
    sandbox: Sandbox,
    client: Callable[..., VendorClient],
    kind: Any,
    values: Any,
    code: str,
    says: str,
) -> None:
    sandbox.faults.add(kind, vendor=VENDOR, path="/users/", **values)

    with pytest.raises(VendorError, match=says) as caught:
        read(client())

    assert caught.value.code == code


def test_200_hostile_answers_end_as_records_or_as_a_vendor_error(
    sandbox: Sandbox, client: Callable[..., VendorClient]
) -> None:
    """S-13."""
    calling = client()
    endings = set()
    for _name, content_type, body in hostile_answers(f"{VENDOR}/users", 7, 200):
        sandbox.faults.clear()
        sandbox.faults.add(
            "body", vendor=VENDOR, path="users", body=body, content_type=content_type
        )
        try:
            read(calling)
            endings.add("records")
        except VendorError as problem:
            endings.add(problem.code)

    assert {"records", "truncated", "html"} <= endings


# Facts that are inferred.


def test_a_corrected_path_is_called_instead(
    sandbox: Sandbox, client: Callable[..., VendorClient]
) -> None:
    rows = read(client(loads__users__request__path="users/admins/"))

    kinds = ("is_super_admin", "is_admin", "is_hr_admin")
    assert rows
    assert all(any(row[kind] for kind in kinds) for row in rows)
    assert {one.path for one in sandbox.log if one.vendor == VENDOR} == {"/api/v1/users/admins/"}


def test_a_path_without_its_slash_is_told_as_such(client: Callable[..., VendorClient]) -> None:
    with pytest.raises(VendorError, match="End the path with a slash") as caught:
        read(client(loads__users__request__path="users"))

    assert (caught.value.code, caught.value.status) == ("redirect", 301)


def test_a_corrected_role_flag_means_that_role() -> None:
    """BW-46, where Betterworks calls it otherwise."""
    vendor = get_vendor(VENDOR).corrected({"loads.users.roles.rows.0.flag": "superuser"})
    rule = vendor.load("users").roles
    assert rule is not None
    others = dict.fromkeys(("is_admin", "is_group_admin", "is_goalmaster"), False)

    roles = compile_roles(rule)({"superuser": True, **others})

    assert [row.role for row in roles or []] == ["Super Admin"]


def test_what_is_certain_cannot_be_corrected() -> None:
    with pytest.raises(OverrideRefused, match="cannot be overridden"):
        get_vendor(VENDOR).corrected({"auth.api_key.prefix": "Bearer "})


def test_what_the_facts_call_inferred_is_listed_with_its_evidence() -> None:
    """Paths and methods of calls that were not seen, role flags, the envelope, the rate."""
    facts = {fact.path: fact.evidence for fact in get_vendor(VENDOR).inferred}

    expected = """
        rate.per_second loads.users.request.path loads.users.paging.next loads.users.records
        loads.users.fields.status.path loads.users.roles.rows.0.flag loads.users.request.params
        presets.create_user.request.path presets.create_user.request.method
        presets.update_user.request.path presets.update_user.request.method
        presets.deactivate_user.request.json presets.list_users_with_admin_role.request.path
    """
    assert set(expected.split()) <= set(facts)
    assert all(facts.values())


# Roles.


@pytest.mark.parametrize(
    ("flags", "roles"),
    [
        ({"goalmaster": True}, ["Goalmaster"]),  # BW-45
        ({"super_admin": True}, ["Super Admin"]),  # BW-46
        ({"admin": True}, ["Admin"]),  # BW-47
        ({"group_admin": True}, ["Group Admin"]),  # BW-48
        ({}, ["Member"]),  # BW-49
        ({"hr_admin": True}, ["Member"]),  # BW-51
        ({"hr_admin": True, "goalmaster": True}, ["Goalmaster"]),
        ({"goalmaster": True, "group_admin": True}, ["Group Admin", "Goalmaster"]),
        (
            dict.fromkeys(("super_admin", "admin", "group_admin", "goalmaster", "hr_admin"), True),
            ["Super Admin", "Admin", "Group Admin", "Goalmaster"],
        ),
    ],
)
def test_flags_become_roles_the_primary_first(flags: dict[str, bool], roles: list[str]) -> None:
    """BW-45 to BW-51, M-29."""
    assert roles_of(**flags) == roles


def test_a_record_without_the_flags_says_nothing_about_roles() -> None:
    """M-12: so a wrong guess of their names makes nobody a Member."""
    rule = get_vendor(VENDOR).load("users").roles
    assert rule is not None

    assert compile_roles(rule)({"id": 1, "is_super_admin": False}) is None


# Whole syncs.


def test_a_launch_binds_the_application_to_the_word_main(empty: Account) -> None:
    """M-1: Betterworks never says which account a token is for."""
    empty.integration.refresh_from_db()

    application = empty.integration.application
    assert empty.integration.tenant == "main"
    assert application is not None
    assert (application.vendor, application.tenant) == (VENDOR, "main")


def test_a_sync_makes_people_and_accounts_with_roles_and_managers(empty: Account) -> None:
    """BW-38, BW-50, BW-56, BW-57."""
    boss = empty.add("Ava", is_super_admin=True, is_goalmaster=True, department="People")
    empty.add("Mia", manager_id=int(boss), employee_id="00105", department="Sales")
    empty.add("Hal", is_hr_admin=True, hire_date="2023-02-01")

    run = empty.sync()

    mia = Person.objects.select_related("department", "manager").get(email="mia@acme.example")
    assert run.state == "done", issues(run)
    assert mia.manager is not None
    assert mia.department is not None
    assert (mia.manager.email, mia.department.name, mia.employee_id) == (
        "ava@acme.example", "Sales", "00105",
    )  # fmt: skip
    assert Person.objects.get(email="hal@acme.example").hire_date == date(2023, 2, 1)
    assert roles_now(account("ava@acme.example")) == [("Super Admin", ""), ("Goalmaster", "")]
    assert roles_now(account("hal@acme.example")) == [("Member", "")]
    assert account("mia@acme.example").name == "Mia Example"


def test_a_deactivated_user_ends_the_account_and_its_roles_not_the_person(empty: Account) -> None:
    """M-12, BW-58: and comes back with the roles that are left."""
    mia = empty.add("Mia", is_admin=True)
    empty.sync()

    empty.change(mia, is_active=False, is_admin=False)
    empty.sync()
    ended = (account("mia@acme.example").status, roles_now(account("mia@acme.example")))
    empty.change(mia, is_active=True)
    empty.sync()

    assert ended == ("deactivated", [])
    assert Person.objects.get(email="mia@acme.example").status == "active"
    back = account("mia@acme.example")
    assert (back.status, roles_now(back)) == ("active", [("Member", "")])


def test_a_department_that_is_taken_away_is_cleared(empty: Account) -> None:
    """M-6: `"department": null` says that there is none."""
    mia = empty.add("Mia", department="Sales")
    empty.sync()
    empty.change(mia, department_id=None)

    empty.sync()

    assert Person.objects.get(email="mia@acme.example").department is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, "deactivated"),
        (("status", {"status": 403}), "active"),
        (("status", {"status": 401}), "active"),
        (("html", {"status": 404}), "active"),
        (("empty", {"form": "nothing"}), "active"),
        (("status", {"status": 404, "body": "{}"}), "active"),
    ],
    ids=["really gone", "403", "401", "a page with 404", "empty", "404 for everybody"],
)
def test_only_a_look_up_that_says_not_found_removes_an_account(
    empty: Account, answer: Any, status: str
) -> None:
    """M-11: while the same call finds another record."""
    ids = [empty.add(name) for name in ("Mia", "Ava", "Bob", "Cal", "Dan", "Eve")]
    empty.sync()
    empty.remove(ids[0])
    if answer is not None:
        empty.sandbox.faults.add(answer[0], vendor=VENDOR, path=r"/users/\d+/", **answer[1])

    run_sync(empty.integration)

    assert account("mia@acme.example").status == status
    assert SaaSUser.objects.filter(status="active").count() >= 6


def test_a_sync_of_a_company_agrees_with_the_vendor(sandbox: Sandbox, db: None) -> None:
    """Every account once, with the status and the roles that its record says."""
    reading = Account(sandbox)

    run = reading.sync()

    users = sandbox.state[VENDOR].dump()["users"]
    stored = {row.external_id: row for row in SaaSUser.objects.all()}
    assert run.counts["saas_users"]["created"] == len(users) == len(stored)
    for user in users:
        row = stored[str(user["id"])]
        assert row.status == ("active" if user["is_active"] else "deactivated")
        flags = {flag.removeprefix("is_"): True for flag in user["flags"]}
        expected = roles_of(**flags) if user["is_active"] else []
        assert [role for role, _scope in roles_now(row)] == expected
