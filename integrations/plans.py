"""Plans that wait for a person: held removals, and previews that nobody has applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, QuerySet

from integrations.approvals import Decision
from integrations.models import PlannedChange, SyncRun

State = SyncRun.State
_CAME_THROUGH = (State.DONE, State.PARTIAL, State.HELD)


@dataclass(frozen=True)
class WaitingPlan:
    """A plan by the id of its run; `rows` are the removals that are held, or all of a preview.

    Plans of an app above have a letter before the number.
    """

    id: int | str
    name: str
    kind: str
    at: datetime
    rows: int
    why: str


Shown = list[tuple[int, str]]


@dataclass(frozen=True)
class OtherPlans:
    """What an app above holds for a decision, by the number behind its letter.

    `rows` gives rows as of a plan, with `id`, `hash` and `decided_by`, or None where there is no
    such run. `report(number)` is that run as every command tells it. `go_on(number)` does what was
    approved where no worker may; it gives what it has to say. `read` and `decide` are the
    permissions.
    """

    read: str
    decide: str
    waiting: Callable[[], Sequence[WaitingPlan]]
    rows: Callable[[int], list[dict[str, Any]] | None]
    report: Callable[[int], dict[str, Any]]
    approve: Callable[[Shown, str], Decision]
    reject: Callable[[Shown, str], Decision]
    go_on: Callable[[int], str]


# By the letter; the app above adds its own.
OTHERS: dict[str, OtherPlans] = {}


def waiting_plans() -> list[WaitingPlan]:
    """Held runs and the newest preview of each integration, newest first, then those of others.

    Two queries, and those of the apps above.
    """
    held = SyncRun.objects.filter(plan__state=PlannedChange.State.HELD)
    runs = [(run, "held") for run in _counted(held)]
    runs += [(run, "preview") for run in _counted(unapplied_previews())]
    found = [_plan(run, kind) for run, kind in sorted(runs, key=lambda one: -one[0].pk)]
    return found + [plan for other in OTHERS.values() for plan in other.waiting()]


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
