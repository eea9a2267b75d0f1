"""Whom GoTo's sandbox lets in, what it lists, and which filters it refuses."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from integrations.sandbox.people import KEY_OWNER, LEFT
from integrations.sandbox.server import Sandbox
from integrations.vendors.goto.sandbox_account import OTHER_ACCOUNT

from .conftest import NO_LIMIT, Caller, Clock
from .goto_calls import MEETING, WEBINAR, GoTo, code_of, filtered, owner_of

# Who may call.


@pytest.mark.parametrize("prefix", ["", "bearer ", "Basic ", "Bearer Bearer "])
def test_the_token_is_sent_as_bearer_exactly_once(goto: GoTo, prefix: str) -> None:
    token = goto.signed()["authorization"].removeprefix("Bearer ")

    wrong = goto.get("/me", headers={"Authorization": prefix + token})

    assert code_of(wrong) == (401, "not.authenticated")
    assert token not in wrong.text


def test_a_refused_token_can_look_as_older_answers_do(goto: GoTo) -> None:
    goto.change(token_refusal=403)

    answer = goto.get("/me", headers={"Authorization": "Bearer x"})

    assert answer.status_code == 403
    assert answer.json()["int_err_code"] == "InvalidToken"


def test_a_client_without_the_scope_admin_center_gets_401_with_a_fresh_token(goto: GoTo) -> None:
    goto.change(scope="")

    assert code_of(goto.get("/me")) == (401, "not.authenticated")


def test_who_gave_consent_is_a_super_admin_of_two_accounts(sandbox: Sandbox, goto: GoTo) -> None:
    me = goto.get("/me").json()

    employees = Caller(sandbox, "bamboohr").rows("workEmail")
    assert me["email"].casefold() == employees[str(KEY_OWNER)]["workEmail"].casefold()
    assert "SUPER_USER" in me["adminRoles"]
    assert [one["key"] for one in me["accounts"]] == [me["accountKey"], OTHER_ACCOUNT]


def test_a_foreign_account_is_404_and_one_without_rights_403(goto: GoTo) -> None:
    assert goto.get("/accounts/1/users").status_code == 404
    assert code_of(goto.get(f"/accounts/{OTHER_ACCOUNT}/users")) == (403, "not.authorized")


def test_users_need_manage_users_and_licences_manage_seats(goto: GoTo) -> None:
    owner, other = owner_of(goto), goto.member()["key"]
    licence = f"/licenses/{MEETING}/users/{other}"

    goto.set(owner, adminRoles=["MANAGE_SEATS"])
    seats = (goto.in_account("DELETE", f"/users/{other}"), goto.in_account("PUT", licence))
    goto.set(owner, adminRoles=["MANAGE_USERS"])
    users = (
        goto.in_account("PUT", f"/users/{other}", json={"locale": "it_IT"}),
        goto.in_account("DELETE", licence),
        goto.in_account("PUT", f"/users/{other}", json={"adminRoles": ["RUN_REPORTS"]}),
    )
    goto.set(owner, adminRoles=[])
    none = goto.in_account("GET", "/users")

    assert [answer.status_code for answer in seats] == [403, 204]
    assert [answer.status_code for answer in users] == [204, 403, 403]
    assert code_of(none) == (403, "not.authorized")


# Lists.


def test_pages_have_25_users_unless_asked_and_at_most_1000(goto: GoTo) -> None:
    first = goto.in_account("GET", "/users").json()

    assert (len(first["results"]), first["fromIndex"], first["toIndex"]) == (25, 0, 24)
    for query in ("pageSize=1001", "pageSize=0", "pageSize=-1", "pageSize=x", "offset=-1"):
        assert goto.in_account("GET", f"/users?{query}").status_code == 400, query


def test_pages_hold_every_user_once(goto: GoTo) -> None:
    total = goto.in_account("GET", "/users").json()["total"]

    keys = [
        user["key"]
        for offset in range(0, total, 7)
        for user in goto.users(f"?pageSize=7&offset={offset}")
    ]

    assert len(keys) == len(set(keys)) == total
    assert keys == sorted(keys)


def test_keys_are_text_in_users_and_numbers_in_licences(goto: GoTo) -> None:
    users, licences = goto.users(), goto.licences().values()

    assert all(isinstance(user["key"], str) and int(user["key"]) > 2**53 for user in users)
    assert all(isinstance(key, int) for one in licences for key in [one["key"], *one["userKeys"]])
    assert {str(key) for one in licences for key in one["userKeys"]} <= {
        one["key"] for one in users
    }


def test_attributes_without_a_value_are_left_out_and_unknown_ones_are_there(goto: GoTo) -> None:
    users = goto.users()

    assert any("adminRoles" not in user for user in users)
    assert any("timeZone" not in user for user in users)
    assert any("licenseKeys" not in user for user in users)
    assert not any(value in (None, "", []) for user in users for value in user.values())
    assert all("primaryExtensionNumber" in user["settings"]["JIVE"] for user in users)


def test_the_users_are_as_untidy_as_real_ones(goto: GoTo) -> None:
    users = goto.users()

    assert {"ACTIVE", "SUSPENDED"} <= {user["status"] for user in users}
    assert any(len(user.get("adminRoles", [])) > 1 for user in users)
    assert any(user["email"].endswith("agency.example") for user in users)
    assert all(isinstance(user["createTime"], int) for user in users)


def test_a_larger_company_has_every_status_and_custom_roles(clock: Clock) -> None:
    with Sandbox(people=500, now=clock.now, settings={"goto": NO_LIMIT}) as sandbox:
        users = GoTo(sandbox, "goto").users()

    assert {user["status"] for user in users} == {"ACTIVE", "INVITED", "SUSPENDED"}
    assert any(user.get("roleSets") for user in users)
    assert any(user["identityReadOnly"] for user in users)
    assert any(user["email"].isupper() for user in users)
    suspended = [user for user in users if user["status"] == "SUSPENDED"]
    assert not any(user.get("licenseKeys") or user.get("adminRoles") for user in suspended)


def test_somebody_who_left_can_still_sign_in(sandbox: Sandbox, goto: GoTo) -> None:
    rows = Caller(sandbox, "bamboohr").rows("workEmail", "status")

    leaver = rows[str(LEFT)]
    (user,) = goto.find(leaver["workEmail"]).json()["results"]
    assert (leaver["status"], user["status"]) == ("Inactive", "ACTIVE")


def test_attributes_narrow_a_list(goto: GoTo) -> None:
    assert all(set(user) == {"key", "email"} for user in goto.users("?attributes=key,email,x"))


# Filters.


def test_a_filter_finds_by_the_address_in_any_case(goto: GoTo) -> None:
    user = goto.member()

    found = goto.find(user["email"].upper()).json()
    goto.change(filter_ignores_case=False)
    exact = goto.find(user["email"].upper()).json()

    assert [one["key"] for one in found["results"]] == [user["key"]]
    assert (exact["total"], exact["results"]) == (0, [])


def test_nobody_can_be_an_answer_without_results(goto: GoTo) -> None:
    goto.change(empty_results="omitted")

    assert goto.find("nobody@acme.example").json() == {"fromIndex": 0, "toIndex": 0, "total": 0}


def test_a_plus_for_a_blank_is_refused(goto: GoTo) -> None:
    email = goto.member()["email"]

    with_plus = goto.in_account("GET", f'/users?filter=email+eq+"{email}"')
    with_blanks = goto.in_account("GET", "/users", params={"filter": f'email eq "{email}"'})
    encoded = goto.find("a+b@acme.example")

    assert code_of(with_plus) == (400, "invalid.filter")
    assert code_of(with_blanks) == (400, "invalid.filter")  # requests writes plus signs, too
    assert encoded.status_code == 200


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "email",
        "email eq ann@acme.example",
        'email eq "ann" or email eq "bob"',
        'email eq "a"b"',
        'email eq "a\\"',
        'email co "ann"',
        'password eq "x"',
        '(email="(?i).*ann.*")',
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(goto: GoTo, expression: str) -> None:
    """GT-19: an address that could end the quotes must never widen what is asked for."""
    answer = goto.in_account("GET", f"/users?filter={quote(expression, safe='')}")

    assert code_of(answer) == (400, "invalid.filter")


def test_quotes_and_backslashes_are_escaped_as_in_json(goto: GoTo) -> None:
    name = 'O"Neil\\'
    goto.set(goto.member()["key"], lastName=name)

    found = goto.in_account("GET", f"/users?{filtered('lastName', name)}")

    assert found.json()["total"] == 1


# Limits and state.


def test_ten_calls_a_second_are_the_limit_and_nothing_says_when(goto: GoTo, clock: Clock) -> None:
    goto.change(per_second=10)

    burst = [goto.get("/me") for _ in range(11)]
    goto.change(retry_after=True)
    told = goto.get("/me")
    clock.move(seconds=1)

    assert [answer.status_code for answer in burst] == [200] * 10 + [429]
    assert "Retry-After" not in burst[-1].headers
    assert told.headers["Retry-After"] == "1"
    assert goto.get("/me").status_code == 200


def test_the_world_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    options: dict[str, Any] = {"people": 40, "now": clock.now, "state_file": tmp_path / "state"}
    with Sandbox(**options, settings={"goto": NO_LIMIT}) as sandbox:
        goto = GoTo(sandbox, "goto")
        goto.in_account("DELETE", f"/users/{goto.member()['key']}")
        goto.add(licenseKeys=[int(WEBINAR)])
        before = (goto.users(), goto.licences(), goto.get("/me").json())

    with Sandbox(**options) as sandbox:
        goto = GoTo(sandbox, "goto")

        assert (goto.users(), goto.licences(), goto.get("/me").json()) == before
