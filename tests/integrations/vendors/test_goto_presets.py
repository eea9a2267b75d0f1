"""GoTo's presets, called for one person against its sandbox (GT-17 to GT-30)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from integrations.errors import PresetRefused
from integrations.models import Operation
from integrations.presets.calling import Called, call_now, plan_call
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.vendors.goto.sandbox_account import ACCOUNT
from integrations.vendors.goto.sandbox_records import ADMIN_ROLES, LOCALES
from tests.integrations.vendors.goto_account import FREE, VENDOR, Account
from tests.makers import make_custom_field, make_person

SPECIFICATION = yaml.safe_load(
    (Path(__file__).parents[1] / "sandbox" / "goto-openapi-extract.yaml").read_text("utf-8")
)
CONNECT, MEETING, WEBINAR, WITHOUT_SEATS = (f"790214210547320212{number}" for number in range(4))
_number = count(1)


class Desk(Account):
    """A GoTo account with twelve users, and people here who can be called about."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        for number in range(11):
            self.add(f"Colleague{number}", licenseKeys=[CONNECT])
        self.sync()
        make_custom_field("GoTo User Key")
        self.sandbox.log.clear()

    def call(self, preset: str, record: str = "mia@acme.example", **given: Any) -> Called:
        given.setdefault("account_key", ACCOUNT)
        key = f"test-{next(_number)}"
        preset_id = f"goto.{preset}"
        return call_now(preset_id, self.credentials, record, given, key=key, started_by="admin")

    def hire(self, first_name: str = "Mia", *, key: str | None = None, **fields: Any) -> None:
        """A person here; with a key in the field that presets name."""
        named = {"email": f"{first_name.lower()}@acme.example", "first_name": first_name}
        custom = {"goto_user_key": key} if key else {}
        make_person(**{**named, "last_name": "Example", "custom": custom, **fields})

    def shown(self, key: str) -> dict[str, Any]:
        """The user as GoTo shows it."""
        return self.side.directory.shown(self.side.directory.users[key])

    def sent(self) -> list[tuple[str, str, str]]:
        """(method, path below the account, query) of the calls to the API, by-key reads of the
        owner left out."""
        base = f"/admin/rest/v1/accounts/{ACCOUNT}"
        return [
            (seen.method, seen.path.removeprefix(base), seen.query)
            for seen in self.sandbox.log
            if seen.path.startswith(base)
        ]


@pytest.fixture
def desk(db: None, settings: Any) -> Iterator[Desk]:
    with Sandbox(people=0, seed=1, settings={VENDOR: FREE}) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield Desk(running)


def operation_of(called: Called) -> Operation:
    assert called.operation is not None, called.held
    called.operation.refresh_from_db()
    return called.operation


def why(caught: pytest.ExceptionInfo[PresetRefused]) -> str:
    return str(caught.value)


# Licences.


def test_licences_of_a_user_are_read_by_key(desk: Desk) -> None:
    """GT-17."""
    key = desk.add("Mia", licenseKeys=[MEETING, CONNECT])
    desk.hire(key=key)

    called = desk.call("get_licenses_by_user_id")

    assert called.reading is not None
    assert {one["key"] for one in called.reading.answer["results"]} == {int(MEETING), int(CONNECT)}
    assert ("GET", f"/users/{key}/licenses", "pageSize=1000&offset=0") in desk.sent()


def test_a_licence_is_taken_by_the_key_of_the_one_user_with_this_e_mail(desk: Desk) -> None:
    """GT-18, M-28: however the address is written at GoTo."""
    key = desk.add("Mia", email="MIA@ACME.example", licenseKeys=[MEETING, CONNECT])
    desk.hire()

    operation = operation_of(desk.call("unassign_license_by_email", license_key=MEETING))

    sent = desk.sent()
    assert operation.state == "done", operation.note
    assert desk.effects() == [("license.unassign", key)]
    assert [one for one in sent if one[0] == "DELETE"] == [
        ("DELETE", f"/licenses/{MEETING}/users/{key}", "suppressEmail=false")
    ]
    wanted = "filter=email%20eq%20%22mia%40acme.example%22&pageSize=10&offset=0"
    assert ("GET", "/users", wanted) in sent
    assert desk.shown(key)["status"] == "ACTIVE"


