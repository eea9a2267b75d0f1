"""monday.com's users as people and accounts: 21 fields, roles, GraphQL's failures, proof in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from integrations.auth import Access
from integrations.client import VendorClient
from integrations.errors import AskPerson, BrokenAnswer, TryLater, VendorError
from integrations.models import Integration
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.sync.prove import Prover, Verdict
from integrations.vendors.monday.sandbox import Vendor as MondaySide
from people.fields import make_field
from people.models import CustomField, Person
from saas.models import SaaSUser
from tests.integrations.sync.worlds import (
    ACCOUNTS,
    DOMAIN,
    Vendor,
    World,
    account,
    issues,
    person,
    roles_now,
    run_sync,
    sync,
)

OWNER = f"mo-owner@{DOMAIN}"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LISTING, LOOK_UP = "#Users$", "#UsersById$"
LABELS = [
    "Account ID",
    "Account Name",
    "Birthday",
    "Connect: Credentials",
    "Connector Sync Time",
    "Country Code",
    "Created At?",
    "Current Language",
    "Email",
    "Enabled",
    "Id",
    "Is Admin?",
    "Is Guest?",
    "Is Pending?",
    "Is View Only?",
    "Join Date",
    "Last Activity",
    "Location",
    "Mobile Phone",
    "Name",
    "Phone",
]
VERSIONS = ["2026-10", "2026-07"]
_numbers = itertools.count(5_000_000)


class Monday(Vendor):
    """monday.com's side, with the account that its token belongs to."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, "monday")
        side = sandbox.state["monday"]
        assert isinstance(side, MondaySide)
        side.owner_id = self.add(name="Key Owner", email=OWNER, kind="admin")
        self.owner_id = side.owner_id

    def join(self, name: str, **values: Any) -> str:
        """A new member, active; the id."""
        return self.add(**{"name": name, "email": f"{name.lower()}@{DOMAIN}", **values})


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=0, seed=1) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def monday(sandbox: Sandbox) -> Monday:
    return Monday(sandbox)


@pytest.fixture
def world(db: None, sandbox: Sandbox) -> World:
    return World(sandbox)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def open_client(sandbox: Sandbox, waits: list[float]) -> Iterator[Callable[..., VendorClient]]:
    """A client of monday.com's side that notes its waits; `overrides` correct the folder."""
    made = []

    def opened(**overrides: Any) -> VendorClient:
        given = {**sandbox.credentials("monday"), "base_url": sandbox.base_url("monday")}
        named = {path.replace("__", "."): value for path, value in overrides.items()}
        access = Access(
            credentials_id=next(_numbers), name="Token", overrides={**FAST, **named}, **given
        )
        client = VendorClient(
            get_vendor("monday"), access, inputs={}, now=lambda: NOON, sleep=waits.append
        )
        made.append(client)
        return client

    yield opened
    for client in made:
        client.close()


FAST = {"rate.per_second": 1000, "rate.per_minute": 100_000}


@pytest.fixture
def client(open_client: Callable[..., VendorClient]) -> VendorClient:
    return open_client()


def read(client: VendorClient) -> list[dict[str, Any]]:
    return [row for page in client.pages("users", today=date(2026, 11, 21)) for row in page.records]


def graphql(*, data: Any = None, **parts: Any) -> bytes:
    return orjson.dumps({"data": data, **parts})


# The connection.


def test_the_test_call_names_the_account_and_whose_the_token_is(
    monday: Monday, client: VendorClient
):
    connection = client.test()

    assert (connection.tenant, connection.owner_id) == ("5000001", monday.owner_id)
    assert connection.warnings == ()


def test_the_test_call_warns_of_another_version_and_of_missing_rights(
    monday: Monday, open_client: Callable[..., VendorClient]
):
    monday.change(monday.owner_id, kind="member")

    warnings = open_client(**{"headers.API-Version": "dev"}).test().warnings

    assert [warning.split(",")[0] for warning in warnings] == [
        "monday.com answers with a version of its API that it no longer keeps",
        "monday.com answers with another version of its API than 2026-10",
        "The token's owner is no admin",
    ]


