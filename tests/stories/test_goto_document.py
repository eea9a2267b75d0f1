"""The GoTo document, step by step: eight presets in user workflows, and admin roles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from people.models import Person
from saas.models import Application, SaaSUser, SaaSUserRole
from tests.makers import make_custom_field, make_person
from tests.stories.company import Company
from tests.stories.reader import LIST, Reader
from tests.workflows.blocks.offices import roles_now
from workflows.models import BlockRun, Workflow, WorkflowRun

pytestmark = pytest.mark.django_db(transaction=True)
CREDENTIALS = {"credentials": "goto production"}
STORED = {"response_positive-0-from": "{{ response }}", "response_positive-0-to": "api_response"}


@pytest.fixture
def loaded(company: Company) -> Company:
    """With the recommended user integration and the long-text field of the document."""
    company.load("goto")
    make_custom_field("API Response", type="long_text")
    return company


def way(run: WorkflowRun) -> BlockRun:
    return BlockRun.objects.get(item__run=run)


def newcomer(**fields: Any) -> Person:
    values = {"email": "helen@acme.example", "first_name": "Helen", "last_name": "Troy"}
    return make_person(**{**values, **fields})


def colleague(company: Company) -> Person:
    """Somebody whom the load knows, who is neither the key's owner nor an administrator."""
    users = SaaSUser.objects.filter(status="active", roles__role="Member").order_by("pk")
    return next(user.person for user in users if user.person is not None)


def goto(reader: Reader, label: str, **fields: Any) -> tuple[Workflow, str]:
    """Add > People > Begin by hand > API > the preset; saved, valid, active."""
    workflow = reader.adds(f"Story of {label}")
    key = reader.places(workflow, "GoTo", label, **{**CREDENTIALS, **fields})
    reader.is_by_hand(workflow)
    assert "is valid" in reader.validates(workflow)
    reader.activates(workflow)
    return workflow, key


def test_onboarding_adds_a_user_and_keeps_the_key(loaded: Company, reader: Reader) -> None:
    """GT-01, GT-05, GT-06, GT-07, GT-10, GT-14..GT-16, GT-23, GT-23j."""
    workflow, key = goto(
        reader,
        "GoTo Admin Add Users",
        **STORED,
        **{
            "input_suppress_email": "true",
            "response_positive-1-from": "{{ response[0].key }}",
            "response_positive-1-to": "goto_user_key",
        },
    )
    helen = newcomer()

    run = reader.starts(workflow, helen)
    again = reader.starts(workflow, helen)

    helen.refresh_from_db()
    stored = helen.custom["api_response"]
    assert (run.state, loaded.effects()) == ("done", ["user.create"]), way(run).note
    assert helen.custom["goto_user_key"] in stored
    assert "helen@acme.example" in json.dumps(loaded.record("goto", helen.custom["goto_user_key"]))
    note = way(again).note.casefold()
    assert "already" in note or "exist" in note
    assert loaded.effects() == ["user.create"]
    assert reader.block_page(workflow, key)["input_suppress_email"] == "true"


def test_a_user_is_updated_with_what_was_filled_alone(loaded: Company, reader: Reader) -> None:
    """GT-03, GT-12, GT-26, GT-27."""
    workflow, key = goto(
        reader,
        "GoTo Admin Update User",
        input_locale="de_DE",
        input_time_zone="Europe/London",
        input_name_locked="true",
    )
    assert "{{ goto_user_key }}" in reader.block_page(workflow, key)["request_url"]
    someone = colleague(loaded)

    run = reader.starts(workflow, someone)

    (effect,) = [one for one in loaded.sandbox.ledger if one.op == "user.update"]
    assert run.state == "done", way(run).note
    assert set(effect.set) == {"locale", "timeZone", "nameLocked"}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("input_time_zone", "Europe/Troy", "time zone"),
        ("input_first_name", "x" * 61, "60"),
        ("input_email", "x" * 129, "128"),
    ],
)
def test_what_goto_would_not_take_keeps_the_workflow_a_draft(
    loaded: Company, reader: Reader, field: str, value: str, words: str
) -> None:
    """GT-11, GT-24, GT-28."""
    workflow = reader.adds("Story")
    given: dict[str, Any] = {**CREDENTIALS, field: value}
    reader.places(workflow, "GoTo", "GoTo Admin Update User", **given)

    said = reader.validates(workflow)

    assert "cannot be activated yet" in said
    assert words in said
    assert "GoTo Admin Update User" in said


def test_licences_are_read_taken_and_given(loaded: Company, reader: Reader) -> None:
    """GT-04, GT-17..GT-21: by the key that the first preset shows; counted as a removal."""
    someone = colleague(loaded)
    reading, _key = goto(reader, "GoTo Admin Get Licenses by User ID", **STORED)
    reader.starts(reading, someone)
    someone.refresh_from_db()
    results = json.loads(someone.custom["api_response"])["results"]
    licence = str(results[0]["key"])
    inputs = {"input_license_key": licence}
    taking, key = goto(reader, "GoTo Admin Unassign License by Email", **inputs)
    giving, _key = goto(reader, "GoTo Admin Assign License to User by Email", **inputs)

    preview = reader.previews(taking, someone.email)
    before = loaded.effects()
    taken = reader.starts(taking, someone)
    given = reader.starts(giving, someone)

    assert before == []
    assert "DELETE" in preview
    assert "looked up" in preview
    assert "GoTo Admin Get Licenses by User ID shows" in reader.opens(
        f"{LIST}{taking.pk}/blocks/{key}/"
    )
    assert (taken.state, given.state) == ("done", "done"), (way(taken).note, way(given).note)
    assert loaded.effects()[:2] == ["license.unassign", "license.assign"]


