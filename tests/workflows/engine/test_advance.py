"""Items move through blocks in batches: each step once, under a lease, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.installation import pause_installation, resume_installation
from integrations.models import Notification, Pace
from people.models import Event, Person
from tests.integrations.presets.desk import Desk
from tests.makers import make_custom_field, make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.definition import BlockPart
from workflows.engine.advance import advance_one
from workflows.engine.circuit import IN_A_ROW, note_outcomes
from workflows.engine.claims import claim_batch
from workflows.engine.finish import refresh_idle_runs
from workflows.engine.leases import free_lost_items, give_back_own_items, wake_waiting
from workflows.kinds import Outcome, failed, find_kind
from workflows.models import BlockRun, RunItem, Workflow, WorkflowRun

pytestmark = pytest.mark.django_db(transaction=True)

UPDATE = {
    "key": "title",
    "kind": "update",
    "settings": {"set": {"title": "Chief {{ first_name }}"}},
    "exits": {"success": "end", "failure": "end"},
}
THEN_TELL = {**UPDATE, "exits": {"success": "tell", "failure": "end"}}
TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "{{ email }}", "message": "Done."},
    "exits": {"success": "end", "failure": "end"},
}


def go(now: datetime | None = None, most: int = 20) -> int:
    """Work until nothing is ready; gives how many batches there were."""
    moment = now or timezone.now()
    for number in range(most):
        if not advance_one(moment + timedelta(seconds=10 * number)):
            return number
    raise AssertionError("It never ended.")


def people(number: int) -> list[Person]:
    return [make_person(title="Clerk") for _one in range(number)]


def started(workflow: Workflow, records: Sequence[Any]) -> WorkflowRun:
    run = make_run(workflow)
    for record in records:
        make_item(run, record)
    return run


def test_m_22_every_record_walks_through_the_blocks_and_the_run_ends() -> None:
    persons = people(3)
    run = started(make_workflow([THEN_TELL, TELL]), persons)

    batches = go()

    run.refresh_from_db()
    assert batches == 2
    assert (run.state, run.counts["matched"], run.counts["done"]) == ("done", 3, 3)
    assert run.finished_at is not None
    assert {person.title for person in Person.objects.all()} == {"Chief Ann"}
    ways = BlockRun.objects.order_by("item", "pk").values_list("block", "exit", "kind")
    assert list(ways) == [("title", "success", "update"), ("tell", "success", "notification")] * 3
    mails = Notification.objects.values_list("subject", "recipients")
    assert sorted(mails) == sorted((person.email, ["it@example.com"]) for person in persons)


def test_a_batch_of_updates_takes_a_fixed_number_of_queries(
    django_assert_max_num_queries: Any,
) -> None:
    started(make_workflow([UPDATE]), people(2))
    with CaptureQueriesContext(transaction.get_connection()) as few:
        assert advance_one(timezone.now())
    started(make_workflow([UPDATE]), people(60))

    with CaptureQueriesContext(transaction.get_connection()) as many:
        assert advance_one(timezone.now())

    assert len(many) <= len(few)


def test_each_write_is_one_event_of_the_workflow_per_record_and_block() -> None:
    (person,) = people(1)
    run = started(make_workflow([UPDATE]), [person])

    go()

    event = Event.objects.get(object_id=person.pk)
    assert (event.source, event.workflow_run_id, event.run_id) == ("workflow", run.pk, None)
    assert event.changes == {"title": ["Clerk", "Chief Ann"]}
    assert not event.dispatched


def test_a_record_that_was_deleted_meanwhile_ends_as_failed_and_says_so() -> None:
    kept, gone = people(2)
    run = started(make_workflow([UPDATE]), [kept, gone])
    gone_id = gone.pk
    gone.delete()

    go()

    item = RunItem.objects.get(record_id=gone_id)
    run.refresh_from_db()
    assert (item.state, item.code) == ("failed", "record_gone")
    assert (run.state, run.counts["failed"], run.counts["done"]) == ("partial", 1, 1)


def test_m_23_after_a_delay_the_rules_are_judged_again() -> None:
    stays, leaves = people(2)
    delay = {
        "key": "wait",
        "kind": "delay",
        "settings": {"for_days": 2},
        "exits": {"success": "title"},
    }
    rules = {"all": [{"field": "location", "operator": "is_empty"}]}
    workflow = make_workflow([delay, UPDATE], begin={"rules": rules, "next": "wait"})
    run = started(workflow, [stays, leaves])
    now = timezone.now()
    go(now)
    waiting = set(RunItem.objects.values_list("state", "waits_for"))
    Person.objects.filter(pk=leaves.pk).update(location="Elsewhere")

    later = now + timedelta(days=2, minutes=1)
    wake_waiting(later)
    go(later)

    run.refresh_from_db()
    leaves.refresh_from_db()
    assert waiting == {("waiting", "time")}
    assert (run.counts["done"], run.counts["no_longer_applies"]) == (1, 1)
    assert leaves.title == "Clerk"
    way = BlockRun.objects.get(item__record_id=stays.pk, block="wait")
    assert way.ended_at - way.started_at > timedelta(days=1)


def test_an_item_that_somebody_cancelled_meanwhile_is_not_written() -> None:
    """F-12: the fence keeps a late worker's writes out."""
    (person,) = people(1)
    run = started(make_workflow([UPDATE]), [person])
    batch = claim_batch(timezone.now())
    assert batch is not None

    RunItem.objects.update(state=RunItem.State.CANCELLED, fence=99)
    from workflows.engine import advance

    now = timezone.now()
    advance._write(batch, advance._work(batch, now, timezone.now), now, now)

    person.refresh_from_db()
    assert person.title == "Clerk"
    assert not BlockRun.objects.exists()
    assert not Event.objects.filter(source="workflow").exists()
    assert run.items.get().state == "cancelled"