def test_a_version_that_was_ended_is_served_by_the_oldest_one_and_told(
    monday: Monday, open_client: Callable[..., VendorClient]
):
    client = open_client(**{"headers.API-Version": "2025-01"})

    assert [row["email"] for row in read(client)] == [OWNER]
    assert "another version" in client.test().warnings[0]


def test_the_token_goes_as_it_is_and_every_call_names_its_version(
    sandbox: Sandbox, monday: Monday, client: VendorClient
):
    read(client)

    seen = list(sandbox.log)[-1]
    assert (seen.method, seen.path, seen.content_type) == ("POST", "/v2", "application/json")
    assert (
        seen.auth == f"({len(monday.sandbox.credentials('monday')['secrets']['value'])} characters)"
    )


# The fields.


def test_there_are_exactly_the_21_standard_fields_and_where_a_record_came_from():
    """MO-25, MO-26: question marks kept."""
    fields = get_vendor("monday").load("users").fields

    labels = [field.label for key, field in fields.items() if key != "connect_source"]
    assert sorted(labels) == sorted(LABELS)
    assert len(labels) == 21
    assert fields["connect_source"].label == "Connect: Source"


KINDS = {
    "birthday": "date",
    "created_at": "datetime",
    "enabled": "boolean",
    "is_admin": "boolean",
    "is_guest": "boolean",
    "is_pending": "boolean",
    "is_view_only": "boolean",
    "join_date": "date",
    "last_activity": "datetime",
}


def every_field_mapped() -> list[dict[str, Any]]:
    """Each field of the load to a people field of its own."""
    skipped = {"email", "connector_sync_time"}
    rows = []
    for source in get_vendor("monday").load("users").fields:
        if source not in skipped:
            kind = KINDS.get(source, "text")
            field: CustomField = make_field(object="person", label=f"Mo {source}", type=kind)
            rows.append({"source": source, "target": field.key})
    return rows


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_arrives_with_its_type(world: World, monday: Monday, version: str):
    """MO-26, MO-27: derived where the API no longer says it, the same on both versions."""
    user_id = monday.join(
        "Dana",
        kind="view_only",
        created_at="2025-03-02T09:14:33.000Z",
        became_active_at="2025-03-03T08:00:10.000Z",
        last_activity="2026-11-19T00:00:00",
        birthday="1990-04-17",
        country_code="IL",
        current_language="he",
        location="Haifa",
        mobile_phone="+972500000000",
        phone="312-800-9919",
    )
    monday.join("Pia", status="PENDING", became_active_at=None, kind="guest", phone="")
    integration = world.integration(
        "monday",
        mappings=[*ACCOUNTS, *every_field_mapped()],
        overrides={"headers.API-Version": version},
    )

    sync(integration)

    dana = {
        key.removeprefix("mo_"): value for key, value in person(f"dana@{DOMAIN}").custom.items()
    }
    assert dana == {
        "account_id": "5000001",
        "account_name": "Acme Ltd",
        "birthday": "1990-04-17",
        "connect_credentials": str(integration.credentials),
        "connect_source": f"monday.com: {integration.name}",
        "country_code": "IL",
        "created_at": "2025-03-02T09:14:33+00:00",
        "current_language": "he",
        "enabled": True,
        "id": user_id,
        "is_admin": False,
        "is_guest": False,
        "is_pending": False,
        "is_view_only": True,
        "join_date": "2025-03-03",
        "last_activity": "2026-11-19T00:00:00+00:00",
        "location": "Haifa",
        "mobile_phone": "+972500000000",
        "name": "Dana",
        "phone": "312-800-9919",
    }
    pia = person(f"pia@{DOMAIN}").custom
    assert (pia["mo_is_pending"], pia["mo_is_guest"], pia["mo_enabled"]) == (True, True, True)
    assert pia.get("mo_join_date") is None
    assert account(f"dana@{DOMAIN}").last_activity == datetime(2026, 11, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "status", "roles"),
    [
        ("admin", "ACTIVE", ["Admin"]),
        ("admin", "PENDING", ["Admin", "Pending"]),
        ("view_only", "PENDING", ["View only", "Pending"]),
        ("guest", "ACTIVE", ["Guest"]),
        ("member", "PENDING", ["Pending"]),
        ("member", "ACTIVE", ["Member"]),
    ],
)
def test_every_flag_that_holds_is_a_role_and_the_first_is_primary(
    world: World, monday: Monday, kind: str, status: str, roles: list[str]
):
    """MO-36, M-29."""
    monday.join("Ann", kind=kind, status=status)

    sync(world.integration("monday"))

    assert [role for role, _ in roles_now(account(f"ann@{DOMAIN}"))] == roles


