"""A sync that is killed and done again leaves what an undisturbed one would have (M-8, M-13)."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.db import connection, connections, transaction
from django.utils import timezone

from integrations import services
from integrations.errors import LeaseLost
from integrations.models import Integration, RecordLink, SyncRun
from integrations.models.pace import Pace
from integrations.sandbox.server import Sandbox
from integrations.sync import execute
from integrations.worker import free_lost_runs
from people.models import Department, Event, Person
from saas.models import SaaSUser

from .worlds import EMPLOYEES, World, sync, tables

TRIALS = 20
PEOPLE = 52
MAPPINGS = [
    *EMPLOYEES,
    {"source": "supervisor_eid", "target": "manager"},
    {"source": "department", "target": "department"},
]


class Killed(BaseException):
    """Ends a run as SIGKILL would: no handler of ours may take it for an error."""


class Company:
    """A company in two states: as it was loaded first, and after a busy day."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.employees = [str(20_000 + one) for one in range(PEOPLE)]
        world.bamboohr.add_all(
            [
                world.employee(f"p{one}", id=employee, department=f"D{one % 5}")
                for one, employee in enumerate(self.employees)
            ]
        )
        self.accounts = [
            world.open_account(f"p{one}", roles={"APP": "viewer"}) for one in range(PEOPLE // 2)
        ]
        self.bamboohr = world.integration("bamboohr", mappings=MAPPINGS, name="BambooHR")
        self.aha = world.integration("aha", name="Aha!", priority=90)

    def busy_day(self) -> None:
        """Renames, swaps, leavers, newcomers, managers, titles, roles."""
        ids, change = self.employees, self.world.bamboohr.change_all
        change({one: {"jobTitle": f"Title {one}"} for one in ids[:15]})
        change({ids[20]: {"workEmail": "p21@acme.example"}})
        change({ids[21]: {"workEmail": "p20@acme.example"}})
        change({ids[22]: {"status": "Inactive"}})
        change({ids[23]: {"department": "New department"}})
        self.world.bamboohr.add_all(
            [
                self.world.employee(f"n{one}", id=str(30_000 + one), department="Newcomers")
                for one in range(15)
            ]
        )
        change({one: {"supervisorEId": str(30_000 + n)} for n, one in enumerate(ids[30:40])})
        change({str(30_000 + one): {"supervisorEId": str(30_014 - one)} for one in range(14)})
        self.world.bamboohr.remove(ids[50])
        for one in self.accounts[:10]:
            self.world.aha.change(one, roles={"WEB": "contributor"}, first_name="Renamed")
        self.world.aha.change(self.accounts[11], enabled=False)
        self.world.open_account("n1", roles={"APP": "viewer"})


@contextmanager
def disturbed_at(commit: int, disturb: Callable[[], None]) -> Iterator[list[int]]:
    """Call `disturb` before the nth statement outside of all transactions of a run.

    That is after each commit; what is inside of a transaction is rolled back as a whole. Gives the
    number of such statements that were begun.
    """
    begun = [0]
    depth = len(connection.savepoint_ids)

    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if len(connection.savepoint_ids) == depth:
            begun[0] += 1
            if begun[0] == commit:
                disturb()
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        yield begun


def kill() -> None:
    raise Killed


def begin(integration: Integration) -> SyncRun:
    return services.queue_run(Integration.objects.get(pk=integration.pk), by="admin")


def done_again(run: SyncRun) -> SyncRun:
    """What the worker does when the process of a run died: the same run, begun again.

    The server may hold a row for a moment after its client was killed; the next tick finds it then.
    """
    give_up = time.monotonic() + 120
    while True:
        free_lost_runs(now=timezone.now() + timedelta(hours=1))
        run.refresh_from_db()
        if run.state != "running" or time.monotonic() > give_up:
            break
        time.sleep(0.1)
    return execute(run.pk) if run.state == "queued" else run


def after_a_busy_day(world: World, vendor: str, when: str) -> Integration:
    company = Company(world)
    if when == "busy day":
        sync(company.bamboohr)
        sync(company.aha)
        company.busy_day()
    integration: Integration = getattr(company, vendor)
    return integration


@pytest.mark.parametrize("vendor", ["bamboohr", "aha"])
@pytest.mark.parametrize("when", ["first load", "busy day"])
def test_killed_at_any_commit_and_done_again_it_leaves_the_same_tables(
    world: World, vendor: str, when: str
) -> None:
    """M-13, M-18: people, accounts, roles, links, events and counts."""
    integration = after_a_busy_day(world, vendor, when)
    with transaction.atomic():
        run = begin(integration)
        with disturbed_at(0, kill) as begun:
            expected_run = execute(run.pk)
        expected = tables()
        transaction.set_rollback(True)

    wrong = []
    for commit in range(2, begun[0] + 1):
        with transaction.atomic():
            run = begin(integration)
            with disturbed_at(commit, kill), suppress(Killed):
                execute(run.pk)
            run = done_again(run)
            found = tables()
            wrong += [(commit, name) for name in expected if found[name] != expected[name]]
            if (run.state, run.counts) != (expected_run.state, expected_run.counts):
                wrong.append((commit, f"{run.state} {run.counts} {run.error_message}"))
            transaction.set_rollback(True)

    assert begun[0] > 20
    assert wrong == []


@pytest.mark.parametrize("vendor", ["bamboohr", "aha"])
def test_killed_twice_it_still_leaves_the_same_tables(world: World, vendor: str) -> None:
    """M-13: the second attempt dies where the first did, the third ends."""
    integration = after_a_busy_day(world, vendor, "busy day")
    with transaction.atomic():
        run = begin(integration)
        with disturbed_at(0, kill) as begun:
            expected_run = execute(run.pk)
        expected = tables()
        transaction.set_rollback(True)

    wrong = []
    for commit in range(2, begun[0] + 1, 3):
        with transaction.atomic():
            run = begin(integration)
            for _attempt in range(2):
                with disturbed_at(commit, kill), suppress(Killed):
                    run = done_again(run)
            run = done_again(run)
            if tables() != expected or run.counts != expected_run.counts:
                wrong.append((commit, run.state, run.error_message))
            transaction.set_rollback(True)

    assert wrong == []


def test_what_changed_at_the_vendor_between_two_attempts_is_one_event(world: World) -> None:
    """M-18: the event of the first attempt is completed."""
    ann = world.employ("Ann", jobTitle="Clerk")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head", lastName="Married")
    run = begin(integration)

    def die(step: str, _done: int, _total: int | None) -> None:
        if step == "remember":
            raise Killed

    with pytest.raises(Killed):
        execute(run.pk, on_progress=die)
    world.bamboohr.change(ann, jobTitle="Chief", lastName="Example")
    run = done_again(run)

    event = Event.objects.get(run_id=run.pk)
    assert (event.kind, event.changes) == ("edit", {"title": ["Clerk", "Chief"]})
    assert run.counts["people"]["updated"] == 1


@pytest.mark.parametrize("vendor", ["bamboohr", "aha"])
def test_who_lost_the_lease_writes_nothing_more(world: World, vendor: str) -> None:
    """M-13: another process raises the fence after any of the commits."""
    integration = after_a_busy_day(world, vendor, "busy day")
    with transaction.atomic():
        run = begin(integration)
        with disturbed_at(0, kill) as begun:
            execute(run.pk)
        transaction.set_rollback(True)

    wrong = []
    for commit in range(2, begun[0] + 1):
        with transaction.atomic():
            run = begin(integration)
            left: list[str] = []

            def take_over(left: list[str] = left) -> None:
                if SyncRun.objects.filter(state="running").update(fence=99):
                    left.append(everything())

            with disturbed_at(commit, take_over):
                try:
                    execute(run.pk)
                except LeaseLost:
                    if everything() != left[0]:
                        wrong.append((commit, "it wrote"))
                else:
                    wrong += [(commit, "it did not notice") for _one in left]
            transaction.set_rollback(True)

    assert wrong == []


def everything() -> str:
    """Every row of every table of ours."""
    rows = [
        list(model._default_manager.order_by("pk").values_list())
        for app in ("people", "saas", "integrations")
        for model in apps.get_app_config(app).get_models()
        if model is not Pace  # a call that was on its way is counted, whoever makes it
    ]
    return orjson.dumps(rows, default=str).decode()


def test_a_killed_fetch_starts_its_listing_again(world: World) -> None:
    """M-8: what the first attempt staged goes."""
    for number in range(5):
        world.open_account(f"p{number}")
    gone = world.open_account("Gone")
    integration = world.integration("aha", overrides={"loads.users.paging.page_size": 2})
    run = begin(integration)

    def die(step: str, _done: int, _total: int | None) -> None:
        if step == "plan":
            raise Killed

    with pytest.raises(Killed):
        execute(run.pk, on_progress=die)
    world.aha.remove(gone)
    run = done_again(run)

    assert (run.state, run.counts["seen"], run.attempts) == ("done", 6, 2)
    assert not Person.objects.filter(email="gone@acme.example").exists()
    assert Person.objects.count() == 6


# Child processes that are killed at random moments.


@pytest.fixture
def shared_world(transactional_db: None, sandbox: Sandbox) -> World:
    """A world whose rows other processes see."""
    return World(sandbox)


def _in_a_child(run_id: int) -> multiprocessing.process.BaseProcess:
    connections.close_all()
    child = multiprocessing.get_context("fork").Process(target=_do, args=(run_id,))
    child.start()
    return child


def _do(run_id: int) -> None:
    try:
        execute(run_id)
    finally:
        connections.close_all()


def _forget_everything() -> None:
    for model in (Event, RecordLink, SaaSUser, Person, Department, SyncRun):
        model.objects.all().delete()


def test_killed_at_random_moments_and_done_again_it_leaves_the_same_tables(
    shared_world: World,
) -> None:
    """M-13: SIGKILL, twenty times; the first load of BambooHR, then a busy day of both."""
    company = Company(shared_world)
    draw = random.Random(1)  # noqa: S311 - moments, no secret
    began = time.monotonic()
    for integration in (company.bamboohr, company.aha):
        child = _in_a_child(begin(integration).pk)
        child.join(120)
    took = (time.monotonic() - began) / 2
    expected = tables()

    killed = 0
    for _trial in range(TRIALS):
        _forget_everything()
        for integration in (company.bamboohr, company.aha):
            run = begin(integration)
            began = time.monotonic()
            child = _in_a_child(run.pk)
            child.join(draw.uniform(0, took))
            if child.is_alive() and child.pid is not None:
                os.kill(child.pid, signal.SIGKILL)
                killed += 1
            else:  # the machine is less busy than it was
                took = min(took, time.monotonic() - began)
            child.join(120)
            run = done_again(run)
            assert run.state == "done", run.error_message
        assert tables() == expected

    assert killed >= TRIALS / 2
