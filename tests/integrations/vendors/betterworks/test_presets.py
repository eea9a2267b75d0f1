"""Betterworks' presets: what they send, what answers mean, and what they do at the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.client import VendorClient
from integrations.errors import PresetRefused, VendorError
from integrations.models import Credentials
from integrations.presets.look_up import find
from integrations.presets.outcome import Kind, judge_call
from integrations.presets.plan import prepare
from integrations.presets.read import Reading, read
from integrations.presets.render import fill_request
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.services import access_for
from people.models import Person
from tests.integrations.sync.worlds import account, roles_now
from tests.makers import make_custom_field, make_person

from .account import VENDOR, Account, set_up


def fill(key: str, *, inputs: dict[str, Any] | None = None, **record: Any) -> Any:
    preset = get_vendor(VENDOR).preset(key)
    return fill_request(preset.request, {**record, "inputs": inputs or {}}, preset=preset)  # type: ignore[arg-type]


def test_creating_sends_the_e_mail_and_only_what_is_filled() -> None:
    """BW-22, BW-23, BW-24."""
    names = {"first_name": "Mia", "last_name": "Park"}

    request = fill(
        "create_user", email="mia@acme.example", inputs={**names, "title": "", "phone_number": "1"}
    )

    assert (request.method, request.path) == ("POST", "users/")
    assert request.body == {"email": "mia@acme.example", **names, "phone_number": "1"}


@pytest.mark.parametrize(
    ("key", "record", "says"),
    [
        ("create_user", {"email": " "}, "makes no account without an e-mail"),
        ("update_user", {"email": None}, "whose account"),
        ("get_user_by_id", {"betterworks_user_id": ""}, "Run the Betterworks user integration"),
        ("deactivate_user", {"betterworks_user_id": None}, "Run the Betterworks user integration"),
        ("update_user_by_id", {}, "Run the Betterworks user integration"),
    ],
)
def test_what_a_preset_needs_stops_the_call_when_it_is_empty(
    key: str, record: dict[str, Any], says: str
) -> None:
    """BW-26, BW-36."""
    with pytest.raises(PresetRefused, match=says):
        fill(key, inputs={"first_name": "Mia", "last_name": "Park"}, **record)


def test_an_update_names_only_what_is_filled() -> None:
    """BW-32, BW-33."""
    by_email = fill("update_user", email="mia@acme.example", inputs={"title": "Lead"})
    by_id = fill("update_user_by_id", betterworks_user_id="7", inputs={"email": "m@acme.example"})

    assert (by_email.method, by_email.path) == ("PUT", "users/")
    assert by_email.body == {"email": "mia@acme.example", "title": "Lead"}
    assert (by_id.path, by_id.body) == ("users/7/", {"email": "m@acme.example"})


@pytest.mark.parametrize("identifier", ["700002", "ba8fa8d1-92df-4c81-b6c4-930a67579d36"])
def test_a_user_is_asked_for_by_id_or_uuid(identifier: str) -> None:
    """BW-34, BW-35."""
    assert fill("get_user_by_id", betterworks_user_id=identifier).path == f"users/{identifier}/"


def test_reactivating_clears_the_date_as_well() -> None:
    """BB-48."""
    body = fill("reactivate_user", betterworks_user_id="7").body

    assert body == {"is_active": True, "deactivation_date": None}


def test_every_preset_says_what_it_needs_and_where_that_is_written() -> None:
    """BW-25, BW-30: the hint is part of the help."""
    presets = get_vendor(VENDOR).presets

    reading = {"get_user_by_id", "user_role"}
    for key, preset in presets.items():
        assert preset.label.startswith("Betterworks ")
        assert preset.docs.startswith("https://")
        assert ("super admin role" in " ".join(preset.help.split())) == (key not in reading)
        assert bool(preset.needs) == (key not in reading)
    assert presets["create_user"].label == "Betterworks Create User"
    assert presets["user_role"].label == "Betterworks User Role"


@pytest.fixture
def made(sandbox: Sandbox, client: Callable[..., VendorClient]) -> Iterator[Any]:
    """Send presets' requests to the sandbox, whose records go back afterwards."""
    kept = sandbox.state[VENDOR].dump()
    calling = client()

    def send(key: str, **values: Any) -> Any:
        request = fill(key, **values)
        result: Any
        try:
            result = calling.call(request.method, request.path, json=request.body)
        except VendorError as problem:
            result = problem
        return judge_call(calling.vendor, get_vendor(VENDOR).preset(key), result)

    yield send
    sandbox.state[VENDOR].restore(kept)


