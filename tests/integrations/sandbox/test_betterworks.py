"""What Betterworks' sandbox answers and refuses, because Betterworks does or is likely to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from integrations.sandbox.hostile import hostile_answers
from integrations.sandbox.people import CHIEF, KEY_OWNER, LEFT, OTHER_SCRIPT
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from integrations.vendors.betterworks.sandbox import Vendor

from .conftest import NO_LIMIT, Caller, Clock

MIA: dict[str, Any] = {"email": "mia@acme.example", "first_name": "Mia", "last_name": "Park"}
ROLE_FLAGS = {"is_super_admin", "is_admin", "is_hr_admin", "is_goalmaster", "is_group_admin"}


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    limits = dict.fromkeys(("bamboohr", "betterworks"), NO_LIMIT)
    with Sandbox(people=80, seed=1, now=clock.now, settings=limits) as running:
        yield running


@pytest.fixture
def betterworks(sandbox: Sandbox) -> Caller:
    return Caller(sandbox, "betterworks")


def change(sandbox: Sandbox, **values: Any) -> None:
    sandbox.change(StateChange(vendor="betterworks", **values))


def everybody(betterworks: Caller) -> list[dict[str, Any]]:
    """Every user of the listing, page by page, by the addresses that the answers give."""
    found: list[dict[str, Any]] = []
    path = "/users/"
    while path:
        document = betterworks.get(path).json()
        found += document["results"]
        after = document["nextURL"] or ""
        path = after.removeprefix(betterworks.sandbox.base_url("betterworks"))
    return found


def by_email(betterworks: Caller) -> dict[str, dict[str, Any]]:
    return {user["email"]: user for user in everybody(betterworks)}


def side_of(sandbox: Sandbox) -> Vendor:
    side = sandbox.state["betterworks"]
    assert isinstance(side, Vendor)
    return side


def create(betterworks: Caller, **values: Any) -> Any:
    return betterworks("POST", "/users/", json={**MIA, **values})


def effects(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(one.op, one.key) for one in sandbox.ledger if one.vendor == "betterworks"]


# The address and the token.


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/users"), ("POST", "/users"), ("PUT", "/users/700001")]
)
def test_a_path_without_the_slash_is_moved_and_nothing_is_done(
    sandbox: Sandbox, betterworks: Caller, method: str, path: str
) -> None:
    answer = betterworks(method, path, json=MIA, headers={"Authorization": "nothing"})

    assert answer.status_code == 301
    assert answer.headers["Location"] == f"/betterworks/api/v1{path}/"
    assert effects(sandbox) == []


@pytest.mark.parametrize(
    "sent", ["", "{token}", "Bearer {token}", "Token {token}", "APIToken  {token}", "APIToken no"]
)
def test_another_word_or_token_gets_401_with_a_detail(
    sandbox: Sandbox, betterworks: Caller, sent: str
) -> None:
    token = sandbox.credentials("betterworks")["secrets"]["value"]

    wrong = betterworks.get("/users/", headers={"Authorization": sent.format(token=token)})
    right = betterworks.get("/users/", headers={"Authorization": f"APIToken {token}"})

    assert (wrong.status_code, right.status_code) == (401, 200)
    assert list(wrong.json()) == ["detail"]
    assert token not in wrong.text


def test_the_token_dies_with_its_user(sandbox: Sandbox, betterworks: Caller) -> None:
    owner = side_of(sandbox).owner_id

    gone = betterworks("PUT", f"/users/{owner}/", json={"is_active": False})
    after = betterworks.get("/users/")

    assert (gone.status_code, after.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("super_admin", {"list", "one", "admins", "departments", "create", "update", "make"}),
        ("admin", {"list", "one", "departments"}),
        ("member", {"one"}),
    ],
)
def test_what_a_token_may_depends_on_its_user(
    sandbox: Sandbox, betterworks: Caller, role: str, allowed: set[str]
) -> None:
    """BW-25: only a Super Admin changes users, departments and sees administrators."""
    change(sandbox, settings={"token_role": role})

    answers = {
        "list": betterworks.get("/users/"),
        "one": betterworks.get("/users/700001/"),
        "admins": betterworks.get("/users/admins/"),
        "departments": betterworks.get("/departments/"),
        "create": create(betterworks),
        "update": betterworks("PUT", "/users/700001/", json={"title": "Boss"}),
        "make": betterworks("POST", "/departments/", json={"name": "Space"}),
    }

    refused = {name for name, answer in answers.items() if answer.status_code == 403}
    assert refused == set(answers) - allowed
    assert all(list(answers[name].json()) == ["detail"] for name in refused)
    assert len(effects(sandbox)) == (3 if role == "super_admin" else 0)


def test_whoever_stops_being_a_super_admin_may_change_nothing_more(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    owner = str(side_of(sandbox).owner_id)
    change(sandbox, change=[RecordChange(id=owner, set={"is_super_admin": False})])

    assert create(betterworks).status_code == 403


def test_more_calls_than_the_limit_get_429_with_the_seconds_to_wait(clock: Clock) -> None:
    with Sandbox(people=0, now=clock.now) as sandbox:
        change(sandbox, settings={"per_second": 2})
        betterworks = Caller(sandbox, "betterworks")
        answers = [betterworks.get("/users/") for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "1"


# Reading.


def test_a_page_has_thirty_users_and_the_whole_address_of_the_next(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    first = betterworks.get("/users/").json()
    second = betterworks.get("/users/?page=2").json()

    assert (len(first["results"]), first["more"]) == (30, True)
    assert first["nextURL"] == f"{sandbox.base_url('betterworks')}/users/?page=2"
    assert (second["more"], second["nextURL"]) == (False, None)
    ids = [user["id"] for user in first["results"] + second["results"]]
    assert ids == sorted(set(ids))


def test_the_other_envelopes_hold_the_same_users(sandbox: Sandbox, betterworks: Caller) -> None:
    usual = everybody(betterworks)

    change(sandbox, settings={"envelope": "next"})
    other = betterworks.get("/users/").json()
    change(sandbox, settings={"envelope": "bare"})
    bare = betterworks.get("/users/").json()

    assert list(other) == ["results", "next"]
    assert other["next"].endswith("/users/?page=2")
    assert bare == usual


def test_a_user_is_found_by_id_by_uuid_and_by_e_mail_without_case(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    """BW-34; an e-mail in a path is percent-encoded."""
    made = create(betterworks, email="mia+x@acme.example").json()

    ways = [str(made["id"]), made["uuid"], quote("Mia+X@acme.example", safe="")]
    found = [betterworks.get(f"/users/{way}/").json() for way in ways]

    assert found == [made, made, made]


@pytest.mark.parametrize("way", ["1", "nobody%40acme.example", "ba8fa8d1", "9" * 40])
def test_who_is_not_there_is_404_as_json(betterworks: Caller, way: str) -> None:
    answer = betterworks.get(f"/users/{way}/")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_users_cannot_be_deleted(sandbox: Sandbox, betterworks: Caller) -> None:
    answer = betterworks("DELETE", "/users/700001/")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, PUT"
    assert betterworks.get("/users/700001/").status_code == 200


def test_every_company_has_every_role_and_somebody_who_left_and_can_still_sign_in(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    employees = Caller(sandbox, "bamboohr").rows("workEmail", "status")
    users = by_email(betterworks)

    def flags(number: int) -> set[str]:
        user = users[employees[str(number)]["workEmail"]]
        return {flag for flag in ROLE_FLAGS if user[flag]}

    assert flags(CHIEF) == {"is_hr_admin"}
    assert flags(KEY_OWNER) == {"is_super_admin", "is_goalmaster"}
    assert flags(OTHER_SCRIPT) == {"is_admin", "is_group_admin"}
    leaver = employees[str(LEFT)]
    assert (leaver["status"], users[leaver["workEmail"]]["is_active"]) == ("Inactive", True)


def test_the_accounts_are_as_untidy_as_real_ones(clock: Clock) -> None:
    with Sandbox(people=1500, now=clock.now, settings={"betterworks": NO_LIMIT}) as sandbox:
        users = everybody(Caller(sandbox, "betterworks"))

    ended = [user for user in users if not user["is_active"]]
    assert 700 < len(users) < 1100
    assert ended
    assert not any(user[flag] for user in ended for flag in ROLE_FLAGS)
    assert any(user["manager"] is None and user["department"] for user in users)
    assert {user["manager_id"] for user in users} - {None} <= {user["id"] for user in users}
    assert any(user["employee_id"] is None for user in users)
    assert all(any(user[flag] for user in users) for flag in ROLE_FLAGS)


def test_the_list_of_administrators_has_three_kinds_and_nobody_else(
    betterworks: Caller, sandbox: Sandbox
) -> None:
    """BW-29."""
    listed = betterworks.get("/users/admins/").json()["results"]

    kinds = ("is_super_admin", "is_admin", "is_hr_admin")
    expected = [user["id"] for user in everybody(betterworks) if any(user[one] for one in kinds)]
    assert [user["id"] for user in listed] == expected
    assert all(any(user[kind] for user in listed) for kind in kinds)


# Creating.


def test_a_user_is_made_with_what_was_sent(sandbox: Sandbox, betterworks: Caller) -> None:
    """BW-23, BW-24."""
    boss = everybody(betterworks)[0]

    answer = create(
        betterworks, title="Analyst", employee_id="00900", manager_id=boss["id"],
        department_name="Sales", hire_date="2026-03-02", employee_status="Full Time",
        custom_fields={"contact_number": "1"}, phone_number=None,
    )  # fmt: skip

    made = answer.json()
    assert answer.status_code == 201
    assert betterworks.get(f"/users/{made['id']}/").json() == made
    assert (made["name"], made["title"], made["employee_id"]) == ("Mia Park", "Analyst", "00900")
    assert (made["manager"]["email"], made["department"]["name"]) == (boss["email"], "Sales")
    assert made["custom_fields"] == {"employee_status": "Full Time", "contact_number": "1"}
    assert effects(sandbox) == [("user.create", "mia@acme.example")]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"first_name": ""}, "first_name"),
        ({"last_name": None}, "last_name"),
        ({"email": "mia"}, "email"),
        ({"email": 7}, "email"),
        ({"email": "mia@elsewhere.example"}, "email"),
        ({"employeeId": "1"}, "employeeId"),
        ({"employee_id": 105}, "employee_id"),
        ({"title": ["x"]}, "title"),
        ({"title": "x" * 256}, "title"),
        ({"hire_date": "02.03.2026"}, "hire_date"),
        ({"hire_date": "2026-13-01"}, "hire_date"),
        ({"deactivation_date": 20260301}, "deactivation_date"),
        ({"manager_id": 1}, "manager_id"),
        ({"manager_id": "boss"}, "manager_id"),
        ({"department_id": 1}, "department_id"),
        ({"is_active": "false"}, "is_active"),
        ({"custom_fields": {"unknown": 1}}, "custom_fields"),
    ],
)
def test_a_value_that_is_wrong_is_named_and_nothing_is_made(
    sandbox: Sandbox, betterworks: Caller, values: dict[str, Any], field: str
) -> None:
    answer = create(betterworks, **values)

    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert isinstance(answer.json()[field][0], str)
    assert effects(sandbox) == []


def test_email_and_both_names_are_needed(betterworks: Caller) -> None:
    answer = betterworks("POST", "/users/", json={"title": "Analyst"})

    assert answer.status_code == 400
    assert set(answer.json()) == {"email", "first_name", "last_name"}


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"", 400),
    ],
)
def test_what_is_no_json_object_is_refused(
    betterworks: Caller, content_type: str, body: bytes, status: int
) -> None:
    headers = {"Content-Type": content_type}

    assert betterworks("POST", "/users/", data=body, headers=headers).status_code == status


@pytest.mark.parametrize("status", [400, 409])
def test_an_e_mail_that_is_taken_makes_no_second_account(
    sandbox: Sandbox, betterworks: Caller, status: int
) -> None:
    """BW-27: whatever its case."""
    change(sandbox, settings={"conflict_status": status})
    create(betterworks)

    again = create(betterworks, email="MIA@acme.example")

    assert again.status_code == status
    assert "already exists" in again.text
    assert effects(sandbox) == [("user.create", "mia@acme.example")]


def test_an_employee_id_that_is_taken_is_refused(betterworks: Caller) -> None:
    create(betterworks, employee_id="00900")

    again = create(betterworks, email="other@acme.example", employee_id="00900")
    another = create(betterworks, email="other@acme.example", employee_id="900")

    assert (again.status_code, list(again.json())) == (400, ["employee_id"])
    assert another.status_code == 201


def test_what_was_made_is_seen_by_reads_only_after_the_lag(
    sandbox: Sandbox, betterworks: Caller, clock: Clock
) -> None:
    """M-27: a look-up too early finds nothing, and another create is refused all the same."""
    change(sandbox, settings={"lookup_lag": 30})
    made = create(betterworks).json()
    betterworks("POST", "/departments/", json={"name": "Space"})

    def seen() -> tuple[int, bool, bool]:
        names = [one["name"] for one in betterworks.get("/departments/").json()["results"]]
        listed = "mia@acme.example" in by_email(betterworks)
        return betterworks.get(f"/users/{made['id']}/").status_code, listed, "Space" in names

    clock.move(seconds=29)
    early, again = seen(), create(betterworks)
    clock.move(seconds=1)
    late = seen()

    assert (early, late) == ((404, False, False), (200, True, True))
    assert again.status_code == 400


# Changing.


@pytest.mark.parametrize("way", ["id", "email"])
def test_only_what_the_body_names_is_changed(
    sandbox: Sandbox, betterworks: Caller, way: str
) -> None:
    """BW-33, by both addresses."""
    made = create(betterworks, title="Analyst", location="Austin").json()
    path, body = f"/users/{made['id']}/", {"title": "Lead"}
    if way == "email":
        path, body = "/users/", {"email": "Mia@acme.example", "title": "Lead"}

    answer = betterworks("PUT", path, json=body)

    assert answer.status_code == 200
    assert answer.json() == {**made, "title": "Lead"}
    assert effects(sandbox)[1:] == [("user.update", "mia@acme.example")]


def test_null_clears_and_a_new_e_mail_moves_the_account(betterworks: Caller) -> None:
    made = create(betterworks, title="Analyst").json()
    body = {"title": None, "email": "mia.lee@acme.example", "last_name": "Lee"}

    changed = betterworks("PUT", f"/users/{made['id']}/", json=body).json()

    assert (changed["title"], changed["name"]) == (None, "Mia Lee")
    assert betterworks.get("/users/mia%40acme.example/").status_code == 404
    assert betterworks.get("/users/mia.lee%40acme.example/").json()["id"] == made["id"]


def test_an_update_of_nobody_or_with_a_taken_e_mail_is_refused(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    mine, other = create(betterworks).json(), everybody(betterworks)[0]["email"]

    nobody = betterworks("PUT", "/users/", json={"email": "x@acme.example", "title": "x"})
    nameless = betterworks("PUT", "/users/", json={"title": "x"})
    taken = betterworks("PUT", f"/users/{mine['id']}/", json={"email": other})
    own_boss = betterworks("PUT", f"/users/{mine['id']}/", json={"manager_id": mine["id"]})

    statuses = [one.status_code for one in (nobody, nameless, taken, own_boss)]
    assert statuses == [404, 400, 400, 400]
    assert len(effects(sandbox)) == 1


def test_deactivation_takes_the_roles_and_coming_back_does_not_restore_them(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    made = create(betterworks).json()
    path = f"/users/{made['id']}/"
    roles = {"is_admin": True, "is_goalmaster": True}
    change(sandbox, change=[RecordChange(id=str(made["id"]), set=roles)])

    ended = betterworks("PUT", path, json={"is_active": False}).json()
    back = betterworks("PUT", path, json={"is_active": True, "deactivation_date": None}).json()

    assert (ended["is_active"], back["is_active"]) == (False, True)
    assert not any(back[flag] for flag in ROLE_FLAGS)
    assert [op for op, _key in effects(sandbox)] == [
        "user.create", "user.deactivate", "user.activate",
    ]  # fmt: skip


def test_a_deactivation_date_ends_the_account_when_its_day_is_over(
    sandbox: Sandbox, betterworks: Caller, clock: Clock
) -> None:
    made = create(betterworks).json()
    path = f"/users/{made['id']}/"

    planned = betterworks("PUT", path, json={"deactivation_date": "2026-03-03"}).json()
    clock.move(days=1)
    last_day = betterworks.get(path).json()
    clock.move(days=1)
    after = betterworks.get(path).json()
    kept_date = betterworks("PUT", path, json={"is_active": True})

    states = [one["is_active"] for one in (planned, last_day, after)]
    assert states == [True, True, False]
    assert (kept_date.status_code, list(kept_date.json())) == (400, ["is_active"])


# Departments.


def test_departments_take_the_same_name_twice(sandbox: Sandbox, betterworks: Caller) -> None:
    """So a department that is made twice shows in the ledger."""
    answers = [betterworks("POST", "/departments/", json={"name": "Space"}) for _ in range(2)]

    listed = betterworks.get("/departments/").json()["results"]
    assert [one.status_code for one in answers] == [201, 201]
    assert len({one.json()["id"] for one in answers}) == 2
    assert [one["name"] for one in listed].count("Space") == 2
    assert effects(sandbox) == [("department.create", "Space")] * 2


def test_a_department_name_matches_exactly_or_makes_a_new_one(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    first = create(betterworks, department_name="Sales").json()
    second = create(betterworks, email="b@acme.example", department_name=" Sales").json()

    assert first["department"]["id"] != second["department"]["id"]
    assert effects(sandbox).count(("department.create", " Sales")) == 1


@pytest.mark.parametrize("body", [{}, {"name": " "}, {"name": 1}, {"name": "A", "parent": 9999}])
def test_a_department_needs_a_name_and_a_parent_that_is_there(
    sandbox: Sandbox, betterworks: Caller, body: dict[str, Any]
) -> None:
    assert betterworks("POST", "/departments/", json=body).status_code == 400
    assert effects(sandbox) == []


# The world behind it.


def test_the_state_comes_back_as_it_was(sandbox: Sandbox, betterworks: Caller) -> None:
    create(betterworks, department_name="Space", employee_id="7")
    dumped = orjson.loads(orjson.dumps(side_of(sandbox).dump()))

    with Sandbox(people=0, seed=1, now=sandbox.now) as another:
        another.state["betterworks"].restore(dumped)
        again = Caller(another, "betterworks")

        assert side_of(another).dump() == dumped
        assert everybody(again) == everybody(betterworks)
        assert create(again).status_code == 400


def test_records_are_changed_from_outside_whatever_the_api_would_refuse(
    sandbox: Sandbox, betterworks: Caller
) -> None:
    added = sandbox.change(
        StateChange(vendor="betterworks", add=[{**MIA, "id": "5", "department": "Space"}])
    )
    odd = {"email": None, "is_active": "maybe", "department": 7, "manager_id": 12}
    first = betterworks.get("/users/5/").json()
    change(sandbox, change=[RecordChange(id="5", set=odd)])
    second = betterworks.get("/users/5/").json()
    change(sandbox, delete=["5"])

    assert added == {"betterworks": ["5"]}
    assert first["department"]["name"] == "Space"
    assert {key: second[key] for key in odd} == odd
    assert betterworks.get("/users/5/").status_code == 404
    assert effects(sandbox) == []


def test_hostile_answers_are_made_of_the_listing() -> None:
    answers = list(hostile_answers("betterworks/users", seed=1, count=60))

    assert len({body for _name, _type, body in answers}) > 50
