"""The end of a run: its state, its events released, its stage gone and who is told, at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.models import StagedRecord, SyncRun
from integrations.notices import note_end
from integrations.sync.lease import Lease


def end_run(lease: Lease, state: str, *, status: int | None = None, **fields: Any) -> None:
    """End a run that we hold; `status` is the HTTP status that it failed with. Raises LeaseLost."""
    now: datetime = timezone.now()
    with transaction.atomic():
        lease.write(state=state, finished_at=now, events_released_at=now, step="", **fields)
        StagedRecord.objects.filter(run=lease.run_id).delete()
        note_end(lease.run_id, now=now, status=status)


def fail_run(lease: Lease, code: str, message: str, *, status: int | None = None) -> None:
    """End a run that we hold as failed, with a sentence for the admin. Raises LeaseLost."""
    failed = SyncRun.State.FAILED
    end_run(lease, failed, status=status, error_code=code[:50], error_message=message)
