"""The installation as a whole: paused, what was looked at since, and letting it go on (F-43)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, Max, Q, QuerySet

from integrations.errors import InstallationPaused
from integrations.models import Installation, Integration, SyncRun

logger = logging.getLogger(__name__)
RESUME = "integrations.resume_installation"
_LOOKED_AT = (SyncRun.State.DONE, SyncRun.State.PARTIAL)


@dataclass(frozen=True)
class Pause:
    """Since when nothing but previews begins, and why, as the middle of a sentence."""

    since: datetime
    because: str


def find_pause() -> Pause | None:
    """The pause that holds now. One query."""
    row = (
        Installation.objects.filter(pk=1, paused_at__isnull=False)
        .values_list("paused_at", "paused_because")
        .first()
    )
    return Pause(row[0], row[1]) if row and row[0] else None


def is_paused() -> bool:
    """Whether nothing but previews begins now. One query."""
    return find_pause() is not None


def pause_installation(why: str, *, by: str, now: datetime) -> None:
    """Let nothing but previews begin from now on. At most three queries."""
    row = Installation.the()
    Installation.objects.filter(pk=row.pk).update(paused_at=now, paused_because=why[:300])
    logger.warning("Rolecall is paused by %s: %s.", by, why)


def resume_installation(*, by: str) -> bool:
    """Say go: runs begin again. False when it was not paused. One query."""
    rows = Installation.objects.filter(pk=1, paused_at__isnull=False).update(
        paused_at=None, paused_because=""
    )
    if rows:
        logger.warning("Rolecall goes on: %s said so.", by)
    return rows == 1


def check_may_begin(kind: str) -> None:
    """Raise InstallationPaused for anything but a preview while that holds. At most one query."""
    if kind == SyncRun.Kind.PREVIEW:
        return
    pause = find_pause()
    if pause is not None:
        raise InstallationPaused(pause.because)


def may_begin(runs: QuerySet[SyncRun]) -> QuerySet[SyncRun]:
    """Those of the runs that may begin now, in the same query: while paused, only previews."""
    paused = Installation.objects.filter(pk=1, paused_at__isnull=False)
    return runs.filter(Q(kind=SyncRun.Kind.PREVIEW) | ~Exists(paused))


@dataclass(frozen=True)
class Drift:
    """What the last preview since the pause says would become of one integration."""

    integration_id: int
    name: str
    run_id: int | None = None
    state: str = ""
    counts: Mapping[str, Any] | None = None

    @property
    def is_looked_at(self) -> bool:
        return self.state in _LOOKED_AT

    @property
    def in_words(self) -> str:
        """`People: 3 created, 2 updated. SaaS users: nothing.` and such."""
        if self.run_id is None:
            return "Not previewed yet."
        if not self.is_looked_at:
            return f"The preview is {self.state}."
        counts = self.counts or {}
        parts = [
            f"{label}: {_changes(counts.get(key, {}))}"
            for key, label in (("people", "People"), ("saas_users", "SaaS users"))
        ]
        waiting = counts.get("held", 0) + counts.get("removals_not_applied", 0)
        if waiting:
            parts.append(f"Removals to be judged: {waiting}")
        return ". ".join(parts) + "."


def _changes(counts: Mapping[str, int]) -> str:
    words = [
        f"{number} {word}"
        for word, number in counts.items()
        if number and word not in {"unchanged", "skipped"}
    ]
    return ", ".join(words) or "nothing"


def drift(pause: Pause) -> Sequence[Drift]:
    """For each launched integration its last preview since the pause. Two queries."""
    integrations = Integration.objects.exclude(state=Integration.State.DRAFT).order_by("name")
    newest = (
        SyncRun.objects.filter(
            integration__isnull=False,
            kind=SyncRun.Kind.PREVIEW,
            person="",
            queued_at__gte=pause.since,
        )
        .order_by()
        .values("integration")
        .annotate(newest=Max("pk"))
        .values("newest")
    )
    runs = {run.integration_id: run for run in SyncRun.objects.filter(pk__in=newest)}
    return [
        _drift_of(pk, name, runs.get(pk)) for pk, name in integrations.values_list("pk", "name")
    ]


def _drift_of(pk: int, name: str, run: SyncRun | None) -> Drift:
    if run is None:
        return Drift(pk, name)
    return Drift(pk, name, run.pk, run.state, run.counts)
