"""The monday.com document: last activity, details with the role, and roles by flags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from people.models import Person
from saas.models import Application, SaaSUser, SaaSUserRole
from tests.makers import make_custom_field
from tests.stories.company import Company
from tests.stories.reader import Reader
from tests.workflows.blocks.offices import roles_now
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)
CREDENTIALS = {"credentials": "monday production"}


@pytest.fixture
def loaded(company: Company) -> Company:
    company.load("monday")
    return company


def test_last_activity_and_role_are_read_into_fields(loaded: Company, reader: Reader) -> None:
    """MO-03, MO-04, MO-09: both by the id that the load filled; nothing is changed there."""
    make_custom_field("Monday Last Activity", type="datetime")
    make_custom_field("Monday Kind")
    workflow = reader.adds("monday.com use")
    first = reader.places(
        workflow,
        "monday",
        "monday.com Get Last Activity",
        **CREDENTIALS,
        **{
            "response_positive-0-from": "{{ response.data.users[0].last_activity }}",
            "response_positive-0-to": "monday_last_activity",
        },
    )
    second = reader.places(
        workflow,
        "monday",
        "monday.com Get User Details",
        **CREDENTIALS,
        **{
            "response_positive-0-from": "{{ response.data.users[0].kind }}",
            "response_positive-0-to": "monday_kind",
        },
    )
    reader.begins(workflow, ("monday_user_id", "is_not_empty", ""), actions=["manual"])
    reader.connects(workflow, **{f"{first}__success": second, f"{first}__failure": second})
    assert "is valid" in reader.validates(workflow)
    reader.activates(workflow)

    run = reader.starts(workflow)

    people = Person.objects.exclude(custom={}).filter(status="active")
    assert run.state == "done", run.counts
    assert people
    assert all(one.custom.get("monday_kind") for one in people)
    assert any(one.custom.get("monday_last_activity") for one in people)
    assert loaded.effects() == []


def roles_workflow(reader: Reader, **fields: Any) -> Workflow:
    application = Application.objects.get(vendor="monday")
    workflow = reader.adds("monday.com roles", application)
    reader.is_by_hand(workflow)
    reader.places(
        workflow,
        "monday",
        "monday.com User Role",
        "saas_user_role",
        key="roles",
        **CREDENTIALS,
        **fields,
    )
    reader.activates(workflow)
    return workflow


@pytest.mark.parametrize("ticked", [True, False])
def test_flags_become_roles_and_inactive_accounts_go_where_that_was_ticked(
    loaded: Company,
    reader: Reader,
    hr: Reader,
    ticked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """MO-09, MO-34, MO-36."""
    guest = loaded.join("monday", email="guest@acme.example", name="Gus Guest", kind="GUEST")
    away = loaded.join("monday", email="away@acme.example", name="Abe Away")
    loaded.sync("monday")
    loaded.change("monday", away, status="INACTIVE")
    SaaSUserRole.objects.all().delete()

    run = reader.starts(roles_workflow(reader, **({"deactivate_user": "on"} if ticked else {})))

    users = {one.external_id: one for one in SaaSUser.objects.all()}
    page = hr.opens(f"/admin/saas/saasuser/?application={users[guest].application_id}")
    assert run.state == "done", run.counts
    assert roles_now(users[guest])[0] == "Guest"
    assert users[away].status == ("deactivated" if ticked else "active")
    active = [one for key, one in users.items() if key != away and one.status == "active"]
    assert all(roles_now(one) for one in active)
    assert "Guest" in page
    assert loaded.effects() == []


def test_who_was_not_active_for_long_is_found_by_a_rule(loaded: Company, reader: Reader) -> None:
    """MO-03, MO-35: underused accounts, guests left out."""
    users = list(SaaSUser.objects.filter(status="active").order_by("pk"))
    now = datetime.now(UTC)
    SaaSUser.objects.update(last_activity=now - timedelta(days=2))
    SaaSUser.objects.filter(pk=users[0].pk).update(last_activity=now - timedelta(days=200))
    workflow = reader.adds("Unused", users[0].application)
    reader.begins(workflow, ("last_activity", "older_than_days", "90"), actions=["manual"])
    reader.puts(
        workflow,
        "notification",
        key="tell",
        recipients="it@example.com",
        subject="{{ email }}",
        message="Not used for 90 days.",
        exit_success="end",
        exit_failure="end",
    )
    reader.activates(workflow)

    run = reader.starts(workflow)

    assert [item.record_id for item in run.items.all()] == [users[0].pk]