@pytest.mark.parametrize("preset", ["unassign_license_by_email", "assign_license_to_user_by_email"])
@pytest.mark.parametrize("email", ["", " "])
def test_an_empty_e_mail_is_never_sent(desk: Desk, preset: str, email: str) -> None:
    """GT-19: GoTo's own call would take the licence from everybody."""
    desk.hire(email=email, username="mia")

    with pytest.raises(PresetRefused) as caught:
        desk.call(preset, "mia", license_key=MEETING)

    assert "e-mail" in why(caught)
    assert desk.sent() == []
    assert desk.effects() == []


@pytest.mark.parametrize(
    "email", ['x" or email eq "y@acme.example', "*", '"', "\\", "mia@acme.example\\"]
)
def test_an_address_that_would_end_the_filter_reaches_nobody(desk: Desk, email: str) -> None:
    """GT-19, S-12."""
    desk.add("Mia", licenseKeys=[MEETING])
    desk.hire(email=email, username="mia")

    with pytest.raises(PresetRefused):
        desk.call("unassign_license_by_email", "mia", license_key=MEETING)

    assert desk.effects() == []


def test_nobody_or_several_with_this_e_mail_means_that_nothing_is_sent(desk: Desk) -> None:
    """GT-18: exactly one."""
    desk.hire()

    with pytest.raises(PresetRefused) as nobody:
        desk.call("unassign_license_by_email", license_key=CONNECT)
    desk.set(empty_results="omitted")
    with pytest.raises(PresetRefused) as nothing:
        desk.call("unassign_license_by_email", license_key=CONNECT)
    desk.add("Mia", licenseKeys=[CONNECT])
    desk.add("Mia", licenseKeys=[CONNECT])
    with pytest.raises(PresetRefused) as several:
        desk.call("unassign_license_by_email", license_key=CONNECT)

    assert "no user with this e-mail" in why(nobody)
    assert "no user with this e-mail" in why(nothing)
    assert "several users" in why(several)
    assert desk.effects() == []


def test_a_plan_shows_the_request_and_sends_nothing(desk: Desk) -> None:
    """GT-20."""
    desk.hire()

    given = {"account_key": ACCOUNT, "license_key": MEETING}
    _call, _preset, request = plan_call(
        "goto.unassign_license_by_email", desk.credentials, "mia@acme.example", given
    )

    assert request is not None
    assert request["method"] == "DELETE"
    assert request["url"].endswith(f"/licenses/{MEETING}/users/<looked up>")
    assert request["params"] == {"suppressEmail": False}
    assert list(desk.sandbox.log) == []


def test_a_licence_is_given_and_a_full_one_is_told(desk: Desk) -> None:
    """GT-21."""
    key = desk.add("Mia")
    desk.hire()

    given = operation_of(desk.call("assign_license_to_user_by_email", license_key=MEETING))
    refused = operation_of(desk.call("assign_license_to_user_by_email", license_key=WITHOUT_SEATS))

    assert given.state == "done", given.note
    assert desk.effects()[0] == ("license.assign", key)
    assert desk.shown(key)["licenseKeys"] == [MEETING]
    assert refused.state == "refused"
    assert "No seat" in refused.note


def test_a_licence_that_is_taken_already_counts_as_taken(desk: Desk) -> None:
    """M-27: gone is done, once a listed record was found by the same form of call."""
    desk.add("Mia", licenseKeys=[CONNECT])
    desk.hire()

    operation = operation_of(desk.call("unassign_license_by_email", license_key=MEETING))

    assert operation.state == "done", operation.note
    assert desk.effects() == []


# Mail.


