"""What GoTo's sandbox changes and refuses to change, and what it writes into the ledger."""

from typing import Any

import pytest

from integrations.sandbox.server import Sandbox
from integrations.vendors.goto.sandbox_records import ADMIN_ROLES, LOCALES

from .conftest import Clock
from .goto_calls import MEETING, NEW, WEBINAR, WITHOUT_SEATS, GoTo, code_of, filtered

# Adding users.


def test_a_user_is_added_with_licence_roles_and_mail(sandbox: Sandbox, goto: GoTo) -> None:
    answer = goto.add(licenseKeys=[int(MEETING)], adminRoles=["RUN_REPORTS"])

    (entry,) = answer.json()
    (user,) = goto.find(NEW["email"]).json()["results"]
    assert answer.status_code == 200
    assert (type(entry["key"]), str(entry["key"])) == (int, user["key"])
    assert (user["status"], user["adminRoles"]) == ("INVITED", ["RUN_REPORTS"])
    assert user["licenseKeys"] == [MEETING]
    assert user["inviteCount"] == 1
    assert int(user["key"]) in goto.licences()[MEETING]["invitedUserKeys"]
    assert goto.ops() == [
        ("user.create", NEW["email"]),
        ("license.assign", NEW["email"]),
        ("mail.welcome", NEW["email"]),
    ]


def test_a_suppressed_mail_is_not_sent(goto: GoTo) -> None:
    goto.add(suppressEmail=True)

    assert goto.ops() == [("user.create", NEW["email"])]


def test_an_address_that_is_taken_refuses_all_or_is_left_out(goto: GoTo) -> None:
    taken = {**NEW, "email": goto.member()["email"].upper()}
    body = {"users": [taken, NEW]}

    refused = goto.in_account("POST", "/users", json=body)
    before = goto.ops()
    partly = goto.in_account("POST", "/users?allOrNothing=false", json=body)
    goto.change(existing_with_key=True)
    again = goto.in_account("POST", "/users?allOrNothing=false", json=body)

    assert (code_of(refused), before) == ((409, "user.exists"), [])
    assert [set(entry) for entry in partly.json()] == [{"email"}, {"email", "key"}]
    assert [set(entry) for entry in again.json()] == [{"email", "key"}] * 2
    assert [op for op, _key in goto.ops()] == ["user.create", "mail.welcome"]


def test_a_licence_without_seats_refuses_new_users(goto: GoTo) -> None:
    refused = goto.add(licenseKeys=[int(MEETING), int(WITHOUT_SEATS)])

    assert code_of(refused) == (409, "license.full")
    assert goto.ops() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"users": []},
        {"users": {}},
        {"users": [{}]},
        {"users": ["ann@acme.example"]},
        {"users": [{**NEW, "email": ""}]},
        {"users": [{**NEW, "email": "no address"}]},
        {"users": [{**NEW, "email": "a" * 116 + "@acme.example"}]},
        {"users": [{**NEW, "firstName": "x" * 61}]},
        {"users": [{**NEW, "firstName": ""}]},
        {"users": [{**NEW, "lastName": "x" * 61}]},
        {"users": [{**NEW, "lastName": None}]},
        {"users": [{**NEW, "locale": "en-GB"}]},
        {"users": [{**NEW, "adminRoles": ["RUN_REPORTS"]}]},
        {"users": [NEW], "emailSubject": "x" * 151},
        {"users": [NEW], "emailText": "x" * 20_001},
        {"users": [NEW], "emailTemplateKey": "12"},
        {"users": [NEW], "adminRoles": ["SUPERUSER"]},
        {"users": [NEW], "adminRoles": [{}]},
        {"users": [NEW], "adminRoles": "RUN_REPORTS"},
        {"users": [NEW], "licenseKeys": ["x"]},
        {"users": [NEW], "licenseKeys": [1.5]},
        {"users": [NEW], "licenseKeys": int(MEETING)},
        {"users": [NEW], "suppressEmail": "yes"},
        {"users": [NEW], "shoeSize": 44},
        [NEW],
    ],
)
def test_a_bad_new_user_is_refused_and_changes_nothing(goto: GoTo, body: Any) -> None:
    """GT-24, GT-25: what our own checks must stop before."""
    answer = goto.in_account("POST", "/users", json=body)

    assert answer.status_code == 400, answer.text
    assert goto.ops() == []


def test_lengths_at_the_limit_are_taken(goto: GoTo) -> None:
    """GT-24."""
    longest = {"email": "a" * 115 + "@acme.example", "firstName": "x" * 60, "lastName": "y" * 60}
    body = {"users": [longest], "emailSubject": "s" * 150, "emailText": "t" * 20_000}

    assert len(longest["email"]) == 128
    assert goto.in_account("POST", "/users", json=body).status_code == 200


