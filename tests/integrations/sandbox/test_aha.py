"""What Aha!'s sandbox answers and refuses, because Aha! does."""

from collections import Counter
from typing import Any

import pytest

from integrations.sandbox.people import KEY_OWNER, LEFT
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import StateChange

from .conftest import Caller, Clock


def change(sandbox: Sandbox, **values: Any) -> None:
    sandbox.change(StateChange(vendor="aha", **values))


def every_user(aha: Caller) -> list[dict[str, Any]]:
    document = aha.get("/users?per_page=200").json()
    assert document["pagination"]["total_pages"] == 1
    users: list[dict[str, Any]] = document["users"]
    return users


def somebody_else(aha: Caller) -> dict[str, Any]:
    own = aha.get("/me").json()["user"]["id"]
    return next(user for user in every_user(aha) if user["id"] != own)


@pytest.mark.parametrize("prefix", ["", "Bearer Bearer ", "Basic ", "Token ", "Bearer  "])
def test_the_key_is_sent_as_bearer_exactly_once(sandbox: Sandbox, aha: Caller, prefix: str) -> None:
    """AH-05 leads people to write the word themselves."""
    key = sandbox.credentials("aha")["secrets"]["value"]

    wrong = aha.get("/me", headers={"Authorization": prefix + key})
    right = aha.get("/me", headers={"Authorization": f"Bearer {key}"})

    assert (wrong.status_code, right.status_code) == (401, 200)
    assert key not in wrong.text


def test_a_wrong_sub_domain_gets_401(aha: Caller) -> None:
    assert aha.get("/me", account="other").status_code == 401


def test_who_is_behind_the_key_is_an_administrator(sandbox: Sandbox, aha: Caller) -> None:
    me = aha.get("/me").json()["user"]

    employees = Caller(sandbox, "bamboohr").rows("workEmail", "firstName")
    assert me["email"] == employees[str(KEY_OWNER)]["workEmail"]
    assert me["first_name"]
    assert me["administrator"] is True


def test_a_page_has_thirty_users_unless_asked_and_at_most_two_hundred(clock: Clock) -> None:
    with Sandbox(people=700, now=clock.now) as sandbox:
        aha = Caller(sandbox, "aha")
        first = aha.get("/users").json()
        large = aha.get("/users?per_page=1000&page=2").json()
        behind = aha.get("/users?page=999").json()

    total = first["pagination"]["total_records"]
    assert total > 200
    assert len(first["users"]) == 30
    assert large["pagination"] == {"total_records": total, "total_pages": 2, "current_page": 2}
    assert len(large["users"]) == total - 200
    assert (behind["users"], behind["pagination"]["current_page"]) == ([], 999)


def test_pages_hold_every_user_once(aha: Caller) -> None:
    pages = aha.get("/users?per_page=7").json()["pagination"]["total_pages"]

    ids = [
        user["id"]
        for page in range(1, pages + 1)
        for user in aha.get(f"/users?per_page=7&page={page}").json()["users"]
    ]

    assert len(ids) == len(set(ids)) == len(every_user(aha))
    assert ids == sorted(ids)


def test_no_match_has_no_pages(aha: Caller) -> None:
    document = aha.get("/users?email=nobody@acme.example").json()

    assert document == {
        "users": [],
        "pagination": {"total_records": 0, "total_pages": 0, "current_page": 1},
    }


def test_ids_are_text_of_nineteen_digits_and_nested_ids_are_numbers(aha: Caller) -> None:
    users = every_user(aha)

    assert all(isinstance(user["id"], str) and len(user["id"]) == 19 for user in users)
    assert all(int(user["id"]) > 2**53 for user in users)
    custom = [role for user in users for role in user["user_roles"]]
    groups = [user["paid_seat_group"] for user in users if "paid_seat_group" in user]
    assert {type(role["role_id"]) for role in custom} == {int}
    assert {type(role["scope"]["id"]) for role in custom} == {int}
    assert {type(group["id"]) for group in groups} == {int}


