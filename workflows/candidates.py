"""Which events start which workflows: read in batches, judged in memory, nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations.errors import IntegrationsError
from people.models import Event
from workflows.definition import EVENT_ACTIONS, BeginPart
from workflows.engine.circuit import pause
from workflows.items import Start
from workflows.models import Workflow, WorkflowRun
from workflows.records import read_labels
from workflows.rules import Judge, Row, judge_of, values_by_id
from workflows.settling import passed_over_because
from workflows.versions import definition_of

BATCH = 2_000
LONGEST_CHAIN = 5
EventRow = Mapping[str, Any]
COLUMNS = (
    "id",
    "object",
    "object_id",
    "kind",
    "source",
    "changes",
    "approved_by",
    "workflow_run_id",
)


@dataclass(frozen=True)
class Taker:
    """A workflow that events may start, with what decides about it."""

    workflow: Workflow
    begin: BeginPart
    first: str
    judge: Judge

    @property
    def version_id(self) -> int:
        """The version that starts."""
        assert self.workflow.active_version_id is not None  # noqa: S101 - held by the database
        return self.workflow.active_version_id

    @property
    def subject(self) -> tuple[str, int | None]:
        """What its records are: those that share it are read once."""
        return self.workflow.object, self.workflow.application_id


# The runs of workflows that wrote some of the events: id -> (workflow, chain).
Origins = Mapping[int, tuple[int, int]]


def find_takers(now: datetime) -> list[Taker]:
    """The active workflows that start by events. One query, and at most one more for each.

    One whose rules cannot be read any more is paused, and says so.
    """
    found = []
    rows = Workflow.objects.filter(
        state=Workflow.State.ACTIVE, active_version__local=False
    ).select_related("application", "active_version")
    for workflow in rows.order_by("pk"):
        version = workflow.active_version
        assert version is not None  # noqa: S101 - held by the database
        if not set(EVENT_ACTIONS) & set(version.begin.get("actions") or ()):
            continue
        definition = definition_of(version)
        try:
            zone = timezone.get_default_timezone()
            judge = judge_of(workflow, definition.begin, now=now, zone=zone)
        except IntegrationsError as problem:
            pause(workflow, f"The rules of Begin cannot be read: {problem.message}")
            continue
        found.append(Taker(workflow, definition.begin, definition.first, judge))
    return found


def events_of_run(run_id: int) -> Iterator[list[EventRow]]:
    """The events of a sync run in batches, in the order of their records. A query per batch."""
    for kind, _label in Workflow.Object.choices:
        last = 0
        while batch := _read(
            Event.objects.filter(run_id=run_id, object=kind, object_id__gt=last).order_by(
                "object_id"
            )
        ):
            yield batch
            last = batch[-1]["object_id"]


def _read(events: QuerySet[Event]) -> list[EventRow]:
    return list(events.values(*COLUMNS)[:BATCH])


def find_origins(events: Iterable[EventRow]) -> Origins:
    """The runs of workflows that wrote these events. One query, or none."""
    ids = {event["workflow_run_id"] for event in events} - {None}
    runs = WorkflowRun.objects.filter(pk__in=ids) if ids else WorkflowRun.objects.none()
    return {pk: (workflow, chain) for pk, workflow, chain in _rows(runs)}


def _rows(runs: QuerySet[WorkflowRun]) -> Iterable[tuple[int, int, int]]:
    return runs.values_list("pk", "workflow_id", "chain")


def find_starts(
    events: Sequence[EventRow], takers: Sequence[Taker], *, settling: str = ""
) -> dict[int, list[Start]]:
    """What these events start, by the id of the workflow.

    Records are read once for all workflows on the same, of each what rules and labels need: two or
    three queries for each such group.
    """
    origins = find_origins(events)
    found: dict[int, list[Start]] = {}
    groups: dict[tuple[str, int | None], list[Taker]] = {}
    for taker in takers:
        groups.setdefault(taker.subject, []).append(taker)
    for (kind, _application), members in groups.items():
        taken = {
            taker.workflow.pk: [
                event
                for event in events
                if event["object"] == kind and _takes(taker, event, origins, settling)
            ]
            for taker in members
        }
        rows = _read_rows(members, taken.values())
        matching = {
            taker.workflow.pk: _matching(taker, taken[taker.workflow.pk], rows) for taker in members
        }
        ids = _records_of(matching.values())
        labels = dict(read_labels(members[0].workflow, ids)) if ids else {}
        for workflow_id, chosen in matching.items():
            found[workflow_id] = [_start(event, labels, origins) for event in chosen]
    return found


def _read_rows(members: Sequence[Taker], events: Iterable[Sequence[EventRow]]) -> dict[int, Row]:
    """What the rules of workflows on the same records need of these. Up to two queries."""
    ids = _records_of(events)
    names = {"status"}.union(*(taker.judge.fields for taker in members))
    return values_by_id(members[0].workflow, frozenset(names), ids) if ids else {}


def _records_of(events: Iterable[Sequence[EventRow]]) -> list[int]:
    return sorted({event["object_id"] for part in events for event in part})


def _takes(taker: Taker, event: EventRow, origins: Origins, settling: str) -> bool:
    """Whether an event may start a workflow, whatever its rules say of the record."""
    if event["kind"] not in taker.begin.actions or event["id"] <= taker.workflow.events_after:
        return False
    word = passed_over_because(event, settling)
    if word and word not in taker.begin.also:
        return False
    return not _feeds_itself(taker.workflow.pk, event, origins)


def _feeds_itself(workflow_id: int, event: EventRow, origins: Origins) -> bool:
    """Never from its own run's events; a chain of workflows ends at five (M-20)."""
    origin = origins.get(event["workflow_run_id"] or 0)
    if origin is None:
        return False
    own, chain = origin
    return own == workflow_id or chain >= LONGEST_CHAIN


def _matching(taker: Taker, events: Iterable[EventRow], rows: Mapping[int, Row]) -> list[EventRow]:
    takes = taker.judge.takes
    return [
        event
        for event in events
        if (row := rows.get(event["object_id"])) is not None
        and takes(row, changes=event["changes"], by_archive=event["kind"] == Event.Kind.ARCHIVE)
    ]


def _start(event: EventRow, labels: Mapping[int, str], origins: Origins) -> Start:
    record_id = event["object_id"]
    run_id = event["workflow_run_id"] or 0
    origin = origins.get(run_id)
    chain = origin[1] + 1 if origin else 0
    label = labels.get(record_id) or str(record_id)
    return Start(record_id, label, event["id"], bool(event["approved_by"]), chain, run_id)