def test_who_is_inactive_at_monday_is_a_deactivated_account_of_an_active_person(
    world: World, monday: Monday
):
    """MO-34, M-12: the vendor's word moves the account, never the person; roles end."""
    ann = monday.join("Ann", kind="admin")
    integration = world.integration("monday")
    sync(integration)
    monday.change(ann, status="INACTIVE")

    run = sync(integration)

    user = account(f"ann@{DOMAIN}")
    assert (user.status, roles_now(user)) == ("deactivated", [])
    assert person(f"ann@{DOMAIN}").status == "active"
    assert run.counts["saas_users"]["deactivated"] == 1


def test_robots_are_not_loaded(world: World, monday: Monday):
    monday.join("Robot", kind="service_user")
    monday.join("Agent", kind="personal_agent_member")

    sync(world.integration("monday"))

    assert list(SaaSUser.objects.values_list("email", flat=True)) == [OWNER]


# Pages.


def test_pages_are_read_until_a_short_one(
    sandbox: Sandbox, monday: Monday, open_client: Callable[..., VendorClient]
):
    for number in range(9):
        monday.join(f"p{number}")
    client = open_client(loads__users__paging__page_size=5)

    rows = read(client)

    assert len(rows) == len({row["id"] for row in rows}) == 10
    assert (client.listing.complete, client.listing.requests) == (True, 3)  # the last is empty
    sent = [orjson.loads(seen.body)["variables"] for seen in sandbox.log]
    assert [(one["page"], one["limit"]) for one in sent] == [(1, 5), (2, 5), (3, 5)]


@pytest.mark.parametrize("kind", ["repeat_page", "stuck"])
def test_a_listing_that_repeats_itself_is_not_complete(
    sandbox: Sandbox, monday: Monday, open_client: Callable[..., VendorClient], kind: Any
):
    for number in range(9):
        monday.join(f"p{number}")
    sandbox.faults.add(kind, vendor="monday", path=LISTING)
    client = open_client(loads__users__paging__page_size=3)

    read(client)

    assert not client.listing.complete


# GraphQL's failures.

PARTIAL = {
    "message": "Cannot return null for non-nullable field User.email.",
    "path": ["users", 3, "email"],
    "extensions": {"code": "INTERNAL_ERROR_OF_A_FIELD"},
}
SOME = {"users": [{"id": "1", "email": "x@acme.example", "status": "ACTIVE", "kind": "member"}]}
FAILURES: dict[str, tuple[bytes, str]] = {
    "errors and no data": (graphql(data={"users": None}, errors=[PARTIAL]), "refused"),
    "errors beside data": (graphql(data=SOME, errors=[PARTIAL]), "refused"),
    "an error without extensions": (graphql(errors=[{"message": "No"}]), "refused"),
    "an error in words": (graphql(errors=["Something"]), "refused"),
    "the older form": (
        orjson.dumps({"error_code": "SomethingElse", "error_message": "No", "status_code": 200}),
        "refused",
    ),
    "a message alone": (orjson.dumps({"error_message": "No"}), "refused"),
    "no right": (
        graphql(
            data={"users": None},
            errors=[{"message": "No", "extensions": {"code": "userUNAUTHORIZEDexception"}}],
        ),
        "forbidden",
    ),
    "not signed in": (graphql(errors=["Not Authenticated"]), "unauthorized"),
    "not signed in, with its status": (
        graphql(errors=[{"message": "No", "extensions": {"status_code": 401}}]),
        "unauthorized",
    ),
    "null for the users": (graphql(data={"users": None}), "contradiction"),
    "no users at all": (graphql(data={}), "contradiction"),
    "no data at all": (b"{}", "contradiction"),
}


