"""Workflows own slots as integrations do: each once, skipped while one is busy (M-32, BW-20)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import DueSlot, Installation
from integrations.tick import make_due
from tests.makers import make_person
from tests.workflows.events import TELL
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.definition import Definition
from workflows.models import RunItem, Workflow, WorkflowRun, WorkflowVersion
from workflows.schedule import make_due_workflow_runs, next_runs, owner_of, slot_overview
from workflows.starts import select_due
from workflows.versions import write_version

pytestmark = pytest.mark.django_db(transaction=True)
DAILY = {"every": "day", "at": "06:00", "timezone": "Europe/London"}
HOURLY = {"every": "hour", "minute": 0, "timezone": "UTC"}
SUMMER = datetime(2026, 7, 1, tzinfo=UTC)  # 06:00 in London is 05:00 UTC


def at(day: int, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return SUMMER.replace(day=day, hour=hour, minute=minute, second=2)


def scheduled(data: dict[str, Any] | None = None, **begin: Any) -> Workflow:
    """Active, with a schedule that holds since noon of the last day of June."""
    workflow = make_workflow(
        [TELL], begin={"actions": ["schedule"], "schedule": data or DAILY, **begin}
    )
    workflow.schedule_since = SUMMER - timedelta(hours=12)
    workflow.save()
    return workflow


def slots() -> list[tuple[str, bool]]:
    return [(row.state, row.catch_up) for row in DueSlot.objects.order_by("instant")]


def test_a_slot_makes_one_run_that_names_its_schedule() -> None:
    workflow = scheduled()

    made = [make_due_workflow_runs(at(1, clock)) for clock in ("04:59", "05:00", "05:01")]

    run = WorkflowRun.objects.get()
    row = DueSlot.objects.get()
    assert made == [0, 1, 0]
    assert (run.workflow, run.trigger, run.state, run.slot) == (
        workflow,
        "schedule",
        "queued",
        row,
    )
    assert run.started_by == "Schedule: every day at 06:00 Europe/London"
    assert row.owner == owner_of(workflow) == f"workflow:{workflow.pk}"


def test_the_tick_makes_slots_of_workflows_due() -> None:
    scheduled()

    make_due(at(1, "05:00"))

    assert WorkflowRun.objects.count() == 1


@pytest.mark.parametrize("state", ["draft", "paused", "archived"])
def test_only_active_workflows_run_by_themselves(state: str) -> None:
    """C-09."""
    Workflow.objects.filter(pk=scheduled().pk).update(state=state)

    assert make_due_workflow_runs(at(1, "05:00")) == 0


def test_a_schedule_that_is_not_among_the_actions_starts_nothing() -> None:
    scheduled(actions=["manual"])

    assert make_due_workflow_runs(at(1, "05:00")) == 0


def test_m_35_secrets_kept_outside_are_for_commands_only() -> None:
    scheduled()
    WorkflowVersion.objects.update(local=True)

    assert make_due_workflow_runs(at(1, "05:00")) == 0


def test_while_rolecall_is_paused_nothing_becomes_due() -> None:
    scheduled()
    installation = Installation.the()
    installation.paused_at = SUMMER
    installation.save()

    assert make_due_workflow_runs(at(1, "05:00")) == 0


def test_f_17_after_downtime_one_run_makes_up_for_all() -> None:
    scheduled()

    made = [make_due_workflow_runs(at(4, clock)) for clock in ("09:00", "09:01", "12:00")]

    assert made == [1, 0, 0]
    assert slots() == [("started", True)]


def test_f_16_a_slot_is_skipped_while_records_are_worked_on() -> None:
    workflow, person = scheduled(HOURLY), make_person()
    make_due_workflow_runs(at(1, "05:00"))
    select_due(at(1, "05:00"))
    made = [make_due_workflow_runs(at(1, "06:00"))]
    RunItem.objects.update(state="done")
    made.append(make_due_workflow_runs(at(1, "07:00")))

    assert RunItem.objects.get(workflow=workflow).record_id == person.pk
    assert made == [0, 1]
    assert slots() == [("started", False), ("skipped", False), ("started", False)]
    assert DueSlot.objects.get(state="skipped").note == "The run before was still running."


@pytest.mark.parametrize("waits_for", ["time", "approval", "operation"])
def test_m_22_what_waits_does_not_keep_the_schedule_from_starting(waits_for: str) -> None:
    workflow = scheduled(HOURLY)
    run = make_run(workflow, trigger="schedule")
    make_item(run, make_person(), state="waiting", waits_for=waits_for)

    assert make_due_workflow_runs(at(1, "05:00")) == 1


def test_what_events_started_does_not_keep_the_schedule_from_starting() -> None:
    workflow = scheduled(HOURLY)
    make_item(make_run(workflow, trigger="event"), make_person())

    assert make_due_workflow_runs(at(1, "05:00")) == 1


@pytest.mark.parametrize("left", ["a queued run", "a ready record"])
def test_m_22_what_only_a_command_may_go_on_with_does_not_keep_the_schedule_from_starting(
    left: str,
) -> None:
    """(M-35) It was left by an earlier version, whose secret is kept outside."""
    workflow = scheduled(HOURLY)
    earlier = write_version(
        workflow, Definition.from_data({"begin": {"actions": ["manual"]}, "blocks": [TELL]}), by="a"
    )
    WorkflowVersion.objects.filter(pk=earlier.pk).update(local=True)
    state = "queued" if left == "a queued run" else "running"
    run = make_run(workflow, version=earlier, trigger="command", state=state)
    if left == "a ready record":
        make_item(run, make_person())

    assert make_due_workflow_runs(at(1, "05:00")) == 1
    assert slots() == [("started", False)]


def test_the_next_and_the_last_slots_are_told() -> None:
    workflow, other = scheduled(), scheduled(actions=["manual"])
    make_due_workflow_runs(at(1, "05:00"))

    overview = slot_overview(workflow, at(1, "05:10"))

    assert overview.words == "every day at 06:00 Europe/London"
    assert [slot.instant.day for slot in overview.next] == [2, 3, 4]
    assert [row.state for row in overview.last] == ["started"]
    assert next_runs([workflow, other], at(1, "05:10")) == {workflow.pk: overview.next[0]}


def test_looking_takes_three_queries_however_many_workflows() -> None:
    for _number in range(5):
        scheduled()
    make_due_workflow_runs(at(1, "05:00"))

    with CaptureQueriesContext(connection) as queries:
        make_due_workflow_runs(at(1, "05:01"))

    assert len(queries) == 3
