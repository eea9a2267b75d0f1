"""API blocks against the sandbox's monday.com: GraphQL, where only an answer names the account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.models import Credentials
from integrations.sandbox.server import Sandbox
from saas.models import SaaSUser
from tests.integrations.sync.worlds import DOMAIN, World, sync
from tests.integrations.vendors.test_monday import Monday
from tests.workflows.makers import make_workflow
from workflows.kinds import Outcome, Then

from .steps import make_step, plan_step, run_step


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=0, seed=1) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield running


@pytest.fixture
def monday(sandbox: Sandbox) -> Monday:
    side = Monday(sandbox)
    for number in range(12):
        side.join(f"p{number}", title="Clerk")
    return side


@pytest.fixture
def credentials(transactional_db: None, sandbox: Sandbox, monday: Monday) -> Credentials:
    integration = World(sandbox).integration("monday")
    sync(integration)
    sandbox.log.clear()
    assert integration.credentials is not None
    return integration.credentials


def users(*names: str) -> list[SaaSUser]:
    return [SaaSUser.objects.get(email=f"{name}@{DOMAIN}") for name in names]


def workflow_of(credentials: Credentials, records: list[SaaSUser], **block: Any) -> Any:
    whole = {"key": "call", "kind": "api", "credentials": credentials.name, **block}
    return make_workflow([whole], application=records[0].application)


def call(credentials: Credentials, records: list[SaaSUser], **block: Any) -> list[Outcome]:
    return run_step(make_step(workflow_of(credentials, records, **block), "call", records))


def test_details_of_users_are_stored(credentials: Credentials) -> None:
    """(MO-04)"""
    response = {
        "positive": [
            {"from": "{{ response.data.users[0].title }}", "to": "variables.title"},
            {"from": "{{ response.data.users[0] }}", "to": "variables.user"},
        ]
    }

    outcomes = call(
        credentials,
        users("p1", "p2"),
        preset="monday.get_user_details",
        settings={"response": response},
    )

    assert [one.exit for one in outcomes] == ["success", "success"]
    assert [one.variables["title"] for one in outcomes] == ["Clerk", "Clerk"]
    assert outcomes[0].variables["user"]["email"] == f"p1@{DOMAIN}"


def test_who_is_not_there_is_a_failure_with_a_hint(
    credentials: Credentials, monday: Monday
) -> None:
    (one,) = users("p1")
    monday.remove(one.external_id)

    (outcome,) = call(credentials, [one], preset="monday.get_last_activity")

    assert outcome.exit == "failure"
    assert "no user with this id" in outcome.note


def test_errors_in_a_good_status_are_no_answer(credentials: Credentials, sandbox: Sandbox) -> None:
    """(MO-28, C-25)"""
    body = b'{"data": {"users": []}, "errors": [{"message": "x"}]}'
    sandbox.faults.add("body", vendor="monday", body=body, path="#(UserDetails|UsersById)$")

    (outcome,) = call(credentials, users("p1"), preset="monday.get_user_details")

    assert outcome.code not in {"", "not_found"}
    assert outcome.then == Then.WAITS or outcome.exit == "failure"


def test_a_user_is_deactivated_by_name(credentials: Credentials, sandbox: Sandbox) -> None:
    (outcome,) = call(credentials, users("p1"), preset="monday.deactivate_users")

    assert outcome.exit == "success", outcome.note
    assert [one.op for one in sandbox.ledger if one.vendor == "monday"][-1:] != []


def test_a_preview_asks_nobody(credentials: Credentials, sandbox: Sandbox) -> None:
    records = users(*(f"p{number}" for number in range(6)))
    workflow = workflow_of(credentials, records, preset="monday.deactivate_users")
    sandbox.log.clear()

    planned = plan_step(make_step(workflow, "call", records))

    assert [one.problem for one in planned] == [""] * 6
    assert any("held" in one for one in planned[0].warnings)
    assert list(sandbox.log) == []
