"""What monday.com's sandbox answers and refuses, because monday.com or its schema does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from graphql import parse

from integrations.sandbox.people import FUTURE_HIRE, KEY_OWNER, LEFT
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from integrations.vendors.monday.sandbox import Vendor
from integrations.vendors.monday.schema import prune

from .conftest import Clock

EVERYBODY = "users(limit: 1000, status: [ACTIVE, PENDING, INACTIVE]%s) { id kind status email }"
OFF = "mutation Off($ids: [ID!]!) { deactivate_users(user_ids: $ids) { deactivated_users { id status } errors { message code user_id } } }"
ON = OFF.replace("deactivate", "activate")
KEPT_2026_04 = {"2026-04": "previous_maintenance", "2026-07": "maintenance", "2026-10": "current"}

Ask = Callable[..., requests.Response]


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(people=120, seed=1, now=clock.now) as running:
        yield running


@pytest.fixture
def side(sandbox: Sandbox) -> Vendor:
    side = sandbox.state["monday"]
    assert isinstance(side, Vendor)
    return side


@pytest.fixture
def ask(sandbox: Sandbox) -> Ask:
    """Send a query, signed rightly unless headers say otherwise."""

    def send(query: str, variables: Any = None, **headers: str) -> requests.Response:
        token = sandbox.credentials("monday")["secrets"]["value"]
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(
            f"{sandbox.base_url('monday')}/v2",
            json={"query": query, "variables": variables or {}},
            headers={"Authorization": token, **named},
            timeout=10,
        )

    return send


def set_up(sandbox: Sandbox, **values: Any) -> None:
    sandbox.change(StateChange(vendor="monday", settings=values))


def change(sandbox: Sandbox, user_id: str, **values: Any) -> None:
    sandbox.change(StateChange(vendor="monday", change=[RecordChange(id=user_id, set=values)]))


def users(ask: Ask, more: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = ask("{ %s }" % (EVERYBODY % more), **headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["users"]
    return found


def code(answer: requests.Response) -> str:
    found: str = answer.json()["errors"][0]["extensions"]["code"]
    return found


def active_members(ask: Ask) -> list[str]:
    own = ask("{ me { id } }").json()["data"]["me"]["id"]
    return [one["id"] for one in users(ask) if one["status"] == "ACTIVE" and one["id"] != own]


# Who may ask.


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_the_token_is_sent_as_it_is_or_after_bearer(sandbox: Sandbox, ask: Ask, prefix: str):
    token = sandbox.credentials("monday")["secrets"]["value"]

    answer = ask("{ me { kind } }", Authorization=prefix + token)

    assert answer.json()["data"] == {"me": {"kind": "admin"}}


def test_a_wrong_token_gets_401_with_a_list_of_words(ask: Ask):
    answer = ask("{ me { id } }", Authorization="nonsense")

    assert (answer.status_code, answer.json()) == (401, {"errors": ["Not Authenticated"]})


def test_a_token_dies_with_its_owner_and_is_none_for_guests(
    sandbox: Sandbox, ask: Ask, side: Vendor
):
    change(sandbox, side.owner_id, kind="view_only")
    as_viewer = ask("{ me { id } }")
    change(sandbox, side.owner_id, status="INACTIVE", kind="admin")
    as_inactive = ask("{ me { id } }")

    assert (as_viewer.status_code, code(as_viewer)) == (403, "UserUnauthorizedException")
    assert as_inactive.status_code == 401


def test_the_owner_is_the_companys_key_owner(sandbox: Sandbox, ask: Ask):
    workers = {worker.number: worker for worker in sandbox.company.workers()}

    me = ask("{ me { email } }").json()["data"]["me"]

    assert me["email"] == workers[KEY_OWNER].email


# Versions and schemas.


@pytest.mark.parametrize("field", ["enabled", "is_admin", "join_date", "photo_original"])
def test_fields_that_were_removed_refuse_the_whole_query(sandbox: Sandbox, ask: Ask, field: str):
    """No data at all, also without a version."""
    query = "{ users { id " + field + " } }"
    now = ask(query)
    set_up(sandbox, versions=KEPT_2026_04)
    before = ask(query, API_Version="2026-04")

    assert (now.status_code, code(now)) == (400, "GRAPHQL_VALIDATION_FAILED")
    assert "data" not in now.json()
    assert (before.status_code, len(before.json()["data"]["users"]) > 10) == (200, True)


@pytest.mark.parametrize("argument", ["status: [ACTIVE]", "user_kind: {in: [BASIC]}", "sort: []"])
def test_newer_arguments_are_unknown_to_the_older_version(
    sandbox: Sandbox, ask: Ask, argument: str
):
    set_up(sandbox, versions=KEPT_2026_04)
    query = "{ users(" + argument + ") { id } }"

    statuses = [
        ask(query, API_Version=version).status_code for version in ("2026-04", "2026-07", "2026-10")
    ]

    assert statuses == [400, 200, 200]


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("", ("2026-10", "current")),
        ("2026-10", ("2026-10", "current")),
        ("2026-07", ("2026-07", "maintenance")),
        ("2026-04", ("2026-07", "maintenance")),  # deprecated: the oldest that is maintained
        ("2023-10", ("2026-07", "maintenance")),
        ("2031-01", ("2026-10", "current")),  # does not exist
        ("2027-01", ("2027-01", "release_candidate")),
        ("dev", ("dev", "dev")),
    ],
)
def test_which_version_serves_is_said(ask: Ask, asked: str, served: tuple[str, str]):
    version = ask("{ version { value kind } }", API_Version=asked).json()["data"]["version"]

    assert (version["value"], version["kind"]) == served


@pytest.mark.parametrize("asked", ["foo", "2026-7", "2026-08"])
def test_a_malformed_version_is_an_error_with_status_200(ask: Ask, asked: str):
    answer = ask("{ me { id } }", API_Version=asked)

    assert (answer.status_code, code(answer)) == (200, "InvalidVersionException")


def test_wrong_variables_and_words_that_are_no_query_get_400(ask: Ask):
    assert ask("query Q($ids: [ID!]!) { users(ids: $ids) { id } }").status_code == 400
    assert ask("{ users { ").status_code == 400
    assert ask("query A { me { id } } query B { me { id } }").status_code == 400


def test_the_extracts_hold_nothing_that_their_program_would_leave_out():
    """Made again from themselves they stay the same: no field more, no type less."""
    for version in prune.VERSIONS:
        text = (Path(prune.__file__).with_name(f"{version}.graphql")).read_text(encoding="utf-8")

        assert prune.prune(parse(text)) == text


# Listing.


def test_deactivated_users_are_silently_absent_unless_asked_for(ask: Ask):
    silent = ask("{ users(limit: 1000) { status } }").json()["data"]["users"]

    assert {one["status"] for one in silent} == {"ACTIVE", "PENDING"}
    assert {one["status"] for one in users(ask)} == {"ACTIVE", "PENDING", "INACTIVE"}


def test_robots_are_among_the_users_and_the_filter_of_kinds_leaves_them_out(ask: Ask):
    people = {"admin", "member", "guest", "view_only"}
    listed = users(ask, ", user_kind: {in: [ADMIN, MEMBER, GUEST, VIEW_ONLY]}")
    basic = users(ask, ", user_kind: {in: [BASIC]}")
    robots = users(ask, ", user_kind: {not_in: [BASIC]}")

    assert {one["kind"] for one in listed} == people
    assert basic == listed
    assert {one["kind"] for one in robots} >= {"service_user", "personal_agent_member"}
    assert len(users(ask)) == len(listed) + len(robots)


def test_pages_hold_every_user_once_in_order_of_age(ask: Ask):
    query = "{ users(limit: 9, page: %d, status: [ACTIVE, PENDING, INACTIVE]) { id created_at } }"
    pages = [ask(query % page).json()["data"]["users"] for page in range(1, 12)]
    listed = [one for page in pages for one in page]

    assert len(pages[0]) == 9
    assert pages[-1] == []
    assert [one["id"] for one in listed] == [one["id"] for one in users(ask)]
    assert listed == sorted(listed, key=lambda one: one["created_at"])


def test_a_page_of_more_than_a_thousand_is_refused(ask: Ask):
    answer = ask("{ users(limit: 1001) { id } }")

    assert answer.json()["data"] == {"users": None}
    assert code(answer) == "InvalidArgumentException"


def test_ids_and_addresses_find_exactly_those_and_unknown_ids_nobody(ask: Ask):
    one, two, *_ = users(ask)

    assert users(ask, f', ids: ["{two["id"]}", "1"]') == [two]
    assert users(ask, f', emails: ["{one["email"].upper()}"]') == [one]
    assert users(ask, ', ids: ["1"]') == []


def test_one_user_that_breaks_the_schema_takes_the_whole_list_away(sandbox: Sandbox, ask: Ask):
    """A null where the schema allows none."""
    change(sandbox, users(ask)[3]["id"], email=None)

    answer = ask("{ users { id email } }").json()

    assert answer["data"] == {"users": None}
    assert answer["errors"][0]["path"] == ["users", 3, "email"]


def test_some_of_the_company_are_pending_inactive_or_forgotten(sandbox: Sandbox, ask: Ask):
    workers = {worker.number: worker for worker in sandbox.company.workers()}
    by_email = {one["email"]: one for one in users(ask)}

    assert by_email[workers[LEFT].email]["status"] == "ACTIVE"
    assert by_email[workers[FUTURE_HIRE].email]["status"] == "PENDING"
    assert all(workers[n].email in by_email for n in (KEY_OWNER, LEFT, FUTURE_HIRE))


# Changing.


def test_each_user_is_answered_for_inside_of_the_data(sandbox: Sandbox, ask: Ask, side: Vendor):
    """A partial result is normal."""
    one = active_members(ask)[0]

    answer = ask(OFF, {"ids": [one, "1", side.owner_id]})

    assert answer.status_code == 200
    assert "errors" not in answer.json()
    result = answer.json()["data"]["deactivate_users"]
    assert result["deactivated_users"] == [{"id": one, "status": "INACTIVE"}]
    codes = {error["user_id"]: error["code"] for error in result["errors"]}
    assert codes == {"1": "USER_NOT_FOUND", side.owner_id: "CANNOT_UPDATE_SELF"}
    assert [(effect.op, effect.id) for effect in sandbox.ledger] == [("user.deactivate", one)]


def test_activating_is_the_reverse_and_what_is_so_already_is_no_effect(sandbox: Sandbox, ask: Ask):
    one = active_members(ask)[0]
    for query in (OFF, OFF, ON, ON):
        ask(query, {"ids": [one]})

    assert [effect.op for effect in sandbox.ledger] == ["user.deactivate", "user.activate"]
    assert users(ask, f', ids: ["{one}"]')[0]["status"] == "ACTIVE"


def test_more_than_two_hundred_at_once_change_nobody(sandbox: Sandbox, ask: Ask):
    ids = [*active_members(ask), *(str(number) for number in range(200))]

    result = ask(OFF, {"ids": ids}).json()["data"]["deactivate_users"]

    assert [error["code"] for error in result["errors"]] == ["EXCEEDS_BATCH_LIMIT"]
    assert len(sandbox.ledger) == 0


def test_only_admins_change_users(sandbox: Sandbox, ask: Ask, side: Vendor):
    one = active_members(ask)[0]
    change(sandbox, side.owner_id, kind="member")

    answer = ask(OFF, {"ids": [one]})

    assert (answer.status_code, code(answer)) == (200, "USER_ACCESS_DENIED")
    assert answer.json()["data"] == {"deactivate_users": None}
    assert len(sandbox.ledger) == 0


def test_an_invitation_makes_a_pending_user_once(sandbox: Sandbox, ask: Ask):
    query = 'mutation { invite_users(emails: ["new@partner.example"], user_role: GUEST) { invited_users { id status kind } errors { code email } } }'

    first, second = (ask(query).json()["data"]["invite_users"] for _ in range(2))

    assert (first["invited_users"][0]["status"], first["invited_users"][0]["kind"]) == (
        "PENDING",
        "guest",
    )
    assert second == {
        "invited_users": [],
        "errors": [{"code": "ERROR", "email": "new@partner.example"}],
    }
    assert [effect.op for effect in sandbox.ledger] == ["user.create"]


def test_a_base_role_is_set(ask: Ask):
    one = active_members(ask)[0]

    query = "mutation R($id: ID!) { update_users_role(user_ids: [$id], new_role: VIEW_ONLY) { errors { code } } }"
    ask(query, {"id": one})

    assert users(ask, f', ids: ["{one}"]')[0]["kind"] == "view_only"


def test_the_same_key_gets_the_same_answer_for_half_an_hour(
    sandbox: Sandbox, ask: Ask, clock: Clock
):
    one = active_members(ask)[0]
    first = ask(OFF, {"ids": [one]}, Idempotency_Key="k1")
    ask(ON, {"ids": [one]})
    clock.move(minutes=29)
    again = ask(OFF, {"ids": [one]}, Idempotency_Key="k1")
    between = len(sandbox.ledger)
    clock.move(minutes=2)
    later = ask(OFF, {"ids": [one]}, Idempotency_Key="k1")

    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in later.headers
    assert (between, len(sandbox.ledger)) == (2, 3)


def test_a_key_whose_request_still_runs_gets_409(sandbox: Sandbox, ask: Ask, clock: Clock):
    set_up(sandbox, mutation_seconds=5)
    one = active_members(ask)[0]
    ask(OFF, {"ids": [one]}, Idempotency_Key="k1")

    early = ask(OFF, {"ids": [one]}, Idempotency_Key="k1")
    clock.move(seconds=5)
    later = ask(OFF, {"ids": [one]}, Idempotency_Key="k1")

    assert (early.status_code, code(early)) == (409, "IDEMPOTENCY_CONFLICT")
    assert early.headers["Retry-After"] == "5"
    assert (later.status_code, later.headers["Idempotency-Replayed"]) == (200, "true")


# Limits.


def test_the_budget_of_points_comes_back_within_a_minute(sandbox: Sandbox, ask: Ask, clock: Clock):
    set_up(sandbox, complexity_per_minute=1500)
    query = "{ complexity { before after query } users(limit: 200) { id name email } }"
    first, second = ask(query), ask(query)
    third = ask(query)
    clock.move(seconds=60)

    points = first.json()["data"]["complexity"]
    assert points["before"] - points["after"] == points["query"] == 605
    assert (second.status_code, third.status_code) == (200, 429)
    error = third.json()["errors"][0]
    assert error["extensions"]["code"] == "COMPLEXITY_BUDGET_EXHAUSTED"
    assert error["extensions"]["retry_in_seconds"] == 60
    assert "query cost 605 budget remaining 290 out of 1500 reset in 60 seconds" in error["message"]
    assert ask(query).status_code == 200


def test_the_older_form_of_that_error_has_status_200(sandbox: Sandbox, ask: Ask):
    set_up(sandbox, complexity_per_minute=10, error_form="legacy")

    answer = ask("{ users { id } }")

    assert answer.status_code == 200
    assert answer.json()["error_code"] == "ComplexityException"
    assert "reset in" in answer.json()["errors"][0]


def test_calls_of_a_minute_and_of_a_day_are_counted(sandbox: Sandbox, ask: Ask, clock: Clock):
    set_up(sandbox, per_minute=3)
    a_minute = [ask("{ me { id } }") for _ in range(4)][-1]
    clock.move(minutes=1)
    set_up(sandbox, per_minute=None, per_day=5)
    a_day = [ask("{ me { id } }") for _ in range(3)]
    clock.move(hours=11)  # a minute before midnight
    before = ask("{ me { id } }")
    clock.move(hours=1)

    assert (a_minute.status_code, a_minute.headers["Retry-After"]) == (429, "60")
    assert [answer.status_code for answer in a_day] == [200, 200, 429]
    assert (before.status_code, code(before)) == (429, "DAILY_LIMIT_EXCEEDED")
    assert ask("{ me { id } }").status_code == 200


# Faults and state.


def listed(ask: Ask, page: int) -> list[str]:
    query = "query Some($page: Int!) { users(limit: 10, page: $page) { id } }"
    answer = ask(query, {"page": page}).json()
    return [one["id"] for one in answer["data"]["users"]]


def test_faults_of_pages_see_the_page_inside_of_the_body(sandbox: Sandbox, ask: Ask):
    whole = {page: listed(ask, page) for page in (1, 2)}
    seen = {}
    for kind in ("shrink", "repeat_page", "stuck"):
        sandbox.faults.add(kind, vendor="monday")
        seen[kind] = {page: listed(ask, page) for page in (1, 2)}
        sandbox.faults.clear()

    assert seen["shrink"] == {1: whole[1], 2: whole[2][:5]}
    assert seen["repeat_page"] == seen["stuck"] == {1: whole[1], 2: whole[1]}


def test_a_fault_may_be_about_one_operation(sandbox: Sandbox, ask: Ask):
    sandbox.faults.add("status", vendor="monday", path="#Some$", status=503)

    assert ask("query Some { me { id } }").status_code == 503
    assert ask("query Other { me { id } }").status_code == 200
    assert ask("{ me { id } }").status_code == 200


def test_the_world_is_the_same_after_a_restart(clock: Clock, tmp_path: Path, ask: Ask):
    file = tmp_path / "state.json"
    with Sandbox(people=30, now=clock.now, state_file=file) as first:
        side = first.state["monday"]
        side.apply(StateChange(vendor="monday", add=[{"name": "New", "email": "n@acme.example"}]))
        before = side.dump()
    with Sandbox(people=0, now=clock.now, state_file=file) as second:
        after = second.state["monday"].dump()

    assert after == before


def test_bodies_that_are_nothing_of_the_kind_are_refused(sandbox: Sandbox):
    url = f"{sandbox.base_url('monday')}/v2"
    token = {"Authorization": sandbox.credentials("monday")["secrets"]["value"]}
    bodies = [
        b"",
        b"[]",
        b"{}",
        b'{"query": 5}',
        b'{"query": "{me{id}}", "variables": []}',
        b"\xff",
    ]

    statuses = [
        requests.post(
            url, data=body, headers={**token, "Content-Type": "application/json"}, timeout=10
        ).status_code
        for body in bodies
    ]
    form = requests.post(url, data={"query": "{me{id}}"}, headers=token, timeout=10)

    assert statuses == [400, 400, 400, 400, 200, 400]
    assert form.status_code == 400
    assert requests.get(url, headers=token, timeout=10).status_code == 404