def test_the_accounts_are_as_untidy_as_real_ones(sandbox: Sandbox, aha: Caller) -> None:
    users = every_user(aha)
    employees = {
        str(row["workEmail"]).casefold()
        for row in Caller(sandbox, "bamboohr").rows("workEmail").values()
    }

    roles = [role for user in users for role in user["product_roles"]]
    repeated = Counter(
        (user["id"], role["role"]) for user in users for role in user["product_roles"]
    )
    addresses = Counter(user["email"] for user in users)
    strangers = [user for user in users if user["email"].casefold() not in employees]
    assert any(role["product_name"] is None for role in roles)
    assert max(repeated.values()) > 1
    assert addresses["no-reply@acme.example"] == 3
    assert any(user["accessed_at"] is None for user in users)
    assert len(strangers) == 5
    assert not any("first_name" in user for user in users)


def test_about_a_third_of_the_company_has_an_account(clock: Clock) -> None:
    with Sandbox(people=2_000, now=clock.now) as sandbox:
        total = Caller(sandbox, "aha").get("/users").json()["pagination"]["total_records"]

    assert 600 < total < 780


def test_somebody_who_left_can_still_sign_in(sandbox: Sandbox, aha: Caller) -> None:
    """A leaver with access is what the product is for; every company here has one."""
    rows = Caller(sandbox, "bamboohr").rows("workEmail", "status")

    leaver = rows[str(LEFT)]
    (user,) = aha.get(f"/users?email={leaver['workEmail']}").json()["users"]
    assert (leaver["status"], user["enabled"]) == ("Inactive", True)


def test_one_user_is_wrapped_and_has_no_custom_roles(aha: Caller) -> None:
    listed = somebody_else(aha)

    answer = aha.get(f"/users/{listed['id']}").json()

    assert list(answer) == ["user"]
    assert answer["user"] == {key: value for key, value in listed.items() if key != "user_roles"}
    assert aha.get("/users/1").status_code == 404


def test_an_update_is_wrapped_and_its_answer_is_not(sandbox: Sandbox, aha: Caller) -> None:
    user = somebody_else(aha)

    answer = aha("PUT", f"/users/{user['id']}", json={"user": {"enabled": False}})

    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["enabled"]) == (user["id"], False)
    assert answer.json()["product_roles"] == user["product_roles"]
    assert answer.json()["paid_seat"] == user["paid_seat"]
    (effect,) = sandbox.ledger
    assert (effect.op, effect.key, effect.id) == ("user.update", user["email"], user["id"])
    assert effect.set == ("enabled",)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"enabled": False}, 400),
        ({"user": {}}, 400),
        ({"user": []}, 400),
        ([], 400),
        ({"user": {"administrator": "yes"}}, 422),
        ({"user": {"administrator": 1}}, 422),
        ({"user": {"administrator": None}}, 422),
        ({"user": {"enabled": "off"}}, 422),
        ({"user": {"first_name": {"a": 1}}}, 422),
        ({"user": {"email": "no address"}}, 422),
        ({"user": {"administrator_roles": {"administer_billing": "maybe"}}}, 422),
        ({"user": {"administrator_roles": ["administer_billing"]}}, 422),
    ],
)
def test_a_bad_update_is_refused_and_changes_nothing(
    sandbox: Sandbox, aha: Caller, body: Any, status: int
) -> None:
    user = somebody_else(aha)

    answer = aha("PUT", f"/users/{user['id']}", json=body)

    assert answer.status_code == status
    assert somebody_else(aha) == user
    assert len(sandbox.ledger) == 0


def test_an_update_that_is_not_sent_as_json_has_no_wrapper(aha: Caller) -> None:
    user = somebody_else(aha)

    answer = aha("PUT", f"/users/{user['id']}", data='{"user": {"enabled": false}}')

    assert answer.status_code == 400


def test_administrator_rewrites_all_three_roles(aha: Caller) -> None:
    path = f"/users/{somebody_else(aha)['id']}"

    every = aha("PUT", path, json={"user": {"administrator": "true"}}).json()
    one = aha(
        "PUT",
        path,
        json={
            "user": {"administrator": False, "administrator_roles": {"administer_billing": True}}
        },
    ).json()

    assert set(every["administrator_roles"].values()) == {True}
    assert one["administrator_roles"] == {
        "administer_account": False,
        "administer_billing": True,
        "administer_configuration": False,
    }
    assert one["administrator"] is True


