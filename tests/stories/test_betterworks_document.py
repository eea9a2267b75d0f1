"""The Betterworks document, step by step: user workflows, their presets, and roles."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.tick import make_due
from people.by_hand import save_person
from people.models import Person
from saas.models import Application, SaaSUser, SaaSUserRole
from tests.makers import make_custom_field, make_person
from tests.stories.company import Company
from tests.stories.reader import LIST, Reader, page_of, work
from tests.workflows.blocks.offices import roles_now
from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun

pytestmark = pytest.mark.django_db(transaction=True)
CREDENTIALS = "betterworks production"


@pytest.fixture
def loaded(company: Company) -> Company:
    """With the recommended user integration."""
    company.set("betterworks", domains=["acme.example", "example.com", "oomnitza.com"])
    company.load("betterworks")
    make_custom_field("API Response", type="long_text")
    return company


def way(run: WorkflowRun) -> BlockRun:
    """The one block that the one record of the run went through."""
    return BlockRun.objects.get(item__run=run)


def helen_troy(**fields: Any) -> Person:
    values = {"email": "helen.troy@oomnitza.com", "first_name": "Helen", "last_name": "Troy"}
    return make_person(**{**values, **fields})


def onboarding(reader: Reader) -> tuple[Workflow, str]:
    """Add > People > API > Betterworks Create User, with an answer that is stored."""
    workflow = reader.adds("Betterworks onboarding", about="Accounts for newcomers")
    key = reader.places(workflow, "Betterworks", "Betterworks Create User", credentials=CREDENTIALS)
    rows = {
        "response_positive-0-from": "{{ response }}",
        "response_positive-0-to": "api_response",
        "response_positive-1-from": "{{ response.id }}",
        "response_positive-1-to": "betterworks_user_id",
    }
    reader.edits(workflow, key, **rows)
    return workflow, key


def test_onboarding_creates_the_account_of_a_new_record(loaded: Company, reader: Reader) -> None:
    """BW-01, BW-06, BW-09..BW-18, BW-21..BW-24, BW-37, C-04, C-16, C-18, C-24."""
    assert "Workflows" in reader.opens(LIST)
    workflow, key = onboarding(reader)
    assert set(reader.finds(workflow, "Betterworks")) >= {
        "Betterworks Create User",
        "Betterworks List Users with Admin Role",
        "Betterworks Update User",
        "Betterworks Get User by ID",
    }
    body = json.loads(reader.block_page(workflow, key)["request_body"])
    assert body["email"] == "{{ email }}"
    body |= {"contact_number": "{{ phone }}", "employee_status": "{{ employment_status }}"}
    reader.edits(workflow, key, request_body=json.dumps(body))
    reader.begins(workflow, ("status", "equals", "Active"), actions=["new", "manual"])
    assert "is valid" in reader.validates(workflow)
    helen = helen_troy(phone="312-800-9919", employment_status="Full Time")
    reader.activates(workflow)

    run = reader.starts(workflow, helen)

    helen.refresh_from_db()
    assert (run.state, loaded.effects()) == ("done", ["user.create"]), way(run).note
    assert json.loads(helen.custom["api_response"])["email"] == helen.email
    made = json.dumps(loaded.record("betterworks", helen.custom["betterworks_user_id"]))
    assert "312-800-9919" in made
    assert "Full Time" in made
    shown = reader.reads(run)
    assert helen.email in shown
    assert "it-admin" in shown
    assert "Accounts for newcomers" in reader.opens(LIST)


def test_a_new_record_starts_it_and_a_second_run_makes_no_second_account(
    loaded: Company, reader: Reader
) -> None:
    """BW-18, BW-21, BW-27, C-09, C-13, M-26: the account is there, and that is a clear failure."""
    workflow, _key = onboarding(reader)
    rules = [("status", "equals", "Active"), ("email", "equals", "helen.troy@oomnitza.com")]
    reader.begins(workflow, *rules, actions=["new", "manual"])
    before = save_by_hand("early@example.com")
    work()
    assert not workflow.runs.exists()
    reader.activates(workflow)

    others = save_by_hand("paris@example.com")
    helen = save_by_hand("helen.troy@oomnitza.com")
    work()
    again = reader.starts(workflow, helen)

    runs = WorkflowRun.objects.filter(trigger="event")
    assert [item.record_id for run in runs for item in run.items.all()] == [helen.pk]
    assert loaded.effects() == ["user.create"]
    assert (again.state, way(again).exit) == ("failed", "failure")
    assert "already" in way(again).note
    assert "Betterworks Update User" in way(again).note
    assert {before.email, others.email}.isdisjoint({item.label for item in RunItem.objects.all()})


def save_by_hand(email: str) -> Person:
    """A person whom somebody makes in the admin: that is an event."""
    values = {"email": email, "username": email, "first_name": "Helen", "last_name": "Troy"}
    return save_person(Person(), values, actor="it-admin")


def test_a_change_of_the_record_is_sent_and_nothing_else(loaded: Company, reader: Reader) -> None:
    """BW-02, BW-19, BW-32, BW-33."""
    workflow = reader.adds("Betterworks changes")
    reader.places(
        workflow,
        "update user",
        "Betterworks Update User",
        credentials=CREDENTIALS,
        input_title="{{ title }}",
    )
    reader.begins(workflow, ("title", "changed", ""), actions=["edit"])
    reader.activates(workflow)
    known = Person.objects.exclude(custom={}).order_by("pk")[0]
    before = loaded.record("betterworks", known.custom["betterworks_user_id"])

    save_person(known, {"title": "Head of Clerks"}, actor="it-admin")
    save_person(known, {"location": "Troy"}, actor="it-admin")
    work()

    after = loaded.record("betterworks", known.custom["betterworks_user_id"])
    changed = {name for name in after if after[name] != before[name]}
    (effect,) = [one for one in loaded.sandbox.ledger if one.op == "user.update"]
    assert set(effect.set) == {"title"}
    assert changed <= {"title", "texts", "modified", "changed", "version"}, changed
    assert "Head of Clerks" in json.dumps(after)
    assert [run.trigger for run in workflow.runs.all()] == ["event"]


def test_details_are_fetched_by_id_and_status_and_role_are_stored(
    loaded: Company, reader: Reader
) -> None:
    """BW-03, BW-34, BW-35, BW-37, C-17, C-18."""
    make_custom_field("Betterworks Status")
    make_custom_field("Betterworks Super Admin")
    workflow = reader.adds("Betterworks details")
    key = reader.places(
        workflow, "Betterworks", "Betterworks Get User by ID", credentials=CREDENTIALS
    )
    assert "{{ betterworks_user_id }}" in reader.block_page(workflow, key)["request_url"]
    reader.edits(
        workflow,
        key,
        **{
            "response_positive-0-from": "{{ response.is_active }}",
            "response_positive-0-to": "betterworks_status",
            "response_positive-1-from": "{{ response.is_super_admin }}",
            "response_positive-1-to": "betterworks_super_admin",
            "response_negative-0-from": "{{ response.detail }}",
            "response_negative-0-to": "betterworks_status",
        },
    )
    reader.begins(workflow, ("betterworks_user_id", "is_not_empty", ""), actions=["manual"])
    reader.activates(workflow)
    loaded.sandbox.log.clear()

    run = reader.starts(workflow)

    people = Person.objects.exclude(custom={})
    assert run.state == "done"
    assert people.count() == len(loaded.sent("GET"))
    assert {one.custom["betterworks_status"] for one in people} <= {
        "true",
        "false",
        "yes",
        "no",
        "True",
        "False",
    }
    assert loaded.effects() == []


def test_without_an_id_nothing_is_sent_and_it_says_what_to_run(
    loaded: Company, reader: Reader
) -> None:
    """BW-08, BW-36, GT-13: Validate counts whom it concerns; the run fails before sending."""
    workflow = reader.adds("Betterworks details")
    reader.places(workflow, "Betterworks", "Betterworks Get User by ID", credentials=CREDENTIALS)
    reader.is_by_hand(workflow)
    helen = helen_troy()
    loaded.sandbox.log.clear()

    said = reader.activates(workflow)
    run = reader.starts(workflow, helen)

    assert "Betterworks User Id" in said or "betterworks_user_id" in said
    assert (run.state, loaded.sent()) == ("failed", [])
    assert way(run).code == "not_sent"
    assert "user integration" in way(run).note


def test_admins_are_listed_and_the_list_is_stored(loaded: Company, reader: Reader) -> None:
    """BW-05, BW-28..BW-31."""
    for flag in ("is_admin", "is_super_admin", "is_hr_admin", "is_goalmaster"):
        names = {"first_name": flag, "last_name": "Example"}
        loaded.join("betterworks", email=f"{flag}@acme.example", **names, **{flag: True})
    workflow = reader.adds("Betterworks admins")
    reader.places(
        workflow,
        "admin role",
        "Betterworks List Users with Admin Role",
        credentials=CREDENTIALS,
        **{"response_positive-0-from": "{{ response }}", "response_positive-0-to": "api_response"},
    )
    reader.is_by_hand(workflow)
    reader.activates(workflow)
    helen = helen_troy()

    run = reader.starts(workflow, helen)

    helen.refresh_from_db()
    stored = helen.custom["api_response"]
    assert run.state == "done"
    assert all(f"{flag}@" in stored for flag in ("is_admin", "is_super_admin", "is_hr_admin"))
    assert "is_goalmaster@" not in stored


def test_a_key_without_the_super_admin_role_is_told_so(loaded: Company, reader: Reader) -> None:
    """BW-25, BW-30, C-25: in the help, and again in the run."""
    workflow, key = onboarding(reader)
    page = reader.opens(f"{LIST}{workflow.pk}/blocks/{key}/")
    reader.begins(workflow, actions=["manual"])
    reader.activates(workflow)
    loaded.set("betterworks", token_role="member")

    run = reader.starts(workflow, helen_troy())

    assert "super admin role" in page
    assert (run.state, way(run).status, loaded.effects()) == ("failed", 403, [])
    assert "super admin role" in way(run).note


def test_a_block_without_credentials_keeps_the_workflow_a_draft(
    loaded: Company, reader: Reader
) -> None:
    """BW-07, C-10, C-11."""
    workflow = reader.adds("Betterworks onboarding")
    reader.places(workflow, "Betterworks", "Betterworks Create User")

    said = reader.validates(workflow)
    reader.client.post(f"{LIST}{workflow.pk}/activate/")

    workflow.refresh_from_db()
    assert "Betterworks Create User" in said
    assert "credentials" in said
    assert workflow.state == "draft"


def test_it_runs_at_a_specific_time(loaded: Company, reader: Reader) -> None:
    """BW-20, GT-08, C-13, C-15: once, for one e-mail, and not before."""
    workflow, _key = onboarding(reader)
    helen = helen_troy()
    helen_troy(email="paris@oomnitza.com")
    day = timezone.now() + timedelta(days=2)
    begin = {
        "actions": ["schedule"],
        "schedule-kind": "once",
        "schedule-once": f"{day:%Y-%m-%d}T07:30",
        "schedule-timezone": "Europe/London",
    }
    reader.begins(workflow, ("email", "equals", helen.email), **begin)
    reader.activates(workflow)
    shown = reader.opens(page_of(workflow))

    make_due(day.replace(hour=6, minute=0))
    before = workflow.runs.count()
    make_due(day.replace(hour=8, minute=0))
    work()
    make_due(day.replace(hour=9, minute=0))

    (run,) = workflow.runs.all()
    assert before == 0
    assert "Europe/London" in shown
    assert (run.trigger, run.state) == ("schedule", "done")
    assert [item.record_id for item in run.items.all()] == [helen.pk]
    assert loaded.effects() == ["user.create"]


# Roles -------------------------------------------------------------------------------------------


def roles_workflow(reader: Reader, application: Application, **fields: Any) -> Workflow:
    """Add > Software SaaS Users > Begin > SaaS User Role > Save > connect > Validate > Activate."""
    workflow = reader.adds("Betterworks roles", application, "Who is what there")
    reader.begins(workflow, ("application.name", "equals", "Betterworks"), actions=["manual"])
    reader.places(
        workflow,
        "Betterworks",
        "Betterworks User Role",
        "saas_user_role",
        key="roles",
        **{"credentials": CREDENTIALS, "exit_success": "", "exit_failure": "", **fields},
    )
    assert "leads nowhere" in reader.validates(workflow)
    reader.connects(workflow, roles__success="end", roles__failure="end")
    assert "is valid" in reader.validates(workflow)
    reader.activates(workflow)
    return workflow


def test_roles_are_captured_and_hr_sees_them(loaded: Company, reader: Reader, hr: Reader) -> None:
    """BW-04, BW-38..BW-51, BW-54..BW-58, C-12, C-08: five names, one row a flag."""
    names = {"first_name": "Many", "last_name": "Hats"}
    flags = {"is_super_admin": True, "is_group_admin": True, "is_goalmaster": True}
    boss = loaded.join("betterworks", email="boss@acme.example", **names, **flags)
    chief = loaded.join("betterworks", email="hr@acme.example", **names, is_hr_admin=True)
    loaded.sync("betterworks")
    application = Application.objects.get(vendor="betterworks")
    application.name = "Betterworks"
    application.save()
    SaaSUserRole.objects.all().delete()
    loaded.sandbox.log.clear()

    run = reader.starts(roles_workflow(reader, application))

    users = SaaSUser.objects.filter(application=application, status="active")
    assert run.state == "done", run.counts
    assert roles_now(users.get(external_id=boss)) == ["Super Admin", "Group Admin", "Goalmaster"]
    assert roles_now(users.get(external_id=chief)) == ["Member"]
    assert all(roles_now(user) for user in users)
    assert loaded.effects() == []
    assert loaded.sent("POST", "PUT", "DELETE", "PATCH") == []
    page = hr.opens(f"/admin/saas/saasuser/?application={application.pk}")
    assert "Super Admin" in page
    assert "boss@acme.example" in page
    assert hr.client.get(f"{LIST}").status_code == 403
    assert hr.client.post(f"{LIST}{run.workflow_id}/run/").status_code == 403


@pytest.mark.parametrize("ticked", [True, False])
def test_who_is_not_found_is_deactivated_only_where_that_was_ticked(
    loaded: Company,
    reader: Reader,
    hr: Reader,
    ticked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """BW-52, BW-53, BW-54, BW-58, C-25."""
    gone = loaded.join(
        "betterworks", email="gone@acme.example", first_name="Gone", last_name="Example"
    )
    loaded.sync("betterworks")
    loaded.leave("betterworks", gone)
    application = Application.objects.get(vendor="betterworks")
    application.name = "Betterworks"
    application.save()
    given = {"deactivate_user": "on"} if ticked else {}

    run = reader.starts(roles_workflow(reader, application, **given))

    user = SaaSUser.objects.get(application=application, external_id=gone)
    found = BlockRun.objects.get(item__run=run, item__record_id=user.pk)
    active = hr.opens("/admin/saas/saasuser/")
    assert run.state == "done", run.counts
    assert user.status == ("deactivated" if ticked else "active")
    assert "not found" in found.note.casefold() or found.code == "not_found"
    assert ("gone@acme.example" in active) is not ticked
    assert "gone@acme.example" in hr.opens("/admin/saas/saasuser/", status="all")
    assert loaded.effects() == []


def test_without_saas_users_it_says_what_has_to_run_first(company: Company, reader: Reader) -> None:
    """BW-38, C-23."""
    assert "User plus SaaS User" in reader.opens(f"{LIST}add/")