def test_a_body_that_is_no_json_is_refused(goto: GoTo) -> None:
    form = goto.in_account("POST", "/users", data={"users": "x"})
    broken = goto.in_account(
        "POST", "/users", data="{", headers={"Content-Type": "application/json"}
    )

    assert (form.status_code, broken.status_code) == (415, 400)


def test_a_new_user_shows_later_and_is_there_at_once(goto: GoTo, clock: Clock) -> None:
    """`lookup_lag`: reads are behind, a second one is refused all the same."""
    goto.change(lookup_lag=30)
    key = str(goto.add().json()[0]["key"])

    early = (goto.find(NEW["email"]).json()["total"], goto.in_account("GET", f"/users/{key}"))
    again = goto.add()
    clock.move(seconds=30)
    late = (goto.find(NEW["email"]).json()["total"], goto.in_account("GET", f"/users/{key}"))

    assert (early[0], early[1].status_code) == (0, 404)
    assert again.status_code == 409
    assert (late[0], late[1].status_code) == (1, 200)


# Changing and deleting users.


def test_an_update_sets_only_what_it_names(goto: GoTo) -> None:
    user = goto.member()
    path = f"/users/{user['key']}"

    answer = goto.in_account("PUT", path, json={"timeZone": "Asia/Tokyo", "nameLocked": True})

    after = goto.in_account("GET", path).json()
    assert (answer.status_code, answer.content) == (204, b"")
    assert after == {**user, "timeZone": "Asia/Tokyo", "nameLocked": True}
    (effect,) = goto.sandbox.ledger
    assert (effect.op, effect.id) == ("user.update", user["key"])
    assert effect.set == ("nameLocked", "timeZone")


def test_roles_are_a_whole_new_list_and_none_leaves_the_attribute_out(goto: GoTo) -> None:
    path = f"/users/{goto.member()['key']}"

    goto.in_account("PUT", path, json={"adminRoles": list(ADMIN_ROLES)})
    every = goto.in_account("GET", path).json()
    goto.in_account("PUT", path, json={"adminRoles": []})

    assert every["adminRoles"] == list(ADMIN_ROLES)
    assert "adminRoles" not in goto.in_account("GET", path).json()


@pytest.mark.parametrize("locale", LOCALES)
def test_every_locale_is_taken(goto: GoTo, locale: str) -> None:
    """GT-26."""
    path = f"/users/{goto.member()['key']}"

    assert goto.in_account("PUT", path, json={"locale": locale}).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"key": "1"},
        {"status": "ACTIVE"},
        {"licenseKeys": []},
        {"email": "x" * 129},
        {"firstName": ""},
        {"locale": "en_AU"},
        {"timeZone": "London"},
        {"timeZone": {}},
        {"adminRoles": ["ADMIN"]},
        {"managedGroupKeys": "1"},
        {"nameLocked": "true"},
        {"emailLocked": 1},
    ],
)
def test_a_bad_update_is_refused_and_changes_nothing(goto: GoTo, body: Any) -> None:
    """GT-26, GT-28."""
    user = goto.member()

    answer = goto.in_account("PUT", f"/users/{user['key']}", json=body)

    assert answer.status_code == 400
    assert goto.member() == user
    assert goto.ops() == []


def test_an_identity_of_another_account_cannot_be_changed(goto: GoTo) -> None:
    key = goto.member()["key"]
    goto.set(key, identityReadOnly=True)

    name = goto.in_account("PUT", f"/users/{key}", json={"firstName": "X"})
    zone = goto.in_account("PUT", f"/users/{key}", json={"timeZone": "Europe/London"})

    assert code_of(name) == (403, "identity.read.only")
    assert zone.status_code == 204


def test_an_address_of_somebody_else_is_a_conflict(goto: GoTo) -> None:
    key, other = goto.member()["key"], goto.get("/me").json()["email"]

    assert goto.in_account("PUT", f"/users/{key}", json={"email": other}).status_code == 409


def test_a_user_is_deleted_once_and_comes_back_under_the_same_key(goto: GoTo) -> None:
    user = goto.member()
    path = f"/users/{user['key']}"

    statuses = [goto.in_account("DELETE", path).status_code for _ in range(2)]
    gone = goto.in_account("GET", path)
    entry = goto.add(users=[{**NEW, "email": user["email"]}]).json()[0]

    assert statuses == [204, 404]
    assert gone.status_code == 404
    assert str(entry["key"]) == user["key"]
    assert [op for op, _key in goto.ops()] == ["user.delete", "user.create", "mail.welcome"]
    assert all(int(user["key"]) not in one["userKeys"] for one in goto.licences().values())