def test_a_worker_that_fell_silent_loses_its_items_and_another_takes_them() -> None:
    (person,) = people(1)
    started(make_workflow([UPDATE]), [person])
    now = timezone.now()
    lost = claim_batch(now)
    assert lost is not None

    early = free_lost_items()
    late = free_lost_items(now + timedelta(minutes=10))
    go(now)

    person.refresh_from_db()
    assert (early, late, person.title) == (0, 1, "Chief Ann")
    with transaction.atomic():
        assert lost.lease.lock() == set()


def test_an_item_that_kills_its_worker_five_times_fails_and_says_so() -> None:
    started(make_workflow([UPDATE]), people(1))
    now = timezone.now()

    for turn in range(6):
        claim_batch(now)
        free_lost_items(now + timedelta(minutes=10 * (turn + 1)))

    item = RunItem.objects.get()
    assert (item.state, item.code) == ("failed", "process_lost")
    refresh_idle_runs(now)
    assert WorkflowRun.objects.get().state == "failed"


def test_waiting_for_a_vendor_is_not_mistaken_for_a_worker_that_died(betterworks: Desk) -> None:
    """(C-25, F-05) Four pauses and then one kill: it is tried a fifth time, by another worker."""
    user = betterworks.account(email="ann@acme.example")
    call = {
        "key": "read",
        "kind": "api",
        "preset": "betterworks.get_user_by_id",
        "credentials": betterworks.credentials.name,
        "settings": {},
        "exits": {"success": "end", "failure": "end"},
    }
    started(make_workflow([call]), [betterworks.person(vendor_id=user.external_id)])
    betterworks.sandbox.faults.add("status", vendor="betterworks", status=503)
    now = timezone.now()
    for _pause in range(4):
        advance_one(now)
        Pace.objects.update(not_before=0)
        now += timedelta(hours=1)
        wake_waiting(now)

    assert claim_batch(now) is not None
    free_lost_items(now + timedelta(days=1))
    freed = RunItem.objects.get()
    advance_one(now)

    item = RunItem.objects.get()
    assert freed.state == "ready"
    assert item.state == "failed"
    assert "could not be asked, 5 times" in item.note
    assert BlockRun.objects.get().tries > 4


