"""Two integrations that run at the same time, in processes of their own, over the same people."""

from __future__ import annotations

import multiprocessing

import pytest
from django.db import connections

from integrations import services
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import Sandbox
from integrations.sync import execute
from people.models import Event, Person
from saas.models import SaaSUser

from .worlds import EMPLOYEES, World, emails, sync

PEOPLE = 150
ROUNDS = 3


@pytest.fixture
def shared_world(transactional_db: None, sandbox: Sandbox) -> World:
    """A world whose rows other processes see."""
    return World(sandbox)


def begin(integration: Integration) -> int:
    fresh = Integration.objects.get(pk=integration.pk)
    return services.queue_run(fresh, by="admin").pk


def run_at_once(*integrations: Integration) -> list[SyncRun]:
    """Runs of these integrations, each in a child process, ended."""
    runs = [begin(integration) for integration in integrations]
    connections.close_all()
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_do, args=(run,)) for run in runs]
    for child in children:
        child.start()
    for child in children:
        child.join(600)
    return [SyncRun.objects.get(pk=run) for run in runs]


def _do(run_id: int) -> None:
    try:
        execute(run_id)
    finally:
        connections.close_all()


def test_two_first_loads_at_once_make_each_person_once(shared_world: World) -> None:
    """M-2: who comes second is told so, and is linked by the next sync."""
    world = shared_world
    names = [f"p{number}" for number in range(PEOPLE)]
    world.bamboohr.add_all(
        [
            world.employee(name, id=str(50_000 + number), department=f"D{number % 40}")
            for number, name in enumerate(names)
        ]
    )
    for name in names:
        world.open_account(name, roles={"APP": "viewer"})
    mappings = [*EMPLOYEES, {"source": "department", "target": "department"}]
    bamboohr = world.integration("bamboohr", mappings=mappings, priority=10)
    aha = world.integration("aha", priority=90)

    first = run_at_once(bamboohr, aha)
    later = [sync(bamboohr), sync(aha)]

    assert {run.state for run in first} <= {"done", "partial"}, [one.error_message for one in first]
    assert [run.state for run in later] == ["done", "done"]
    assert len(emails()) == PEOPLE + 1
    assert SaaSUser.objects.filter(person__isnull=True).count() == 0
    assert Event.objects.filter(object="person", kind="new").count() == PEOPLE + 1
    assert Person.objects.filter(title="Clerk", full_name__endswith="Example").count() == PEOPLE


def test_changes_of_both_at_once_are_all_written(shared_world: World) -> None:
    """M-6, M-13: each writes its own fields of the same people; what collides is done next time."""
    world = shared_world
    ids = [str(50_000 + number) for number in range(PEOPLE)]
    world.bamboohr.add_all([world.employee(f"p{number}", id=one) for number, one in enumerate(ids)])
    accounts = [world.open_account(f"p{number}") for number in range(PEOPLE)]
    bamboohr = world.integration("bamboohr", priority=10)
    aha = world.integration("aha", priority=90)
    sync(bamboohr)
    sync(aha)

    for number in range(ROUNDS):
        world.bamboohr.change_all({one: {"jobTitle": f"Title {number}"} for one in ids})
        world.aha.change_all({one: {"first_name": f"Name {number}"} for one in accounts})
        runs = run_at_once(bamboohr, aha)
        assert {run.state for run in runs} <= {"done", "partial"}
        sync(bamboohr)
        sync(aha)

        found = set(Person.objects.filter(title__gt="").values_list("title", "full_name"))
        assert found == {(f"Title {number}", f"Name {number} Example")}
