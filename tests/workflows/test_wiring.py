"""From an event to the end without anybody asking: tick and worker know workflows (M-31)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Operation
from integrations.pending import find_pending
from integrations.tick import find_waiting, make_due
from integrations.worker import Worker
from people.models import Person
from tests.makers import make_integration, make_operation, make_person
from tests.workflows.events import make_event, settled, sync_with
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.models import BlockRun, RunItem, WorkflowRun
from workflows.starts import start_run
from workflows.watching import drop_old_answers

pytestmark = pytest.mark.django_db(transaction=True)
TITLE = {
    "key": "title",
    "kind": "update",
    "settings": {"set": {"title": "Chief"}},
    "exits": {"success": "end", "failure": "end"},
}


def test_a_worker_takes_events_chooses_records_and_does_the_blocks() -> None:
    """M-18, M-22, M-31."""
    workflow = make_workflow([TITLE], begin={"actions": ["new", "manual"]})
    synced, by_hand = make_person(), make_person()
    sync_with(settled(make_integration(state="active")), [synced])
    make_event(by_hand)
    start_run(workflow, trigger="manual", started_by="ann", ids=[by_hand.pk])
    now = timezone.now()
    make_due(now)
    before, pending = find_waiting(now), find_pending(now)

    Worker().do_due()

    after = find_pending(timezone.now())
    assert before.number == 3
    assert (len(pending.queued), pending.events, pending.is_under_way) == (1, 2, True)
    assert set(Person.objects.values_list("title", flat=True)) == {"Chief"}
    assert [run.state for run in WorkflowRun.objects.all()] == ["done"] * 3
    assert (after.queued, after.running) == ([], [])
    assert after.events == 0


def test_what_waits_for_a_time_is_told_and_is_not_under_way() -> None:
    item = make_item(
        make_run(make_workflow([TITLE])),
        make_person(),
        state="waiting",
        waits_for="time",
        due_at=timezone.now() + timedelta(days=2),
    )

    pending = find_pending(timezone.now())

    assert [one.id for one in pending.waiting] == [item.run_id]
    assert not pending.is_under_way


def test_requests_and_answers_are_dropped_after_their_days() -> None:
    item = make_item(make_run(make_workflow([TITLE])), make_person(), state="done")
    now = timezone.now()
    for days in (31, 29):
        BlockRun.objects.create(
            item=item,
            version=item.version,
            block=f"after {days}",
            kind="api",
            name="Call",
            exit="success",
            request={"method": "GET"},
            answer={"id": 1},
            started_at=now - timedelta(days=days),
            ended_at=now - timedelta(days=days),
        )

        make_operation(
            state="done",
            request={"method": "POST"},
            answer={"id": 1},
            finished_at=now - timedelta(days=days),
        )

    assert drop_old_answers(now) == 2

    kept = BlockRun.objects.order_by("pk").values_list("request", "answer")
    assert list(kept) == [(None, None), ({"method": "GET"}, {"id": 1})]
    calls = Operation.objects.order_by("pk").values_list("request", "answer")
    assert list(calls) == [({"method": "POST"}, None), ({"method": "POST"}, {"id": 1})]
    assert RunItem.objects.count() == 1