PARK = {"first_name": "Mia", "last_name": "Park"}


@pytest.mark.parametrize("status", [400, 409])
def test_a_second_create_is_told_as_there_already(sandbox: Sandbox, made: Any, status: int) -> None:
    """BW-27."""
    set_up(sandbox, conflict_status=status)
    before = len(list(sandbox.ledger))

    first = made("create_user", email="mia.park@acme.example", inputs=PARK)
    second = made("create_user", email="Mia.Park@acme.example", inputs=PARK)

    assert (first.kind, second.kind) == (Kind.DONE, Kind.EXISTS)
    assert str(first.values["betterworks_user_id"]).isdecimal()
    assert "already exists" in second.note
    assert [one.op for one in sandbox.ledger][before:] == ["user.create"]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"employee_id": "00102"}, "already exists"),
        ({"manager_id": "1"}, "object does not exist"),
    ],
)
def test_a_value_that_is_refused_is_told_with_the_vendors_words(
    made: Any, inputs: dict[str, str], says: str
) -> None:
    outcome = made("create_user", email="mia.park@acme.example", inputs={**PARK, **inputs})

    assert outcome.kind == Kind.REFUSED
    assert says in outcome.note


def test_403_repeats_which_role_is_needed(sandbox: Sandbox, made: Any) -> None:
    """BW-25."""
    set_up(sandbox, token_role="admin")

    outcome = made("create_user", email="mia.park@acme.example", inputs=PARK)

    assert outcome.kind == Kind.REFUSED
    assert "Betterworks Create User needs the super admin role." in outcome.note


def test_effects_are_found_by_their_look_ups(
    sandbox: Sandbox, made: Any, client: Callable[..., VendorClient]
) -> None:
    """M-27: a user by e-mail, an ended account, a department on a later page."""
    presets, calling = get_vendor(VENDOR).presets, client()
    email = "mia+x@acme.example"

    def seen(key: str, **values: Any) -> list[dict[str, Any]]:
        change = presets[key].change
        assert change is not None
        assert change.look_up is not None
        return find(calling, change.look_up, {"inputs": {}, **values})

    before = seen("create_user", email=email)
    user_id = made("create_user", email=email, inputs=PARK).values["betterworks_user_id"]
    person = {"betterworks_user_id": user_id}
    active = seen("deactivate_user", **person), seen("reactivate_user", **person)
    made("deactivate_user", **person)
    ended = seen("deactivate_user", **person), seen("reactivate_user", **person)
    for number in range(40):
        made("create_department", inputs={"name": f"Space {number}"})
    found = [seen("create_department", inputs={"name": f"Space {n}"}) for n in (0, 39, 40)]

    assert (before, seen("create_user", email=email)) == ([], [{"betterworks_user_id": user_id}])
    assert [len(one) for one in (*active, *ended)] == [0, 1, 1, 0]
    assert [len(one) for one in found] == [1, 1, 0]


def test_an_ended_account_is_opened_again_by_the_inverse(made: Any, sandbox: Sandbox) -> None:
    """BB-48: without the administrator roles that it had."""
    email = "mia.park@acme.example"
    user_id = made("create_user", email=email, inputs=PARK).values["betterworks_user_id"]
    before = len(list(sandbox.ledger))

    ended = made("deactivate_user", betterworks_user_id=user_id)
    back = made("reactivate_user", betterworks_user_id=user_id)

    assert (ended.values, back.values) == (
        {"betterworks_is_active": False}, {"betterworks_is_active": True},
    )  # fmt: skip
    ops = [(one.op, one.id) for one in sandbox.ledger][before:]
    assert ops == [("user.deactivate", str(user_id)), ("user.activate", str(user_id))]


# Through the engine.


def make_record(vendor_id: str) -> Person:
    """A person whose people field holds this id at Betterworks."""
    make_custom_field("Betterworks User Id")
    return make_person(email="mia.park@acme.example", custom={"betterworks_user_id": vendor_id})


