"""Undoing a run (M-16): what it wrote is written back where nothing newer touched it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from integrations.errors import IntegrationsError
from integrations.models import PlannedChange, SyncRun
from integrations.registry import get_vendor
from integrations.sync.key_moves import restore_keys
from integrations.sync.lease import Lease
from integrations.sync.undo_judge import UndoRow
from integrations.sync.undo_plan import Judging, emails_of_before, scope_of
from integrations.sync.undo_rows import Index, Record, read_effects, read_index
from integrations.sync.undo_write import write_people, write_users
from integrations.sync.work import BATCH, Progress, Work, batches, new_counts
from people.models import Department, Event, Person
from people.services import Writing

logger = logging.getLogger(__name__)


def undo_run(run: SyncRun, lease: Lease, on_progress: Progress | None) -> Work:
    """Undo the run that this one names; gives the work with its counts.

    Each batch is one transaction with its events and plan rows. Safe to repeat: records that have
    a row in the plan of this run were dealt with. Raises LeaseLost, IntegrationsError.
    """
    undone = run.undoes
    if undone is None:
        raise IntegrationsError("The run that was to be undone is no longer there.")
    scope = scope_of(undone)
    work = _work(run, lease, on_progress)
    _count_earlier(work)
    whole = read_index(undone)
    index = whole.without(_done(run))
    judging = Judging(scope, index, emails_of_before(whole), lock=True)
    _write_back(work, judging, done=whole.total - index.total)
    _drop_departments(work, undone, whole)
    work.complete = True
    return work


def _work(run: SyncRun, lease: Lease, on_progress: Progress | None) -> Work:
    integration = run.integration
    if integration is None:
        raise IntegrationsError("The integration of this run was deleted, so it cannot be undone.")
    work = Work(
        run=run,
        integration=integration,
        vendor=get_vendor(integration.vendor),
        lease=lease,
        now=timezone.now(),
        targets={},
        fields={},
        sync_keys=(),
        on_progress=on_progress,
        counts=undo_counts(),
    )
    work.show("undo", 0, None)
    return work


def undo_counts() -> dict[str, Any]:
    """Counts of a sync, all zero, and what only an undo does: records taken out again."""
    counts = new_counts()
    for kind in ("people", "saas_users"):
        counts[kind]["removed"] = 0
    return counts


def _write_back(work: Work, judging: Judging, *, done: int) -> None:
    index = judging.index
    writing = Writing(
        source=Event.Source.UNDO,
        actor=work.run.started_by,
        now=work.now,
        run_id=work.run.pk,
    )
    total = done + index.total
    for kind, records in (
        ("users", index.users),
        ("created", index.created_people),
        ("keys", index.key_moves),
        ("people", index.other_people),
    ):
        # Who swapped e-mails gets them back in one transaction, whatever their number.
        size = len(records) if kind == "keys" else BATCH
        for start in range(0, len(records), max(size, 1)):
            batch = records[start : start + size]
            done += len(batch)
            with transaction.atomic():
                _write_batch(work, writing, judging, kind, batch)
                work.show("undo", done, total)
                work.lease.write(counts=work.counts)


def _write_batch(
    work: Work, writing: Writing, judging: Judging, kind: str, batch: Sequence[Record]
) -> None:
    if kind == "users":
        write_users(work, writing, judging.users(batch))
    elif kind == "created":
        write_people(work, writing, judging.created_people(batch))
    elif kind == "people":
        write_people(work, writing, judging.people(batch))
    else:
        rows = judging.key_moves()
        _free_keys(rows)
        for some in batches(rows):
            write_people(work, writing, some)
        restore_keys([row.effect.target_id for row in rows])


def _free_keys(rows: Sequence[UndoRow]) -> None:
    """Let e-mails and usernames change hands, over the borders of batches. Two statements."""
    for name in ("email", "username"):
        ids = [row.effect.target_id for row in rows if name in row.changes]
        Person.objects.filter(pk__among=ids).update(**{f"{name}_key": None})


def _done(run: SyncRun) -> set[tuple[str, int]]:
    """Records that an earlier attempt at this undo dealt with. One query, none the first time."""
    if run.attempts <= 1:
        return set()
    rows = PlannedChange.objects.filter(run=run.pk, target_id__isnull=False)
    return {
        (kind, target)
        for kind, target in rows.values_list("object", "target_id")
        if target is not None
    }


def _count_earlier(work: Work) -> None:
    """Count what an earlier attempt did: its counts were written with each batch. No query."""
    if work.run.attempts > 1 and work.run.counts:
        work.counts = work.run.counts


def _new_departments(index: Index) -> set[str]:
    """Departments that the run wrote and no record of it had before. A query per batch."""
    new: set[str] = set()
    old: set[str] = set()
    for records in (index.created_people, index.key_moves, index.other_people):
        for batch in batches(records):
            for effect in read_effects(batch):
                before, after = effect.changes.get("department", (None, None))
                old |= {before} if before else set()
                new |= {after} if after else set()
    return new - old


def _drop_departments(work: Work, undone: SyncRun, index: Index) -> None:
    """Take out departments that came with the run and that nobody is in any more."""
    came = Department.objects.filter(
        created_at__gte=undone.queued_at,
        created_at__lte=undone.finished_at or work.now,
        people__isnull=True,
    )
    if not came.exists():
        return
    names = _new_departments(index)
    try:
        with transaction.atomic():
            work.show("undo", 0, None)
            came.filter(name__among=list(names)).delete()
    except (IntegrityError, ProtectedError):
        logger.info("Run %s: a department is in use again and stays", work.run.pk)
