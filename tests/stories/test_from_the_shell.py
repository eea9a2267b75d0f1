"""The workflows of the documents by a file and a shell: `config apply`, then `run_workflow`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from people.fields import make_field
from people.models import Person
from saas.models import Application, SaaSUser, SaaSUserRole
from tests.makers import make_person
from tests.stories.company import Company, Shell
from tests.stories.reader import Reader
from tests.workflows.blocks.offices import roles_now
from workflows.models import Workflow, WorkflowRun

pytestmark = pytest.mark.django_db(transaction=True)
ENDS = {"success": "end", "failure": "end"}
LABELS = {"aha": "Aha!", "betterworks": "Betterworks", "goto": "GoTo", "monday": "monday.com"}
WHOLE = {"positive": [{"from": "{{ response }}", "to": "api_response"}]}


def about(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    row = {"field": field, "operator": operator}
    return {"all": [row if value is None else {**row, "value": value}]}


def call(vendor: str, preset: str, **settings: Any) -> dict[str, Any]:
    return {
        "key": "call",
        "kind": "api",
        "preset": f"{vendor}.{preset}",
        "credentials": f"{vendor} production",
        "settings": settings,
        "exits": ENDS,
    }


# Of each document one user workflow that its reader would write first: preset, settings, rules.
FIRST: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "betterworks": (
        "create_user",
        {"response": WHOLE},
        about("email", "equals", "helen.troy@oomnitza.com"),
    ),
    "goto": (
        "get_licenses_by_user_id",
        {"response": WHOLE},
        about("goto_user_key", "is_not_empty"),
    ),
    "aha": ("get_user_details", {"response": WHOLE}, about("aha_user_id", "is_not_empty")),
    "monday": ("get_last_activity", {"response": WHOLE}, about("monday_user_id", "is_not_empty")),
}
CREATES = {"betterworks": ["user.create"], "goto": [], "aha": [], "monday": []}


def file_for(vendor: str, application: Application) -> str:
    """A configuration file with the user workflow and the role workflow of the document."""
    preset, settings, rules = FIRST[vendor]
    roles = {
        "key": "roles",
        "kind": "saas_user_role",
        "preset": f"{vendor}.user_role",
        "credentials": f"{vendor} production",
        "settings": {"deactivate_user": True},
        "exits": ENDS,
    }
    workflows = [
        {
            "name": f"{vendor} users",
            "object": "person",
            "begin": {"actions": ["manual", "new"], "rules": rules},
            "blocks": [call(vendor, preset, **settings)],
            "state": "active",
        },
        {
            "name": f"{vendor} roles",
            "object": "saas_user",
            "application": application.name,
            "begin": {
                "actions": ["schedule"],
                "schedule": {"every": "day", "at": "07:00", "timezone": "Europe/London"},
            },
            "blocks": [roles],
            "state": "active",
        },
    ]
    return json.dumps({"workflows": workflows})


@pytest.mark.parametrize("vendor", FIRST)
def test_a_file_is_applied_planned_and_run(
    vendor: str, company: Company, shell: Shell, hr: Reader, it_admin: User, tmp_path: Path
) -> None:
    """C-09, C-24, C-26, BW-01, BW-04, GT-05, GT-17, AH-40, AH-47, MO-03, MO-09: exit codes, JSON."""
    company.set("betterworks", domains=["acme.example", "example.com", "oomnitza.com"])
    company.load(vendor)
    make_field(label="API Response", type="long_text")
    make_person(email="helen.troy@oomnitza.com", first_name="Helen", last_name="Troy")
    application = Application.objects.get(vendor=vendor)
    SaaSUserRole.objects.all().delete()
    file = tmp_path / "workflows.yaml"
    file.write_text(file_for(vendor, application))

    planned = shell("config", "apply", str(file), "--plan", "--as", it_admin.username)
    nothing = Workflow.objects.count()
    applied = shell("config", "apply", str(file), "--as", it_admin.username)
    again = shell("config", "apply", str(file), "--as", it_admin.username)
    company.sandbox.log.clear()
    code, plan = shell.report("run_workflow", f"{vendor} users", "--plan")
    asked = company.sent("POST", "PUT", "DELETE", "PATCH") if vendor != "monday" else []
    users, report = shell.report("run_workflow", f"{vendor} users", "--as", it_admin.username)
    roles, told = shell.report("run_workflow", f"{vendor} roles", "--as", it_admin.username)

    assert (planned[0], applied[0], again[0], nothing) == (0, 0, 0, 0), applied[1] + applied[2]
    assert Workflow.objects.filter(state="active").count() == len(("users", "roles"))
    assert (code, asked) == (0, [])
    assert plan["plan"]
    assert all(row["request"]["url"] for row in plan["plan"])
    assert (users, report["state"], report["counts"]["failed"]) == (0, "done", 0), report
    assert report["counts"]["matched"] == report["counts"]["done"] == len(plan["plan"])
    assert (roles, told["state"]) == (0, "done"), told
    assert company.effects() == CREATES[vendor]
    people = Person.objects.filter(pk__in=touched(f"{vendor} users"))
    assert people
    assert all(one.custom.get("api_response") for one in people)
    active = SaaSUser.objects.filter(application=application, status="active")
    assert active
    assert all(roles_now(one) for one in active)
    page = hr.opens(f"/admin/saas/saasuser/?application={application.pk}")
    assert "API Response" not in hr.opens(f"/admin/people/person/{people[0].pk}/change/")
    assert roles_now(active[0])[0] in page


def touched(name: str) -> list[int]:
    """The ids of the records of the one run that this workflow had."""
    run = WorkflowRun.objects.get(workflow__name=name)
    assert (run.trigger, run.started_by) == ("command", "it-admin")
    return list(run.items.values_list("record_id", flat=True))


def test_a_failure_is_told_by_the_exit_code_and_in_the_json(
    company: Company, shell: Shell, it_admin: User, tmp_path: Path
) -> None:
    """C-26, C-25, BW-36: who has no id is named with what to do; nothing was sent."""
    company.load("betterworks")
    helen = make_person(email="helen.troy@oomnitza.com")
    one = {
        "name": "Details",
        "object": "person",
        "begin": {"actions": ["manual"]},
        "blocks": [call("betterworks", "get_user_by_id")],
        "state": "active",
    }
    file = tmp_path / "workflows.yaml"
    file.write_text(json.dumps({"workflows": [one]}))
    applied = shell("config", "apply", str(file), "--as", it_admin.username)
    company.sandbox.log.clear()

    code, report = shell.report("run_workflow", "Details", "--record", helen.email)

    assert applied[0] == 0, applied
    assert code != 0
    assert report["counts"]["failed"] == 1
    assert report["issues"][0]["key"] == helen.email
    assert "user integration" in report["issues"][0]["reason"]
    assert company.sent() == []


def test_a_file_with_mistakes_changes_nothing_and_names_block_and_field(
    company: Company, shell: Shell, it_admin: User, tmp_path: Path
) -> None:
    """C-10, C-11, AH-50: the document's own missing brace, from a file."""
    company.load("aha")
    broken = call("aha", "deactivate_user", request={"url": "users/{{aha_user_id}"})
    one = {
        "name": "Leavers",
        "object": "person",
        "begin": {"actions": ["manual"]},
        "blocks": [broken],
        "state": "active",
    }
    file = tmp_path / "workflows.yaml"
    file.write_text(json.dumps({"workflows": [one]}))

    code, out, err = shell("config", "apply", str(file), "--as", it_admin.username)

    assert code != 0
    assert "closed by a single }" in out + err
    assert "request" in out + err
    assert not Workflow.objects.exists()
