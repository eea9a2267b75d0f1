"""What a critical reading of the removals asked: races, counters, and what later runs go by."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from integrations import approvals
from integrations.models import LinkState, Notification, SyncRun
from integrations.sandbox.server import Sandbox
from integrations.sync import execute
from people.models import Event, Person
from saas.models import SaaSUser
from tests.integrations.sync.worlds import World, run_sync

from .leavers import codes, gone, load, shown, states, sync_to

LOOKUP = r"users/\d+$"


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_rejected_while_it_is_being_proven_is_not_removed(
    transactional_db: None, sandbox: Sandbox
) -> None:
    """M-14: a rejection counts until the very moment of the removal."""
    company = load(World(sandbox), "aha", 12)
    company.leave(*company.ids[:5])
    held = company.sync()
    everybody = shown(held)
    approvals.approve(everybody, by="ann")
    queued = SyncRun.objects.get(kind="removals")
    company.vendor.fault("delay", path=LOOKUP, seconds=6, count=1)

    def work() -> None:
        try:
            execute(queued.pk)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    while not any(one.path.endswith(company.ids[0]) for one in sandbox.log) and thread.is_alive():
        if (
            any("/users/" in one.path for one in sandbox.log)
            or sandbox.faults.as_json()[0]["fired"]
        ):
            break
    decision = approvals.reject(everybody[:2], by="bob")
    thread.join()

    assert decision.decided == 2
    assert gone() == 3
    assert sorted(states().values()) == ["applied"] * 3 + ["rejected"] * 2


def test_a_preview_or_a_run_about_one_person_does_not_make_a_short_listing_usual(
    world: World,
) -> None:
    """M-15: 80 % of the last complete listing that was judged."""
    company = load(world, "aha", 14)
    company.leave(*company.ids[:4])
    run_sync(company.integration, kind="preview")
    run_sync(company.integration, person="p009@acme.example")

    run = company.sync()

    assert run.state == "held"
    assert "Under 80 %" in run.held_because
    assert gone() == 0


def test_a_short_listing_that_could_not_be_judged_does_not_become_usual(world: World) -> None:
    """M-15: the vendor could not say whose the key is, so nobody was judged."""
    company = load(world, "aha", 14)
    company.leave(*company.ids[:4])
    company.vendor.fault("status", path=r"/me$", status=403)
    first = company.sync()
    company.vendor.heal()

    run = company.sync()

    assert first.state == "partial"
    assert codes(first) == ["not_proven"]
    assert run.state == "held"
    assert gone() == 0


def test_who_rejected_some_is_told_of_others_that_are_held(world: World) -> None:
    """M-15: rejected removals are no reason to keep quiet about new ones."""
    company = load(world, "aha", 12, notify=["it@acme.example"])
    company.leave(*company.ids[:4])
    first = company.sync()
    approvals.reject(shown(first), by="ann")
    company.leave(*company.ids[4:9])

    second = company.sync()

    assert (first.state, second.state) == ("held", "held")
    assert Notification.objects.filter(kind="held").count() == 2


def test_removals_that_stay_in_an_earlier_run_are_still_shown_there(world: World) -> None:
    """M-14: a run about one person takes that person's row along, and no other."""
    company = load(world, "bamboohr", 12)
    company.vendor.change_all({one: {"status": "Inactive"} for one in company.ids[:6]})
    held = company.sync()

    one = sync_to(company.integration, person="p001@acme.example")
    held.refresh_from_db()

    assert held.state == "held"
    assert held.held_in is None
    assert len(states(held, state="held")) == 5
    assert states(one) == {company.ids[1]: "applied"}


def test_deletions_are_read_as_far_back_as_each_batch_needs(world: World) -> None:
    """M-11: somebody who was deleted long before the others is named in an older list."""
    company = load(world, "bamboohr", 600)
    company.leave(*company.ids[:52])
    last = LinkState.objects.get(link__external_id=company.ids[51])
    LinkState.objects.filter(pk=last.pk).update(seen_at=timezone.now() - timedelta(days=30))
    side: Any = world.sandbox.state["bamboohr"]
    side.book.deleted[company.ids[51]] = (timezone.now() - timedelta(days=20)).strftime(
        "%Y-%m-%dT%H:%M:%S+00:00"
    )

    run = company.sync()

    assert run.state == "done", codes(run)
    assert gone("person") == 52


def test_a_key_whose_owner_cannot_be_read_from_the_answer_removes_nobody(world: World) -> None:
    """F-27: an answer without an id does not mean that the key belongs to nobody."""
    company = load(world, "aha", 12)
    company.leave(company.ids[0])
    company.vendor.fault("body", path=r"/me$", body=b"{}")

    run = company.sync()

    assert run.state == "partial"
    assert codes(run) == ["not_proven"]
    assert gone() == 0


@pytest.mark.parametrize(
    "fault",
    [
        ("status", {"status": 403}),
        ("body", {"body": b'{"user": {"id": "1"}}'}),
        ("html", {"status": 200}),
    ],
)
def test_one_record_that_cannot_be_looked_up_does_not_save_the_others(
    world: World, fault: tuple[Any, dict[str, Any]]
) -> None:
    """S-25: a broken record never blocks other people's removals."""
    company = load(world, "aha", 30)
    company.leave(*company.ids[:4])
    kind, values = fault
    company.vendor.fault(kind, path=f"users/{company.ids[1]}$", **values)

    run = company.sync()

    assert run.state == "partial"
    assert codes(run) == ["not_proven"]
    assert sorted(SaaSUser.objects.filter(status="deactivated").values_list("external_id")) == [
        (company.ids[number],) for number in (0, 2, 3)
    ]


def test_a_protected_person_keeps_an_account_under_another_email(world: World) -> None:
    """M-15, F-27: the list names people; their accounts are theirs whatever address these have."""
    company = load(world, "aha", 12, protected=["p001@acme.example"])
    SaaSUser.objects.filter(email="p001@acme.example").update(
        email="old@acme.example", email_key="old@acme.example"
    )
    company.leave(company.ids[1])

    run = company.sync()

    assert gone() == 0
    assert "protected" in " ".join(run.warnings)


def test_an_approval_is_taken_up_though_a_sync_met_a_broken_listing(world: World) -> None:
    """M-14: that sync left the approved rows alone, so the tick still owes a run."""
    company = load(world, "aha", 12)
    company.leave(*company.ids[:5])
    held = company.sync()
    approvals.approve(shown(held), by="ann")
    SyncRun.objects.filter(kind="removals").delete()  # as if another run had been active
    company.vendor.fault("empty", path=r"/users\?", form="envelope")
    sync_to(company.integration)
    company.vendor.heal()

    queued = approvals.queue_all_approved()

    assert queued == 1


def test_an_event_of_a_person_who_was_updated_and_removed_says_both(world: World) -> None:
    """M-18: one event per record and run, and the guard counts it."""
    company = load(world, "bamboohr", 12)
    company.vendor.change(company.ids[0], jobTitle="Retired", status="Inactive")

    run = company.sync()

    event = Event.objects.get(run_id=run.pk)
    assert (event.kind, event.guarded, event.approved_by) == ("archive", True, "")
    assert event.changes == {
        "title": ["Clerk", "Retired"],
        "status": ["active", "deactivated"],
    }
    assert Person.objects.filter(status="deactivated").count() == 1
