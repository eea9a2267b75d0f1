"""Asking for a run to be undone, and dropping the values that undoing needs once they are old."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from integrations import services
from integrations.broker import wake
from integrations.errors import AlreadyRunning, UndoRefused
from integrations.installation import check_may_begin
from integrations.models import Installation, Integration, PlannedChange, SyncRun

State = PlannedChange.State
_CHUNK = 5_000
# An undo that failed or was cancelled may be asked for again: it goes on with what is left.
_STANDS = (*SyncRun.ACTIVE_STATES, SyncRun.State.DONE, SyncRun.State.PARTIAL)


def why_not_undone(run: SyncRun, *, now: datetime | None = None) -> str:
    """Why this run cannot be undone, as a sentence; empty when it can. Up to three queries."""
    if reason := _never(run):
        return reason
    standing = run.undone_by.filter(state__in=_STANDS).first()
    if standing is not None:
        return f"It was undone already, by run {standing.pk}."
    kept = _days_kept()
    ended = run.finished_at or run.queued_at
    if run.values_dropped_at or ended < (now or timezone.now()) - timedelta(days=kept):
        return (
            f"It ended more than {kept} days ago, and its old values are no longer kept. "
            "Mend the mapping or the vendor's record and sync again."
        )
    if not _wrote_something(run):
        return "It wrote nothing, so there is nothing to undo."
    return ""


def _never(run: SyncRun) -> str:
    """Why a run of this kind or state cannot be undone. No query but for the integration."""
    if run.kind == SyncRun.Kind.UNDO:
        return (
            "It is an undo itself. To have the values of the vendor back, let the integration run."
        )
    if run.kind == SyncRun.Kind.PREVIEW:
        return "It was a preview: it changed nothing."
    if run.state in SyncRun.ACTIVE_STATES:
        return "It is still under way: wait until it has ended, or cancel it."
    if run.integration is None:
        return "Its integration was deleted, and with it the knowledge of whose records it read."
    return ""


def _days_kept() -> int:
    """How long old values are kept; pages ask, so nothing is made here. One query."""
    days = Installation.objects.values_list("keep_plans_days", flat=True).first()
    return Installation().keep_plans_days if days is None else days


def _wrote_something(run: SyncRun) -> bool:
    own = Q(run=run.pk, applied_in__isnull=True)
    rows = PlannedChange.objects.filter(own | Q(applied_in=run.pk), state=State.APPLIED)
    return rows.exists()


def queue_undo(run: SyncRun, *, by: str, now: datetime | None = None) -> SyncRun:
    """Put the undo of a run in the queue and pause its integration, in one transaction.

    Raises UndoRefused with the reason; AlreadyRunning when a run of the integration is under way;
    InstallationPaused.
    """
    check_may_begin(SyncRun.Kind.UNDO)
    try:
        with transaction.atomic():
            locked = SyncRun.objects.select_for_update().get(pk=run.pk)
            if reason := why_not_undone(locked, now=now):
                raise UndoRefused(f"Run {run.pk} cannot be undone. {reason}")
            integration = locked.integration
            assert integration is not None  # noqa: S101 - a reason not to undo
            undo = SyncRun.objects.create(
                integration=integration,
                name=integration.name,
                kind=SyncRun.Kind.UNDO,
                undoes=locked,
                started_by=by,
            )
            if integration.state == Integration.State.ACTIVE:
                services.pause(integration, by=f"{by}, undoing run {run.pk}")
            transaction.on_commit(wake)
    except IntegrityError:
        active = SyncRun.objects.filter(
            integration=run.integration_id, state__in=SyncRun.ACTIVE_STATES
        ).first()
        raise AlreadyRunning(run.name, active.pk if active else None) from None
    return undo


def drop_old_plans(now: datetime) -> int:
    """Empty the old and new values of plans whose run ended too long ago (M-13); rows stay.

    Held and rejected rows keep theirs: each sync compares itself with them. Gives the number of
    rows that were emptied. Three queries, and two for each 5,000 rows. Safe to repeat and to stop
    at any point.
    """
    before = now - timedelta(days=_days_kept())
    old = SyncRun.objects.filter(finished_at__lt=before, values_dropped_at__isnull=True)
    dropped = 0
    for run_id in list(old.order_by("pk").values_list("pk", flat=True)):
        dropped += _drop_values(run_id)
        SyncRun.objects.filter(pk=run_id).update(values_dropped_at=now)
    return dropped


def _drop_values(run_id: int) -> int:
    """Rows that a later run applied are dropped with that one."""
    own = Q(run=run_id, applied_in__isnull=True) & ~Q(state__in=[State.HELD, State.REJECTED])
    rows = PlannedChange.objects.filter(own | Q(applied_in=run_id)).order_by("pk")
    dropped = after = 0
    while ids := list(rows.filter(pk__gt=after).values_list("pk", flat=True)[:_CHUNK]):
        after = ids[-1]
        dropped += PlannedChange.objects.filter(pk__among=ids).update(changes={})
    return dropped