@pytest.mark.parametrize("form", FAILURES)
def test_errors_with_status_200_are_failures(
    sandbox: Sandbox, monday: Monday, client: VendorClient, waits: list[float], form: str
):
    """MO-28: never "no users", and not tried again."""
    body, code = FAILURES[form]
    sandbox.faults.add("body", vendor="monday", path=LISTING, body=body)

    with pytest.raises((AskPerson, BrokenAnswer)) as failed:
        read(client)

    assert failed.value.code == code
    assert (waits, len(sandbox.log)) == ([], 1)
    assert "Something" not in str(failed.value)


def test_a_page_with_errors_beside_data_is_not_used_and_nobody_is_absent(
    world: World, monday: Monday
):
    """MO-28, M-11: what came before it is kept."""
    for number in range(4):
        monday.join(f"p{number}")
    integration = world.integration("monday", overrides={"loads.users.paging.page_size": 3})
    sync(integration)
    body = graphql(data=SOME, errors=[PARTIAL])
    world.sandbox.faults.add("body", vendor="monday", path=LISTING, body=body, after=1)

    run = run_sync(integration)

    assert run.state == "partial"
    assert "refused the request" in " ".join(run.warnings)
    assert set(SaaSUser.objects.values_list("status", flat=True)) == {"active"}
    assert not Person.objects.filter(email="x@acme.example").exists()


WORDS = (
    "Complexity budget exhausted, query cost 30001 budget remaining 9 out of 10 reset in 17 seconds"
)
RATES: dict[str, tuple[int, Any, dict[str, str], float]] = {
    "complexity, current": (
        429,
        {
            "message": WORDS,
            "extensions": {"code": "COMPLEXITY_BUDGET_EXHAUSTED", "retry_in_seconds": 17},
        },
        {},
        17,
    ),
    "complexity with status 200": (
        200,
        {
            "message": "No",
            "extensions": {"code": "complexity_budget_exhausted", "retry_in_seconds": 9},
        },
        {},
        9,
    ),
    "complexity in words": (200, {"message": WORDS}, {}, 17),
    "complexity as words": (200, WORDS, {}, 17),
    "the longer of header and body": (
        429,
        {"message": "No", "extensions": {"code": "x", "retry_in_seconds": 40}},
        {"Retry-After": "5"},
        40,
    ),
    "a header alone": (429, {"message": "No"}, {"Retry-After": "7"}, 7),
    "nothing said": (429, {"message": "Minute limit rate exceeded"}, {}, 60),
    "one field": (
        200,
        {"message": "No", "extensions": {"code": "FIELD_MINUTE_RATE_LIMIT_EXCEEDED"}},
        {},
        60,
    ),
    "calls at once": (
        429,
        {"message": "No", "extensions": {"code": "maxConcurrencyExceeded"}},
        {},
        60,
    ),
}


@pytest.mark.parametrize("form", RATES)
def test_limits_are_waited_for_as_long_as_monday_says(
    sandbox: Sandbox, monday: Monday, client: VendorClient, waits: list[float], form: str
):
    """Whatever the status, the shape and the case of the code."""
    status, error, headers, seconds = RATES[form]
    sandbox.faults.add(
        "status",
        vendor="monday",
        path=LISTING,
        status=status,
        body=graphql(errors=[error]),
        headers=headers,
        count=1,
    )

    rows = read(client)

    assert [row["email"] for row in rows] == [OWNER]
    assert sum(waits) == pytest.approx(seconds, rel=0.12, abs=0.1)