def test_the_welcome_mail_goes_to_the_key_with_what_is_filled(desk: Desk) -> None:
    """GT-22."""
    key = desk.add("Mia")
    desk.hire(key=key)

    operation = operation_of(
        desk.call("resend_welcome_email", email_template_key="7400000000000000001")
    )

    assert operation.state == "done", operation.note
    assert desk.effects() == [("mail.welcome", key)]
    assert operation.request["body"] == {"emailTemplateKey": "7400000000000000001"}
    assert f"/users/{key}/welcome-email" in operation.request["path"]


def test_address_and_method_of_the_welcome_mail_can_be_corrected(desk: Desk) -> None:
    key = desk.add("Mia")
    desk.hire(key=key)
    path = "accounts/{{ account.account_key }}/users/{{ goto_user_key }}/invitations"
    desk.credentials.overrides = {
        **desk.credentials.overrides,
        "presets.resend_welcome_email.request.path": path,
        "presets.resend_welcome_email.request.method": "PUT",
    }
    desk.credentials.save()

    operation = operation_of(desk.call("resend_welcome_email", email_subject="Hi"))

    assert ("PUT", f"/users/{key}/invitations", "") in desk.sent()
    assert operation.state == "refused"


# Adding users.


def test_a_user_is_added_with_everything_that_was_asked_for(desk: Desk) -> None:
    """GT-23: the licence keys as numbers, every role, and the key of the answer."""
    desk.hire()

    operation = operation_of(
        desk.call(
            "add_users",
            license_keys=f"{MEETING}, {CONNECT}",
            admin_roles=",".join(ADMIN_ROLES),
            email_subject="Welcome",
            email_text="Hello\nMia",
            suppress_email="true",
        )
    )

    assert operation.state == "done", operation.note
    (key,) = [key for op, key in desk.effects() if op == "user.create"]
    assert str(operation.values["goto_user_key"]) == key
    shown = desk.shown(key)
    assert set(shown["adminRoles"]) == set(ADMIN_ROLES)
    assert set(shown["licenseKeys"]) == {MEETING, CONNECT}
    assert "mail.welcome" not in dict(desk.effects())
    assert operation.request["body"] == {
        "users": [{"email": "mia@acme.example", "firstName": "Mia", "lastName": "Example"}],
        "licenseKeys": [int(MEETING), int(CONNECT)],
        "emailSubject": "Welcome",
        "emailText": "Hello\nMia",
        "adminRoles": list(ADMIN_ROLES),
        "suppressEmail": True,
    }


@pytest.mark.parametrize("name", ["email", "first_name", "last_name"])
def test_address_and_names_have_at_least_one_character(desk: Desk, name: str) -> None:
    """GT-23a, GT-23b, GT-23c."""
    desk.hire()

    with pytest.raises(PresetRefused) as caught:
        desk.call("add_users", **{name: " "})

    assert "is needed" in why(caught)
    assert desk.sent() == []


def test_a_template_of_the_mail_is_named_by_its_key(desk: Desk) -> None:
    """GT-23g."""
    desk.hire()

    operation = operation_of(desk.call("add_users", email_template_key="7400000000000000002"))

    assert operation.state == "done", operation.note
    assert operation.request["body"]["emailTemplateKey"] == "7400000000000000002"
    assert not {"emailSubject", "emailText"} & set(operation.request["body"])


def test_what_is_not_filled_is_not_sent_and_mail_is_not_suppressed(desk: Desk) -> None:
    """GT-23i."""
    desk.hire()

    operation = operation_of(desk.call("add_users"))

    assert set(operation.request["body"]) == {"users", "suppressEmail"}
    assert operation.request["body"]["suppressEmail"] is False
    assert [op for op, _key in desk.effects()] == ["user.create", "mail.welcome"]


@pytest.mark.parametrize("email", ["mia@acme.example", "Mia@ACME.example"])
def test_a_user_who_exists_is_reported_as_existing(desk: Desk, email: str) -> None:
    """GT-23j: found by the look-up before; nothing is sent."""
    key = desk.add("Mia", email=email)
    desk.hire()

    operation = operation_of(desk.call("add_users"))

    assert (operation.state, operation.code) == ("refused", "exists")
    assert operation.values["goto_user_key"] == key
    assert not [one for one in desk.sent() if one[0] == "POST"]
    assert desk.effects() == []


