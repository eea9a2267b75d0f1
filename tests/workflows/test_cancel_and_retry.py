"""Runs and records are stopped, and what failed is asked for again (M-26)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.models import Operation
from integrations.operations.advance import advance_one as advance_operation
from integrations.operations.resolve import ask_again, settle
from people.models import Person
from tests.integrations.presets.desk import Desk
from tests.makers import make_custom_field, make_operation, make_person, make_user
from tests.workflows.makers import activate, make_item, make_run, make_workflow
from workflows.cancelling import cancel_items, cancel_run
from workflows.definition import Definition
from workflows.engine import advance
from workflows.engine.advance import advance_one
from workflows.engine.claims import claim_batch
from workflows.engine.leases import wake_waiting
from workflows.errors import CannotDecide, CannotStart
from workflows.held import held_items, reject
from workflows.kinds import operation_key
from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun
from workflows.retrying import retry
from workflows.storms import HELD_STARTS
from workflows.versions import write_version

pytestmark = pytest.mark.django_db(transaction=True)
# Fails for who has no badge: a number is made of nothing.
COUNT = {
    "key": "count",
    "kind": "update",
    "settings": {"set": {"badge_number": "{{ badge }}"}},
    "exits": {"success": "title", "failure": "tell"},
}
TITLE = {
    "key": "title",
    "kind": "update",
    "settings": {"set": {"title": "Chief"}},
    "exits": {"success": "end", "failure": "end"},
}
TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "Failed", "message": "{{ email }}"},
    "exits": {"success": "end", "failure": "end"},
}


@pytest.fixture
def workflow() -> Workflow:
    make_custom_field("Badge")
    make_custom_field("Badge Number", type="integer")
    return make_workflow([COUNT, TITLE, TELL])


def go() -> None:
    for _number in range(20):
        if not advance_one(timezone.now() + timedelta(seconds=1)):
            return
    raise AssertionError("It never ended.")


def failed_item(workflow: Workflow) -> RunItem:
    item = make_item(make_run(workflow), make_person(custom={"badge": "none"}))
    go()
    item.refresh_from_db()
    assert item.state == "failed"
    return item


def mend(item: RunItem) -> None:
    Person.objects.filter(pk=item.record_id).update(custom={"badge": "7"})


# Retrying --------------------------------------------------------------------------------------


def test_m_26_a_retry_goes_on_from_the_block_that_failed_as_a_new_try(workflow: Workflow) -> None:
    item = failed_item(workflow)
    mend(item)

    retried = retry([item.pk], by="ann")
    run = WorkflowRun.objects.get()
    go()

    item.refresh_from_db()
    assert (retried.retried, retried.refused) == (1, [])
    assert (run.state, run.finished_at) == ("running", None)
    assert (item.state, item.retry, item.has_failed) == ("done", 1, False)
    assert WorkflowRun.objects.get().state == "done"
    way = BlockRun.objects.order_by("pk").values_list("block", "exit", "retry")
    assert list(way) == [
        ("count", "failure", 0),
        ("tell", "success", 0),
        ("count", "success", 1),
        ("title", "success", 1),
    ]


def test_a_retry_forgets_why_it_failed_before(workflow: Workflow) -> None:
    item = failed_item(workflow)
    assert "failure" in item.context

    retry([item.pk], by="ann")

    item.refresh_from_db()
    assert item.context == {}
    assert (item.code, item.note, item.finished_at) == ("", "", None)


def test_a_retry_with_the_current_version_takes_its_blocks(workflow: Workflow) -> None:
    item = failed_item(workflow)
    newer = {**COUNT, "settings": {"set": {"badge_number": "5"}}}
    data = {"begin": {"actions": ["manual"]}, "blocks": [newer, TITLE, TELL]}
    activate(workflow, write_version(workflow, Definition.from_data(data), by="test"))

    retry([item.pk], by="ann", version="old")
    go()
    item.refresh_from_db()
    with_old = item.state
    retry([item.pk], by="ann", version="current")
    go()

    item.refresh_from_db()
    person = Person.objects.get(pk=item.record_id)
    assert (with_old, item.state, item.retry) == ("failed", "done", 2)
    assert person.custom["badge_number"] == 5
    assert item.version == workflow.active_version


def test_a_block_that_the_current_version_lacks_is_refused_with_a_sentence(
    workflow: Workflow,
) -> None:
    item = failed_item(workflow)
    data = {"begin": {"actions": ["manual"]}, "blocks": [TITLE]}
    activate(workflow, write_version(workflow, Definition.from_data(data), by="test"))

    retried = retry([item.pk], by="ann", version="current")

    assert retried.retried == 0
    assert 'no block "count"' in retried.refused[0][1]
    item.refresh_from_db()
    assert (item.state, item.retry) == ("failed", 0)


@pytest.mark.parametrize("state", ["planned", "sending", "unknown", "asks"])
def test_m_26_while_the_call_of_the_last_try_is_open_nothing_is_retried(
    workflow: Workflow, state: str
) -> None:
    item = failed_item(workflow)
    call = make_operation(key=operation_key(item.pk, "count", 0), state=state)

    retried = retry([item.pk], by="ann")

    assert retried.retried == 0
    assert f"operation {call.pk}" in retried.refused[0][1]


def test_what_has_not_failed_is_not_retried(workflow: Workflow) -> None:
    waiting = make_item(make_run(workflow), make_person(), state="waiting", waits_for="time")
    failed = failed_item(workflow)

    retried = retry([waiting.pk, failed.pk], by="ann")

    assert retried.retried == 1
    assert retried.refused == [(waiting.label, "It has not failed (waiting).")]


def test_of_a_paused_workflow_nothing_is_retried(workflow: Workflow) -> None:
    item = failed_item(workflow)
    Workflow.objects.update(state="paused")

    with pytest.raises(CannotStart, match="makes it active first"):
        retry([item.pk], by="ann")


@pytest.mark.parametrize("code", HELD_STARTS)
@pytest.mark.parametrize("ended", ["rejected", "cancelled"])
def test_a_start_that_was_held_and_not_approved_does_not_begin_by_a_retry(
    workflow: Workflow, code: str, ended: str
) -> None:
    """(M-17, M-20) It is let begin by those who decide what is held, or started by hand."""
    run = make_run(workflow, trigger="event")
    item = make_item(run, make_person(), state="held", code=code)
    if ended == "rejected":
        reject([(one.id, one.hash) for one in held_items(run)], by="ann")
    else:
        cancel_items([item.pk], by="ann")

    retried = retry([item.pk], by="bob")
    go()

    item.refresh_from_db()
    assert retried.retried == 0
    assert "by hand" in retried.refused[0][1]
    assert item.state == "cancelled"
    assert not item.way.exists()


# Cancelling ------------------------------------------------------------------------------------


def test_cancelling_a_run_ends_what_is_open_and_keeps_what_is_done(workflow: Workflow) -> None:
    run = make_run(workflow)
    for state in ("ready", "working", "waiting", "held", "done"):
        make_item(run, make_person(), state=state)

    number = cancel_run(run, by="ann")

    run.refresh_from_db()
    assert number == 4
    assert (run.state, run.counts["cancelled"], run.counts["done"]) == ("cancelled", 4, 1)
    assert run.finished_at is not None
    assert "ann" in run.error_message


def test_who_works_on_a_cancelled_record_writes_nothing_more(workflow: Workflow) -> None:
    item = make_item(make_run(workflow), make_person(custom={"badge": "7"}))
    batch = claim_batch(timezone.now() + timedelta(seconds=1))
    assert batch is not None

    cancel_run(item.run, by="ann")

    with transaction.atomic():
        still_ours = batch.lease.lock()
    item.refresh_from_db()
    assert still_ours == set()
    assert item.state == "cancelled"


def test_a_call_that_waits_is_not_sent_any_more_and_lets_others_go_on(workflow: Workflow) -> None:
    unsent, sent = make_operation(state="planned", tries=0), make_operation(state="unknown")
    behind = make_operation(state="planned", waits_for=unsent, tries=0)
    run = make_run(workflow)
    for call in (unsent, sent):
        item = make_item(run, make_person(), state="waiting", waits_for="operation", operation=call)
        Operation.objects.filter(pk=call.pk).update(key=operation_key(item.pk, item.block, 0))

    cancel_run(run, by="ann")

    states = {call.pk: Operation.objects.get(pk=call.pk).state for call in (unsent, sent, behind)}
    assert states == {unsent.pk: "refused", sent.pk: "unknown", behind.pk: "planned"}
    assert Operation.objects.get(pk=behind.pk).due_at is not None
    assert "ann" in Operation.objects.get(pk=unsent.pk).note


def test_a_call_that_a_worker_has_planned_and_not_sent_yet_is_not_sent_either(
    workflow: Workflow,
) -> None:
    """A batch is planned as a whole, and its items name their calls only when it is done."""
    item = make_item(make_run(workflow), make_person(), state="working")
    call = make_operation(key=operation_key(item.pk, item.block, 0), state="planned", tries=0)

    cancel_items([item.pk], by="ann")

    call.refresh_from_db()
    assert (call.state, call.code) == ("refused", "cancelled")


def test_m_26_a_batch_that_was_claimed_before_its_record_was_cancelled_sends_nothing_for_it(
    betterworks: Desk,
) -> None:
    """Looking up what a call needs may take long; whoever cancels meanwhile is heard (F-12)."""
    make = {
        "key": "make",
        "kind": "api",
        "preset": "betterworks.create_user",
        "credentials": betterworks.credentials.name,
        "settings": {},
        "exits": {"success": "end", "failure": "end"},
    }
    run = make_run(make_workflow([make]))
    left = make_item(run, betterworks.person(email="left@acme.example"))
    kept = make_item(run, betterworks.person(email="kept@acme.example"))
    now = timezone.now() + timedelta(seconds=1)
    batch = claim_batch(now)
    assert batch is not None

    cancel_items([left.pk], by="ann")
    advance._write(batch, advance._work(batch, now, timezone.now), now, now)

    states = {item.pk: RunItem.objects.get(pk=item.pk).state for item in (left, kept)}
    assert states == {left.pk: "cancelled", kept.pk: "done"}
    assert betterworks.effects() == ["user.create"]
    assert Operation.objects.get().record == "kept@acme.example"


def test_a_queued_run_is_cancelled_before_its_records_are_chosen(workflow: Workflow) -> None:
    run = make_run(workflow, state="queued", started_at=None)

    assert cancel_run(run, by="ann") == 0
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_run_that_has_ended_cannot_be_cancelled(workflow: Workflow) -> None:
    run = make_run(workflow, state="done")

    with pytest.raises(CannotDecide, match="ended already"):
        cancel_run(run, by="ann")


def test_single_records_are_cancelled_and_the_others_go_on(workflow: Workflow) -> None:
    run = make_run(workflow)
    kept = make_item(run, make_person(custom={"badge": "7"}))
    left = make_item(run, make_person(custom={"badge": "7"}))

    assert cancel_items([left.pk], by="ann") == 1
    go()

    run.refresh_from_db()
    kept.refresh_from_db()
    assert kept.state == "done"
    assert (run.state, run.counts["cancelled"]) == ("done", 1)


def test_what_was_cancelled_can_be_retried_from_where_it_was(workflow: Workflow) -> None:
    item = make_item(make_run(workflow), make_person(custom={"badge": "7"}), block="title")
    cancel_items([item.pk], by="ann")

    retry([item.pk], by="ann")
    go()

    item.refresh_from_db()
    assert item.state == "done"
    assert list(item.way.values_list("block", flat=True)) == ["title"]


def test_m_26_what_was_cancelled_after_its_call_went_through_takes_its_result(
    betterworks: Desk,
) -> None:
    """The item does not know what its call came to, but the journal does: nothing goes twice."""
    person = betterworks.person(email="once@acme.example")
    call = {
        "key": "make",
        "kind": "api",
        "preset": "betterworks.create_user",
        "credentials": betterworks.credentials.name,
        "settings": {},
        "exits": {"success": "title", "failure": "end"},
    }
    item = make_item(make_run(make_workflow([call, TITLE])), person)
    batch = claim_batch(timezone.now() + timedelta(seconds=1))
    assert batch is not None
    advance._work(batch, timezone.now(), timezone.now)  # sent, and then the process is too late
    cancel_items([item.pk], by="ann")

    retried = retry([item.pk], by="ann")
    go()

    item.refresh_from_db()
    assert (retried.retried, item.state) == (1, "done")
    assert betterworks.effects() == ["user.create"]
    assert Operation.objects.count() == 1


def test_m_26_a_newer_version_that_calls_for_something_else_is_not_given_the_older_result(
    aha: Desk,
) -> None:
    """The old call went through, but what the block asks for now has not."""
    item = called_and_cancelled(aha, calls(aha, "update_user_details", first_name="Anna"))
    newer(item.workflow, calls(aha, "deactivate_user"))

    retried = retry([item.pk], by="ann", version="current")
    go()

    item.refresh_from_db()
    assert (retried.retried, item.state, item.retry) == (1, "done", 1)
    assert list(Operation.objects.order_by("pk").values_list("preset", "state")) == [
        ("aha.update_user_details", "done"),
        ("aha.deactivate_user", "done"),
    ]
    assert len(aha.effects()) == 2


def test_m_26_a_newer_version_that_calls_for_the_same_sends_it_once(aha: Desk) -> None:
    """Only what comes behind it was changed; the record takes the result that there is."""
    block = calls(aha, "update_user_details", first_name="Anna")
    item = called_and_cancelled(aha, block)
    newer(item.workflow, {**block, "exits": {"success": "title", "failure": "end"}}, TITLE)

    retry([item.pk], by="ann", version="current")
    go()

    item.refresh_from_db()
    assert item.state == "done"
    assert list(item.way.order_by("pk").values_list("block", "exit", "retry")) == [
        ("off", "success", 1),
        ("title", "success", 1),
    ]
    assert aha.effects() == ["user.update"]
    assert Operation.objects.count() == 1


def test_a_newer_version_with_its_blocks_in_another_order_takes_them_as_new_tries(
    workflow: Workflow,
) -> None:
    """Of each block and try there is one row of the way; two would lose the whole batch."""
    people = [make_person(custom={"badge": "7"}) for _number in range(2)]
    run = make_run(workflow)
    turned, other = (make_item(run, person) for person in people)
    advance_one(timezone.now() + timedelta(seconds=1))
    make_operation(key=operation_key(turned.pk, "title", 0), state="done")
    cancel_run(run, by="ann")
    newer(
        workflow,
        {**TITLE, "exits": {"success": "count", "failure": "end"}},
        {**COUNT, "exits": {"success": "end", "failure": "end"}},
    )

    retry([turned.pk, other.pk], by="ann", version="current")
    go()

    for item in (turned, other):
        item.refresh_from_db()
        assert item.state == "done"
        assert list(item.way.order_by("pk").values_list("block", "retry")) == [
            ("count", 0),
            ("title", 1),
            ("count", 1),
        ]


def calls(desk: Desk, preset: str, **inputs: Any) -> dict[str, Any]:
    """A block `off` that calls the vendor about the record."""
    return {
        "key": "off",
        "kind": "api",
        "preset": f"{desk.vendor}.{preset}",
        "credentials": desk.credentials.name,
        "settings": {"inputs": {**desk.inputs, **inputs}},
        "exits": {"success": "end", "failure": "end"},
    }


def called_and_cancelled(desk: Desk, block: dict[str, Any]) -> RunItem:
    """An item of which the call went through, and which was cancelled before it was told so."""
    person = desk.person()
    account = desk.account(person)
    Person.objects.filter(pk=person.pk).update(custom={desk.id_field: account.external_id})
    for _number in range(4):
        desk.account(make_person())
    item = make_item(make_run(make_workflow([block])), person)
    batch = claim_batch(timezone.now() + timedelta(seconds=1))
    assert batch is not None
    advance._work(batch, timezone.now(), timezone.now)
    cancel_items([item.pk], by="ann")
    return item


def newer(workflow: Workflow, *blocks: dict[str, Any]) -> None:
    """Activate a version with these blocks."""
    data = {"begin": {"actions": ["manual"]}, "blocks": blocks}
    activate(workflow, write_version(workflow, Definition.from_data(data), by="test"))


def test_m_26_a_call_that_went_through_is_not_sent_again_where_its_answer_did_not_fit(
    goto: Desk,
) -> None:
    """Not twice for the same person, and what was kept of the answer is stored by the newer tab."""
    make_custom_field("Size", type="integer")
    make_custom_field("Told")
    ann = goto.person(email="ann@acme.example")
    Person.objects.filter(pk=ann.pk).update(custom={goto.id_field: goto.account(ann).external_id})
    item = make_item(make_run(make_workflow([welcome(goto, to="size")])), ann)
    go()
    item.refresh_from_db()
    first = (item.state, item.code)
    data = {"begin": {"actions": ["manual"]}, "blocks": [welcome(goto, to="told")]}
    activate(item.workflow, write_version(item.workflow, Definition.from_data(data), by="test"))

    same = retry([item.pk], by="ann")
    go()
    still = RunItem.objects.get(pk=item.pk)
    newer = retry([item.pk], by="ann", version="current")
    go()

    item.refresh_from_db()
    ann.refresh_from_db()
    assert first == (still.state, still.code) == ("failed", "not_stored")
    assert (same.retried, newer.retried, item.state) == (1, 1, "done")
    assert goto.effects() == ["mail.welcome"]
    assert ann.custom["told"] == "sent"
    assert Operation.objects.get().mapped == {}


def welcome(desk: Desk, *, to: str) -> dict[str, Any]:
    """Sends a mail to the record, and keeps a word of it there."""
    return {
        "key": "welcome",
        "kind": "api",
        "preset": f"{desk.vendor}.resend_welcome_email",
        "credentials": desk.credentials.name,
        "settings": {"response": {"positive": [{"from": "sent", "to": to}]}},
        "exits": {"success": "end", "failure": "end"},
    }


def test_m_26_what_somebody_had_sent_again_by_name_is_not_sent_a_third_time(
    goto: Desk,
) -> None:
    """The page of the operation had it sent; the record, which failed, takes that result."""
    ann = goto.person(email="ann@acme.example")
    Person.objects.filter(pk=ann.pk).update(custom={goto.id_field: goto.account(ann).external_id})
    item = make_item(make_run(make_workflow([welcome(goto, to="variables.told")])), ann)
    goto.sandbox.faults.add(
        "status", vendor="goto", method="POST", path="/users", status=403, count=1
    )
    go()
    call = Operation.objects.get()
    ask_again(call.pk, by=make_user("boss"), now=timezone.now())
    while advance_operation(timezone.now() + timedelta(seconds=1)):
        pass
    item.refresh_from_db()
    failed = (call.state, item.state)

    retry([item.pk], by="ann")
    go()

    item.refresh_from_db()
    assert failed == ("refused", "failed")
    assert item.state == "done"
    assert goto.effects() == ["mail.welcome"]


def test_m_26_a_record_waits_for_the_call_that_somebody_asked_for_again_in_its_place(
    goto: Desk,
) -> None:
    """Each time that they ask; the one whose end nobody knew is no failure of the record."""
    item = unanswered(goto, count=2)
    boss, waits_for = make_user("boss"), []

    for _time in range(2):
        ask_again(Operation.objects.latest("pk").pk, by=boss, now=timezone.now())
        wake_waiting(timezone.now())
        go()
        item.refresh_from_db()
        waits_for.append((item.state, item.operation_id))
        while advance_operation(timezone.now() + timedelta(seconds=1)):
            pass
    wake_waiting(timezone.now())
    go()

    item.refresh_from_db()
    first, second, third = Operation.objects.order_by("pk")
    assert waits_for == [("waiting", second.pk), ("waiting", third.pk)]
    assert [first.state, second.state, third.state] == ["refused", "refused", "done"]
    assert (item.state, item.retry) == ("done", 0)
    assert item.way.get().operation_id == third.pk
    assert goto.effects() == ["mail.welcome"]


def test_m_26_who_cancels_a_record_also_stops_the_call_that_was_asked_for_again(
    goto: Desk,
) -> None:
    item = unanswered(goto, count=1)
    again = ask_again(Operation.objects.get().pk, by=make_user("boss"), now=timezone.now())
    wake_waiting(timezone.now())
    go()

    cancel_items([item.pk], by="ann")
    while advance_operation(timezone.now() + timedelta(seconds=1)):
        pass

    again.refresh_from_db()
    assert (again.state, again.code) == ("refused", "cancelled")
    assert goto.effects() == []


def test_m_26_while_a_call_that_was_asked_for_again_is_open_nothing_is_retried(
    goto: Desk,
) -> None:
    item = unanswered(goto, count=1)
    call = Operation.objects.get()
    settle(call.pk, done=False, by=make_user("boss"), now=timezone.now())
    wake_waiting(timezone.now())
    go()
    again = ask_again(call.pk, by=make_user("chief"), now=timezone.now())

    refused = retry([item.pk], by="ann").refused

    item.refresh_from_db()
    assert item.state == "failed"
    assert f"operation {again.pk}" in refused[0][1]


def unanswered(desk: Desk, *, count: int) -> RunItem:
    """An item that waits for a call of which nobody knows the end; so often it ends so."""
    ann = desk.person(email="ann@acme.example")
    Person.objects.filter(pk=ann.pk).update(custom={desk.id_field: desk.account(ann).external_id})
    item = make_item(make_run(make_workflow([welcome(desk, to="variables.told")])), ann)
    desk.sandbox.faults.add("reset", vendor=desk.vendor, method="POST", path="/users", count=count)
    go()
    item.refresh_from_db()
    assert (item.state, item.waits_for) == ("waiting", "operation")
    return item


def test_what_stopped_behind_a_failure_is_retried_there_and_not_before(
    workflow: Workflow,
) -> None:
    """What had failed was dealt with by its exit; doing it again was not asked for."""
    item = make_item(make_run(workflow), make_person(custom={"badge": "none"}))
    advance_one(timezone.now() + timedelta(seconds=1))
    RunItem.objects.filter(pk=item.pk).update(state="failed", code="process_lost", block="tell")

    retry([item.pk], by="ann")

    item.refresh_from_db()
    assert (item.block, item.state) == ("tell", "ready")
