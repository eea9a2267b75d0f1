"""Whoever pauses a workflow stops what it was about to send, and loses nothing of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from integrations.errors import CannotResolve
from integrations.models import Notification, Operation
from integrations.models.pace import Pace
from integrations.operations.advance import advance_one as advance_operation
from integrations.operations.resolve import ask_again
from integrations.operations.words import offered
from people.models import Person
from tests.integrations.presets.desk import Desk
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.activating import pause
from workflows.engine import advance, circuit
from workflows.engine.advance import advance_one
from workflows.engine.claims import claim_batch
from workflows.engine.leases import give_back_own_items, wake_waiting
from workflows.held import approve, held_items
from workflows.models import RunItem, Workflow

pytestmark = pytest.mark.django_db(transaction=True)


def calls(desk: Desk, **begin: Any) -> Workflow:
    block = {
        "key": "make",
        "kind": "api",
        "preset": "betterworks.create_user",
        "credentials": desk.credentials.name,
        "settings": {},
        "exits": {"success": "end", "failure": "end"},
    }
    return make_workflow([block], begin=begin)


def go() -> None:
    for minute in range(10):
        moment = timezone.now() + timedelta(minutes=minute)
        while advance_operation(moment):
            pass
        wake_waiting(moment)
        while advance_one(moment):
            pass


@pytest.mark.parametrize("who", ["somebody", "the circuit"])
def test_what_was_planned_is_not_sent_while_paused_and_once_afterwards(
    betterworks: Desk, who: str
) -> None:
    """(C-09, F-40, M-26)"""
    betterworks.sandbox.faults.add("status", vendor="betterworks", status=429, count=1)
    workflow = calls(betterworks)
    item = make_item(make_run(workflow), betterworks.person(email="ann@acme.example"))
    advance_one(timezone.now() + timedelta(seconds=1))
    planned = Operation.objects.get()

    if who == "somebody":
        pause(workflow, by="ann")
    else:
        circuit.pause(workflow, "Too much failed.")
    go()
    sent_while_paused = betterworks.effects()
    Workflow.objects.update(state="active")
    go()

    item.refresh_from_db()
    taken_back = Operation.objects.get(pk=planned.pk)
    assert planned.state == "planned"
    assert sent_while_paused == []
    assert betterworks.effects() == ["user.create"]
    assert (item.state, taken_back.state, taken_back.code) == ("done", "refused", "taken_back")
    assert Operation.objects.filter(state="done").count() == 1


def test_a_batch_that_was_claimed_before_the_pause_sends_nothing(betterworks: Desk) -> None:
    """Its items wait, and the calls go out once when the workflow goes on."""
    workflow = calls(betterworks)
    item = make_item(make_run(workflow), betterworks.person(email="ann@acme.example"))
    now = timezone.now() + timedelta(seconds=1)
    batch = claim_batch(now)
    assert batch is not None

    pause(workflow, by="ann")
    advance._write(batch, advance._work(batch, now, timezone.now), now, now)
    waiting = RunItem.objects.get(pk=item.pk)
    sent_while_paused = betterworks.effects()
    Workflow.objects.update(state="active")
    go()

    item.refresh_from_db()
    assert (waiting.state, sent_while_paused) == ("waiting", [])
    assert item.state == "done"
    assert betterworks.effects() == ["user.create"]


def test_what_a_worker_planned_and_gave_back_is_not_sent_while_paused(betterworks: Desk) -> None:
    """(C-09, M-26) It was told to stop between the plan and the end of its batch."""
    betterworks.sandbox.faults.add("status", vendor="betterworks", status=429, count=1)
    workflow = calls(betterworks)
    item = make_item(make_run(workflow), betterworks.person(email="ann@acme.example"))
    now = timezone.now() + timedelta(seconds=1)
    batch = claim_batch(now)
    assert batch is not None
    advance._work(batch, now, timezone.now)
    give_back_own_items()
    given_back = (RunItem.objects.get(pk=item.pk).state, Operation.objects.get().state)

    pause(workflow, by="ann")
    go()
    sent_while_paused = betterworks.effects()
    Workflow.objects.update(state="active")
    go()

    item.refresh_from_db()
    assert given_back == ("ready", "planned")
    assert sent_while_paused == []
    assert item.state == "done"
    assert betterworks.effects() == ["user.create"]


def test_each_time_that_a_workflow_pauses_itself_is_told() -> None:
    """F-21: it was resumed in between, so it is another episode."""
    workflow = make_workflow([])
    circuit.pause(workflow, "Too much failed.")
    circuit.pause(workflow, "It is paused already.")
    Workflow.objects.update(state="active")

    circuit.pause(workflow, "Too much failed again.")

    bodies = Notification.objects.order_by("pk").values_list("body", flat=True)
    assert ["failed again" in body for body in bodies] == [False, True]


def test_what_a_run_holds_later_is_told_when_the_first_was_decided_on() -> None:
    """(M-15) Nobody looks at a run again of which they let everything go on."""
    people = [make_person() for _number in range(12)]
    workflow = make_workflow([{"key": "out", "kind": "archive", "exits": {"success": "end"}}])
    run, moment = make_run(workflow), timezone.now()
    mails = []
    for part in (people[:5], people[5:8], people[8:]):
        for person in part:
            make_item(run, person)
        advance_one(moment + timedelta(minutes=1))
        mails.append(Notification.objects.count())
        if part == people[5:8]:
            approve([(one.id, one.hash) for one in held_items(run)], by="ann", alone=True)
            advance_one(moment + timedelta(minutes=1))

    assert mails == [1, 1, 2]
    assert RunItem.objects.filter(state="done").count() == 8


@pytest.mark.parametrize("changes", [True, False])
def test_m_23_a_call_that_waited_for_the_vendor_is_judged_again_before_it_is_sent(
    betterworks: Desk, *, changes: bool
) -> None:
    """Its record matched when the call was planned, and does no longer three hours later."""
    away = {"status": 429, "retry_after": 3 * 3_600, "count": 1}
    betterworks.sandbox.faults.add("status", vendor="betterworks", **away)
    workflow = calls(betterworks, rules=[{"field": "title", "operator": "equals", "value": "X"}])
    person = betterworks.person(email="ann@acme.example", title="X")
    item = make_item(make_run(workflow), person)
    advance_one(timezone.now() + timedelta(seconds=1))
    if changes:
        Person.objects.update(title="Y")

    later = timezone.now() + timedelta(hours=4)
    Pace.objects.all().delete()  # the pause that the vendor asked for is over
    while advance_operation(later) or wake_waiting(later) or advance_one(later):
        pass

    item.refresh_from_db()
    done = (item.state, betterworks.effects())
    assert done == (("no_longer", []) if changes else ("done", ["user.create"]))


@pytest.mark.parametrize("minutes", [0, 240])
@pytest.mark.parametrize("what", ["cancelled", "paused"])
def test_c_09_a_call_that_came_back_unsent_after_its_record_was_stopped_is_not_sent(
    betterworks: Desk, what: str, minutes: int
) -> None:
    """It was on its way when somebody stopped it, and the vendor asked for patience (M-26)."""
    away = {"status": 429, "retry_after": 5 + 60 * minutes, "count": 1}
    betterworks.sandbox.faults.add("status", vendor="betterworks", **away)
    workflow = calls(betterworks)
    item = make_item(make_run(workflow), betterworks.person(email="ann@acme.example"))
    advance_one(timezone.now() + timedelta(seconds=1))
    # As both do it, while the call is being sent and nothing of it can be taken back.
    if what == "cancelled":
        RunItem.objects.update(state="cancelled", fence=F("fence") + 1)
    else:
        Workflow.objects.update(state="paused")

    Pace.objects.all().delete()
    later = timezone.now() + timedelta(seconds=20, minutes=minutes)
    while advance_operation(later) or wake_waiting(later) or advance_one(later):
        pass
    stopped = betterworks.effects()
    Workflow.objects.update(state="active")
    while advance_operation(later) or wake_waiting(later) or advance_one(later):
        pass

    item.refresh_from_db()
    assert stopped == []
    assert Operation.objects.earliest("pk").code == "taken_back"
    after = (item.state, betterworks.effects())
    assert after == (("cancelled", []) if what == "cancelled" else ("done", ["user.create"]))


def test_m_26_what_was_taken_back_is_asked_for_by_its_record_only(betterworks: Desk) -> None:
    """Else a person and the record would have it sent, each once."""
    betterworks.sandbox.faults.add("status", vendor="betterworks", status=429, count=1)
    workflow, boss = calls(betterworks), User.objects.create_superuser("boss")
    make_item(make_run(workflow), betterworks.person(email="ann@acme.example"))
    advance_one(timezone.now() + timedelta(seconds=1))
    pause(workflow, by="ann")
    call = Operation.objects.get()

    with pytest.raises(CannotResolve, match="asks anew"):
        ask_again(call.pk, by=boss, now=timezone.now())
    Workflow.objects.update(state="active")
    go()

    assert offered(call, boss) == []
    assert betterworks.effects() == ["user.create"]