def test_a_user_whom_reads_do_not_show_yet_is_not_made_twice(desk: Desk) -> None:
    """GT-23j, where GoTo refuses the address itself."""
    desk.set(lookup_lag=3600)
    desk.hire()
    first = operation_of(desk.call("add_users"))

    second = operation_of(desk.call("add_users"))

    assert first.state == "done", first.note
    assert (second.state, second.code) == ("refused", "exists")
    assert [op for op, _key in desk.effects()].count("user.create") == 1


def test_an_answer_that_lists_the_user_without_a_key_is_no_new_user(desk: Desk) -> None:
    """GT-23j, as the newer guide has it."""
    desk.hire()
    body = '[{"email": "mia@acme.example"}]'
    desk.sandbox.faults.add("body", vendor=VENDOR, method="POST", path="/users", body=body)

    operation = operation_of(desk.call("add_users"))

    assert (operation.state, operation.code) == ("refused", "exists")


def test_a_full_licence_is_not_taken_for_an_existing_user(desk: Desk) -> None:
    desk.hire()

    operation = operation_of(desk.call("add_users", license_keys=WITHOUT_SEATS))

    assert (operation.state, operation.code) == ("refused", "refused")
    assert "No seat" in operation.note
    assert desk.effects() == []


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("email", 128),
        ("first_name", 60),
        ("last_name", 60),
        ("email_subject", 150),
        ("email_text", 20_000),
    ],
)
def test_lengths_are_judged_before_the_call(desk: Desk, name: str, longest: int) -> None:
    """GT-23a, GT-23b, GT-23c, GT-23e, GT-23f, GT-24."""
    ending = "@acme.example" if name == "email" else ""
    desk.hire()
    fitting = "x" * (longest - len(ending)) + ending

    with pytest.raises(PresetRefused) as caught:
        desk.call("add_users", **{name: f"x{fitting}"})
    before = desk.sent()
    operation = operation_of(desk.call("add_users", **{name: fitting}))

    assert f"{longest:,}" in why(caught) or str(longest) in why(caught)
    assert before == []
    assert operation.state == "done", operation.note


@pytest.mark.parametrize(
    ("preset", "given"),
    [
        ("add_users", {"admin_roles": "SUPERUSER"}),  # GT-25
        ("add_users", {"admin_roles": "RUN_REPORTS,root"}),
        ("add_users", {"license_keys": "connect"}),
        ("add_users", {"suppress_email": "maybe"}),
        ("update_user", {"admin_roles": "super_user"}),
        ("update_user", {"locale": "en-GB"}),  # GT-26
        ("update_user", {"time_zone": "London"}),  # GT-28
        ("update_user", {"time_zone": "Europe/Atlantis"}),
        ("update_user", {"email": "x" * 129}),
        ("update_user", {"first_name": "x" * 61}),
        ("update_user", {"name_locked": "perhaps"}),
        ("update_user", {"status": "ACTIVE"}),
        ("update_user", {}),
    ],
)
def test_what_gotos_rules_do_not_allow_is_refused_before_the_call(
    desk: Desk, preset: str, given: dict[str, str]
) -> None:
    desk.hire(key=desk.add("Mia"))

    with pytest.raises(PresetRefused):
        desk.call(preset, **given)

    assert desk.sent() == []


# Changing and deleting.


def test_an_update_sends_only_what_is_filled(desk: Desk) -> None:
    """GT-26, GT-27: untouched switches are not sent as false; a false that was chosen is."""
    key = desk.add("Mia", nameLocked=True, emailLocked=True)
    desk.hire(key=key)

    operation = operation_of(
        desk.call("update_user", locale="de_DE", time_zone="Europe/Berlin", name_locked="false")
    )

    assert operation.state == "done", operation.note
    assert operation.request["body"] == {
        "locale": "de_DE",
        "timeZone": "Europe/Berlin",
        "nameLocked": False,
    }
    shown = desk.shown(key)
    assert (shown["nameLocked"], shown["emailLocked"]) == (False, True)


