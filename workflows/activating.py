"""Which version of a workflow runs, and whether it runs at all."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from people.models import Event
from workflows.cancelling import cancel_items, cancel_run, hold_open
from workflows.definition import BeginPart, Definition
from workflows.engine.pausing import take_back_calls
from workflows.errors import Mistake, NotNow, WorkflowInvalid
from workflows.facts import Facts, read_facts
from workflows.models import RunItem, Workflow, WorkflowRun, WorkflowVersion
from workflows.readiness import readiness
from workflows.validation import check
from workflows.versions import read_definition

State = Workflow.State
SAVED_MEANWHILE = "Somebody saved the workflow in between. Look at it again, then activate it."


def activate(
    workflow: Workflow,
    version: WorkflowVersion,
    *,
    by: str,
    typed: int | None = None,
    now: datetime | None = None,
    facts: Facts | None = None,
) -> None:
    """Let this version run from now on; items under way keep theirs.

    `typed` is the number of records that somebody typed, where readiness asks for it. `facts` are
    given by who knows what is about to be, such as users that a load will bring. A workflow
    that was not active takes only events and due times later than this (M-19); one that was goes
    on without a gap. Raises WorkflowInvalid when Validate finds mistakes (C-11), NotNow otherwise.
    """
    at = now or timezone.now()
    if version.workflow_id != workflow.pk:
        raise NotNow(f"This version is not one of {workflow}.")
    if not WorkflowVersion.objects.filter(pk=version.pk).exists():
        raise NotNow(SAVED_MEANWHILE)
    definition = read_definition(version)
    check_ready(workflow, definition, typed=typed, now=at, facts=facts)
    with transaction.atomic():
        row = _locked(workflow)
        same = WorkflowVersion.objects.select_for_update().filter(pk=version.pk).first()
        if same is None or read_definition(same) != definition:
            raise NotNow(SAVED_MEANWHILE)
        if same.activated_at is None:
            same.activated_at = at
            same.save(update_fields=["activated_at"])
        _take_up(row, definition.begin, now=at)
        row.active_version, row.state = same, State.ACTIVE
        row.activated_at, row.activated_by = at, by[:200]
        row.paused_because, row.failures_in_a_row = "", 0
        row.updated_at = at
        row.save()
    workflow.refresh_from_db()


def check_ready(
    workflow: Workflow,
    definition: Definition,
    *,
    typed: int | None,
    now: datetime,
    facts: Facts | None = None,
) -> None:
    """Refuse what may not be activated: mistakes, or a count that nobody typed. See `activate`."""
    mistakes = _what_forbids(workflow, definition, facts)
    if mistakes:
        raise WorkflowInvalid(mistakes)
    wanted = readiness(workflow, definition, now=now).must_type
    if wanted is None or typed == wanted:
        return
    more = "That is more than the limit of removals, so type the number to say that it is meant."
    if typed is None:
        raise WorkflowInvalid([Mistake("", "typed", f"It matches {wanted:,} records now. {more}")])
    told = f"{typed:,} was typed, but it matches {wanted:,} records now. {more}"
    raise WorkflowInvalid([Mistake("", "typed", told)])


def _what_forbids(
    workflow: Workflow, definition: Definition, facts: Facts | None = None
) -> list[Mistake]:
    """The mistakes that Validate finds, without what it only tells. At most ten queries."""
    known = facts if facts is not None else read_facts(workflow)
    return [one for one in check(definition, known) if not one.warning]


def pause(workflow: Workflow, *, by: str, why: str = "") -> None:
    """Start nothing, and go on with nothing, until it is resumed. Raises NotNow."""
    with transaction.atomic():
        row = _locked(workflow)
        if row.state != State.ACTIVE:
            raise NotNow(f'"{row}" is not active, so there is nothing to pause.')
        row.state, row.updated_at = State.PAUSED, timezone.now()
        row.paused_because = (why or f"{by} paused it.")[:500]
        row.save(update_fields=["state", "paused_because", "updated_at"])
        take_back_calls(row, row.updated_at)
    workflow.refresh_from_db()


def resume(
    workflow: Workflow, *, by: str, now: datetime | None = None, facts: Facts | None = None
) -> None:
    """Let a paused workflow go on with the version that it had, after Validate passed once more.

    Items under way go on. Events and due times of the pause start nothing. Raises as `activate`.
    """
    at = now or timezone.now()
    version = workflow.active_version
    if workflow.state != State.PAUSED or version is None:
        raise NotNow(f'"{workflow}" is not paused, so there is nothing to resume.')
    mistakes = _what_forbids(workflow, read_definition(version), facts)
    if mistakes:
        raise WorkflowInvalid(mistakes)
    with transaction.atomic():
        row = _locked(workflow)
        if row.state != State.PAUSED or row.active_version_id != version.pk:
            raise NotNow("Somebody changed its state just now. Look at it again.")
        _take_up(row, BeginPart.from_data(version.begin), now=at)
        row.state, row.paused_because, row.failures_in_a_row = State.ACTIVE, "", 0
        row.updated_at = at
        row.save()
    workflow.refresh_from_db()


def open_items(workflow: Workflow) -> int:
    """How many records are under way in it. One query."""
    return RunItem.objects.filter(workflow=workflow, state__in=RunItem.OPEN_STATES).count()


def archive(workflow: Workflow, *, by: str) -> None:
    """Put it aside: it starts nothing; its versions and runs are kept. Raises NotNow.

    While records are under way it is refused: they are to end, or to be cancelled, first.
    """
    with transaction.atomic():
        row = _locked(workflow)
        if row.state == State.ARCHIVED:
            raise NotNow(f'"{row}" is archived already.')
        if under_way := open_items(row):
            word = "record is" if under_way == 1 else "records are"
            raise NotNow(
                f'{under_way:,} {word} under way in "{row}". Wait until they have ended, or cancel '
                "them; then archive it."
            )
        if row.runs.filter(state=WorkflowRun.State.QUEUED).exists():
            raise NotNow(f'A run of "{row}" is about to begin. Cancel it; then archive it.')
        row.state, row.updated_at = State.ARCHIVED, timezone.now()
        row.paused_because = f"{by} archived it."[:500]
        row.save(update_fields=["state", "paused_because", "updated_at"])
    workflow.refresh_from_db()


def cancel_and_archive(workflow: Workflow, *, by: str) -> None:
    """Cancel all that is under way, then put it aside. Raises NotNow."""
    under_way = RunItem.objects.filter(workflow=workflow, state__in=RunItem.OPEN_STATES)
    with transaction.atomic():
        hold_open(under_way)
        row = _locked(workflow)
        cancel_items(list(under_way.values_list("pk", flat=True)), by=by)
        for run in row.runs.filter(state=WorkflowRun.State.QUEUED):
            cancel_run(run, by=by)
        archive(row, by=by)
    workflow.refresh_from_db()


def _locked(workflow: Workflow) -> Workflow:
    return Workflow.objects.select_for_update().get(pk=workflow.pk)


def _take_up(row: Workflow, begin: BeginPart, *, now: datetime) -> None:
    """Begin behind all that has happened, but for what an active workflow waits for already."""
    was_active = row.state == State.ACTIVE
    if not was_active:
        row.events_after = Event.objects.aggregate(last=Max("pk"))["last"] or 0
    version = row.active_version
    before = BeginPart.from_data(version.begin) if version is not None else BeginPart()
    if not was_active or schedule_of(before) != schedule_of(begin):
        row.schedule_since = now


def schedule_of(begin: BeginPart) -> dict[str, object]:
    """The schedule that starts something; `{}` where Schedule is not one of the actions."""
    return dict(begin.schedule) if "schedule" in begin.actions else {}
