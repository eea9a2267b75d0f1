"""Runs that somebody asks for, or a schedule: put in the queue, then filled with their records."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from itertools import starmap

from django.db import transaction
from django.db.models import Exists, QuerySet
from django.utils import timezone

from integrations.broker import wake
from integrations.errors import IntegrationsError
from integrations.installation import find_pause
from integrations.models import DueSlot, Installation
from workflows.definition import Definition
from workflows.engine.circuit import pause
from workflows.engine.finish import refresh_runs
from workflows.errors import CannotStart
from workflows.items import Start, insert_items
from workflows.models import RunItem, Workflow, WorkflowRun, WorkflowVersion
from workflows.records import read_labels, read_records
from workflows.rules import judge_of, matching_ids
from workflows.versions import definition_of

_LONGEST_NAME = 200
LEFT_OUT = "left_out"
_WHY_NOT = {
    Workflow.State.DRAFT: "is a draft: activate it first",
    Workflow.State.PAUSED: "is paused: resume it first",
    Workflow.State.ARCHIVED: "is archived, so it is not run any more",
}
# One thread of a process chooses records at a time; the others find something else to do.
_choosing = threading.Lock()


def start_run(
    workflow: Workflow,
    *,
    trigger: str,
    started_by: str,
    ids: Sequence[int] | None,
    slot: DueSlot | None = None,
    now: datetime | None = None,
) -> WorkflowRun:
    """Queue a run of a workflow for all records that match, or for these, and wake a worker.

    Raises CannotStart with a sentence. Up to seven queries, and none of a single record's rules
    unless exactly one record is given.
    """
    row = Workflow.objects.select_related("application", "active_version").get(pk=workflow.pk)
    version = check_can_start(row, trigger=trigger)
    if ids is not None and len(ids) == 1:
        _check_one(row, version, ids[0], now or timezone.now())
    with transaction.atomic():
        check_is_same(row)
        run = WorkflowRun.objects.create(
            workflow=row,
            version=version,
            name=row.name,
            trigger=trigger,
            started_by=started_by[:_LONGEST_NAME],
            slot=slot,
            selection={} if ids is None else {"records": list(dict.fromkeys(ids))},
            queued_at=now or timezone.now(),
        )
        transaction.on_commit(wake)
    return run


def check_is_same(workflow: Workflow) -> None:
    """Hold the workflow as it was read, so that nobody archives it without its run. One query.

    Raises CannotStart where somebody was faster. Inside a transaction.
    """
    now_so = Workflow.objects.select_for_update().get(pk=workflow.pk)
    same = (workflow.state, workflow.active_version_id, workflow.events_after)
    if (now_so.state, now_so.active_version_id, now_so.events_after) != same:
        raise CannotStart(f'"{workflow}" was changed just now. Look at it, then start it again.')


def check_can_start(workflow: Workflow, *, trigger: str) -> WorkflowVersion:
    """Give the version that starts. Raises CannotStart. One query."""
    version = workflow.active_version
    if workflow.state != Workflow.State.ACTIVE or version is None:
        why = _WHY_NOT.get(Workflow.State(workflow.state), "is not active")
        raise CannotStart(f'"{workflow}" {why}.')
    found = find_pause()
    if found is not None:
        raise CannotStart(
            f"Rolecall is paused ({found.because}), so no workflow starts. An IT admin looks at "
            "the previews and says go first."
        )
    if version.local and trigger != WorkflowRun.Trigger.COMMAND:
        raise CannotStart(
            f'"{workflow}" uses credentials whose secret is kept outside of Rolecall, so only a '
            f'command can run it: python manage.py run_workflow "{workflow}".'
        )
    return version


def _check_one(workflow: Workflow, version: WorkflowVersion, pk: int, now: datetime) -> None:
    """Raise CannotStart where the only record does not match, and say why."""
    record = read_records(workflow, [pk]).get(pk)
    if record is None:
        raise CannotStart(f'There is no such record in "{workflow}" any more.')
    begin = definition_of(version).begin
    try:
        judge = judge_of(workflow, begin, now=now, zone=timezone.get_default_timezone())
    except IntegrationsError as problem:
        raise CannotStart(f"The rules of Begin cannot be read: {problem.message}") from None
    # Whoever starts it may not see every value: the rule is named, not what the record has.
    reasons = judge.why_not(record, shows=lambda _field: False)
    if reasons:
        raise CannotStart(f"Nothing was started for {record.label}. {' '.join(reasons)}")


# Choosing the records --------------------------------------------------------------------------


def queued_runs() -> QuerySet[WorkflowRun]:
    """Runs whose records a worker may choose now. While Rolecall is paused there are none."""
    paused = Installation.objects.filter(pk=1, paused_at__isnull=False)
    return WorkflowRun.objects.filter(
        ~Exists(paused),
        state=WorkflowRun.State.QUEUED,
        workflow__state=Workflow.State.ACTIVE,
        version__local=False,
    ).order_by("pk")


def select_due(now: datetime) -> bool:
    """Choose the records of the run that waits longest; False when none waits. No transaction."""
    if not _choosing.acquire(blocking=False):
        return False
    try:
        run = queued_runs().select_related("workflow__application").first()
        if run is None:
            return False
        select_records(run, now)
    finally:
        _choosing.release()
    return True


def select_records(run: WorkflowRun, now: datetime) -> bool:
    """Give a queued run its items; False when another process was faster.

    Records are chosen before the transaction, which writes all items at once: a fixed number of
    queries per 2,000 records. A rule that cannot be read any more fails the run.
    """
    definition = definition_of(run.version)
    try:
        chosen, left_out = _choose(run, definition, now)
    except IntegrationsError as problem:
        return _fail(run, problem.message, now)
    with transaction.atomic():
        row = WorkflowRun.objects.select_for_update().filter(
            pk=run.pk, state=WorkflowRun.State.QUEUED
        )
        if not row.exists():
            return False
        starts = _without_open(run, chosen)
        row.update(
            state=WorkflowRun.State.RUNNING,
            started_at=now,
            matched=len(starts),
            already_under_way=len(chosen) - len(starts),
            **_told(left_out),
        )
        insert_items(run, definition.first, starts, now=now)
    refresh_runs([run.pk], now)
    return True


def _choose(run: WorkflowRun, definition: Definition, now: datetime) -> tuple[list[Start], int]:
    """The records that match, and how many of those that were named do not."""
    named = run.selection.get("records")
    found: list[Start] = []
    for ids in matching_ids(run.workflow, definition.begin, now=now, among=named):
        found += starmap(Start, read_labels(run.workflow, ids))
    return found, 0 if named is None else len(named) - len(found)


def _without_open(run: WorkflowRun, chosen: Sequence[Start]) -> Sequence[Start]:
    """A schedule starts no record that is under way in this workflow (M-22). At most one query."""
    if run.trigger != WorkflowRun.Trigger.SCHEDULE or not chosen:
        return chosen
    rows = RunItem.objects.filter(workflow=run.workflow_id, state__in=RunItem.OPEN_STATES)
    under_way = set(rows.values_list("record_id", flat=True))
    return [start for start in chosen if start.record_id not in under_way]


def _told(left_out: int) -> dict[str, str]:
    if not left_out:
        return {}
    which = "1 record was" if left_out == 1 else f"{left_out:,} records were"
    return {
        "error_code": LEFT_OUT,
        "error_message": (
            f"{which} left out: gone, or not matching the rules of Begin. Preview the workflow "
            "for a record to see which rule it is."
        ),
    }


def _fail(run: WorkflowRun, why: str, now: datetime) -> bool:
    """End a run whose rules cannot be read, and pause its workflow until somebody mends them."""
    with transaction.atomic():
        rows = WorkflowRun.objects.filter(pk=run.pk, state=WorkflowRun.State.QUEUED).update(
            state=WorkflowRun.State.FAILED,
            started_at=now,
            finished_at=now,
            error_code="rules_unreadable",
            error_message=f"The rules of Begin cannot be read: {why}",
        )
        pause(run.workflow, f"The rules of Begin cannot be read: {why}")
    return rows == 1
