"""What the list of workflows shows of each: its state, its last run, its next one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.safestring import SafeString

from integrations.models import DueSlot
from integrations.show import badge
from integrations.timetable import slot_in_words
from workflows.models import Workflow, WorkflowRun, WorkflowVersion
from workflows.schedule import find_schedule, next_runs, slot_overview


def with_versions_and_runs(rows: QuerySet[Workflow]) -> QuerySet[Workflow]:
    """With the number of the version saved last, and the id of the newest run; no query more."""
    versions = WorkflowVersion.objects.filter(workflow=OuterRef("pk")).order_by("-number")
    runs = WorkflowRun.objects.filter(workflow=OuterRef("pk")).order_by("-pk")
    return rows.annotate(
        saved_number=Subquery(versions.values("number")[:1]),
        newest_run_id=Subquery(runs.values("pk")[:1]),
    )


def put_runs(rows: Iterable[Any], now: datetime) -> None:
    """Put the newest run and the next due time on each row. Two queries."""
    listed = list(rows)
    ids = {row.newest_run_id for row in listed if row.newest_run_id}
    runs: Mapping[int, WorkflowRun] = WorkflowRun.objects.in_bulk(ids)
    coming = next_runs(listed, now)
    for row in listed:
        row.newest_run = runs.get(row.newest_run_id)
        slot, schedule = coming.get(row.pk), find_schedule(row)
        row.coming = slot_in_words(slot, schedule, now) if slot and schedule else ""


@dataclass(frozen=True)
class Timetable:
    """The schedule of the version that runs, in words; when it is due, and what became of it."""

    words: str
    next: Sequence[tuple[datetime, str]]
    last: Sequence[DueSlot]


def timetable_of(row: Workflow, now: datetime) -> Timetable | None:
    """None without a schedule that was activated. One query, none without a schedule."""
    schedule = find_schedule(row)
    if schedule is None:
        return None
    overview = slot_overview(row, now)
    coming = [(slot.instant, slot_in_words(slot, schedule, now)) for slot in overview.next]
    return Timetable(overview.words, coming, overview.last)


def short_state(row: Workflow) -> SafeString:
    """The state in one word."""
    words = {
        Workflow.State.DRAFT: ("Draft", "warn"),
        Workflow.State.ACTIVE: ("Active", "good"),
        Workflow.State.PAUSED: ("Paused", "warn"),
        Workflow.State.ARCHIVED: ("Archived", ""),
    }
    return badge(*words[Workflow.State(row.state)])


def version_in_words(row: Workflow, saved: int | None) -> str:
    """Which version runs, and which is saved where that is another."""
    if row.active_version is None:
        return ""
    running = row.active_version.number
    if saved is not None and saved != running:
        return f"version {running}; version {saved} is saved"
    return f"version {running}"
