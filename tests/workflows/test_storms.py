"""Too many starts by events are held, by name, and told once (M-20)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Integration, Notification, SyncRun
from people.models import Person
from tests.makers import make_integration, make_person
from tests.workflows.events import TELL, make_event, settled, sync_with
from tests.workflows.makers import make_run, make_workflow
from workflows.cancelling import cancel_run
from workflows.dispatch import dispatch_one
from workflows.held import approve, held_items, reject
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.restoring import let_go
from workflows.storms import limit_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def integration() -> Integration:
    return settled(make_integration(state="active"))


def on_edit() -> Workflow:
    return make_workflow([TELL], begin={"actions": ["edit", "archive"], "records": "all"})


def people(number: int) -> list[Person]:
    return [make_person() for _number in range(number)]


def dispatch_all() -> None:
    while dispatch_one(timezone.now()):
        pass


def states(run: WorkflowRun) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in run.items.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


@pytest.mark.parametrize(("number", "expected"), [(20, "ready"), (21, "held")])
def test_twenty_starts_pass_and_one_more_holds_them_all(
    integration: Integration, number: int, expected: str
) -> None:
    on_edit()
    sync_with(integration, people(number), "edit")

    dispatch_all()

    run = WorkflowRun.objects.get()
    assert states(run) == {expected: number}
    assert run.state == ("held" if expected == "held" else "running")


def test_of_three_hundred_active_people_thirty_may_start() -> None:
    workflow = on_edit()
    people(2)
    Person.objects.bulk_create(
        Person(email=f"p{number}@example.com", email_key=f"p{number}@example.com")
        for number in range(307)
    )

    assert (Person.objects.count(), limit_of(workflow)) == (309, 30)


def test_m_20_what_follows_from_a_run_of_which_starts_are_held_is_held_too() -> None:
    """Its events come in several batches, of which the last would be few enough by itself."""
    workflow, others = on_edit(), make_run(make_workflow([TELL]))
    for person in people(25):
        make_event(person, kind="edit", workflow_run_id=others.pk)
    dispatch_all()
    for person in people(5):
        make_event(person, kind="edit", workflow_run_id=others.pk)
    make_event(make_person(), kind="edit", workflow_run_id=make_run(others.workflow).pk)
    dispatch_all()

    rows = RunItem.objects.filter(workflow=workflow).order_by("pk")

    assert [row.state for row in rows] == ["held"] * 30 + ["ready"]
    assert {row.code for row in rows[:30]} == {"storm"}
    assert "Other starts by the same run" in rows[29].note
    assert Notification.objects.count() == 1


def test_starts_of_the_last_day_count_and_older_ones_do_not(integration: Integration) -> None:
    workflow = on_edit()
    sync_with(integration, people(15), "edit")
    dispatch_all()
    sync_with(integration, people(6), "edit")
    dispatch_all()
    RunItem.objects.update(created_at=timezone.now() - timedelta(hours=25))
    sync_with(integration, people(15), "edit")
    dispatch_all()

    runs = workflow.runs.order_by("pk")

    assert [run.state for run in runs] == ["running", "held", "running"]
    assert "6 starts by events, after 15 in the last 24 hours" in runs[1].held_because
    assert "limit of 20" in runs[1].held_because


def test_what_follows_removals_approved_by_name_is_not_held(integration: Integration) -> None:
    on_edit()
    gone = [make_person(status="deactivated") for _number in range(25)]
    sync_with(integration, gone, "archive", event={"approved_by": "ann"})

    dispatch_all()

    assert states(WorkflowRun.objects.get()) == {"ready": 25}


def test_in_a_storm_what_was_approved_goes_on_and_the_others_wait(
    integration: Integration,
) -> None:
    on_edit()
    run = sync_with(integration, people(21), "edit")
    approved = make_person(status="deactivated")
    make_event(approved, kind="archive", source="sync", run_id=run.pk, approved_by="ann")

    dispatch_all()

    started = WorkflowRun.objects.get()
    assert states(started) == {"held": 21, "ready": 1}
    assert started.items.get(state="ready").record_id == approved.pk


def test_it_is_told_once_per_episode_with_the_names(integration: Integration) -> None:
    on_edit()
    first = people(21)
    sync_with(integration, first, "edit")
    sync_with(integration, people(22), "edit")
    dispatch_all()
    one_episode = Notification.objects.count()
    for run in WorkflowRun.objects.all():
        reject([(item.id, item.hash) for item in held_items(run)], by="ann")
    sync_with(integration, people(23), "edit")
    dispatch_all()

    mails = Notification.objects.order_by("pk")

    assert one_episode == 1
    assert len(mails) == 2
    assert "21 starts by events are more than the limit of 20" in mails[0].body
    assert first[0].email in mails[0].body
    assert "and 1 more" in mails[0].body


def test_approving_a_held_start_lets_it_begin_and_counts_it_then(
    integration: Integration,
) -> None:
    workflow = on_edit()
    sync_with(integration, people(21), "edit")
    dispatch_all()
    run = WorkflowRun.objects.get()
    items = held_items(run)

    decision = approve([(item.id, item.hash) for item in items[:20]], by="ann")
    sync_with(integration, people(1), "edit")
    dispatch_all()

    run.refresh_from_db()
    assert decision.decided == 20
    assert all(item.starts for item in items)
    assert states(run) == {"ready": 20, "held": 1}
    assert run.state == "running"
    item = run.items.filter(state="ready").first()
    assert item is not None
    assert item.context == {"start_approved_by": "ann"}
    assert workflow.runs.latest("pk").state == "held"


def test_rejected_starts_never_began_and_do_not_count(integration: Integration) -> None:
    workflow = on_edit()
    sync_with(integration, people(21), "edit")
    dispatch_all()
    run = WorkflowRun.objects.get()
    reject([(item.id, item.hash) for item in held_items(run)], by="ann")
    sync_with(integration, people(20), "edit")

    dispatch_all()

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert workflow.runs.latest("pk").state == "running"


def test_the_fourth_start_of_a_record_in_a_day_waits_and_is_told(
    integration: Integration,
) -> None:
    workflow, person = on_edit(), make_person()
    for _number in range(5):
        sync_with(integration, [person], "edit")
        dispatch_all()

    rows = list(RunItem.objects.filter(workflow=workflow).order_by("pk"))

    assert [row.state for row in rows] == ["ready", "ready", "ready", "held", "held"]
    assert {row.code for row in rows[3:]} == {"too_often"}
    assert [run.state for run in workflow.runs.order_by("pk")[3:]] == ["held", "held"]
    assert Notification.objects.count() == 1


def test_events_by_hand_are_counted_too() -> None:
    workflow = on_edit()
    for person in people(21):
        make_event(person, kind="edit")

    dispatch_all()

    assert [run.state for run in workflow.runs.all()] == ["held"]
    assert not SyncRun.objects.exists()


def test_an_open_record_is_started_again_by_another_event(integration: Integration) -> None:
    """M-22: only a schedule leaves out what is under way."""
    workflow, person = on_edit(), make_person()
    sync_with(integration, [person], "edit")
    sync_with(integration, [person], "edit")

    dispatch_all()

    assert RunItem.objects.filter(workflow=workflow, record_id=person.pk).count() == 2


@pytest.mark.parametrize("how", ["reject", "cancel", "restore"])
def test_m_20_what_was_held_and_never_began_is_no_start_of_the_day(
    integration: Integration, how: str
) -> None:
    workflow = on_edit()
    sync_with(integration, people(25), "edit")
    dispatch_all()
    run = WorkflowRun.objects.get()

    if how == "reject":
        reject([(one.id, one.hash) for one in held_items(run)], by="anna")
    elif how == "cancel":
        cancel_run(run, by="anna")
    else:
        let_go("a backup", timezone.now())
    sync_with(integration, people(5), "edit")
    dispatch_all()

    assert states(run) == {"cancelled": 25}
    assert states(workflow.runs.latest("pk")) == {"ready": 5}