def test_every_input_of_an_update_arrives(desk: Desk) -> None:
    """GT-26."""
    key = desk.add("Mia")
    desk.hire(key=key)
    given = {
        "email": "mia.new@acme.example",
        "first_name": "Mía",
        "last_name": "Ñ",
        "locale": LOCALES[0],
        "admin_roles": "RUN_REPORTS,MANAGE_GROUPS",
        "managed_group_keys": "8100000000000000001",
        "name_locked": "true",
        "email_locked": "true",
        "time_zone": "Europe/London",
    }

    operation = operation_of(desk.call("update_user", **given))

    assert operation.state == "done", operation.note
    shown = desk.shown(key)
    assert (shown["email"], shown["firstName"]) == ("mia.new@acme.example", "Mía")
    assert shown["adminRoles"] == ["RUN_REPORTS", "MANAGE_GROUPS"]
    assert shown["managedGroupKeys"] == ["8100000000000000001"]
    assert shown["emailLocked"] is True


def test_choices_are_exactly_those_of_the_document() -> None:
    """GT-23h, GT-26."""
    presets = get_vendor(VENDOR).presets

    assert set(presets["add_users"].inputs["admin_roles"].choices) == set(ADMIN_ROLES)
    assert len(presets["add_users"].inputs["admin_roles"].choices) == 13
    assert set(presets["update_user"].inputs["admin_roles"].choices) == set(ADMIN_ROLES)
    assert set(presets["update_user"].inputs["locale"].choices) == set(LOCALES)


def test_a_refusal_for_rights_says_which_rights_are_needed(desk: Desk) -> None:
    key = desk.add("Mia", identityReadOnly=True)
    desk.hire(key=key)

    operation = operation_of(desk.call("update_user", first_name="X"))

    assert operation.state == "refused"
    assert "MANAGE_USERS" in operation.note


def test_one_user_is_deleted_and_deleting_again_is_done_too(desk: Desk) -> None:
    """GT-29, M-27."""
    key = desk.add("Mia")
    desk.hire(key=key)

    first = operation_of(desk.call("delete_users"))
    second = operation_of(desk.call("delete_users"))

    assert (first.state, second.state) == ("done", "done"), second.note
    assert desk.effects() == [("user.delete", key)]
    assert [one[:2] for one in desk.sent() if one[0] == "DELETE"] == [
        ("DELETE", f"/users/{key}")
    ] * 2


@pytest.mark.parametrize(
    "preset", ["delete_users", "update_user", "resend_welcome_email", "get_licenses_by_user_id"]
)
@pytest.mark.parametrize("key", [None, " "])
def test_an_empty_user_key_is_never_sent(desk: Desk, preset: str, key: str | None) -> None:
    """GT-29."""
    desk.hire(key=key)
    given = {"locale": "de_DE"} if preset == "update_user" else {}

    with pytest.raises(PresetRefused) as caught:
        desk.call(preset, **given)

    assert "GoTo User Load" in why(caught)
    assert desk.sent() == []


def test_the_owner_of_the_grant_is_never_deleted(desk: Desk) -> None:
    """M-15."""
    desk.hire("Boss", key=desk.side.owner_key)

    with pytest.raises(PresetRefused):
        desk.call("delete_users", "boss@acme.example")

    assert desk.effects() == []


def test_what_takes_access_away_is_marked() -> None:
    """GT-29, M-15."""
    presets = get_vendor(VENDOR).presets

    marked = {
        key: (one.change.takes_access, one.change.destructive)
        for key, one in presets.items()
        if one.change and (one.change.takes_access or one.change.destructive)
    }
    assert marked == {
        "unassign_license_by_email": (True, False),
        "delete_users": (True, True),
    }
    assert presets["unassign_license_by_email"].change is not None
    assert presets["unassign_license_by_email"].change.inverse == "assign_license_to_user_by_email"


# Reading.


