"""What holds after a restore, so that nothing is done a second time (F-43)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q

from integrations.installation import pause_installation
from integrations.models import Integration, Notification, PlannedChange, SyncRun
from integrations.operations.advance import settle_after_restore

# What the app above lets go of: (because, now) -> how many of its records that were.
OTHERS: list[Callable[[str, datetime], int]] = []


@dataclass(frozen=True)
class Settled:
    """How many rows would have gone on from where they stood, and do not."""

    cancelled_runs: int
    void_approvals: int
    mails_kept_back: int
    integrations_to_preview: int
    calls_to_look_up: int
    calls_that_ask: int
    cancelled_records: int


def settle(because: str, *, by: str, now: datetime) -> Settled:
    """Pause, and let go of what was under way when the backup was made. About ten queries.

    Since then the world went on: runs ended, mails were sent, removals were approved and applied.
    No event is written, so that a restore starts no workflow.
    """
    pause_installation(because, by=by, now=now)
    unknown, asking = settle_after_restore(because, now=now)
    return Settled(
        cancelled_runs=_cancel_runs(because, now),
        void_approvals=_void_approvals(),
        mails_kept_back=_keep_mails_back(because),
        integrations_to_preview=_ask_for_previews(now),
        calls_to_look_up=unknown,
        calls_that_ask=asking,
        cancelled_records=sum(let_go(because, now) for let_go in OTHERS),
    )


def _cancel_runs(because: str, now: datetime) -> int:
    return SyncRun.objects.filter(state__in=SyncRun.ACTIVE_STATES).update(
        state=SyncRun.State.CANCELLED,
        fence=F("fence") + 1,
        error_code="restored",
        error_message=f"Not finished: {because}. Preview the integration, then run it again.",
        due_at=None,
        finished_at=now,
        events_released_at=now,
        step="",
    )


def _void_approvals() -> int:
    """Removals that were approved and not applied wait for a decision again."""
    held = PlannedChange.objects.filter(state=PlannedChange.State.HELD)
    return held.exclude(Q(decided_by="") & Q(seconded_by="")).update(
        decided_by="", decided_at=None, seconded_by=""
    )


def _keep_mails_back(because: str) -> int:
    """They were sent meanwhile, most likely: a person may send them again."""
    waiting = (Notification.State.QUEUED, Notification.State.SENDING)
    return Notification.objects.filter(state__in=waiting).update(
        state=Notification.State.UNKNOWN, error=f"Perhaps sent already: {because}."[:300]
    )


def _ask_for_previews(now: datetime) -> int:
    """Their first run is a preview, and no slot of the time before is caught up."""
    launched = Integration.objects.exclude(state=Integration.State.DRAFT)
    return launched.update(preview_since=now, schedule_since=now)