def test_what_a_process_gives_back_at_its_end_is_ready_for_others() -> None:
    started(make_workflow([UPDATE]), people(2))
    claim_batch(timezone.now())

    given = give_back_own_items()

    assert given == 2
    assert set(RunItem.objects.values_list("state", "tries")) == {("ready", 0)}


@pytest.mark.parametrize("state", ["paused", "archived", "draft"])
def test_c_09_a_workflow_that_is_not_active_goes_on_with_nothing(state: str) -> None:
    (person,) = people(1)
    workflow = make_workflow([UPDATE])
    started(workflow, [person])
    Workflow.objects.update(state=state)

    worked = advance_one(timezone.now())

    person.refresh_from_db()
    assert (worked, person.title) == (False, "Clerk")


def test_nothing_goes_on_while_rolecall_is_paused() -> None:
    started(make_workflow([UPDATE]), people(1))
    pause_installation("a test", by="test", now=timezone.now())

    paused = advance_one(timezone.now())
    resume_installation(by="test")

    assert (paused, advance_one(timezone.now())) == (False, True)


def test_f_40_a_run_keeps_the_version_that_it_began_with() -> None:
    from tests.workflows.makers import activate
    from workflows.definition import Definition
    from workflows.versions import write_version

    (person,) = people(1)
    workflow = make_workflow([UPDATE])
    started(workflow, [person])
    other = {**UPDATE, "settings": {"set": {"title": "Another"}}}
    newer = Definition.from_data({"begin": {"actions": ["manual"]}, "blocks": [other]})
    activate(workflow, write_version(workflow, newer, by="test"))

    go()

    person.refresh_from_db()
    assert person.title == "Chief Ann"


def test_rules_that_cannot_be_read_any_more_stop_the_item_and_pause_the_workflow() -> None:
    """F-40: the field that Begin names was deleted while a record waited."""
    field = make_custom_field("Level")
    rules = {"all": [{"field": "level", "operator": "is_empty"}]}
    workflow = make_workflow([UPDATE], begin={"rules": rules})
    run = started(workflow, people(1))
    RunItem.objects.update(context={"waited": True})
    field.delete()

    go()

    workflow.refresh_from_db()
    run.refresh_from_db()
    item = RunItem.objects.get()
    assert (item.state, workflow.state, run.state) == ("failed", "paused", "failed")
    assert "The rules of Begin cannot be read" in item.note
    assert "The rules of Begin cannot be read" in workflow.paused_because


def test_an_unknown_kind_of_block_stops_the_item_and_pauses_the_workflow() -> None:
    workflow = make_workflow([{"key": "odd", "kind": "teleport", "exits": {"success": "end"}}])
    run = started(workflow, people(1))

    go()

    workflow.refresh_from_db()
    run.refresh_from_db()
    item = RunItem.objects.get()
    assert (item.state, workflow.state, run.state) == ("failed", "paused", "failed")
    assert "teleport" in workflow.paused_because


def test_twenty_calls_that_fail_in_a_row_pause_the_workflow_and_tell_it_once() -> None:
    workflow = make_workflow([UPDATE])
    kind = find_kind("api")
    bad = failed("The vendor said no.", code="forbidden", status=403)

    with transaction.atomic():
        note_outcomes(workflow, kind, [bad] * (IN_A_ROW - 1))
        note_outcomes(workflow, kind, [Outcome(), bad])
        note_outcomes(workflow, kind, [bad] * (IN_A_ROW - 2))
    workflow.refresh_from_db()
    before = workflow.state
    with transaction.atomic():
        note_outcomes(workflow, kind, [bad])

    workflow.refresh_from_db()
    assert (before, workflow.state) == ("active", "paused")
    assert "The vendor said no." in workflow.paused_because
    mail = Notification.objects.get()
    assert workflow.name in mail.subject