def test_a_paid_seat_cannot_be_written(aha: Caller) -> None:
    user = somebody_else(aha)

    answer = aha(
        "PUT",
        f"/users/{user['id']}",
        json={"user": {"paid_seat": not user["paid_seat"], "last_name": "X"}},
    )

    assert answer.json()["paid_seat"] == user["paid_seat"]


def test_users_cannot_be_deleted(aha: Caller) -> None:
    user = somebody_else(aha)

    answer = aha("DELETE", f"/users/{user['id']}")

    assert answer.status_code == 404
    assert somebody_else(aha) == user


def test_disabling_the_account_behind_the_key_locks_the_key_out(aha: Caller) -> None:
    own = aha.get("/me").json()["user"]["id"]

    last = aha("PUT", f"/users/{own}", json={"user": {"enabled": False}})

    assert last.status_code == 200
    assert aha.get("/me").status_code == 401


def test_a_key_of_no_administrator_may_not_list_or_change_users(aha: Caller) -> None:
    own = aha.get("/me").json()["user"]["id"]
    aha("PUT", f"/users/{own}", json={"user": {"administrator": False}})

    statuses = [
        aha.get("/users").status_code,
        aha("PUT", f"/users/{own}", json={"user": {"enabled": True}}).status_code,
        aha.get("/me").status_code,
    ]

    assert statuses == [403, 403, 200]


def test_roles_of_a_user_are_given_and_taken(sandbox: Sandbox, aha: Caller) -> None:
    path = f"/users/{somebody_else(aha)['id']}/product_roles"
    body = {"product_role": {"role": "product_owner", "product_id": "APP"}}

    given = aha("POST", path, json=body).json()
    listed = aha.get(path).json()
    taken = aha("DELETE", f"{path}/{given['product_id']}")
    again = aha("DELETE", f"{path}/{given['product_id']}")

    assert (given["role"], given["role_description"]) == (20, "Owner")
    assert given in listed["product_roles"]
    assert listed["pagination"]["total_records"] == len(listed["product_roles"])
    assert (taken.status_code, again.status_code) == (204, 404)
    assert [effect.op for effect in sandbox.ledger] == ["role.create", "role.delete"]


def test_custom_roles_of_a_user_are_listed(aha: Caller) -> None:
    user = next(user for user in every_user(aha) if user["user_roles"])

    answer = aha.get(f"/users/{user['id']}/user_roles").json()

    assert answer["user_roles"] == user["user_roles"]


def test_an_invitation_into_a_product_makes_an_account_once(sandbox: Sandbox, aha: Caller) -> None:
    body = {
        "user": {
            "email": "ada@acme.example",
            "first_name": "Ada",
            "last_name": "Núñez",
            "role": "contributor",
        }
    }

    first = aha("POST", "/products/APP/users", json=body)
    second = aha("POST", "/products/WEB/users", json=body)

    (user,) = aha.get("/users?email=ada@acme.example").json()["users"]
    members = aha.get("/products/APP/users?per_page=200").json()["project_users"]
    assert first.status_code == 200
    assert first.json()["user"]["id"] == second.json()["user"]["id"] == user["id"]
    assert [role["role"] for role in user["product_roles"]] == [30, 30]
    assert user["id"] in {member["user"]["id"] for member in members}
    assert [effect.op for effect in sandbox.ledger] == ["user.create", "role.create"]


def test_twenty_calls_a_second_and_three_hundred_a_minute_are_the_limit(
    sandbox: Sandbox, aha: Caller, clock: Clock
) -> None:
    change(sandbox, settings={"per_minute": 300, "per_second": 20})

    burst = [aha.get("/me").status_code for _ in range(21)]
    statuses: list[int] = []
    for _ in range(15):
        clock.move(seconds=1.5)
        statuses.extend(aha.get("/me").status_code for _ in range(20))
    refused = aha.get("/me")

    assert burst == [200] * 20 + [429]
    assert statuses.count(200) == 280
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) == 38
    assert int(refused.headers["X-Ratelimit-Reset"]) == int(clock.now().timestamp()) + 38