def test_the_older_form_of_a_limit_is_waited_for(
    sandbox: Sandbox, monday: Monday, client: VendorClient, waits: list[float]
):
    body = {"error_code": "ComplexityException", "status_code": 429, "error_message": WORDS}
    sandbox.faults.add(
        "body", vendor="monday", body=orjson.dumps({**body, "errors": [WORDS]}), count=1
    )

    assert len(read(client)) == 1
    assert sum(waits) == pytest.approx(17, rel=0.12)


def test_the_limit_of_a_day_is_waited_for_until_midnight(
    monday: Monday, client: VendorClient, waits: list[float]
):
    monday.set(per_day=0)

    with pytest.raises(TryLater) as refused:
        read(client)

    assert refused.value.retry_after == 12 * 3600  # it is noon, in UTC
    assert waits == []
    assert "midnight" in str(refused.value)


def test_a_run_that_meets_the_limit_of_a_day_waits_in_the_queue(world: World, monday: Monday):
    integration = world.integration("monday")
    monday.set(per_day=0)

    run = run_sync(integration)

    assert (run.state, run.error_code) == ("queued", "rate_limited")


@pytest.mark.parametrize(
    ("status", "code"), [(423, "busy"), (500, "server_error"), (502, "server_error")]
)
def test_what_passes_by_itself_is_tried_again(
    sandbox: Sandbox, monday: Monday, client: VendorClient, status: int, code: str
):
    sandbox.faults.add("status", vendor="monday", status=status, count=2)
    found = read(client)
    sandbox.faults.add("status", vendor="monday", status=status)

    with pytest.raises(VendorError) as failed:
        read(client)

    assert len(found) == 1
    assert failed.value.code == code


# Whose account it is.


def test_a_token_of_another_account_fails_the_run_before_anything_is_read(
    world: World, monday: Monday
):
    """M-1."""
    monday.join("Ann")
    integration = world.integration("monday")
    sync(integration)
    monday.fault("set_values", path="#Me$", values={"data.me.account.id": "777"})
    world.sandbox.log.clear()

    run = run_sync(integration)

    assert (run.state, run.error_code) == ("failed", "other_account")
    assert len(world.sandbox.log) == 1
    assert integration.tenant == "5000001"


def test_an_answer_that_names_no_account_fails_the_run(world: World, monday: Monday):
    integration = world.integration("monday")
    monday.fault("set_values", path="#Me$", values={"data.me": None})

    run = run_sync(integration)

    assert (run.state, run.error_code) == ("failed", "contradiction")


def test_a_draft_is_previewed_for_the_account_that_answers(world: World, monday: Monday):
    monday.join("Ann")
    draft = world.integration("monday", launched=False)

    run = run_sync(draft, kind="preview")

    draft.refresh_from_db()
    assert (run.state, draft.tenant) == ("done", None)
    assert run.counts["saas_users"]["created"] == 2


# Proof in batches.


def loaded(world: World, monday: Monday, people: int) -> tuple[Integration, list[str]]:
    names = [f"p{number:03}" for number in range(people)]
    ids = monday.add_all([{"name": name, "email": f"{name}@{DOMAIN}"} for name in names])
    integration = world.integration("monday")
    sync(integration)
    return integration, ids


def gone() -> list[str]:
    users = SaaSUser.objects.filter(status="deactivated")
    return sorted(users.values_list("external_id", flat=True))


def look_ups(world: World) -> list[list[str]]:
    """The ids of each look-up that was sent."""
    bodies = [orjson.loads(seen.body) for seen in world.sandbox.log]
    return [one["variables"]["ids"] for one in bodies if "UsersById" in one["query"]]


def test_who_is_gone_is_proven_by_one_call_with_a_control_record(world: World, monday: Monday):
    """M-11: every status is asked for, and the same call finds somebody who is listed."""
    integration, ids = loaded(world, monday, 40)
    monday.remove(*ids[:3])
    world.sandbox.log.clear()

    run = sync(integration)

    assert (run.state, gone()) == ("done", sorted(ids[:3]))
    (asked,) = look_ups(world)
    assert set(ids[:3]) < set(asked)
    assert len(asked) == 4


