"""After a restore of an old backup no workflow goes on blindly (F-43)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.installation import resume_installation
from integrations.keeping.after_restore import settle
from integrations.models import Notification
from integrations.tick import make_due
from integrations.worker import Worker
from people.models import Event
from tests.makers import make_operation, make_person
from tests.workflows.events import make_event
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.models import RunItem, WorkflowRun
from workflows.retrying import retry

pytestmark = pytest.mark.django_db(transaction=True)
DAILY = {"every": "day", "at": "06:00", "timezone": "Europe/London"}
TELL = {
    "key": "tell",
    "kind": "notification",
    "settings": {"recipients": ["it@example.com"], "subject": "{{ email }}", "message": "Done."},
    "exits": {"success": "end", "failure": "end"},
}
WAITS = {"state": "waiting", "waits_for": "time"}


def test_f_43_nothing_goes_on_that_perhaps_went_on_since_the_backup() -> None:
    run = make_run(make_workflow([TELL]))
    unknown = make_operation(state="unknown")
    now = timezone.now()
    for state in (
        {"state": "ready"},
        {"state": "working", "leased_until": now},
        {**WAITS, "due_at": now - timedelta(days=1)},
        {"state": "waiting", "waits_for": "operation", "operation": unknown},
        {"state": "waiting", "waits_for": "approval", "due_at": now + timedelta(days=9)},
        {"state": "held", "decided_by": "ann"},
    ):
        make_item(run, make_person(), **state)

    settled = settle("restored", by="ann", now=now)
    resume_installation(by="ann")
    make_due(now + timedelta(minutes=1))
    Worker().do_due()

    run.refresh_from_db()
    assert settled.cancelled_records == 6
    assert set(run.items.values_list("state", "code")) == {("cancelled", "restored")}
    assert (run.state, run.finished_at) == ("cancelled", now)
    assert not Notification.objects.filter(kind=Notification.Kind.WORKFLOW).exists()


def test_f_43_what_waits_for_a_later_time_keeps_waiting() -> None:
    """It cannot have gone on since: its time has not come yet."""
    run = make_run(make_workflow([TELL]))
    now = timezone.now()
    item = make_item(run, make_person(), **WAITS, due_at=now + timedelta(days=3))

    settled = settle("restored", by="ann", now=now)

    item.refresh_from_db()
    run.refresh_from_db()
    assert settled.cancelled_records == 0
    assert (item.state, run.state) == ("waiting", "running")


def test_f_43_events_and_due_times_of_before_start_nothing() -> None:
    begin = {"actions": ["new", "schedule"], "schedule": DAILY}
    workflow = make_workflow([TELL], begin=begin)
    now = timezone.now()
    type(workflow).objects.update(schedule_since=now - timedelta(days=3))
    make_event(make_person())
    queued = make_run(workflow, state="queued", started_at=None)

    settle("restored", by="ann", now=now)
    resume_installation(by="ann")
    make_due(now)
    Worker().do_due()

    queued.refresh_from_db()
    assert not Event.objects.filter(dispatched=False).exists()
    assert not RunItem.objects.exists()
    assert (queued.state, WorkflowRun.objects.count()) == ("cancelled", 1)


def test_f_43_a_person_lets_a_record_go_on_by_retrying_it() -> None:
    item = make_item(make_run(make_workflow([TELL])), make_person())
    settle("restored", by="ann", now=timezone.now())
    resume_installation(by="ann")

    retry([item.pk], by="ann")
    Worker().do_due()

    item.refresh_from_db()
    assert item.state == "done"