def call(empty: Account, preset: str, *options: str, record: str = "mia.park@acme.example") -> Any:
    """What `call_preset` prints as JSON."""
    out = StringIO()
    try:
        call_command(
            "call_preset", f"{VENDOR}.{preset}", "--credentials", "Betterworks production",
            "--record", record, "--json", *options, stdout=out,
        )  # fmt: skip
    except SystemExit as ended:
        code = int(str(ended.code or 0))
    else:
        code = 0
    return code, json.loads(out.getvalue())["runs"][0]


def read_preset(empty: Account, key: str) -> Reading:
    """Ask what a preset reads for the person."""
    credentials = Credentials.objects.get(name="Betterworks production")
    preset_id = f"{VENDOR}.{key}"
    prepared = prepare(preset_id, credentials, "mia.park@acme.example", {})
    vendor = get_vendor(VENDOR).corrected(credentials.overrides)
    with VendorClient(vendor, access_for(credentials), inputs={}) as calling:
        return read(prepared, vendor.preset(key), calling)


def arrived(empty: Account) -> list[tuple[str, str]]:
    return [(one.method, one.path.removeprefix("/api/v1/")) for one in empty.sandbox.log]


@pytest.mark.parametrize(
    "flags", [{"is_admin": True, "is_goalmaster": True}, {"is_hr_admin": True}]
)
def test_the_roles_of_one_account_are_those_of_the_load(
    empty: Account, flags: dict[str, bool]
) -> None:
    """BW-43, BW-50, BW-51, M-29: one rule for both."""
    made = empty.add("Mia", email="mia.park@acme.example", **flags)
    make_record(made)

    reading = read_preset(empty, "user_role")
    empty.sync()

    assert reading.roles is not None
    assert reading.roles.found
    assert [(role, scope) for role, _id, scope in reading.roles.rows or ()] == roles_now(
        account("mia.park@acme.example")
    )


def test_an_account_that_is_not_there_is_told_so_and_nothing_else_means_it(empty: Account) -> None:
    """BW-52, C-25."""
    empty.add("Ava")
    empty.sync()
    make_record("999999")

    gone = read_preset(empty, "user_role")
    empty.sandbox.faults.add("status", vendor=VENDOR, path="users/999999/", status=403)
    unknown = read_preset(empty, "user_role")

    assert gone.roles is not None
    assert not gone.roles.found
    assert unknown.roles is None


def test_administrators_are_listed_and_nobody_else(empty: Account) -> None:
    """BW-28, BW-29, BW-31: also where the vendor's list holds others."""
    for number in range(40):
        empty.add(f"Adm{number}", is_hr_admin=number % 2 == 0, is_admin=number % 2 == 1)
    empty.add("Gil", is_goalmaster=True, is_group_admin=True)
    make_record("1")
    empty.integration.credentials.overrides |= {  # type: ignore[union-attr]
        "presets.list_users_with_admin_role.request.path": "users/"
    }
    empty.integration.credentials.save()  # type: ignore[union-attr]

    reading = read_preset(empty, "list_users_with_admin_role")

    assert isinstance(reading.answer, list)
    names = {one["first_name"] for one in reading.answer}
    assert names == {"Rolecall", *(f"Adm{number}" for number in range(40))}


def test_a_plan_prints_the_request_and_sends_nothing(empty: Account) -> None:
    """BW-22, BW-23."""
    make_record("")
    empty.sandbox.log.clear()

    code, run = call(empty, "create_user", "--plan", "--input", "phone_number=1")

    assert code == 0
    shown = json.dumps(run["plan"])
    assert '"email": "mia.park@acme.example"' in shown
    assert '"phone_number": "1"' in shown
    assert arrived(empty) == []


def test_creating_twice_makes_one_account(empty: Account) -> None:
    """BW-27."""
    make_record("")

    first = call(empty, "create_user")
    second = call(empty, "create_user")

    ops = [one.op for one in empty.sandbox.ledger if one.vendor == VENDOR]
    assert ops == ["user.create"]
    assert first[0] == 0
    assert second[0] != 0
    assert "already" in json.dumps(second[1])


@pytest.mark.parametrize("preset", ["get_user_by_id", "user_role", "deactivate_user"])
def test_an_empty_id_is_never_sent(empty: Account, preset: str) -> None:
    """BW-36."""
    make_record("")
    empty.sandbox.log.clear()

    with pytest.raises(CommandError, match="Run the Betterworks user integration"):
        call(empty, preset)

    assert arrived(empty) == []
