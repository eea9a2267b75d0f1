"""Events that started nothing by themselves, why, and starting them by name (M-19)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations.broker import wake
from integrations.models import SyncRun
from people.counting import counted_to
from people.models import Event
from saas.models import SaaSUser
from workflows.candidates import COLUMNS, LONGEST_CHAIN
from workflows.definition import EVENT_ACTIONS, BeginPart
from workflows.errors import CannotStart
from workflows.items import Start, insert_items
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.records import read_records
from workflows.rules import judge_of
from workflows.settling import CHANGED, FIRST, SETTLING, passed_over_because
from workflows.starts import check_can_start, check_is_same
from workflows.versions import definition_of

PAGE = 100
_MOST_AT_ONCE = 2_000
_MOST_COUNTED = 1_000
_CHAIN = "chain"
_WHY = {
    "undo": "It was written by an undo.",
    "restore": "It was written by a restore.",
    "import": "It was written by an import.",
    FIRST: "It is of the first loads, before one complete listing had been applied.",
    CHANGED: "It is of the first complete run after the integration was changed.",
    _CHAIN: f"Workflows had started one another {LONGEST_CHAIN} times in a row.",
}


@dataclass(frozen=True)
class PassedOver:
    """An event that started nothing; `matches`: the rules of Begin hold for its record now."""

    event_id: int
    at: datetime
    kind: str
    record_id: int
    label: str
    matches: bool
    why: str


def passed_over(
    workflow: Workflow, *, before: int | None = None, number: int = PAGE
) -> list[PassedOver]:
    """A page of events that started nothing and why, newest first; `before` is the last one's id.

    About seven queries. Raises RuleInvalid where the rules cannot be read any more.
    """
    version = workflow.active_version
    if version is None:
        return []
    begin = definition_of(version).begin
    events = _events(workflow, begin)
    if before is not None:
        events = events.filter(pk__lt=before)
    rows = list(events.order_by("-pk").values(*COLUMNS, "at", "run_id")[:number])
    settling = _settling_of([row["run_id"] for row in rows])
    records = read_records(workflow, {row["object_id"] for row in rows})
    judge = judge_of(workflow, begin, now=timezone.now(), zone=timezone.get_default_timezone())
    found = []
    for row in rows:
        record = records.get(row["object_id"])
        by_archive = row["kind"] == Event.Kind.ARCHIVE
        found.append(
            PassedOver(
                event_id=row["id"],
                at=row["at"],
                kind=row["kind"],
                record_id=row["object_id"],
                label=record.label if record else f"Record {row['object_id']}, deleted since",
                matches=record is not None
                and judge.matches(record, changes=row["changes"], by_archive=by_archive),
                why=_why(row, settling),
            )
        )
    return found


def count_passed_over(workflow: Workflow) -> int:
    """How many events started nothing; `AtLeast` behind 1,000. Two queries."""
    version = workflow.active_version
    if version is None:
        return 0
    events = _events(workflow, definition_of(version).begin).order_by()
    return counted_to(events[: _MOST_COUNTED + 1].count(), _MOST_COUNTED)


def _events(workflow: Workflow, begin: BeginPart) -> QuerySet[Event]:
    """Events that Begin asks for, and that were kept from starting it by something else."""
    kinds = [action for action in begin.actions if action in EVENT_ACTIONS]
    started = RunItem.objects.filter(workflow=workflow, event_id=OuterRef("pk"))
    events = Event.objects.filter(
        ~Exists(started), object=workflow.object, kind__in=kinds, pk__gt=workflow.events_after
    )
    if workflow.application_id is not None:
        users = SaaSUser.objects.filter(application=workflow.application_id)
        events = events.filter(object_id__in=users.values("pk"))
    because = Q(source__in={"undo", "restore", "import"} - set(begin.also))
    if SETTLING not in begin.also:
        dispatched = SyncRun.objects.filter(events_dispatched_at__isnull=False)
        because |= Q(run_id__in=dispatched.filter(settling=FIRST).values("pk"))
        because |= Q(
            run_id__in=dispatched.filter(settling=CHANGED).values("pk"),
            kind__in=[Event.Kind.NEW, Event.Kind.EDIT],
        )
    long = WorkflowRun.objects.filter(chain__gte=LONGEST_CHAIN).exclude(workflow=workflow)
    because |= Q(workflow_run_id__in=long.values("pk"))
    return events.filter(because)


def _settling_of(run_ids: Sequence[int | None]) -> dict[int, str]:
    runs = SyncRun.objects.filter(pk__in=[pk for pk in run_ids if pk is not None])
    return dict(runs.values_list("pk", "settling"))


def _why(row: Mapping[str, object], settling: Mapping[int, str]) -> str:
    run_id = row["run_id"]
    of_run = settling.get(run_id, "") if isinstance(run_id, int) else ""
    word = passed_over_because(row, of_run)
    return _WHY[of_run if word == SETTLING else word or _CHAIN]


def count_starts(workflow: Workflow, begin: BeginPart, event_ids: Sequence[int]) -> int:
    """How many records these events would start it for now. Some four queries; CannotStart."""
    return len(_starts(workflow, begin, event_ids, timezone.now()))


def start_from_events(
    workflow: Workflow, event_ids: Sequence[int], *, by: str, now: datetime | None = None
) -> WorkflowRun:
    """Start a workflow in one run for events that a person names; none is held for their number.

    Events of before it was active, those that started it already, and of one record all but the
    last, are left out. Raises CannotStart where nothing is left. About ten queries.
    """
    at = now or timezone.now()
    row = Workflow.objects.select_related("application", "active_version").get(pk=workflow.pk)
    version = check_can_start(row, trigger=WorkflowRun.Trigger.EVENT)
    definition = definition_of(version)
    with transaction.atomic():
        check_is_same(row)
        starts = _starts(row, definition.begin, event_ids, at)
        if not starts:
            raise CannotStart(
                "None of these events starts the workflow: they are from before it was active, "
                "they started it already, or their records do not match the rules of Begin now."
            )
        run = WorkflowRun.objects.create(
            workflow=row,
            version=version,
            name=row.name,
            trigger=WorkflowRun.Trigger.EVENT,
            started_by=by[:200],
            state=WorkflowRun.State.RUNNING,
            matched=len(starts),
            queued_at=at,
            started_at=at,
        )
        insert_items(run, definition.first, starts, now=at)
        transaction.on_commit(wake)
    return run


def _starts(
    workflow: Workflow, begin: BeginPart, event_ids: Sequence[int], now: datetime
) -> list[Start]:
    """What these events start, one for each record."""
    if len(event_ids) > _MOST_AT_ONCE:
        raise CannotStart(f"Choose at most {_MOST_AT_ONCE:,} events at once.")
    events = Event.objects.filter(
        pk__among=list(event_ids),
        pk__gt=workflow.events_after,
        object=workflow.object,
        kind__in=begin.actions,
    )
    begun = RunItem.objects.filter(workflow=workflow, event_id__in=list(event_ids))
    known = set(begun.values_list("event_id", flat=True))
    rows = [one for one in events.order_by("pk").values(*COLUMNS) if one["id"] not in known]
    records = read_records(workflow, {one["object_id"] for one in rows})
    judge = judge_of(workflow, begin, now=now, zone=timezone.get_default_timezone())
    starts: dict[int, Start] = {}
    for one in rows:
        record = records.get(one["object_id"])
        by_archive = one["kind"] == Event.Kind.ARCHIVE
        if record is not None and judge.matches(
            record, changes=one["changes"], by_archive=by_archive
        ):
            starts[record.id] = Start(record.id, record.label, one["id"])
    return list(starts.values())