NEVER_GONE: dict[str, tuple[str, dict[str, Any]]] = {
    "401": ("status", {"status": 401}),
    "403": ("status", {"status": 403}),
    "404": ("status", {"status": 404, "body": "{}"}),
    "500": ("status", {"status": 500, "retry_after": 0}),
    "HTML": ("html", {}),
    "no connection": ("reset", {}),
    "an empty body": ("body", {"body": b""}),
    "nobody, the control record neither": ("body", {"body": graphql(data={"users": []})}),
    "null": ("body", {"body": graphql(data={"users": None})}),
    "errors beside nobody": ("body", {"body": graphql(data={"users": []}, errors=[PARTIAL])}),
    "somebody else": ("body", {"body": graphql(data=SOME)}),
    "an object": ("body", {"body": graphql(data={"users": {}})}),
}


@pytest.mark.parametrize("form", NEVER_GONE)
def test_no_other_answer_to_a_batch_means_gone(world: World, monday: Monday, form: str):
    """M-11, C-25."""
    integration, ids = loaded(world, monday, 12)
    monday.remove(ids[0])
    kind, values = NEVER_GONE[form]
    monday.fault(kind, path=LOOK_UP, **values)

    run = run_sync(integration)
    left = gone()
    monday.heal()
    later = sync(integration)

    assert (run.state, left) == ("partial", [])
    assert (later.state, gone()) == ("done", [ids[0]])


def test_who_is_not_listed_but_found_by_a_batch_is_an_issue(world: World, monday: Monday):
    integration, _ids = loaded(world, monday, 12)
    monday.fault("set_values", path=LISTING, values={"data.users.1.id": "999999999"})

    run = run_sync(integration)

    (missing,) = [code for _, code in issues(run) if code == "listing_contradicts"]
    assert missing
    assert gone() == []


def test_a_record_that_breaks_its_batch_saves_no_other(
    sandbox: Sandbox, monday: Monday, client: VendorClient
):
    """S-25: the batch is asked for in halves."""
    there = [monday.join(f"p{number}") for number in range(6)]
    monday.change(there[2], email=None)  # the schema allows none: it takes the whole list away
    away = [str(number) for number in range(9)]
    prover = Prover(client, client.vendor.load("users"), control=there[0])

    proofs = prover.look_up([*away, there[2], there[3]])

    verdicts = {key: proof.verdict for key, proof in proofs.items()}
    assert verdicts == {
        **dict.fromkeys(away, Verdict.GONE),
        there[2]: Verdict.UNKNOWN,
        there[3]: Verdict.THERE,
    }
    assert proofs[there[3]].record["status"] == "ACTIVE"


def test_several_records_that_break_prove_nothing_of_the_vendor(
    sandbox: Sandbox, monday: Monday, client: VendorClient
):
    there = [monday.join(f"p{number}") for number in range(8)]
    for one in there[1:6]:
        monday.change(one, email=None)
    prover = Prover(client, client.vendor.load("users"), control=there[0])

    with pytest.raises(VendorError):
        prover.look_up(there)


def test_a_batch_is_as_long_as_the_vendor_takes_the_control_record_included(
    sandbox: Sandbox, monday: Monday, open_client: Callable[..., VendorClient]
):
    there = [monday.join(f"p{number}") for number in range(5)]
    client = open_client(loads__users__lookup__batch=4)
    prover = Prover(client, client.vendor.load("users"), control=there[0])

    proofs = prover.look_up([*there, "1", "2"])

    sent = [orjson.loads(seen.body)["variables"]["ids"] for seen in sandbox.log]
    assert [len(ids) for ids in sent] == [3, 4, 2]
    assert all(there[0] in ids for ids in sent)
    assert [key for key, proof in proofs.items() if proof.verdict == Verdict.GONE] == ["1", "2"]


def test_without_anybody_listed_nothing_is_proven(monday: Monday, client: VendorClient):
    prover = Prover(client, client.vendor.load("users"), control=None)

    with pytest.raises(AskPerson) as refused:
        prover.look_up(["1"])

    assert refused.value.code == "no_control"
