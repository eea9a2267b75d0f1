"""Runs that somebody asks for: queued, filled with the records that match, or refused with why."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.installation import pause_installation
from integrations.models import Credentials
from tests.makers import make_application, make_custom_field, make_person, make_saas_user
from tests.workflows.events import TELL
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.errors import CannotStart
from workflows.models import RunItem, Workflow, WorkflowRun, WorkflowVersion
from workflows.starts import select_due, start_run

pytestmark = pytest.mark.django_db(transaction=True)
IN_LONDON = {"all": [{"field": "location", "operator": "equals", "value": "London"}]}


def start(workflow: Workflow, ids: Any = None, trigger: str = "manual") -> WorkflowRun:
    return start_run(workflow, trigger=trigger, started_by="ann", ids=ids)


def chosen(run: WorkflowRun) -> list[int]:
    while select_due(timezone.now()):
        pass
    run.refresh_from_db()
    return list(run.items.order_by("record_id").values_list("record_id", flat=True))


def test_c_14_without_rules_every_record_of_the_chosen_state_is_taken() -> None:
    active, gone = make_person(), make_person(status="deactivated")
    runs = [
        start(make_workflow([TELL], begin={"records": records}))
        for records in ("active", "deactivated", "all")
    ]

    found = [chosen(run) for run in runs]

    assert found == [[active.pk], [gone.pk], [active.pk, gone.pk]]


def test_c_15_all_rules_have_to_hold() -> None:
    here, _there = make_person(location="London"), make_person(location="Paris")
    run = start(make_workflow([TELL], begin={"rules": IN_LONDON}))

    found = chosen(run)

    item = RunItem.objects.get()
    assert found == [here.pk]
    assert (item.label, item.block, item.state) == (here.email, "tell", "ready")
    assert (run.state, run.matched, run.started_by) == ("running", 1, "ann")


def test_saas_users_are_those_of_the_application() -> None:
    mine = make_application("One", tenant="one")
    user = make_saas_user(mine, email="")
    make_saas_user(make_application("Two", tenant="two"))
    run = start(make_workflow([TELL], application=mine))

    assert chosen(run) == [user.pk]
    assert RunItem.objects.get().label == user.external_id


def test_of_named_records_those_that_do_not_match_are_left_out_and_counted() -> None:
    here, there = make_person(location="London"), make_person(location="Paris")
    also_here = make_person(location="London")
    run = start(make_workflow([TELL], begin={"rules": IN_LONDON}), [there.pk, here.pk, 999_999])

    found = chosen(run)

    assert found == [here.pk]
    assert also_here.pk not in found
    assert run.error_code == "left_out"
    assert run.error_message.startswith("2 records were left out")


def test_one_record_that_does_not_match_is_refused_with_the_rule() -> None:
    """And without its value: whoever starts it may not see that field."""
    there = make_person(location="Paris-La-Defense")
    workflow = make_workflow([TELL], begin={"rules": IN_LONDON})

    with pytest.raises(CannotStart) as refused:
        start(workflow, [there.pk])

    assert "location equals" in refused.value.message
    assert there.email in refused.value.message
    assert "Defense" not in refused.value.message
    assert not WorkflowRun.objects.exists()


@pytest.mark.parametrize(
    ("state", "words"), [("draft", "draft"), ("paused", "resume"), ("archived", "archived")]
)
def test_what_is_not_active_is_not_started(state: str, words: str) -> None:
    """C-09."""
    workflow = make_workflow([TELL])
    Workflow.objects.filter(pk=workflow.pk).update(state=state)

    with pytest.raises(CannotStart, match=words):
        start(workflow)


def test_while_rolecall_is_paused_nothing_is_started_and_queued_runs_wait() -> None:
    """F-43."""
    make_person()
    workflow = make_workflow([TELL])
    run = start(workflow)
    pause_installation("restored from a backup", by="test", now=timezone.now())

    with pytest.raises(CannotStart, match="restored from a backup"):
        start(workflow)

    assert chosen(run) == []
    assert run.state == "queued"


def test_m_35_with_secrets_kept_outside_only_a_command_starts_it() -> None:
    make_person()
    workflow = make_workflow([TELL])
    WorkflowVersion.objects.update(local=True)

    with pytest.raises(CannotStart, match="run_workflow"):
        start(workflow)
    run = start(workflow, trigger="command")

    assert chosen(run) == []
    assert Credentials.objects.count() == 0


def test_where_nothing_matches_the_run_is_done() -> None:
    run = start(make_workflow([TELL], begin={"rules": IN_LONDON}))

    assert chosen(run) == []
    assert (run.state, run.matched) == ("done", 0)
    assert run.finished_at is not None


def test_m_22_a_schedule_leaves_out_what_is_under_way_and_counts_it() -> None:
    workflow = make_workflow([TELL])
    idle, waiting, done = make_person(), make_person(), make_person()
    earlier = make_run(workflow)
    make_item(earlier, waiting, state="waiting", waits_for="time", due_at=timezone.now())
    make_item(earlier, done, state="done")
    run = start(workflow, trigger="schedule")

    assert chosen(run) == [idle.pk, done.pk]
    assert (run.matched, run.already_under_way) == (2, 1)


def test_a_rule_whose_field_is_gone_fails_the_run_and_pauses_the_workflow() -> None:
    """F-40."""
    make_person()
    field = make_custom_field("Badge")
    rules = {"all": [{"field": "badge", "operator": "is_empty"}]}
    workflow = make_workflow([TELL], begin={"rules": rules})
    run = start(workflow)
    field.delete()

    assert chosen(run) == []
    workflow.refresh_from_db()
    assert (run.state, workflow.state) == ("failed", "paused")
    assert "badge" in run.error_message


@pytest.mark.parametrize("records", ["all", "one"])
def test_an_old_rule_with_blanks_for_a_value_starts_nothing(records: str) -> None:
    """Every title contains them, so the workflow would be for all."""
    person = make_person(title="Chief of all")
    rules = {"all": [{"field": "title", "operator": "contains", "value": " "}]}
    workflow = make_workflow([TELL], begin={"rules": rules})

    if records == "all":
        run = start(workflow)
        assert chosen(run) == []
        workflow.refresh_from_db()
        assert (run.state, workflow.state) == ("failed", "paused")
        assert "blank" in run.error_message
    else:
        with pytest.raises(CannotStart, match="blank"):
            start(workflow, [person.pk])
        assert not WorkflowRun.objects.exists()


def test_several_who_choose_at_once_choose_each_record_once() -> None:
    """F-11."""
    for _number in range(30):
        make_person()
    run = start(make_workflow([TELL]))
    problems: list[BaseException] = []

    def look() -> None:
        try:
            chosen(WorkflowRun.objects.get(pk=run.pk))
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
    assert run.items.count() == 30


def test_the_number_of_queries_does_not_grow_with_the_records() -> None:
    workflow = make_workflow([TELL], begin={"rules": IN_LONDON})
    make_person(location="London")
    first = start(workflow)
    with CaptureQueriesContext(connection) as few:
        select_due(timezone.now())
    for _number in range(40):
        make_person(location="London")
    second = start(workflow)

    with CaptureQueriesContext(connection) as many:
        select_due(timezone.now())

    assert (first.items.count(), second.items.count()) == (1, 41)
    assert len(many) <= len(few)
