"""Events start workflows: each once, later ones only, of runs that have come to their end."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.installation import pause_installation
from integrations.models import Integration, SyncRun
from people.models import Event, Person
from tests.makers import (
    make_application,
    make_integration,
    make_person,
    make_saas_user,
)
from tests.workflows.events import TELL, make_event, settled, sync_with
from tests.workflows.makers import make_run, make_workflow
from workflows.dispatch import dispatch_one
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.passed_over import count_passed_over, passed_over, start_from_events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def integration() -> Integration:
    """Its first complete listing was applied, so it is settled."""
    return settled(make_integration(state="active"))


def on_new(**begin: Any) -> Workflow:
    return make_workflow([TELL], begin={"actions": ["new"], **begin})


def dispatch_all() -> int:
    number = 0
    while dispatch_one(timezone.now()):
        number += 1
        assert number < 50
    return number


def starts(workflow: Workflow) -> list[tuple[int, str]]:
    rows = RunItem.objects.filter(workflow=workflow).order_by("pk")
    return list(rows.values_list("record_id", "state"))


def test_m_18_the_events_of_a_run_start_one_run_with_an_item_per_record(
    integration: Integration,
) -> None:
    workflow, people = on_new(), [make_person() for _number in range(3)]
    source = sync_with(integration, people)

    dispatch_all()

    run = WorkflowRun.objects.get()
    assert (run.workflow, run.source_run, run.trigger, run.state) == (
        workflow,
        source,
        "event",
        "running",
    )
    assert (run.matched, run.version) == (3, workflow.active_version)
    items = RunItem.objects.order_by("record_id")
    events = dict(Event.objects.values_list("object_id", "pk"))
    assert [(item.record_id, item.event_id) for item in items] == [
        (person.pk, events[person.pk]) for person in people
    ]
    assert {(item.block, item.state) for item in items} == {("tell", "ready")}
    source.refresh_from_db()
    assert source.events_dispatched_at is not None


def test_a_run_whose_events_are_not_released_starts_nothing(integration: Integration) -> None:
    """M-18."""
    workflow = on_new()
    source = sync_with(integration, [make_person()], events_released_at=None)

    first = dispatch_all()
    SyncRun.objects.filter(pk=source.pk).update(events_released_at=timezone.now())
    dispatch_all()

    assert first == 0
    assert len(starts(workflow)) == 1


def test_looking_twice_at_a_run_starts_nothing_twice(integration: Integration) -> None:
    """M-22: also where the mark was lost."""
    workflow = on_new()
    source = sync_with(integration, [make_person()])
    dispatch_all()

    SyncRun.objects.filter(pk=source.pk).update(events_dispatched_at=None)
    again = dispatch_all()

    assert again == 1
    assert len(starts(workflow)) == 1


def test_m_19_only_events_later_than_the_activation_count(integration: Integration) -> None:
    before, after = make_person(), make_person()
    sync_with(integration, [before])
    workflow = on_new()
    sync_with(integration, [after])

    dispatch_all()

    assert starts(workflow) == [(after.pk, "ready")]


@pytest.mark.parametrize(
    ("actions", "kind", "expected"),
    [
        (["new"], "new", 1),
        (["new"], "edit", 0),
        (["edit"], "edit", 1),
        (["archive"], "archive", 1),
        (["schedule", "manual"], "new", 0),
    ],
)
def test_an_event_starts_what_asks_for_its_kind(
    integration: Integration, actions: list[str], kind: str, expected: int
) -> None:
    """BW-18, BW-19, C-13."""
    workflow = make_workflow([TELL], begin={"actions": actions})
    status = "deactivated" if kind == "archive" else "active"
    sync_with(integration, [make_person(status=status)], kind)

    dispatch_all()

    assert len(starts(workflow)) == expected


def test_the_rules_of_begin_decide_and_see_what_changed(integration: Integration) -> None:
    """BW-21: `changed_to` is judged by the event."""
    rules = {
        "all": [
            {"field": "location", "operator": "equals", "value": "London"},
            {"field": "title", "operator": "changed_to", "value": "Clerk"},
        ]
    }
    workflow = make_workflow([TELL], begin={"actions": ["edit"], "rules": rules})
    here = make_person(location="London", title="Clerk")
    there = make_person(location="Paris", title="Clerk")
    unchanged = make_person(location="London", title="Clerk")
    changes = {"changes": {"title": ["Trainee", "Clerk"]}}
    sync_with(integration, [here, there], "edit", event=changes)
    sync_with(integration, [unchanged], "edit", event={"changes": {"phone": ["1", "2"]}})

    dispatch_all()

    assert starts(workflow) == [(here.pk, "ready")]


@pytest.mark.parametrize("state", ["draft", "paused", "archived"])
def test_c_09_what_is_not_active_starts_nothing(integration: Integration, state: str) -> None:
    workflow = on_new()
    Workflow.objects.filter(pk=workflow.pk).update(state=state)
    sync_with(integration, [make_person()])

    dispatch_all()

    assert starts(workflow) == []


def test_a_workflow_on_saas_users_takes_those_of_its_application_only(
    integration: Integration,
) -> None:
    """M-21."""
    mine, other = make_application("One", tenant="one"), make_application("Two", tenant="two")
    workflow = make_workflow([TELL], begin={"actions": ["new"]}, application=mine)
    users = [make_saas_user(mine), make_saas_user(other)]
    sync_with(integration, [*users, make_person()])

    dispatch_all()

    assert starts(workflow) == [(users[0].pk, "ready")]


def test_while_rolecall_is_paused_events_wait(integration: Integration) -> None:
    """F-43."""
    workflow = on_new()
    sync_with(integration, [make_person()])
    pause_installation("restored", by="test", now=timezone.now())

    assert dispatch_all() == 0
    assert starts(workflow) == []


# Events without a sync run ---------------------------------------------------------------------


def test_events_by_hand_start_workflows_and_are_marked_with_the_items() -> None:
    workflow, person = on_new(), make_person()
    event = make_event(person)

    dispatch_all()

    event.refresh_from_db()
    assert event.dispatched
    assert RunItem.objects.get(workflow=workflow).event_id == event.pk
    assert dispatch_all() == 0


def test_two_events_of_one_record_start_two_items_in_two_runs() -> None:
    """M-22: a run has a record once, and another event is another thing that happened."""
    workflow, person = make_workflow([TELL], begin={"actions": ["new", "edit"]}), make_person()
    make_event(person)
    make_event(person, kind="edit")

    dispatch_all()

    assert [record for record, _state in starts(workflow)] == [person.pk, person.pk]
    assert WorkflowRun.objects.count() == 2


def test_m_20_a_workflow_never_starts_from_its_own_events() -> None:
    own, other = on_new(), on_new()
    person = make_person()
    run = make_run(own)
    make_event(person, source="workflow", workflow_run_id=run.pk)

    dispatch_all()

    assert starts(own) == []
    assert starts(other) == [(person.pk, "ready")]
    assert other.runs.get().chain == 1


@pytest.mark.parametrize(("chain", "expected"), [(4, [5]), (5, [])])
def test_m_20_chains_end_at_five(chain: int, expected: list[int]) -> None:
    first, second = on_new(), on_new()
    run = make_run(first, chain=chain)
    make_event(make_person(), source="workflow", workflow_run_id=run.pk)

    dispatch_all()

    assert [run.chain for run in second.runs.all()] == expected
    listed = [one.why for one in passed_over(second)]
    assert bool(listed) == (not expected)


# Settling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["new", "edit", "archive"])
def test_m_19_until_one_complete_listing_was_applied_nothing_starts(kind: str) -> None:
    integration = make_integration(state="active")
    workflow = make_workflow([TELL], begin={"actions": [kind], "records": "all"})
    status = "deactivated" if kind == "archive" else "active"
    people = [make_person(status=status) for _number in range(3)]
    broken = sync_with(integration, people[:1], kind, listing={"complete": False}, state="partial")
    first = sync_with(integration, people[1:2], kind)
    second = sync_with(integration, people[2:], kind)

    dispatch_all()

    assert starts(workflow) == [(people[2].pk, "ready")]
    settling = [SyncRun.objects.get(pk=run.pk).settling for run in (broken, first, second)]
    assert settling == ["first", "first", ""]


def test_m_19_after_a_change_new_and_edit_start_nothing_until_a_complete_run(
    integration: Integration,
) -> None:
    workflow = make_workflow(
        [TELL], begin={"actions": ["new", "edit", "archive"], "records": "all"}
    )
    integration.revision += 1
    integration.save()
    gone = make_person(status="deactivated")
    people = [make_person() for _number in range(3)]
    sync_with(integration, people[:1], listing={"complete": False}, state="partial")
    changed = sync_with(integration, people[1:2], "edit")
    make_event(gone, kind="archive", source="sync", run_id=changed.pk)
    sync_with(integration, people[2:], "edit")

    dispatch_all()

    assert starts(workflow) == [(gone.pk, "ready"), (people[2].pk, "ready")]


def test_m_19_a_sync_of_one_person_neither_settles_nor_ends_it() -> None:
    integration = make_integration(state="active")
    workflow = on_new()
    alone, later = make_person(), make_person()
    sync_with(integration, [alone], person=alone.email)
    sync_with(integration, [later])

    dispatch_all()

    assert starts(workflow) == [(alone.pk, "ready")]


def test_m_19_approved_removals_do_not_settle() -> None:
    integration = make_integration(state="active")
    workflow = make_workflow([TELL], begin={"actions": ["archive"]})
    gone = make_person(status="deactivated")
    sync_removals(integration, gone)

    dispatch_all()

    assert starts(workflow) == [(gone.pk, "ready")]


def sync_removals(integration: Integration, gone: Person) -> None:
    run = sync_with(integration, [], "archive")
    SyncRun.objects.filter(pk=run.pk).update(kind="removals")
    make_event(gone, kind="archive", source="sync", run_id=run.pk, approved_by="ann")


@pytest.mark.parametrize("also", [[], ["settling"]])
def test_m_19_what_was_ticked_starts_while_settling(also: list[str]) -> None:
    workflow = on_new(also=also)
    sync_with(make_integration(state="active"), [make_person()])

    dispatch_all()

    assert len(starts(workflow)) == len(also)


@pytest.mark.parametrize("also", [[], ["undo"]])
def test_m_19_an_undo_starts_nothing_unless_ticked(
    integration: Integration, also: list[str]
) -> None:
    workflow = make_workflow([TELL], begin={"actions": ["edit"], "also": also})
    run = sync_with(integration, [])
    SyncRun.objects.filter(pk=run.pk).update(kind="undo")
    make_event(make_person(), kind="edit", source="undo", run_id=run.pk)

    dispatch_all()

    assert len(starts(workflow)) == len(also)
    assert count_passed_over(workflow) == 1 - len(also)


# Passed over -----------------------------------------------------------------------------------


def test_m_19_what_started_nothing_is_listed_and_can_be_started_by_name() -> None:
    rules = {"all": [{"field": "location", "operator": "equals", "value": "London"}]}
    workflow = on_new(rules=rules)
    here, there = make_person(location="London"), make_person(location="Paris")
    sync_with(make_integration(state="active"), [here, there])
    dispatch_all()

    listed = passed_over(workflow)
    run = start_from_events(workflow, [one.event_id for one in listed], by="ann")

    assert [(one.record_id, one.matches) for one in listed] == [
        (there.pk, False),
        (here.pk, True),
    ]
    assert "before one complete listing" in listed[0].why
    assert starts(workflow) == [(here.pk, "ready")]
    assert (run.started_by, run.trigger, run.matched) == ("ann", "event", 1)
    assert [one.record_id for one in passed_over(workflow)] == [there.pk]


def test_what_was_started_by_name_before_it_was_looked_at_is_not_started_again(
    integration: Integration,
) -> None:
    """(M-22) Nor does it keep the other events of its run, and all that come later, waiting."""
    workflow = on_new()
    named, other, by_hand = make_person(), make_person(), make_person()
    run = sync_with(integration, [named, other])
    events = [Event.objects.get(run_id=run.pk, object_id=named.pk), make_event(by_hand)]
    start_from_events(workflow, [event.pk for event in events], by="ann")

    dispatch_all()

    assert sorted(record for record, _state in starts(workflow)) == sorted(
        [named.pk, other.pk, by_hand.pk]
    )


def test_events_that_were_passed_over_are_listed_page_by_page() -> None:
    workflow = on_new()
    people = [make_person() for _number in range(5)]
    sync_with(make_integration(state="active"), people)
    dispatch_all()

    first = passed_over(workflow, number=3)
    second = passed_over(workflow, number=3, before=first[-1].event_id)

    assert [one.record_id for one in first + second] == [person.pk for person in reversed(people)]


# At once, and how much -------------------------------------------------------------------------


def test_two_who_look_at_the_same_events_start_them_once(integration: Integration) -> None:
    """F-11."""
    workflow = on_new()
    sync_with(integration, [make_person() for _number in range(5)])
    for _number in range(5):
        make_event(make_person())
    problems: list[BaseException] = []

    def look() -> None:
        try:
            dispatch_all()
        except BaseException as problem:  # noqa: BLE001 - shown below
            problems.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert len(starts(workflow)) == 10


def test_the_number_of_queries_does_not_grow_with_the_events(integration: Integration) -> None:
    on_new()
    on_new(rules={"all": [{"field": "title", "operator": "is_empty"}]})
    sync_with(integration, [make_person() for _number in range(2)])
    with CaptureQueriesContext(connection) as few:
        dispatch_one(timezone.now())
    sync_with(integration, [make_person() for _number in range(18)])

    with CaptureQueriesContext(connection) as many:
        dispatch_one(timezone.now() + timedelta(days=2))

    assert RunItem.objects.count() == 40
    assert len(many) <= len(few) + 2


def test_without_a_workflow_events_are_marked_without_being_read(integration: Integration) -> None:
    sync_with(integration, [make_person()])
    make_event(make_person())

    with CaptureQueriesContext(connection) as queries:
        number = dispatch_all()

    assert number == 2
    assert len(queries) < 30
    assert not Event.objects.filter(dispatched=False, run_id__isnull=True).exists()
