"""How many may go in 24 hours, and what holds them: counters, short listings, protection (M-15)."""

from __future__ import annotations

import multiprocessing

import pytest
from django.contrib.auth.models import User
from django.db import connections

from integrations import approvals, services
from integrations.guard import limit_for
from integrations.models import Installation, Integration
from integrations.sandbox.server import Sandbox
from integrations.sync import execute
from people.models import Event, Person
from saas.models import Application, SaaSUser
from tests.integrations.sync.worlds import World, account, roles_now, run_sync

from .leavers import a_day_passes, gone, kind_of, load, shown, states, sync_to


@pytest.mark.parametrize(
    ("base", "limit"),
    [(200, 20), (10, 3), (3, 1), (2, 1), (1, 1), (0, 0), (15, 5), (16, 5), (51, 6), (1000, 100)],
)
def test_the_limit_is_the_arithmetic_of_the_model(base: int, limit: int) -> None:
    """M-15, F-26: 200 -> 20, 10 -> 3, 3 -> 1."""
    assert limit_for(10, 5, base) == limit


@pytest.mark.parametrize("vendor", ["aha", "bamboohr"])
@pytest.mark.parametrize(("leavers", "state"), [(5, "done"), (6, "held")])
def test_up_to_the_limit_they_go_and_over_it_all_are_held(
    world: World, vendor: str, leavers: int, state: str
) -> None:
    """M-15: all removals of the run and counter, not only the excess."""
    company = load(world, vendor, 30)
    company.leave(*company.ids[:leavers])

    run = company.sync()

    assert run.state == state
    assert gone(kind_of(company)) == (leavers if state == "done" else 0)
    assert run.counts["held"] == (leavers if state == "held" else 0)


def test_the_counter_runs_over_24_hours(world: World) -> None:
    """M-15: what went yesterday at this time counts no more."""
    company = load(world, "aha", 29)
    company.leave(*company.ids[:3])
    company.sync()
    company.leave(*company.ids[3:6])
    second = company.sync()
    a_day_passes(hours=23)
    third = company.sync()
    a_day_passes(hours=2)

    fourth = company.sync()

    assert [second.state, third.state, fourth.state] == ["held", "held", "done"]
    assert gone() == 6


def test_the_counter_counts_every_route(world: World) -> None:
    """M-15: what workflows or imports removed is counted by their events."""
    company = load(world, "aha", 29)
    ids = list(SaaSUser.objects.values_list("pk", flat=True)[:5])
    for pk in ids:
        Event.objects.create(
            object="saas_user", object_id=pk, kind="archive", source="workflow", guarded=True,
            actor="x", changes={},
        )  # fmt: skip
    company.leave(company.ids[28])

    run = company.sync()

    assert run.state == "held"


def test_an_integration_only_lowers_the_limits(world: World) -> None:
    """M-15: of the application, and of Global Settings for people."""
    company = load(world, "aha", 29, removals_percent=90, removals_count=90)
    Application.objects.update(removals_percent=0, removals_count=2)
    company.leave(*company.ids[:3])
    raised = company.sync()
    Application.objects.update(removals_percent=50, removals_count=50)
    Integration.objects.update(removals_percent=0, removals_count=1)
    lowered = company.sync()
    Integration.objects.update(removals_percent=10, removals_count=5)

    within = company.sync()

    assert [raised.state, lowered.state, within.state] == ["held", "held", "done"]


def test_the_limits_of_people_are_the_installations(world: World) -> None:
    """M-15: one counter for people."""
    company = load(world, "bamboohr", 30)
    Installation.the()
    Installation.objects.update(removals_percent=0, removals_count=0)
    company.vendor.change(company.ids[0], status="Inactive")

    run = company.sync()

    assert run.state == "held"
    assert gone("person") == 0


def test_approved_removals_are_not_counted(world: World) -> None:
    """M-15: whom a person approved by name leaves the counter alone."""
    company = load(world, "aha", 29)
    company.leave(*company.ids[:6])
    approvals.approve(shown(company.sync()), by="ann")
    execute(company.integration.runs.get(state="queued").pk)
    company.leave(*company.ids[6:9])

    run = company.sync()

    assert run.state == "done"
    assert gone() == 9
    assert Event.objects.filter(guarded=True).count() == 3
    assert Event.objects.filter(kind="archive", approved_by="ann", guarded=False).count() == 6


