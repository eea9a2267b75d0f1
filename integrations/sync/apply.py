"""Apply a stored plan: batches of rows, each with its links and events in one transaction."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from integrations.models import PlannedChange
from integrations.sync.apply_rows import PlanRow, read_rows, write_rows
from integrations.sync.key_moves import apply_key_moves
from integrations.sync.manager_cycles import warn_about_cycles
from integrations.sync.manager_second_pass import set_managers
from integrations.sync.remember import remember
from integrations.sync.side_by_side import do_batches
from integrations.sync.work import BATCH, Work
from people.services import Writing, near_duplicate_departments

logger = logging.getLogger(__name__)
_TRIES = 3


def apply_plan(work: Work) -> None:
    """Apply every planned row, then managers, then what the links remember.

    Rows whose e-mail or username changes come first and in one transaction, so that people can
    swap them (F-37). Safe to repeat: rows that were applied are not planned any more.
    Raises LeaseLost.
    """
    writing = work.writing(work.now, resumed=work.is_resumed)
    planned = PlannedChange.objects.filter(run=work.run.pk, state=PlannedChange.State.PLANNED)
    total = planned.count()
    apply_key_moves(work, writing, planned)
    applied = _Progress(work, total)
    do_batches(
        _whole_records(planned), lambda rows: _apply_batch(work, writing, rows, applied=applied)
    )
    set_managers(work, writing)
    if "manager" in work.fields:
        warn_about_cycles(work)
    if "department" in work.fields:
        _warn_about_departments(work)
    remember(work)


class _Progress:
    """Adds up what batches did that were applied side by side."""

    def __init__(self, work: Work, total: int) -> None:
        self._work = work
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def show(self, rows: Sequence[PlanRow]) -> None:
        """Show how far it is once this batch is committed; part of its transaction."""
        self._work.show("apply", self._done + len(rows), self._total)

    def add(self, part: Work, rows: Sequence[PlanRow]) -> None:
        """Take a committed batch into the run's counts."""
        with self._lock:
            self._done += len(rows)
            self._work.take_in(part)


def _whole_records(planned: QuerySet[PlannedChange]) -> Iterator[list[PlanRow]]:
    """The plan in batches; the rows of one record stay together, as its link joins them."""
    after = 0
    while rows := read_rows(planned.filter(pk__gt=after), most=2 * BATCH):
        if len(rows) == 2 * BATCH:
            last = rows[-1]["external_id"]
            rows = [row for row in rows if row["external_id"] != last] or rows
        after = rows[-1]["id"]
        yield rows


def _apply_batch(
    work: Work, writing: Writing, rows: Sequence[PlanRow], *, applied: _Progress
) -> None:
    """One batch, one transaction; another integration may take the same link at the same time.

    The run's row, which says whether we still hold the lease, is written last: it would make the
    other batch wait.
    """
    for attempt in range(1, _TRIES + 1):
        part = work.part()
        try:
            with transaction.atomic():
                write_rows(part, writing, rows)
                applied.show(rows)
            applied.add(part, rows)
        except IntegrityError:
            if attempt == _TRIES:
                raise
            logger.info("Run %s: a batch met another writer and is done again", work.run.pk)
        else:
            return


def _warn_about_departments(work: Work) -> None:
    """Report departments of this run that differ from others only in case or spaces (BB-30)."""
    for name, other in near_duplicate_departments(work.departments):
        work.warnings.append(
            f'The departments "{name}" and "{other}" differ only in case or spaces. '
            "If they are one, mend the name at the source."
        )
