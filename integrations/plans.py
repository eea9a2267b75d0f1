"""Plans that wait for a person: held removals, and previews that nobody has applied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, QuerySet

from integrations.models import PlannedChange, SyncRun

State = SyncRun.State
_CAME_THROUGH = (State.DONE, State.PARTIAL, State.HELD)


@dataclass(frozen=True)
class WaitingPlan:
    """A plan by the id of its run; `rows` are the removals that are held, or all of a preview."""

    id: int
    name: str
    kind: str
    at: datetime
    rows: int
    why: str


def waiting_plans() -> list[WaitingPlan]:
    """Held runs and the newest preview of each integration, newest first. Two queries."""
    held = SyncRun.objects.filter(plan__state=PlannedChange.State.HELD)
    found = [_plan(run, "held") for run in _counted(held)]
    found += [_plan(run, "preview") for run in _counted(unapplied_previews())]
    return sorted(found, key=lambda plan: -plan.id)


def unapplied_previews() -> QuerySet[SyncRun]:
    """The newest whole preview of each integration, unless a sync came through since."""
    since = SyncRun.objects.filter(
        integration=OuterRef("integration"),
        kind=SyncRun.Kind.SYNC,
        person="",
        state__in=_CAME_THROUGH,
        pk__gt=OuterRef("pk"),
    )
    newest = (
        SyncRun.objects.filter(
            kind=SyncRun.Kind.PREVIEW, person="", state__in=_CAME_THROUGH, integration__isnull=False
        )
        .values("integration")
        .annotate(newest=Max("pk"))
        .values("newest")
        .order_by()
    )
    return SyncRun.objects.filter(~Exists(since), pk__in=newest)


def _counted(runs: QuerySet[SyncRun]) -> QuerySet[Any]:
    return runs.annotate(rows=Count("plan")).only("name", "queued_at", "held_because")


def _plan(run: Any, kind: str) -> WaitingPlan:
    return WaitingPlan(run.pk, run.name, kind, run.queued_at, run.rows, run.held_because)