def test_a_short_listing_is_held_twice_in_a_row_too(world: World) -> None:
    """M-15: under 80 % of the last complete one, though the limit would let them pass."""
    company = load(world, "aha", 14)
    company.leave(*company.ids[:4])

    runs = [company.sync(), company.sync()]

    assert [run.state for run in runs] == ["held", "held"]
    assert all("Under 80 %" in run.held_because for run in runs)
    assert gone() == 0


def test_a_run_about_one_person_judges_nobody_absent(world: World) -> None:
    """M-10: `sync --person`."""
    company = load(world, "aha", 12)
    company.leave(company.ids[0])

    run = sync_to(company.integration, person="p000@acme.example")

    assert run.state == "done"
    assert gone() == 0


@pytest.mark.django_db(transaction=True)
def test_two_integrations_at_once_never_exceed_the_limit(
    transactional_db: None, sandbox: Sandbox
) -> None:
    """M-15: one counter for the application, whoever removes."""
    world = World(sandbox)
    company = load(world, "aha", 29)
    other = world.integration("aha", priority=90)
    sync_to(other)
    company.leave(*company.ids[:3])
    first = services.queue_run(company.integration, by="admin").pk
    second = services.queue_run(Integration.objects.get(pk=other.pk), by="admin").pk
    Application.objects.update(removals_percent=0, removals_count=5)
    connections.close_all()
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_do, args=(run,)) for run in (first, second)]
    for child in children:
        child.start()
    for child in children:
        child.join(600)

    counted = Event.objects.filter(kind="archive", guarded=True)

    assert gone() == 3
    assert counted.count() == 3
    assert counted.values("object_id").distinct().count() == 3


def _do(run_id: int) -> None:
    try:
        execute(run_id)
    finally:
        connections.close_all()


@pytest.mark.parametrize("vendor", ["aha", "bamboohr"])
@pytest.mark.parametrize("case", ["by e-mail", "by id", "runs as", "owner"])
def test_protected_records_are_reported_and_never_removed(
    world: World, vendor: str, case: str
) -> None:
    """M-15, F-27: also when a person approves everything."""
    company = load(world, vendor, 12)
    one = company.ids[1]
    if case == "by e-mail":
        Integration.objects.update(protected=["P001@ACME.example"])
    elif case == "by id":
        Integration.objects.update(protected=[one])
    elif case == "runs as":
        User.objects.update(email="p001@acme.example")
    else:
        body = f'{{"id": "{one}", "user": {{"id": "{one}"}}}}'.encode()
        company.vendor.fault("body", path=r"/me$|employees/0", body=body)
    company.leave(one, company.ids[2])

    run = company.sync()

    assert states(run) == {one: "skipped", company.ids[2]: "applied"}
    assert any("1 protected removals were left out" in text for text in run.warnings)
    assert gone(kind_of(company)) == 1


def test_the_last_administrator_stays(world: World) -> None:
    """M-15, F-27: the owner's record is another one here."""
    company = load(world, "aha", 12)
    administrator = company.ids[3]
    hidden = {"users.0.administrator": False}  # as if the key's owner had no such role
    company.vendor.change(administrator, administrator=True)
    company.vendor.fault("set_values", path=r"users\?", values=hidden)
    sync_to(company.integration)
    company.leave(administrator)

    run = run_sync(company.integration)

    assert roles_now(account("p003@acme.example")) == [("Administrator", "")]
    assert states(run) == {administrator: "skipped"}
    assert gone() == 0


def test_roles_end_with_the_account_and_come_back_with_it(world: World) -> None:
    """M-29, M-11: the roles are closed, and open again when the record is listed again."""
    company = load(world, "aha", 12)
    company.leave(company.ids[0])
    run = company.sync()
    ended = roles_now(account("p000@acme.example"))
    company.vendor.add(
        id=company.ids[0], first_name="p000", last_name="X", email="p000@acme.example"
    )

    back = company.sync()

    assert (run.counts["roles"]["ended"], ended) == (1, [])
    assert back.counts["saas_users"]["reactivated"] == 1
    assert account("p000@acme.example").status == "active"
    assert roles_now(account("p000@acme.example")) == [("Member", "")]


def test_a_person_who_is_listed_as_active_again_is_reactivated(world: World) -> None:
    """M-14: reactivations are no removals and wait for nobody."""
    company = load(world, "bamboohr", 12)
    company.vendor.change(company.ids[0], status="Inactive")
    company.sync()
    left = gone("person")
    company.vendor.change(company.ids[0], status="Active")

    run = company.sync()

    assert (left, gone("person")) == (1, 0)
    assert run.counts["people"]["reactivated"] == 1
    assert Person.objects.filter(status="active").count() == 12