def test_a_call_that_went_through_ends_a_row_that_another_worker_counted() -> None:
    workflow = make_workflow([UPDATE])
    as_read_before = Workflow.objects.get(pk=workflow.pk)
    kind = find_kind("api")
    bad = failed("The vendor said no.", code="forbidden", status=403)

    with transaction.atomic():
        note_outcomes(workflow, kind, [bad] * (IN_A_ROW - 1))
        note_outcomes(as_read_before, kind, [Outcome()])
        note_outcomes(workflow, kind, [bad])

    workflow.refresh_from_db()
    assert (workflow.state, workflow.failures_in_a_row) == ("active", 1)


@pytest.mark.parametrize("code", ["not_sent", "protected", "exists"])
def test_s_25_records_for_which_nothing_is_to_be_called_pause_nothing(code: str) -> None:
    """Leavers who never had an account must not keep the others from being removed."""
    workflow = make_workflow([UPDATE])
    kind = find_kind("api")
    bad = failed("The vendor said no.", code="forbidden", status=403)

    with transaction.atomic():
        note_outcomes(workflow, kind, [failed("It lacks an ID.", code=code)] * IN_A_ROW * 2)
        note_outcomes(workflow, kind, [bad] * (IN_A_ROW - 1))
        note_outcomes(workflow, kind, [failed("It lacks an ID.", code=code)])
    workflow.refresh_from_db()
    before = workflow.state
    with transaction.atomic():
        note_outcomes(workflow, kind, [bad])

    workflow.refresh_from_db()
    assert (before, workflow.state) == ("active", "paused")


@pytest.mark.parametrize(("failure", "after"), [("create", "active"), ("end", "paused")])
def test_accounts_that_a_vendor_does_not_know_pause_nothing_where_that_has_a_way(
    failure: str, after: str
) -> None:
    """Look it up, else create it: of a hundred joiners nobody is there yet."""
    workflow = make_workflow([UPDATE])
    look_up = BlockPart("look_up", "api", exits={"success": "end", "failure": failure})
    unknown = failed("There is no such user.", code="not_found", status=404)

    with transaction.atomic():
        note_outcomes(workflow, find_kind("api"), [unknown] * IN_A_ROW, block=look_up)

    workflow.refresh_from_db()
    assert workflow.state == after


def test_a_custom_field_that_is_written_by_one_block_is_seen_by_the_next() -> None:
    make_custom_field("Level")
    (person,) = people(1)
    first = {
        "key": "first",
        "kind": "update",
        "settings": {"set": {"level": "A", "variables.note": "{{ title }}"}},
        "exits": {"success": "second", "failure": "end"},
    }
    second = {
        "key": "second",
        "kind": "update",
        "settings": {"set": {"title": "{{ variables.note }} {{ level }}"}},
        "exits": {"success": "end", "failure": "end"},
    }
    started(make_workflow([first, second]), [person])

    go()

    person.refresh_from_db()
    assert (person.custom["level"], person.title) == ("A", "Clerk A")
    assert RunItem.objects.get().context == {}, "what is done keeps no copies of values"


def test_what_failed_keeps_its_variables_for_a_retry() -> None:
    (person,) = people(1)
    first = {
        "key": "first",
        "kind": "update",
        "settings": {"set": {"variables.note": "{{ title }}"}},
        "exits": {"success": "second", "failure": "end"},
    }
    second = {
        "key": "second",
        "kind": "update",
        "settings": {"set": {"email": "no address"}},
        "exits": {"success": "end", "failure": "end"},
    }
    started(make_workflow([first, second]), [person])

    go()

    item = RunItem.objects.get()
    assert (item.state, item.context["variables"]) == ("failed", {"note": "Clerk"})
