"""monday.com's presets, sent to its sandbox: reads, roles, and users that are turned off and on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import orjson
import pytest
from django.utils import timezone

from integrations.errors import PresetRefused
from integrations.models import Credentials, Operation
from integrations.operations.advance import advance_one
from integrations.presets.calling import Called, call_now, plan_call
from integrations.sandbox.server import Sandbox
from saas.models import SaaSUser
from tests.integrations.sync.worlds import DOMAIN, World, sync

from .test_monday import OWNER, Monday, graphql

LOOK_UP, OFF = "#UsersById$", "#DeactivateUsers$"
Call = Callable[..., Called]
_number = count(1)


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=0, seed=1) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def monday(sandbox: Sandbox) -> Monday:
    """Thirteen users: room for one removal and more (M-15)."""
    side = Monday(sandbox)
    for number in range(11):
        side.join(f"p{number}")
    side.join("Ann", last_activity="2026-11-19T00:00:00", title="Clerk")
    return side


@pytest.fixture
def credentials(db: None, sandbox: Sandbox, monday: Monday) -> Credentials:
    integration = World(sandbox).integration("monday")
    sync(integration)
    sandbox.log.clear()
    assert integration.credentials is not None
    return integration.credentials


@pytest.fixture
def ann(credentials: Credentials) -> SaaSUser:
    return SaaSUser.objects.get(email=f"ann@{DOMAIN}")


@pytest.fixture
def call(credentials: Credentials) -> Call:
    """Call a preset for one SaaS user."""

    def made(preset: str, user: SaaSUser) -> Called:
        return call_now(
            f"monday.{preset}",
            credentials,
            user.external_id,
            {},
            key=f"test:{next(_number)}",
            started_by="ann",
        )

    return made


def operation_of(called: Called) -> Operation:
    assert called.operation is not None, called.held
    return called.operation


def answer_of(called: Called) -> Any:
    assert called.reading is not None
    return called.reading.answer


# Reading.


def test_details_hold_role_and_status_also_of_who_was_deactivated(
    monday: Monday, ann: SaaSUser, call: Call
):
    """MO-04."""
    monday.change(ann.external_id, status="INACTIVE")

    called = call("get_user_details", ann)

    (user,) = answer_of(called)["data"]["users"]
    assert (user["kind"], user["status"], user["title"]) == ("member", "INACTIVE", "Clerk")
    assert called.reading is not None
    assert called.reading.outcome.values["monday_kind"] == "member"


def test_the_last_activity_of_one_user_is_read(ann: SaaSUser, call: Call):
    """MO-03."""
    called = call("get_last_activity", ann)

    assert called.reading is not None
    assert called.reading.outcome.values == {
        "monday_user_id": ann.external_id,
        "monday_status": "ACTIVE",
        "monday_last_activity": "2026-11-19T00:00:00",
    }


@pytest.mark.parametrize("preset", ["get_user_details", "get_last_activity"])
def test_a_user_that_is_not_there_is_refused_with_a_hint(
    monday: Monday, ann: SaaSUser, call: Call, preset: str
):
    monday.remove(ann.external_id)

    reading = call(preset, ann).reading

    assert reading is not None
    assert reading.outcome.kind == "refused"
    assert "no user with this id" in reading.outcome.note


@pytest.mark.parametrize(
    "body", [graphql(data={"users": None}), graphql(data={"users": []}, errors=["x"])]
)
def test_users_that_could_not_be_read_are_not_nobody(
    sandbox: Sandbox, ann: SaaSUser, call: Call, body: bytes
):
    """MO-28, C-25."""
    sandbox.faults.add("body", vendor="monday", body=body, path="#(UserDetails|UsersById)$")

    details = call("get_user_details", ann).reading
    roles = call("user_role", ann).reading

    assert details is not None and roles is not None  # noqa: PT018
    assert "no user with this id" not in details.outcome.note
    assert details.outcome.kind == "refused"
    assert roles.roles is None


@pytest.mark.parametrize(
    ("values", "rows", "status"),
    [
        ({"kind": "admin", "status": "PENDING"}, ["Admin", "Pending"], "active"),
        ({"kind": "guest"}, ["Guest"], "active"),
        ({}, ["Member"], "active"),
        ({"status": "INACTIVE"}, ["Member"], "deactivated"),
    ],
)
def test_the_role_preset_reads_what_the_load_would(
    monday: Monday, ann: SaaSUser, call: Call, values: dict[str, Any], rows: list[str], status: str
):
    """M-29, MO-34, MO-36."""
    monday.change(ann.external_id, **values)

    reading = call("user_role", ann).reading

    assert reading is not None and reading.roles is not None  # noqa: PT018
    assert [role for role, _, _ in reading.roles.rows or ()] == rows
    assert reading.roles.status == status


def test_the_role_preset_says_gone_only_beside_somebody_who_is_there(
    sandbox: Sandbox, monday: Monday, ann: SaaSUser, call: Call
):
    monday.remove(ann.external_id)

    reading = call("user_role", ann).reading
    sandbox.faults.add("body", vendor="monday", body=graphql(data={"users": []}), path=LOOK_UP)
    nobody = call("user_role", ann).reading

    assert reading is not None and reading.roles is not None  # noqa: PT018
    assert reading.roles.found is False
    assert nobody is not None
    assert nobody.roles is None


# Changing.


def test_a_user_is_deactivated_once_with_a_key_of_its_own(
    sandbox: Sandbox, ann: SaaSUser, call: Call
):
    operation = operation_of(call("deactivate_users", ann))

    assert operation.state == "done", operation.note
    assert [(one.op, one.id) for one in sandbox.ledger] == [("user.deactivate", ann.external_id)]


def test_activating_takes_it_back(sandbox: Sandbox, ann: SaaSUser, call: Call):
    call("deactivate_users", ann)

    operation = operation_of(call("activate_users", ann))

    assert operation.state == "done", operation.note
    assert [one.op for one in sandbox.ledger] == ["user.deactivate", "user.activate"]


def test_a_user_that_monday_does_not_know_is_refused_in_its_words(
    monday: Monday, ann: SaaSUser, call: Call
):
    monday.remove(ann.external_id)

    operation = operation_of(call("deactivate_users", ann))

    assert operation.state == "refused"
    assert "User not found" in operation.note


def test_a_token_of_no_admin_is_told_what_it_needs(monday: Monday, ann: SaaSUser, call: Call):
    monday.change(monday.owner_id, kind="member")

    operation = operation_of(call("deactivate_users", ann))

    assert operation.state == "refused"
    assert "admin" in operation.note


def test_the_tokens_own_user_is_never_deactivated(
    sandbox: Sandbox, credentials: Credentials, call: Call
):
    """M-15: nothing is sent."""
    owner = SaaSUser.objects.get(email=OWNER)

    with pytest.raises(PresetRefused):
        call("deactivate_users", owner)

    assert [seen for seen in sandbox.log if "mutation" in seen.body] == []


@pytest.mark.parametrize("kind", ["reset", "status_after"])
def test_a_lost_answer_is_looked_up_and_nobody_is_deactivated_twice(
    sandbox: Sandbox, ann: SaaSUser, call: Call, kind: Any
):
    """M-27: the effect is there, whatever became of the answer."""
    values = {"commit": True} if kind == "reset" else {"status": 502}
    sandbox.faults.add(kind, vendor="monday", path=OFF, count=1, **values)

    operation = operation_of(call("deactivate_users", ann))
    for seconds in (6, 40, 200, 900):
        advance_one(timezone.now() + timedelta(seconds=seconds))
    operation.refresh_from_db()

    assert operation.state == "done", operation.note
    assert [one.op for one in sandbox.ledger] == ["user.deactivate"]


def test_a_plan_shows_the_query_and_sends_nothing(
    sandbox: Sandbox, credentials: Credentials, ann: SaaSUser
):
    """GT-20: without the token."""
    _call, _preset, request = plan_call("monday.deactivate_users", credentials, ann.external_id, {})

    shown = orjson.dumps(request).decode()
    assert "deactivate_users(user_ids: $ids)" in shown
    assert ann.external_id in shown
    assert sandbox.credentials("monday")["secrets"]["value"] not in shown
    assert len(sandbox.log) == 0
