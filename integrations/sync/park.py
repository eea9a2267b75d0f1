"""Parking: a vendor asks for more patience than a worker has, so the run waits in the queue."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.errors import IntegrationsError, VendorError
from integrations.models import StagedRecord, SyncRun
from integrations.sync.lease import Lease, now_in_database
from integrations.verdicts import LONGEST_WAIT

_LONGEST_PAUSE = timedelta(days=7)  # what asks for more is asked again after it


def asked_pause(error: IntegrationsError | None) -> timedelta | None:
    """How long the vendor asked us to stay away, where that is too long to sit and wait."""
    asked = error.retry_after if isinstance(error, VendorError) else None
    if asked is None or asked <= LONGEST_WAIT:
        return None
    # The second more is for clocks that differ by a part of one.
    return min(timedelta(seconds=min(asked, 10**7) + 1), _LONGEST_PAUSE)


def park(lease: Lease, error: VendorError, pause: timedelta) -> None:
    """Put the run back into the queue until the pause is over; its message says why.

    It is no failure and no attempt, and may be cancelled meanwhile. Raises LeaseLost.
    """
    until = timezone.localtime(timezone.now() + pause)
    with transaction.atomic():
        lease.write(
            state=SyncRun.State.QUEUED,
            due_at=now_in_database() + pause,
            attempts=F("attempts") - 1,
            step="",
            error_code=error.code[:50],
            error_message=f"The run waits until {until:%Y-%m-%d %H:%M %Z}, because the vendor "
            f"asked for a pause, and then begins again by itself. {error.message}",
        )
        StagedRecord.objects.filter(run=lease.run_id).delete()