def test_a_welcome_mail_can_be_sent_again(goto: GoTo) -> None:
    path = f"/users/{goto.member()['key']}/welcome-email"

    plain = goto.in_account("POST", path)
    full = goto.in_account("POST", path, json={"emailSubject": "Hi", "emailText": "There"})
    bad = goto.in_account("POST", path, json={"subject": "Hi"})

    assert (plain.status_code, full.status_code, bad.status_code) == (204, 204, 400)
    assert [op for op, _key in goto.ops()] == ["mail.welcome", "mail.welcome"]


# Licences.


def test_a_licence_is_given_and_taken_by_key_once(goto: GoTo) -> None:
    key = goto.member()["key"]
    path = f"/licenses/{WEBINAR}/users/{key}"

    given = [goto.in_account("PUT", f"{path}?suppressEmail=true").status_code for _ in range(2)]
    held = goto.licensed(key)
    listed = goto.in_account("GET", f"/users/{key}/licenses?pageSize=1000").json()
    taken = [goto.in_account("DELETE", path).status_code for _ in range(2)]

    assert given == [204, 204]
    assert WEBINAR in held
    assert {str(one["key"]) for one in listed["results"]} == held
    assert taken == [204, 404]
    assert [op for op, _key in goto.ops()] == ["license.assign", "license.unassign"]


def test_a_licence_sends_a_mail_unless_told_not_to(goto: GoTo) -> None:
    goto.in_account("PUT", f"/licenses/{WEBINAR}/users/{goto.member()['key']}")

    assert [op for op, _key in goto.ops()] == ["license.assign", "mail.license"]


def test_a_licence_has_so_many_seats(goto: GoTo) -> None:
    keys = [user["key"] for user in goto.users()][:4]

    statuses = [
        goto.in_account("PUT", f"/licenses/{WEBINAR}/users/{key}").status_code for key in keys
    ]
    shown = goto.licences()[WEBINAR]

    assert statuses == [204, 204, 204, 409]
    assert (shown["seats"], shown["userCount"]) == (3, 3)


def test_losing_the_last_licence_suspends_who_has_no_admin_role(goto: GoTo) -> None:
    member = goto.member()
    (licence,) = member["licenseKeys"]
    admin = next(user for user in goto.users() if user["admin"] and user.get("licenseKeys"))

    goto.in_account("DELETE", f"/licenses/{licence}/users/{member['key']}")
    for key in admin["licenseKeys"]:
        goto.in_account("DELETE", f"/licenses/{key}/users/{admin['key']}")
    suspended = goto.in_account("GET", f"/users/{member['key']}").json()["status"]
    goto.in_account("PUT", f"/licenses/{licence}/users/{member['key']}")

    assert suspended == "SUSPENDED"
    assert goto.in_account("GET", f"/users/{admin['key']}").json()["status"] == "ACTIVE"
    assert goto.in_account("GET", f"/users/{member['key']}").json()["status"] == "ACTIVE"


def test_unlicense_all_users_means_all_where_there_is_no_filter(goto: GoTo) -> None:
    """GT-19: why the presets never call it."""
    user = goto.member()
    (licence,) = user["licenseKeys"]
    wanted = filtered("email", user["email"])

    goto.in_account("DELETE", f"/licenses/{licence}/users?{wanted}")
    one = goto.licences()[licence]["userKeys"]
    goto.in_account("DELETE", f"/licenses/{licence}/users")

    assert int(user["key"]) not in one
    assert len(one) > 1
    assert goto.licences()[licence]["userKeys"] == []


def test_licences_by_filter_need_one(goto: GoTo) -> None:
    user = goto.member()
    wanted = filtered("email", user["email"])

    without = goto.in_account("PUT", f"/licenses/{WEBINAR}/users")
    given = goto.in_account("PUT", f"/licenses/{WEBINAR}/users?{wanted}")

    assert (without.status_code, given.status_code) == (400, 204)
    assert goto.licences()[WEBINAR]["userKeys"] == [int(user["key"])]


def test_an_unknown_key_is_404_wherever_it_stands(goto: GoTo) -> None:
    key = goto.member()["key"]
    calls = [
        ("GET", "/users/1"),
        ("PUT", "/users/1"),
        ("DELETE", "/users/1"),
        ("GET", "/users/1/licenses"),
        ("POST", "/users/1/welcome-email"),
        ("PUT", f"/licenses/1/users/{key}"),
        ("PUT", f"/licenses/{MEETING}/users/1"),
        ("DELETE", f"/licenses/1/users/{key}"),
        ("DELETE", f"/licenses/{MEETING}/users/1"),
        ("GET", "/nothing"),
        ("PATCH", f"/users/{key}"),
    ]

    statuses = {call: goto.in_account(*call, json={}).status_code for call in calls}

    assert set(statuses.values()) == {404}, statuses
