"""Events of a sync: one per record and run, and nothing when nothing changed (M-18, M-1)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from people.models import Event, Person

from .worlds import AHA_OWNER, EMPLOYEES, World, events_of, person, run_sync, sync, tables

FULL = [
    *EMPLOYEES,
    {"source": "department", "target": "department"},
    {"source": "supervisor_eid", "target": "manager"},
    {"constant": "Employee", "target": "role", "policy": "on_create"},
]


def test_a_new_record_is_one_event_with_everything_in_it(world: World) -> None:
    """M-18: department, role, and the manager who comes with the same run, too."""
    boss = world.employ("Boss", department="Sales")
    world.employ("Ann", employeeNumber="E-1", supervisorEId=boss, department="Sales")

    run = sync(world.integration("bamboohr", mappings=FULL))

    assert events_of(run)["person", "ann@acme.example"] == {
        "kind": "new",
        "changes": {
            "email": [None, "ann@acme.example"],
            "username": [None, "ann@acme.example"],
            "employee_id": [None, "E-1"],
            "first_name": [None, "Ann"],
            "last_name": [None, "Example"],
            "title": [None, "Clerk"],
            "status": [None, "active"],
            "department": [None, "Sales"],
            "manager": [None, "boss@acme.example"],
            "role": [None, "Employee"],
        },
    }
    assert Event.objects.filter(run_id=run.pk).count() == 2


def test_an_edited_record_is_one_event_with_the_changed_fields_only(world: World) -> None:
    """M-18: also where the e-mail and the manager change at once."""
    ann, boss = world.employ("Ann"), world.employ("Boss")
    integration = world.integration("bamboohr", mappings=FULL)
    sync(integration)
    world.bamboohr.change(
        ann, workEmail="anna@acme.example", jobTitle="Head", department="Sales", supervisorEId=boss
    )

    run = sync(integration)

    assert events_of(run) == {
        ("person", "anna@acme.example"): {
            "kind": "edit",
            "changes": {
                "email": ["ann@acme.example", "anna@acme.example"],
                "username": ["ann@acme.example", "anna@acme.example"],
                "title": ["Clerk", "Head"],
                "department": [None, "Sales"],
                "manager": [None, "boss@acme.example"],
            },
        }
    }


def test_reactivation_is_an_edit_and_deactivation_an_archive(world: World) -> None:
    """M-18."""
    ann = world.open_account("Ann")
    integration = world.integration("aha")
    sync(integration)

    kinds = []
    for enabled in (False, True):
        world.aha.change(ann, enabled=enabled)
        kinds.append(events_of(sync(integration))["saas_user", ann]["kind"])

    assert kinds == ["archive", "edit"]


def test_an_event_names_its_source_and_run(world: World) -> None:
    """M-18, AH-22."""
    world.employ("Ann")
    integration = world.integration("bamboohr", name="BambooHR employees")

    run = sync(integration)

    event = Event.objects.get(run_id=run.pk)
    assert event.source == "sync"
    assert "BambooHR employees" in event.actor
    assert str(integration.run_as) in event.actor
    run.refresh_from_db()
    assert run.events_released_at is not None


def test_person_and_account_have_an_event_each(world: World) -> None:
    ann = world.open_account("Ann")

    run = sync(world.integration("aha"))

    kinds = {key: event["kind"] for key, event in events_of(run).items() if key[1] != AHA_OWNER}
    assert kinds[("person", "ann@acme.example")] == kinds[("saas_user", ann)] == "new"
    assert Event.objects.filter(run_id=run.pk).count() == 4


def test_a_change_of_last_activity_alone_is_written_without_an_event(world: World) -> None:
    """M-1."""
    ann = world.open_account("Ann", accessed_at="2026-03-01T10:00:00.000Z")
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(ann, accessed_at="2026-03-02T10:00:00.000Z")

    run = sync(integration)

    assert events_of(run) == {}
    assert tables()["users"][ann]["last_activity"].day == 2


def test_last_activity_with_another_change_is_in_the_event(world: World) -> None:
    ann = world.open_account("Ann", accessed_at="2026-03-01T10:00:00.000Z")
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(ann, accessed_at="2026-03-02T10:00:00.000Z", first_name="Anna")

    run = sync(integration)

    changes = events_of(run)["saas_user", ann]["changes"]
    assert changes.keys() == {"name", "last_activity"}


@pytest.mark.parametrize("vendor", ["bamboohr", "aha"])
def test_when_nothing_changed_nothing_is_written(world: World, vendor: str) -> None:
    """M-1, M-13: no row, no event, no plan; only when it was seen."""
    for name in ("Ann", "Bob"):
        world.employ(name)
        world.open_account(name, roles={"APP": "viewer"})
    integration = world.integration(vendor, mappings=FULL if vendor == "bamboohr" else None)
    sync(integration)
    before, written = tables(), list(Person.objects.order_by("pk").values("pk", "updated_at"))

    run = sync(integration)

    assert tables() == before
    assert list(Person.objects.order_by("pk").values("pk", "updated_at")) == written
    assert run.plan.count() == 0
    seen = 2 if vendor == "bamboohr" else 3
    assert run.counts["people"]["unchanged"] == run.counts["seen"] == seen
    assert run.state == "done"


def test_a_failed_run_has_no_event_and_is_released(world: World) -> None:
    """M-18: released when the run ends in any other state, too."""
    world.employ("Ann")
    integration = world.integration("bamboohr")
    world.bamboohr.fault("html")

    run = run_sync(integration)

    assert run.state == "failed"
    assert run.events_released_at is not None
    assert not Event.objects.filter(run_id=run.pk).exists()


def test_the_database_holds_one_event_per_record_and_run(world: World) -> None:
    """M-18."""
    world.employ("Ann")
    run = sync(world.integration("bamboohr"))
    again: dict[str, Any] = {
        "object": "person",
        "object_id": person("ann@acme.example").pk,
        "kind": "edit",
        "source": "sync",
        "run_id": run.pk,
        "actor": "x",
    }

    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.create(**again)
