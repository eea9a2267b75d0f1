"""Starts by events that come in too great a number are held, and told once (M-20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, Q, QuerySet, Value, When

from integrations.mails import one_line, queue_mail
from integrations.models import Notification
from people.models import Event, Person
from saas.models import SaaSUser
from workflows.engine.circuit import addresses_of
from workflows.items import Start
from workflows.links import link_to
from workflows.models import RunItem, Workflow, WorkflowRun

WINDOW = timedelta(hours=24)
STORM = "storm"
TOO_OFTEN = "too_often"
HELD_STARTS = (STORM, TOO_OFTEN)
"""Codes of items that were held before they began: approving them means: begin."""
MOST_PER_RECORD = 3
_LEAST = 20
_PERCENT = 10
_MOST_NAMES = 20
_SAME_RUN = (
    "Other starts by the same run of a workflow were more than the limit of 24 hours, so this one "
    "waits like them until somebody approves it."
)


@dataclass(frozen=True)
class Judged:
    """The starts of one run with what is held among them; `because` says why all of them are."""

    starts: Sequence[Start]
    because: str = ""

    @property
    def held(self) -> int:
        """How many of them wait for a person."""
        return sum(bool(start.code) for start in self.starts)


def limit_of(workflow: Workflow) -> int:
    """How many starts by events are let through in 24 hours. One query."""
    if workflow.object == Workflow.Object.PERSON:
        active = Person.objects.filter(status=Person.Status.ACTIVE).count()
    else:
        active = (
            SaaSUser.objects.filter(application=workflow.application_id)
            .exclude(status=SaaSUser.Status.DEACTIVATED)
            .count()
        )
    return max(_LEAST, active * _PERCENT // 100)


def judge_starts(workflow: Workflow, starts: Sequence[Start], *, now: datetime) -> Judged:
    """Hold all starts of one run where they are too many, else those of a record started too often.

    What follows a removal that a person approved by name is not held for their number. The events
    of a workflow's run come in several batches: where an earlier one was held, so is what follows.
    Two to four queries; call it where nobody else starts this workflow meanwhile.
    """
    asked = sum(not start.approved for start in starts)
    recent = _recent(workflow, now)
    before = recent.count()
    limit = limit_of(workflow)
    if asked and before + asked > limit:
        words = _in_words(asked, before, limit)
        return Judged([_held(one, STORM, words) for one in starts], words)
    stormy = _stormy_origins(workflow, starts, now)
    judged = [_held(one, STORM, _SAME_RUN) if one.origin in stormy else one for one in starts]
    return Judged(_hold_too_often(judged, recent))


def _recent(workflow: Workflow, now: datetime) -> QuerySet[RunItem]:
    """Starts by events in the last 24 hours; what was held before it began has not started."""
    not_begun = Q(code__in=HELD_STARTS, state__in=[RunItem.State.HELD, RunItem.State.CANCELLED])
    return RunItem.objects.filter(
        ~not_begun, workflow=workflow, event_id__isnull=False, created_at__gt=now - WINDOW
    ).order_by()


def code_of_end(code: str) -> Case:
    """The code of items that are ended from outside: a start that was held has never begun.

    It keeps its code, so that it counts for nothing later.
    """
    held_start = When(state=RunItem.State.HELD, code__in=HELD_STARTS, then=F("code"))
    return Case(held_start, default=Value(code))


def _stormy_origins(workflow: Workflow, starts: Sequence[Start], now: datetime) -> set[int]:
    """The runs of workflows of which earlier starts were held. One query, or none."""
    origins = {start.origin for start in starts if start.origin}
    if not origins:
        return set()
    held = RunItem.objects.filter(
        workflow=workflow, code=STORM, event_id__isnull=False, created_at__gt=now - WINDOW
    )
    events = Event.objects.filter(pk__in=held.order_by().values("event_id"))
    found = events.filter(workflow_run_id__in=origins).order_by()
    return {run_id or 0 for run_id in found.values_list("workflow_run_id", flat=True).distinct()}


def _in_words(asked: int, before: int, limit: int) -> str:
    earlier = f", after {before} in the last 24 hours," if before else ""
    return (
        f"{asked} starts by events{earlier} are more than the limit of {limit} in 24 hours, so "
        "they wait until somebody approves them."
    )


def _held(start: Start, code: str, words: str) -> Start:
    return start if start.approved else start._replace(code=code, note=words)


def _hold_too_often(starts: Sequence[Start], recent: QuerySet[RunItem]) -> list[Start]:
    """Each record's fourth start in 24 hours, and those after it, wait. One query.

    What is held already has not started, so it counts for nothing.
    """
    ids = list({start.record_id for start in starts})
    rows = recent.filter(record_id__among=ids).values("record_id").annotate(number=Count("pk"))
    counts = dict(rows.values_list("record_id", "number"))
    judged = []
    for start in starts:
        if start.code:
            judged.append(start)
            continue
        number = counts[start.record_id] = counts.get(start.record_id, 0) + 1
        if number > MOST_PER_RECORD:
            words = (
                f"Events have started this workflow for this record {MOST_PER_RECORD} times in 24 "
                "hours already, so this start waits until somebody approves it."
            )
            judged.append(_held(start, TOO_OFTEN, words))
        else:
            judged.append(start)
    return judged


def tell_held(run: WorkflowRun, judged: Judged, *, already: bool) -> None:
    """Queue a mail about held starts, unless others of this workflow are held `already`.

    One mail per episode: an episode ends when nothing of it waits any more. Up to two queries.
    """
    held = [start for start in judged.starts if start.code]
    if already or not held:
        return
    names = ", ".join(one_line(start.label) for start in held[:_MOST_NAMES])
    more = f" and {len(held) - _MOST_NAMES} more" if len(held) > _MOST_NAMES else ""
    queue_mail(
        Notification.Kind.WORKFLOW,
        f"starts_held:{run.workflow_id}:{run.pk}",
        f'Starts of the workflow "{run.name}" are held',
        [
            judged.because or held[0].note,
            f"Held: {names}{more}.",
            f"Look at them, and approve or reject them: {link_to('workflowrun_change', run.pk)}",
            "You are told once; further starts that are held until then send no mail.",
        ],
        notify=addresses_of(run.workflow),
    )


def has_held_starts(workflow: Workflow) -> bool:
    """Whether starts of this workflow wait for a person now. One query."""
    return RunItem.objects.filter(
        workflow=workflow, state=RunItem.State.HELD, code__in=HELD_STARTS
    ).exists()
