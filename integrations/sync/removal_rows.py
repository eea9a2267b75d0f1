"""Writing removals: people and accounts are deactivated, within the guard, each with its event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.models import Installation, LinkState, PlannedChange
from integrations.sync.held import COLUMNS, Row, is_approved
from integrations.sync.judge import application_of, by_kind, room_of
from integrations.sync.plan_rows import close_moved
from integrations.sync.work import Work
from people.services import PersonChange, Writing, apply_people
from saas.models import Application
from saas.services import SaaSUserChange, apply_saas_users

State = PlannedChange.State
_KINDS = {"person": "people", "saas_user": "saas_users"}


def remove_batch(work: Work, rows: Sequence[Row]) -> None:
    """Remove proven rows; inside a transaction that holds the counters (M-15)."""
    rows = _still_to_remove(rows)
    unapproved = [row for row in rows if not is_approved(row)]
    passing = []
    # People first: whoever needs both counters takes the installation's before an application's.
    for kind, some in sorted(by_kind(unapproved).items()):
        _lock_counter(work, kind)
        room = room_of(work, kind)
        if room.allows(len(some)):
            passing += some
        else:  # another route removed people meanwhile
            PlannedChange.objects.filter(pk__among=[row["id"] for row in some]).update(
                state=State.HELD
            )
            work.lease.write(held_because=room.in_words(len(some)))
    approved: dict[str, list[Row]] = {}
    for row in rows:
        if is_approved(row):
            names = " and ".join(filter(None, [row["decided_by"], row["seconded_by"]]))
            approved.setdefault(names, []).append(row)
    # A record that was also updated in this run has its one event already.
    writing = work.writing(timezone.now(), resumed=True)
    _write(work, passing, replace(writing, guarded=True))
    for names, some in approved.items():
        _write(work, some, replace(writing, approved_by=names))


def _still_to_remove(rows: Sequence[Row]) -> list[Row]:
    """Lock the rows; without those that were decided otherwise while they were being proven."""
    read = {row["id"]: row for row in rows}
    now = PlannedChange.objects.select_for_update().filter(pk__among=list(read)).order_by("pk")
    return [
        row
        for row in now.values(*COLUMNS)
        if row["state"] == State.REMOVAL
        or (row["state"] == State.HELD and is_approved(row) and is_approved(read[row["id"]]))
    ]


def _lock_counter(work: Work, kind: str) -> None:
    """Let nobody else count meanwhile: two runs may remove at the same time."""
    if kind == "person":
        Installation.the()
        Installation.objects.select_for_update().get(pk=1)
    else:
        Application.objects.select_for_update().get(pk=application_of(work).pk)


def _write(work: Work, rows: Sequence[Row], writing: Writing) -> None:
    """Deactivate people and accounts, each with its event and its closed row."""
    if not rows:
        return
    kinds = by_kind(rows)
    moved: dict[int, str] = {}
    if people := kinds.get("person"):
        moved |= _moved_rows(people, apply_people(_person_changes(people), writing).moved)
    if users := kinds.get("saas_user"):
        applied = apply_saas_users(_user_changes(work, users), writing)
        moved |= _moved_rows(users, applied.moved)
    _close(work, rows, moved)


def _moved_rows(rows: Iterable[Row], moved: Mapping[int, str]) -> dict[int, str]:
    return {row["id"]: moved[row["target_id"]] for row in rows if row["target_id"] in moved}


def _person_changes(rows: Iterable[Row]) -> list[PersonChange]:
    return [
        PersonChange(
            person_id=row["target_id"],
            is_new=False,
            changes=row["changes"],
            changes_json=orjson.dumps(row["changes"]).decode(),
            note=row["reason"][:300],
        )
        for row in rows
    ]


def _user_changes(work: Work, rows: Iterable[Row]) -> list[SaaSUserChange]:
    return [
        SaaSUserChange(
            saas_user_id=row["target_id"],
            is_new=False,
            application_id=application_of(work).pk,
            external_id=row["external_id"],
            changes=row["changes"],
            changes_json=orjson.dumps(row["changes"]).decode(),
            note=row["reason"][:300],
        )
        for row in rows
    ]


def _close(work: Work, rows: Sequence[Row], moved: Mapping[int, str]) -> None:
    done = [row for row in rows if row["id"] not in moved]
    for row in done:
        count_removal(work, row["object"], row["changes"])
    applied = PlannedChange.objects.filter(pk__among=[row["id"] for row in done])
    applied.filter(run=work.run.pk).update(state=State.APPLIED)
    applied.exclude(run=work.run.pk).update(state=State.APPLIED, applied_in=work.run.pk)
    # Who is listed again as before differs from what was written here last (M-7).
    links = [row["link_id"] for row in done if row["link_id"]]  # one that is new has no hash yet
    LinkState.objects.filter(link__among=links).update(hash="")
    close_moved(work, rows, moved)


def count_removal(work: Work, kind: str, changes: Mapping[str, Any]) -> None:
    """Count a removal that was applied, or in a preview one that would be."""
    work.counts[_KINDS[kind]]["deactivated"] += 1
    work.counts["roles"]["ended"] += len(changes.get("roles", [[]])[0] or [])


def is_removal(row: Mapping[str, Any]) -> bool:
    """Whether an applied row was a removal by this phase, not a vendor's word on an account."""
    removes = bool(row["object"] == "person" or row["absent"])
    return removes and row["action"] == PlannedChange.Action.DEACTIVATE


def removals_of(run_id: int) -> QuerySet[PlannedChange]:
    """Removals that a run applied, its own rows and those that were held in others."""
    return PlannedChange.objects.filter(
        Q(run=run_id, applied_in=None) | Q(applied_in=run_id),
        Q(object="person") | Q(absent=True),
        state=State.APPLIED,
        action=PlannedChange.Action.DEACTIVATE,
    )
