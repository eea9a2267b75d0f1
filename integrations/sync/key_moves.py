"""E-mails and usernames that change hands: taken from all, then given, in one go (F-37)."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q, QuerySet

from integrations.models import PlannedChange
from integrations.sync.apply_rows import PlanRow, close_rows, person_change, read_rows, write_rows
from integrations.sync.stuck import find_stuck
from integrations.sync.work import Work, batches
from people.bulk import clear_columns, update_rows
from people.identity import email_key, username_key
from people.models import Person
from people.services import Writing, find_moved


def apply_key_moves(work: Work, writing: Writing, planned: QuerySet[PlannedChange]) -> None:
    """Apply the planned rows that change an e-mail or a username, so that people can swap them.

    One that cannot have its new key is left out, with an issue. Raises LeaseLost.
    """
    rows = read_rows(planned.filter(object="person", moves_keys=True))
    if not rows:
        return
    with transaction.atomic():
        work.show("apply", 0, len(rows))
        stuck = find_stuck(rows, _find_moved(rows))
        close_rows(work, [row for row in rows if row["id"] in stuck], stuck)
        rows = [row for row in rows if row["id"] not in stuck]
        clear_columns(Person, ["email_key", "username_key"], [row["target_id"] for row in rows])
        for batch in batches(rows):
            write_rows(work, writing, batch)
        restore_keys([row["target_id"] for row in rows])


def _find_moved(rows: Sequence[PlanRow]) -> dict[int, str]:
    """Ids of people whose row is no longer as it was planned, with the reason; locks the others."""
    moved: dict[int, str] = {}
    for batch in batches(rows):
        moved |= find_moved([person_change(row, manager_id=None) for row in batch])
    return moved


def restore_keys(ids: Sequence[int]) -> None:
    """Give those of these people their keys back whose row was left out after all. Two queries."""
    left_out = Person.objects.filter(
        Q(email_key__isnull=True) & ~Q(email="") | Q(username_key__isnull=True) & ~Q(username=""),
        pk__among=ids,
    )
    keys = [
        (pk, email_key(email), username_key(username))
        for pk, email, username in left_out.values_list("pk", "email", "username")
    ]
    update_rows(Person, ["email_key", "username_key"], keys)