def test_an_empty_e_mail_takes_no_licences(loaded: Company, reader: Reader) -> None:
    """GT-19: the vendor's own call could mean every user."""
    workflow, _key = goto(reader, "GoTo Admin Unassign License by Email", input_license_key="1")
    nobody = newcomer(email="", username="helen")
    loaded.sandbox.log.clear()

    run = reader.starts(workflow, nobody)

    assert (run.state, loaded.sent(), loaded.effects()) == ("failed", [], [])
    assert "e-mail" in way(run).note


def test_the_welcome_mail_is_sent_again_with_a_template_key(
    loaded: Company, reader: Reader
) -> None:
    """GT-22."""
    workflow = reader.adds("Welcome")
    key = reader.places(workflow, "welcome", "GoTo Admin Resend Welcome Email", **CREDENTIALS)
    body = json.loads(reader.block_page(workflow, key)["request_body"])
    reader.edits(workflow, key, request_body=json.dumps({**body, "emailTemplateKey": "77"}))
    reader.is_by_hand(workflow)
    reader.activates(workflow)
    someone = colleague(loaded)

    run = reader.starts(workflow, someone)

    request = way(run).request
    assert request is not None
    assert request["body"]["emailTemplateKey"] == "77"
    assert someone.custom["goto_user_key"] in request["url"]


def test_offboarding_deletes_one_user_after_the_password_and_the_page(
    loaded: Company, reader: Reader
) -> None:
    """GT-02, GT-29, S-19: an empty key is never sent."""
    workflow, _key = goto(reader, "GoTo Admin Delete Users")
    someone, stranger = colleague(loaded), newcomer()

    loaded.sandbox.log.clear()
    never = reader.starts(workflow, stranger)
    before = loaded.sent("DELETE")
    run = reader.starts(workflow, someone)

    assert (never.state, before) == ("failed", [])
    assert (run.state, loaded.effects()) == ("done", ["user.delete"]), way(run).note
    assert loaded.sent("DELETE") == [loaded.sent("DELETE")[0]]


def test_a_user_is_found_by_e_mail_and_parts_are_stored(loaded: Company, reader: Reader) -> None:
    """GT-09, GT-15, GT-30."""
    make_custom_field("GoTo Status")
    workflow, _key = goto(
        reader,
        "GoTo Admin Get User by Email",
        **STORED,
        **{
            "response_positive-1-from": "{{ response.status }}",
            "response_positive-1-to": "goto_status",
        },
    )
    someone = colleague(loaded)

    run = reader.starts(workflow, someone)

    someone.refresh_from_db()
    assert run.state == "done", way(run).note
    assert someone.custom["goto_status"]
    assert someone.email in someone.custom["api_response"]


# Roles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticked", [True, False])
def test_admin_roles_fill_the_role_column_and_suspended_users_go(
    loaded: Company,
    reader: Reader,
    hr: Reader,
    ticked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """GT-31..GT-39: the steps in the order of the document."""
    names = {"first_name": "Many", "last_name": "Hats"}
    boss = loaded.join(
        "goto", email="boss@acme.example", **names, adminRoles=["SUPER_USER", "RUN_REPORTS"]
    )
    away = loaded.join("goto", email="away@acme.example", **names)
    loaded.sync("goto")
    loaded.change("goto", away, status="SUSPENDED")
    application = Application.objects.get(vendor="goto")
    active = SaaSUser.objects.filter(application=application, status="active")
    before = {one.external_id: one for one in active if one.external_id != away}
    SaaSUserRole.objects.all().delete()
    workflow = reader.adds("GoTo roles", application, "Who administers GoTo")
    reader.begins(workflow, ("status", "equals", "active"), actions=["manual"])
    assert reader.finds(workflow, "GoTo", "saas_user_role") == ["GoTo Admin SaaS User Role"]
    ticks = {"deactivate_user": "on"} if ticked else {}
    reader.places(
        workflow,
        "GoTo",
        "GoTo Admin SaaS User Role",
        "saas_user_role",
        key="roles",
        **CREDENTIALS,
        **ticks,
    )
    reader.connects(workflow, roles__success="end", roles__failure="end")
    assert "is valid" in reader.validates(workflow)
    reader.activates(workflow)

    run = reader.starts(workflow)

    users = {one.external_id: one for one in SaaSUser.objects.filter(application=application)}
    page = hr.opens(f"/admin/saas/saasuser/?application={application.pk}")
    assert run.state == "done", run.counts
    assert set(roles_now(users[boss])) == {"SUPER_USER", "RUN_REPORTS"}
    assert users[away].status == ("deactivated" if ticked else "active")
    assert {one.status for one in before.values()} == {"active"}
    assert all(users[key].status == "active" and roles_now(users[key]) for key in before)
    assert "SUPER_USER" in page
    assert "Member" in page
    assert loaded.effects() == []
