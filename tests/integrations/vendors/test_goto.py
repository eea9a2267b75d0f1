"""GoTo: the load over HTTP with OAuth, its roles, and whole syncs against its sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from integrations.client import VendorClient
from integrations.errors import InputInvalid, OverrideRefused, VendorError
from integrations.models import RecordLink
from integrations.registry import get_vendor
from integrations.roles import compile_roles
from integrations.sandbox.hostile import hostile_answers
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import StateChange
from integrations.vendors.goto.sandbox_account import ACCOUNT, OTHER_ACCOUNT
from people.models import Person
from saas.models import SaaSUser
from tests.integrations.language.server import json_reply, serving
from tests.integrations.sync.worlds import account, issues, removals, roles_now, run_sync
from tests.integrations.vendors.goto_account import (
    FREE,
    VENDOR,
    Account,
    FreshTokens,
    open_client,
    side_of,
)
from tests.makers import make_custom_field, make_mapping

TODAY = date(2026, 3, 2)
FIELDS = (
    "user_key email first_name last_name status admin_roles locale time_zone license_keys "
    "created_at"
)
LONGEST = 53002345678901234567890123


class OneToken:
    """The same token for ever."""

    def current(self) -> str:
        return "t"

    def renew(self, refused: str) -> str:
        return refused


@pytest.fixture(scope="module")
def company() -> Iterator[Sandbox]:
    with Sandbox(people=150, seed=1, settings={VENDOR: FREE}) as running:
        yield running


@pytest.fixture
def sandbox(company: Sandbox, settings: Any) -> Iterator[Sandbox]:
    """One company for all tests that leave its records as they are; settings and faults go back."""
    settings.EGRESS_EXTRA_HOSTS = [company.url.removeprefix("http://")]
    settings.EGRESS_ALLOW_HTTP = True
    before = dict(company.state[VENDOR].settings)
    company.log.clear()
    yield company
    company.faults.clear()
    company.change(StateChange(vendor=VENDOR, settings=before))


@pytest.fixture
def tokens(sandbox: Sandbox) -> FreshTokens:
    return FreshTokens(sandbox)


@pytest.fixture
def client(sandbox: Sandbox, tokens: FreshTokens) -> Iterator[Callable[..., VendorClient]]:
    """Open a client of the sandbox, with another account or corrected facts where given."""
    opened: list[VendorClient] = []

    def of(account_key: str = ACCOUNT, **overrides: Any) -> VendorClient:
        dotted = {name.replace("__", "."): fact for name, fact in overrides.items()}
        base_url = sandbox.base_url(VENDOR)
        opened.append(open_client(base_url, tokens, account_key=account_key, overrides=dotted))
        return opened[-1]

    yield of
    for one in opened:
        one.close()


def read(client: VendorClient) -> list[Any]:
    return [row for page in client.pages("users", today=TODAY) for row in page.records]


def calls(sandbox: Sandbox) -> list[tuple[str, str, int]]:
    """(path below the account, query, status) of the calls to the API."""
    base = f"/admin/rest/v1/accounts/{ACCOUNT}"
    return [
        (seen.path.removeprefix(base), seen.query, seen.status)
        for seen in sandbox.log
        if seen.path.startswith("/admin")
    ]


def roles_of(record: dict[str, Any]) -> list[str]:
    rule = get_vendor(VENDOR).load("users").roles
    assert rule is not None
    return [row.role for row in compile_roles(rule)(record) or []]


# The load.


def test_the_load_has_exactly_the_fields_of_the_interface() -> None:
    fields = get_vendor(VENDOR).load("users").fields

    every_load = {"connect_credentials", "connect_source", "connector_sync_time"}
    assert set(fields) == {*FIELDS.split(), *every_load}


@pytest.mark.parametrize("size", [1000, 20])
def test_the_load_reads_everybody_by_offset(
    sandbox: Sandbox, client: Callable[..., VendorClient], size: int
) -> None:
    calling = client(loads__users__paging__page_size=size)

    rows = read(calling)

    total = len(side_of(sandbox).directory.users)
    assert calling.listing.complete, calling.listing.problems
    assert len({row["key"] for row in rows}) == len(rows) == total
    assert [one[:2] for one in calls(sandbox)] == [
        ("/users", f"offset={offset}&pageSize={size}") for offset in range(0, total, size)
    ]


def test_a_user_who_vanishes_between_two_pages_makes_the_listing_incomplete(
    sandbox: Sandbox, client: Callable[..., VendorClient]
) -> None:
    """Pages by offset are no snapshot: the one who is skipped must not count as gone."""
    calling = client(loads__users__paging__page_size=20)
    sandbox.faults.add(
        "set_values", vendor=VENDOR, path="offset=20&", values={"total": 79}, count=1
    )

    read(calling)

    assert not calling.listing.complete


@pytest.mark.parametrize("kind", ["shrink", "repeat_page", "stuck"])
def test_spoiled_pages_make_the_listing_incomplete(
    sandbox: Sandbox, client: Callable[..., VendorClient], kind: Any
) -> None:
    """F-23."""
    sandbox.faults.add(kind, vendor=VENDOR, path="/users")
    calling = client(loads__users__paging__page_size=20)

    rows = read(calling)

    assert 0 < len(rows) < len(side_of(sandbox).directory.users)
    assert not calling.listing.complete


def test_keys_of_any_length_arrive_with_every_digit_as_text_or_number(settings: Any) -> None:
    """Numbers beyond 64 bits too: one guide shows 26 digits."""
    page = f'{{"results": [{{"key": {LONGEST}, "email": "a@b.example"}}], "total": 1}}'.encode()
    reply = json_reply({})
    reply.body = page
    with serving(lambda _seen: reply) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        settings.EGRESS_ALLOW_HTTP = True
        (row,) = read(open_client(server.url, OneToken(), account_key=ACCOUNT))

    assert row["key"] == LONGEST
    assert server.seen[0].headers["Authorization"] == "Bearer t"


def test_the_test_call_names_the_account_and_the_owner(
    sandbox: Sandbox, client: Callable[..., VendorClient]
) -> None:
    connection = client().test()

    assert connection.tenant == ACCOUNT
    assert connection.owner_id == side_of(sandbox).owner_key


def test_every_account_of_the_admin_may_be_chosen_and_no_other(
    client: Callable[..., VendorClient],
) -> None:
    assert client(OTHER_ACCOUNT).test().tenant == OTHER_ACCOUNT
    with pytest.raises(VendorError, match=f'not for the Account Key "12345".*{ACCOUNT}') as caught:
        client("12345").test()

    assert caught.value.code == "other_account"


@pytest.mark.parametrize("typed", ["", "acme", "12a", "https://admin.goto.com/", "１２", "1" * 41])
def test_an_account_key_is_digits(typed: str) -> None:
    with pytest.raises(InputInvalid, match=r"admin\.goto\.com"):
        get_vendor(VENDOR).read_inputs({"account_key": typed})


def test_a_long_account_key_stays_as_it_is() -> None:
    assert get_vendor(VENDOR).read_inputs({"account_key": f" {LONGEST} "}) == {
        "account_key": str(LONGEST)
    }


# Tokens.


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_ended_within_a_run_is_renewed_once_and_no_page_is_lost(
    sandbox: Sandbox, client: Callable[..., VendorClient], tokens: FreshTokens, status: int
) -> None:
    """F-28, whichever way GoTo says it."""
    sandbox.change(StateChange(vendor=VENDOR, settings={"token_refusal": status}))
    calling = client(loads__users__paging__page_size=20)
    pages = calling.pages("users", today=TODAY)
    first = next(pages).records
    side_of(sandbox).oauth.expire_access_tokens()

    rest = [row for page in pages for row in page.records]

    assert calling.listing.complete, calling.listing.problems
    assert len(first) + len(rest) == len(side_of(sandbox).directory.users)
    assert tokens.refreshes == 2
    assert [one[2] for one in calls(sandbox)].count(status) == 1


def test_a_client_without_the_scope_is_told_so_and_asked_once(
    sandbox: Sandbox, client: Callable[..., VendorClient], tokens: FreshTokens
) -> None:
    """A 401 right after a refresh is no reason to refresh again."""
    sandbox.change(StateChange(vendor=VENDOR, settings={"scope": ""}))

    with pytest.raises(VendorError, match="scope Admin Center") as caught:
        read(client())

    assert caught.value.code == "unauthorized"
    assert (tokens.refreshes, len(calls(sandbox))) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "values", "code", "says"),
    [
        ("status", {"status": 400}, "refused", "filter"),
        ("status", {"status": 403}, "forbidden", "MANAGE_USERS"),
        ("status", {"status": 404}, "not_found", "Account Key"),
        ("status", {"status": 409}, "refused", "in use already"),
        ("status", {"status": 429, "retry_after": 86400}, "rate_limited", "10 calls a second"),
        ("status", {"status": 500}, "server_error", "fault of its own"),
        ("html", {}, "html", "web page"),
        ("truncate", {}, "truncated", "ends in the middle"),
        ("empty", {"form": "list"}, "contradiction", "holds no list"),
        ("omit_field", {"field": "results"}, "contradiction", "holds no list"),
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
    sandbox.faults.add(kind, vendor=VENDOR, path="/users", **values)

    with pytest.raises(VendorError, match=says) as caught:
        read(client())

    assert caught.value.code == code


def test_429_without_a_time_is_waited_out(
    sandbox: Sandbox, client: Callable[..., VendorClient]
) -> None:
    """F-18: GoTo does not say how long."""
    sandbox.faults.add("status", vendor=VENDOR, path="/users", status=429, count=2)
    calling = client()

    read(calling)

    assert calling.listing.complete
    assert calling.listing.requests == 3


def test_200_hostile_answers_end_as_records_or_as_a_vendor_error(
    sandbox: Sandbox, client: Callable[..., VendorClient]
) -> None:
    """S-13."""
    calling = client()
    endings = set()
    path = f"{VENDOR}/accounts/{ACCOUNT}/users"
    for _name, content_type, body in hostile_answers(path, 7, 200):
        sandbox.faults.clear()
        sandbox.faults.add(
            "body", vendor=VENDOR, path="/users", body=body, content_type=content_type
        )
        try:
            read(calling)
            endings.add("records")
        except VendorError as problem:
            endings.add(problem.code)

    assert {"records", "truncated", "html"} <= endings


# Facts that are inferred.


def test_what_is_certain_cannot_be_corrected() -> None:
    with pytest.raises(OverrideRefused, match="cannot be overridden"):
        get_vendor(VENDOR).corrected({"auth.oauth2.token_url": "https://evil.example/"})


def test_what_the_facts_call_inferred_or_unknown_is_listed_with_its_evidence() -> None:
    facts = {fact.path: fact.evidence for fact in get_vendor(VENDOR).inferred}

    expected = """
        rate.per_second loads.users.paging.page_size loads.users.status.active
        loads.users.status.deactivated loads.users.lookup.gone
        presets.get_licenses_by_user_id.request.path
        presets.assign_license_to_user_by_email.request.path
        presets.assign_license_to_user_by_email.request.method
        presets.resend_welcome_email.request.path presets.resend_welcome_email.request.method
        presets.add_users.change.duplicates
    """
    assert set(expected.split()) <= set(facts)
    assert all(facts.values())


# Roles.


@pytest.mark.parametrize(
    ("record", "roles"),
    [
        ({}, ["Member"]),
        ({"adminRoles": []}, ["Member"]),
        ({"adminRoles": None}, ["Member"]),
        ({"adminRoles": ["RUN_REPORTS"]}, ["RUN_REPORTS"]),
        (
            {"adminRoles": ["RUN_REPORTS", "MANAGE_SEATS", "SUPER_USER"]},
            ["SUPER_USER", "MANAGE_SEATS", "RUN_REPORTS"],
        ),
        ({"adminRoles": ["A_NEW_ROLE", "MANAGE_USERS"]}, ["MANAGE_USERS", "A_NEW_ROLE"]),
        ({"roleSets": ["6b1d2a1c"]}, ["6b1d2a1c"]),
    ],
)
def test_admin_roles_become_rows_and_nothing_becomes_member(
    record: dict[str, Any], roles: list[str]
) -> None:
    """GT-37, GT-38, M-29."""
    assert roles_of(record) == roles


def test_roles_that_cannot_be_read_say_nothing() -> None:
    """M-12."""
    assert roles_of({"adminRoles": "SUPER_USER"}) == []


# Whole syncs.


@pytest.fixture
def empty(db: None, settings: Any) -> Iterator[Account]:
    with Sandbox(people=0, seed=1, settings={VENDOR: FREE}) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield Account(running)


def add_colleagues(account: Account) -> None:
    """So many that one who is missing is no reason to hold anything."""
    for number in range(9):
        account.add(f"Colleague{number}")


def test_a_launch_binds_the_application_to_the_account_key(empty: Account) -> None:
    """M-1."""
    empty.integration.refresh_from_db()

    application = empty.integration.application
    assert application is not None
    assert empty.integration.tenant == application.tenant == ACCOUNT


def test_a_sync_makes_people_and_accounts_with_every_role(empty: Account) -> None:
    """GT-31, GT-37 to GT-39."""
    many = ["MANAGE_USERS", "RUN_REPORTS"]
    empty.add("Ava", adminRoles=many, createTime=1506076497748)
    empty.add("Mia")

    run = empty.sync()

    assert run.state == "done", issues(run)
    assert [role for role, _ in roles_now(account("ava@acme.example"))] == many
    assert [role for role, _ in roles_now(account("mia@acme.example"))] == ["Member"]
    assert account("mia@acme.example").name == "Mia Example"
    assert Person.objects.filter(email="mia@acme.example", first_name="Mia").exists()


@pytest.mark.parametrize("word", ["SUSPENDED", "Suspended", "suspended"])
def test_suspended_deactivates_the_account_and_never_the_person(empty: Account, word: str) -> None:
    """GT-33, GT-35, M-12: however it is written."""
    key = empty.add("Mia")
    empty.sync()
    empty.change(key, status=word)

    empty.sync()

    mia = account("mia@acme.example")
    assert (mia.status, roles_now(mia)) == ("deactivated", [])
    assert Person.objects.get(email="mia@acme.example").status == "active"


@pytest.mark.parametrize("word", ["INACTIVE", "INVITED", "Something new", None])
def test_any_other_status_leaves_the_account_active(empty: Account, word: str | None) -> None:
    """GT-34."""
    key = empty.add("Mia")
    empty.sync()
    empty.change(key, status=word)

    run = empty.sync()

    assert run.state == "done"
    assert account("mia@acme.example").status == "active"


def test_who_is_suspended_no_more_is_active_again(empty: Account) -> None:
    key = empty.add("Mia", status="SUSPENDED")
    empty.sync()
    before = account("mia@acme.example").status
    empty.change(key, status="ACTIVE")

    empty.sync()

    mia = account("mia@acme.example")
    assert (before, mia.status) == ("deactivated", "active")
    assert [role for role, _ in roles_now(mia)] == ["Member"]


def test_who_loses_all_roles_is_a_member(empty: Account) -> None:
    """M-12: somebody else still has the attribute, so its absence means none."""
    key = empty.add("Ava", adminRoles=["RUN_REPORTS"])
    empty.sync()
    empty.change(key, adminRoles=[])

    empty.sync()

    assert [role for role, _ in roles_now(account("ava@acme.example"))] == ["Member"]


def test_roles_are_left_when_the_attribute_is_missing_everywhere(empty: Account) -> None:
    """M-12: a key that may not see the roles makes nobody a Member."""
    empty.add("Ava", adminRoles=["RUN_REPORTS"])
    empty.sync()
    empty.sandbox.faults.add("omit_field", vendor=VENDOR, path="/users", field="adminRoles")

    run = run_sync(empty.integration)

    assert [role for role, _ in roles_now(account("ava@acme.example"))] == ["RUN_REPORTS"]
    assert run.state in {"done", "partial"}


def test_who_is_gone_is_proven_gone_by_key_before_anything_happens(empty: Account) -> None:
    """M-11: 404 for that very user, while a listed one is found by the same call."""
    key = empty.add("Mia")
    add_colleagues(empty)
    empty.sync()
    empty.remove(key)
    empty.sandbox.log.clear()

    run = empty.sync()

    asked = {path: status for path, _query, status in calls(empty.sandbox)}
    assert account("mia@acme.example").status == "deactivated"
    assert asked[f"/users/{key}"] == 404
    assert 200 in {status for path, status in asked.items() if path.startswith("/users/")}
    assert removals(run) == [("saas_user", "mia@acme.example")]


def test_who_is_listed_no_more_and_still_found_is_left(empty: Account) -> None:
    key = empty.add("Mia")
    add_colleagues(empty)
    empty.sync()
    empty.side.directory.users[key].visible_from = 2e12  # hidden from reads
    found = f'{{"key": "{key}", "email": "mia@acme.example"}}'
    empty.sandbox.faults.add("body", vendor=VENDOR, path=f"/users/{key}", body=found)

    run = run_sync(empty.integration)

    assert account("mia@acme.example").status == "active"
    assert removals(run) == []


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refused_look_up_is_never_gone(empty: Account, status: int) -> None:
    """C-25, M-11."""
    key = empty.add("Mia")
    add_colleagues(empty)
    empty.sync()
    empty.remove(key)
    empty.sandbox.faults.add("status", vendor=VENDOR, path=r"/users/\d", status=status)

    run_sync(empty.integration)

    assert account("mia@acme.example").status == "active"


def test_keys_of_any_length_are_kept_as_text(empty: Account) -> None:
    empty.add("Mia", key=str(LONGEST))

    empty.sync()

    assert account("mia@acme.example").external_id == str(LONGEST)
    assert RecordLink.objects.filter(external_id=str(LONGEST)).count() == 1


def test_a_second_sync_changes_nothing(empty: Account) -> None:
    empty.add("Ava", adminRoles=["RUN_REPORTS"], licenseKeys=["7902142105473202120"])
    empty.sync()

    run = empty.sync()

    assert run.counts["people"]["unchanged"] == run.counts["saas_users"]["unchanged"] == 2
    assert empty.effects() == []


def test_lists_and_times_can_be_mapped(empty: Account) -> None:
    """Lists become text with commas; of 19 digits each one stays."""
    for label, source in (("License Keys", "license_keys"), ("Roles At GoTo", "admin_roles")):
        one = make_custom_field(label, type="long_text")
        make_mapping(empty.integration, source=source, target=one.key)
    make_mapping(empty.integration, source="created_at", target=make_custom_field("Since").key)
    keys = ["7902142105473202120", "7902142105473202121"]
    empty.add("Mia", licenseKeys=keys, adminRoles=["RUN_REPORTS"], createTime=1506076497748)

    empty.sync()

    custom = Person.objects.get(email="mia@acme.example").custom
    assert custom["license_keys"] == ", ".join(keys)
    assert custom["roles_at_goto"] == "RUN_REPORTS"
    assert custom["since"].startswith("2017-09-22T10:34:57")


def test_the_whole_company_is_synced(settings: Any, db: None) -> None:
    with Sandbox(people=60, seed=1, settings={VENDOR: FREE}) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        one = Account(running)
        users = len(one.side.directory.users)

        run = one.sync()

    assert run.counts["seen"] == users
    assert SaaSUser.objects.count() == users
    assert not SaaSUser.objects.filter(status="active", roles__isnull=True).exists()