def test_the_details_of_one_user_are_read_by_e_mail(desk: Desk) -> None:
    """GT-30."""
    key = desk.add("Mia", email="MIA@acme.example", adminRoles=["RUN_REPORTS"])
    desk.hire()

    called = desk.call("get_user_by_email")

    assert called.reading is not None
    assert called.reading.answer == desk.shown(key)
    assert called.reading.outcome.values["goto_user_key"] == key


def test_roles_and_status_of_one_account_are_read(desk: Desk) -> None:
    """GT-31 to GT-38: the same rule as the load's."""
    desk.add("Mia", adminRoles=["RUN_REPORTS", "MANAGE_SEATS"], status="Suspended")
    desk.sync()

    called = desk.call("user_role")

    assert called.reading is not None
    roles = called.reading.roles
    assert roles is not None
    assert (roles.found, roles.status) == (True, "deactivated")
    assert [role for role, *_ in roles.rows or ()] == ["MANAGE_SEATS", "RUN_REPORTS"]


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_an_account_that_could_not_be_read_is_not_missing(desk: Desk, status: int) -> None:
    """C-25."""
    desk.add("Mia")
    desk.sync()
    desk.sandbox.faults.add("status", vendor=VENDOR, path=r"/users/\d", status=status)

    called = desk.call("user_role")

    assert called.reading is not None
    assert called.reading.roles is None or called.reading.roles.found


# The requests and the specification.


def operation_in_specification(method: str, path: str) -> dict[str, Any]:
    for template, methods in SPECIFICATION["paths"].items():
        parts, wanted = template.strip("/").split("/"), path.strip("/").split("/")
        fits = len(parts) == len(wanted) and all(
            part.startswith("{") or part == word for part, word in zip(parts, wanted, strict=True)
        )
        if fits and method.lower() in methods:
            found: dict[str, Any] = methods[method.lower()]
            return found
    raise AssertionError(f"{method} {path} is not in the specification")


def test_every_request_fits_the_reconstructed_specification(desk: Desk) -> None:
    key = desk.add("Mia", licenseKeys=[MEETING])
    desk.hire(key=key)
    desk.hire("Ada")
    desk.call("get_licenses_by_user_id")
    desk.call("get_user_by_email")
    changes = [
        desk.call("unassign_license_by_email", license_key=MEETING),
        desk.call("assign_license_to_user_by_email", license_key=MEETING, suppress_email="true"),
        desk.call("resend_welcome_email", email_subject="Hi", email_text="There"),
        desk.call("update_user", admin_roles="RUN_REPORTS", managed_group_keys="81"),
        desk.call("add_users", "ada@acme.example", license_keys=MEETING, email_subject="Hi"),
        desk.call("delete_users"),
    ]

    base = "/admin/rest/v1"
    seen = [one for one in desk.sandbox.log if one.path.startswith(base)]
    assert {operation_of(one).state for one in changes} == {"done"}
    assert {one.method for one in seen} == {"GET", "PUT", "POST", "DELETE"}
    for one in seen:
        known = operation_in_specification(one.method, one.path.removeprefix(base))
        named = {part["name"] for part in known["parameters"] if part["in"] == "query"}
        assert {pair.partition("=")[0] for pair in one.query.split("&") if pair} <= named
    for called in changes:
        request = operation_of(called).request
        known = operation_in_specification(request["method"], request["path"])
        if request["body"] is not None:
            schema = known["requestBody"]["schema"]
            whole = {**schema, "components": SPECIFICATION["components"]}
            assert list(Draft202012Validator(whole).iter_errors(request["body"])) == []


def test_no_secret_is_in_any_row_about_a_call(desk: Desk) -> None:
    """C-07."""
    desk.hire(key=desk.add("Mia"))
    desk.call("update_user", locale="de_DE")

    token = next(iter(desk.side.oauth.store.access))
    kept = str(list(Operation.objects.values()))
    for secret in (*desk.sandbox.credentials(VENDOR)["secrets"].values(), token):
        assert secret not in kept
