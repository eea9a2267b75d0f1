"""Judging removals: what the guard does not let pass is held, all of a counter (M-15)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.guard import Room, accounts_room, people_room
from integrations.models import PlannedChange, SyncRun
from integrations.sync.held import Row, is_approved, open_rows, read_rows
from integrations.sync.work import Work
from people.bulk import update_rows
from saas.models import Application

State = PlannedChange.State
_SHORT = 0.8  # of the last complete listing


def judge(work: Work, protected: Mapping[int, str]) -> None:
    """Hold what the guard does not let pass; all of a counter, not only the excess (M-15)."""
    with transaction.atomic():
        work.show("removals", 0, None)
        protect_rows(work, protected)
        unapproved = [row for row in read_rows(open_rows(work.run.pk)) if not is_approved(row)]
        because = []
        for kind, rows in by_kind(unapproved).items():
            reason = why_held(work, kind, len(rows))
            state = State.HELD if reason else State.REMOVAL
            PlannedChange.objects.filter(pk__among=[row["id"] for row in rows]).update(state=state)
            if reason:
                because.append(reason)
        work.lease.write(held_because=" ".join(because)[:500])


def protect_rows(work: Work, protected: Mapping[int, str]) -> None:
    """Take protected removals out of the plan, and say so in the run."""
    if not protected:
        return
    rows = read_rows(PlannedChange.objects.filter(pk__among=list(protected)))
    update_rows(
        PlannedChange,
        ["state", "reason"],
        [(row["id"], State.SKIPPED.value, protected[row["id"]]) for row in rows],
    )
    named = ", ".join(sorted({row["key"] for row in rows})[:10])
    work.warnings.append(
        f"{len(rows)} protected removals were left out, among them {named}. The plan says why."
    )


def why_held(work: Work, kind: str, removals: int) -> str:
    """Why removals of one kind may not happen by themselves; empty when they may."""
    if short := _shortness(work):
        return short
    room = room_of(work, kind)
    return "" if room.allows(removals) else room.in_words(removals)


def room_of(work: Work, kind: str) -> Room:
    now = timezone.now()
    if kind == "person":
        return people_room(now, lowered_by=work.integration)
    return accounts_room(application_of(work), now, lowered_by=work.integration)


def application_of(work: Work) -> Application:
    assert work.integration.application is not None  # noqa: S101 - it has accounts
    return work.integration.application


def _shortness(work: Work) -> str:
    """Whether the listing holds under 80 % of the last complete one that was believed (M-15)."""
    if not work.complete:
        return ""
    expected, seen = work.run.listing.get("expected") or 0, work.counts["seen"]
    if seen >= _SHORT * expected:
        return ""
    return (
        f"The listing holds {seen} records, the last complete one held {expected}. Under 80 % of "
        "it nobody is removed without approval."
    )


def expect(work: Work) -> None:
    """Note how long the listing was expected to be, and what the next one is compared with.

    One that was too short to be believed does not lower what the next one is measured by: that
    takes a sync of everybody that had nobody to remove, or whose held removals were decided on.
    """
    before = (
        SyncRun.objects.filter(
            integration=work.integration.pk,
            kind__in=[SyncRun.Kind.SYNC, SyncRun.Kind.PREVIEW],
            listing__complete=True,
        )
        .exclude(pk=work.run.pk)
        .order_by("-pk")
        .values("kind", "person", "state", "held_because", "listing")
        .first()
    )
    if before is not None:
        listing = before["listing"]
        short = listing.get("records", 0) < _SHORT * (listing.get("expected") or 0)
        believed = not short or _was_judged(before)
        work.run.listing["expected"] = listing["records" if believed else "expected"]
        work.lease.write(listing=work.run.listing)


def _was_judged(run: Mapping[str, Any]) -> bool:
    """Whether a sync of everybody went on to its removals, and none of them is held any more."""
    if run["kind"] != SyncRun.Kind.SYNC or run["person"]:
        return False
    if run["state"] == SyncRun.State.PARTIAL:  # it may not have come to judging
        return bool(run["held_because"])
    return bool(run["state"] == SyncRun.State.DONE)


def by_kind(rows: Iterable[Row]) -> dict[str, list[Row]]:
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row["object"], []).append(row)
    return kinds
