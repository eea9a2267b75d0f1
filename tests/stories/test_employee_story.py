"""From BambooHR to Betterworks: hires, changes and leavers start workflows through real syncs."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.people import KEY_OWNER
from integrations.undoing import queue_undo
from people.models import Person
from tests.stories.company import Company, Shell
from tests.stories.reader import Reader, work
from tests.workflows.makers import make_workflow
from workflows.models import Workflow, WorkflowRun

pytestmark = pytest.mark.django_db(transaction=True)
ENDS = {"success": "end", "failure": "end"}
HAS_ID = {"field": "betterworks_user_id", "operator": "is_not_empty"}


def call(preset: str, **settings: Any) -> dict[str, Any]:
    return {
        "key": preset,
        "kind": "api",
        "preset": f"betterworks.{preset}",
        "credentials": "betterworks production",
        "settings": settings,
        "exits": ENDS,
    }


def provisioning() -> dict[str, Workflow]:
    """Create on new, update on a change of the title, deactivate on archive."""
    kept = [{"from": "{{ response.id }}", "to": "betterworks_user_id"}]
    changed = {"all": [{"field": "title", "operator": "changed"}, HAS_ID]}
    return {
        "hire": make_workflow(
            [call("create_user", response={"positive": kept})],
            name="Hire",
            begin={"actions": ["new"]},
        ),
        "change": make_workflow(
            [call("update_user", inputs={"title": "{{ title }}"})],
            name="Change",
            begin={"actions": ["edit"], "rules": changed},
        ),
        "leave": make_workflow(
            [call("deactivate_user")],
            name="Leave",
            begin={"actions": ["archive"], "rules": {"all": [HAS_ID]}},
        ),
    }


@pytest.fixture
def loaded(company: Company) -> Company:
    """Both loads have run and settled; nobody is away."""
    company.load("bamboohr")
    company.load("betterworks")
    company.sync("bamboohr")
    work()
    return company


def hire(company: Company, name: str, **values: Any) -> str:
    """A new employee at BambooHR; the id."""
    return company.join(
        "bamboohr",
        firstName=name,
        lastName="Example",
        workEmail=f"{name.lower()}@acme.example",
        employeeNumber=f"N-{name}",
        jobTitle="Clerk",
        **values,
    )


def runs_of(workflow: Workflow) -> list[str]:
    return list(workflow.runs.order_by("pk").values_list("state", flat=True))


def test_a_hire_a_change_and_a_leaver_arrive_at_betterworks(loaded: Company) -> None:
    """C-13, BW-01, BW-02, BW-18, BW-19: each by the event of a sync, once."""
    flows = provisioning()
    employee = hire(loaded, "Helen")
    loaded.sync("bamboohr")
    work()
    helen = Person.objects.get(email="helen@acme.example")
    account = helen.custom["betterworks_user_id"]
    created = loaded.effects()

    loaded.change("bamboohr", employee, jobTitle="Head of Clerks")
    loaded.sync("bamboohr")
    work()
    updated = loaded.effects()
    titled = loaded.record("betterworks", account)

    loaded.change("bamboohr", employee, status="Inactive")
    loaded.sync("bamboohr")
    work()
    loaded.sync("bamboohr")
    work()

    helen.refresh_from_db()
    assert created == ["user.create"]
    assert updated == ["user.create", "user.update"]
    assert "Head of Clerks" in str(titled)
    assert helen.status == "deactivated"
    assert loaded.effects() == ["user.create", "user.update", "user.deactivate"]
    assert "'is_active': False" in str(loaded.record("betterworks", account))
    assert {name: runs_of(one) for name, one in flows.items()} == {
        "hire": ["done"],
        "change": ["done"],
        "leave": ["done"],
    }


def test_settling_and_undo_start_nothing_and_are_listed(company: Company, reader: Reader) -> None:
    """M-19: the first complete load, and what an undo brings back."""
    flows = provisioning_without_ids(company)
    company.load("bamboohr")
    work()
    first = WorkflowRun.objects.count()
    hire(company, "Helen")
    run = company.sync("bamboohr")
    work()
    second = WorkflowRun.objects.count()

    undone = queue_undo(run, by="it-admin")
    work()

    undone.refresh_from_db()
    assert (first, second) == (0, 1)
    assert undone.state == "done"
    assert WorkflowRun.objects.count() == 1
    assert runs_of(flows) == ["done"]
    told = reader.opens(f"/admin/workflows/workflow/{flows.pk}/passed-over/")
    assert "settling" in told.casefold() or "first" in told.casefold()


def provisioning_without_ids(company: Company) -> Workflow:
    company.credentials("betterworks")
    return make_workflow(
        [call("create_user")], name="Hire", begin={"actions": ["new", "archive", "edit"]}
    )


def test_many_leavers_are_held_and_go_by_name(
    loaded: Company, reader: Reader, shell: Shell
) -> None:
    """M-14, M-15: BambooHR says it of each; the calls of the workflow wait for a person."""
    flow = provisioning()["leave"]
    # BambooHR hides the status of the key's owner, so nobody can say that they left.
    ids = {
        one["work_email"]: one["id"]
        for one in loaded.sandbox.dump()["vendors"]["bamboohr"]["employees"]
        if one["id"] != str(KEY_OWNER)
    }
    known = Person.objects.filter(status="active").exclude(custom={}).order_by("pk")
    leavers = [one for one in known if one.email in ids][:8]
    for one in leavers:
        loaded.change("bamboohr", ids[one.email], status="Inactive")
    sync = loaded.sync("bamboohr")
    assert sync.state == "held"
    assert flow.runs.count() == 0
    code, _out, err = shell("plans", "approve", str(sync.pk), "--as", "it-admin")
    assert code == 0, err
    work()

    (run,) = flow.runs.all()
    before = loaded.effects()
    asked = reader.approves(run)

    run.refresh_from_db()
    assert Person.objects.filter(pk__in=[one.pk for one in leavers], status="active").count() == 0
    assert before == []
    assert all(one.email in asked for one in leavers)
    assert (run.state, loaded.effects()) == ("done", ["user.deactivate"] * len(leavers))


def test_more_starts_than_usual_are_held_and_begin_when_approved(
    loaded: Company, reader: Reader
) -> None:
    """M-20: twenty-one hires in one night; held by name, told, then created once each."""
    flow = provisioning()["hire"]
    names = [f"New{number:02}" for number in range(21)]
    for name in names:
        hire(loaded, name)
    loaded.sync("bamboohr")
    work()

    (run,) = flow.runs.all()
    state, before = run.state, loaded.effects()
    asked = reader.approves(run)

    run.refresh_from_db()
    assert (state, before) == ("held", [])
    assert "new00@acme.example" in asked
    assert "new20@acme.example" in reader.reads(run)
    assert (run.state, len(loaded.effects())) == ("done", len(names))
    made = Person.objects.filter(employee_id__startswith="N-New")
    assert all(one.custom.get("betterworks_user_id") for one in made)
