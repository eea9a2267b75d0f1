"""The last phase of a run: removals are joined with held ones, guarded, proven, applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.client import VendorClient
from integrations.errors import VendorError
from integrations.guard import Room, accounts_room, people_room
from integrations.models import (
    Installation,
    LinkState,
    PlannedChange,
    StagedRecord,
    SyncRun,
)
from integrations.notices import note_held
from integrations.paths import MISSING, compile_path
from integrations.sync.held import COLUMNS, Row, end_holding, take_over_held
from integrations.sync.protect import find_protected
from integrations.sync.prove import LASTS, Missing, Proof, Prover, Verdict
from integrations.sync.work import Issue, Work, write_issues
from people.bulk import update_rows
from people.models import Event
from people.services import PersonChange, Writing, apply_people
from saas.models import Application
from saas.services import SaaSUserChange, apply_saas_users

State = PlannedChange.State
BATCH = 50
_SHORT = 0.8  # of the last complete listing
_KINDS = {"person": "people", "saas_user": "saas_users"}
_CONTRADICTS = (
    "The listing lacks it, but it can be looked up. It was not removed; if this stays so, check "
    "what the key may list."
)
_HIDDEN = (
    "The listing lacks it and it is not found, but the vendor does not name it among those that "
    "were deleted: this key may no longer see the record. It was not removed."
)
_ISSUES = {
    Verdict.THERE: ("listing_contradicts", _CONTRADICTS),
    Verdict.HIDDEN: ("no_longer_visible", _HIDDEN),
}
_TOO_NEW = "Missing since today only; it is removed when a listing of another day lacks it too."
_STATED_ACTIVE = "The vendor lists it as active again."


def remove(work: Work, client: VendorClient) -> None:
    """Judge and apply the removals of a sync whose other rows are applied (M-11, M-14, M-15).

    Some twenty queries, one vendor call for each absent record, one more per batch of 50.
    Raises LeaseLost. A vendor that cannot be asked is no failure of the run: nobody is removed,
    and the run says so.
    """
    if not _candidates(work).exists() and not _held_before(work).exists():
        return
    try:
        with transaction.atomic():
            work.show("removals", 0, None)
            take_over_held(work)
        protected = find_protected(work, client, _read(_open_rows(work)))
    except VendorError as problem:
        _leave_all(work, problem)
    else:
        _judge(work, protected)
        _apply(work, client, _read(_to_apply(work)))
    _say_what_is_held(work)


def remove_approved(work: Work, client: VendorClient) -> None:
    """Apply the held removals of the integration that were approved, each proven anew (M-14).

    As `remove`; what cannot be proven stays held and is listed.
    """
    rows = _read(_approved(_held_before(work)))
    if not rows:
        return
    try:
        protected = find_protected(work, client, rows)
    except VendorError as problem:
        _leave_all(work, problem)
        return
    with transaction.atomic():
        work.show("removals", 0, len(rows))
        _protect(work, protected)
    _apply(work, client, [row for row in rows if row["id"] not in protected])
    for run_id in {row["run_id"] for row in rows}:
        end_holding(run_id)


def preview_removals(work: Work) -> None:
    """Count what a preview would remove, and say whether it would be held. Some eight queries."""
    rows = _read(_candidates(work))
    for row in rows:
        count_removal(work, row["object"], row["changes"])
    for kind, some in _by_kind(rows).items():
        if reason := _why_held(work, kind, len(some)):
            work.warnings.append(f"A sync would hold these removals: {reason}")


# What is there.


def _candidates(work: Work) -> QuerySet[PlannedChange]:
    return PlannedChange.objects.filter(run=work.run.pk, state=State.REMOVAL)


def _held_before(work: Work) -> QuerySet[PlannedChange]:
    return PlannedChange.objects.filter(run__integration=work.integration.pk, state=State.HELD)


def _open_rows(work: Work) -> QuerySet[PlannedChange]:
    return PlannedChange.objects.filter(run=work.run.pk, state__in=[State.REMOVAL, State.HELD])


def _to_apply(work: Work) -> QuerySet[PlannedChange]:
    rows = PlannedChange.objects.filter(run=work.run.pk)
    return rows.filter(state=State.REMOVAL) | _approved(rows.filter(state=State.HELD))


def _approved(rows: QuerySet[PlannedChange]) -> QuerySet[PlannedChange]:
    """Rows that as many people approved as the setting SECOND_PERSON asks for (M-17)."""
    rows = rows.exclude(decided_by="")
    return rows.exclude(seconded_by="") if settings.SECOND_PERSON else rows


def _read(rows: QuerySet[PlannedChange]) -> list[Row]:
    return list(rows.order_by("pk").values(*COLUMNS))


def _is_approved(row: Row) -> bool:
    return bool(row["decided_by"]) and bool(row["seconded_by"] or not settings.SECOND_PERSON)


def _by_kind(rows: Iterable[Row]) -> dict[str, list[Row]]:
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row["object"], []).append(row)
    return kinds


# The guard.


def _judge(work: Work, protected: Mapping[int, str]) -> None:
    """Hold what the guard does not let pass; all of a counter, not only the excess (M-15)."""
    with transaction.atomic():
        work.show("removals", 0, None)
        _protect(work, protected)
        unapproved = [row for row in _read(_open_rows(work)) if not _is_approved(row)]
        because = []
        for kind, rows in _by_kind(unapproved).items():
            reason = _why_held(work, kind, len(rows))
            state = State.HELD if reason else State.REMOVAL
            PlannedChange.objects.filter(pk__among=[row["id"] for row in rows]).update(state=state)
            if reason:
                because.append(reason)
        work.lease.write(held_because=" ".join(because)[:500])


def _protect(work: Work, protected: Mapping[int, str]) -> None:
    if not protected:
        return
    rows = _read(PlannedChange.objects.filter(pk__among=list(protected)))
    update_rows(
        PlannedChange,
        ["state", "reason"],
        [(row["id"], State.SKIPPED.value, protected[row["id"]]) for row in rows],
    )
    named = ", ".join(sorted({row["key"] for row in rows})[:10])
    work.warnings.append(
        f"{len(rows)} protected removals were left out, among them {named}. The plan says why."
    )


def _why_held(work: Work, kind: str, removals: int) -> str:
    """Why removals of one kind may not happen by themselves; empty when they may."""
    if short := _shortness(work):
        return short
    room = _room(work, kind)
    return "" if room.allows(removals) else room.in_words(removals)


def _room(work: Work, kind: str) -> Room:
    now = timezone.now()
    if kind == "person":
        return people_room(now, lowered_by=work.integration)
    return accounts_room(_application(work), now, lowered_by=work.integration)


def _application(work: Work) -> Application:
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

    One that was too short to be believed does not lower what the next one is measured by.
    """
    before = (
        SyncRun.objects.filter(
            integration=work.integration.pk,
            kind__in=[SyncRun.Kind.SYNC, SyncRun.Kind.PREVIEW],
            listing__complete=True,
        )
        .exclude(pk=work.run.pk)
        .order_by("-pk")
        .values("state", "listing")
        .first()
    )
    if before is not None:
        listing = before["listing"]
        short = listing.get("records", 0) < _SHORT * (listing.get("expected") or 0)
        believed = not (short and before["state"] == SyncRun.State.HELD)
        work.run.listing["expected"] = listing["records" if believed else "expected"]
        work.lease.write(listing=work.run.listing)


# Applying.


def _apply(work: Work, client: VendorClient, rows: Sequence[Row]) -> None:
    """Prove and remove, a batch at a time; the rows of one record stay together."""
    if not rows:
        return
    prover = Prover(client, work.load, control=_control(work, rows))
    done = 0
    for batch in _batches(rows):
        asked_at = timezone.now()
        try:
            proofs = _prove(work, prover, batch)
        except VendorError as problem:
            _leave_rows(work, rows[done:], problem)
            return
        if timezone.now() - asked_at > LASTS:  # the first of them is too old to act on
            proofs = _prove(work, prover, batch)
        with transaction.atomic():
            done += len(batch)
            _remove_batch(work, _sort_out(work, batch, proofs))
            work.show("removals", done, len(rows))


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["external_id"], row["id"])):
        if len(batch) >= BATCH and row["external_id"] != batch[-1]["external_id"]:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _control(work: Work, rows: Sequence[Row]) -> str | None:
    """The id of a record that the listing holds; of the last one, in a run without a listing."""
    if work.run.kind == SyncRun.Kind.SYNC:
        listed = StagedRecord.objects.filter(run=work.run.pk, active=True).order_by("-pk")
        return listed.values_list("external_id", flat=True).first()
    seen = LinkState.objects.filter(integration=work.integration.pk, missing_on=None)
    others = seen.exclude(link__external_id__in=[row["external_id"] for row in rows])
    return others.order_by("-seen_at", "-pk").values_list("link__external_id", flat=True).first()


def _prove(work: Work, prover: Prover, batch: Sequence[Row]) -> dict[str, Proof]:
    """Proof for absent records; for those that left by the vendor's word, what it says now."""
    absent = {row["external_id"] for row in batch if row["absent"]}
    states = LinkState.objects.filter(
        integration=work.integration.pk, link__external_id__in=absent
    ).values_list("link__external_id", "missing_on", "seen_at")
    proofs = (
        prover.prove(
            {key: Missing(since, seen) for key, since, seen in states},
            today=timezone.localdate(),
        )
        if absent
        else {}
    )
    if work.run.kind == SyncRun.Kind.SYNC:
        return proofs  # the listing of this very run says that the others left
    stated = {row["external_id"] for row in batch} - absent
    return proofs | (prover.look_up(stated) if stated else {})


def _sort_out(work: Work, batch: Sequence[Row], proofs: Mapping[str, Proof]) -> list[Row]:
    """The rows that are proven; the others are listed and left as they are."""
    proven, issues = [], []
    for row in batch:
        proof = proofs.get(row["external_id"])
        if row["absent"]:
            verdict = proof.verdict if proof else Verdict.TOO_NEW
            if verdict == Verdict.GONE:
                proven.append(row)
            elif verdict == Verdict.TOO_NEW:
                _leave(work, [row], _TOO_NEW)
            else:
                code, reason = _ISSUES[verdict]
                issues.append(Issue(row["external_id"], row["key"], code, reason))
                _leave(work, [row], reason)
        elif proof is not None and _says_active(work, proof):
            issues.append(Issue(row["external_id"], row["key"], "active_again", _STATED_ACTIVE))
            _leave(work, [row], _STATED_ACTIVE)
        else:
            proven.append(row)
    write_issues(work, issues)
    return proven


def _says_active(work: Work, proof: Proof) -> bool:
    """Whether a record that is looked up has one of the words for "active"."""
    status = work.load.status
    path = work.load.fields[status.field].path if status else None
    if status is None or path is None or proof.record is None:
        return False
    word = compile_path(path)(proof.record)
    return word is not MISSING and word in status.active


def _leave(work: Work, rows: Iterable[Row], reason: str) -> None:
    """Leave rows unapplied: approved ones stay held, others are skipped and planned again."""
    rows = list(rows)
    skipped = [row["id"] for row in rows if row["state"] == State.REMOVAL]
    PlannedChange.objects.filter(pk__among=skipped).update(state=State.SKIPPED, reason=reason[:500])
    PlannedChange.objects.filter(pk__among=[row["id"] for row in rows], state=State.HELD).update(
        reason=reason[:500]
    )


def _leave_all(work: Work, problem: VendorError) -> None:
    _leave_rows(work, _read(_to_apply(work) | _candidates(work)), problem)


def _leave_rows(work: Work, rows: Sequence[Row], problem: VendorError) -> None:
    """Nobody could be asked: nobody else is removed in this run, which says so (S-25, F-24)."""
    with transaction.atomic():
        work.show("removals", 0, None)
        _leave(work, rows, f"Not removed: {problem.message} The next sync asks again.")
        reason = f"{len(rows)} removals could not be proven and were left: {problem.message}"
        write_issues(work, [Issue("", work.integration.name, "not_proven", reason[:500])])


def _remove_batch(work: Work, rows: Sequence[Row]) -> None:
    """Remove proven rows; inside a transaction that holds the counters (M-15)."""
    unapproved = [row for row in rows if not _is_approved(row)]
    passing = []
    for kind, some in _by_kind(unapproved).items():
        _lock_counter(work, kind)
        room = _room(work, kind)
        if room.allows(len(some)):
            passing += some
        else:  # another route removed people meanwhile
            PlannedChange.objects.filter(pk__among=[row["id"] for row in some]).update(
                state=State.HELD
            )
            work.lease.write(held_because=room.in_words(len(some)))
    approved: dict[str, list[Row]] = {}
    for row in rows:
        if _is_approved(row):
            names = " and ".join(filter(None, [row["decided_by"], row["seconded_by"]]))
            approved.setdefault(names, []).append(row)
    now = timezone.now()
    _write(work, passing, replace(_writing(work, now), guarded=True))
    for names, some in approved.items():
        _write(work, some, replace(_writing(work, now), approved_by=names))


def _lock_counter(work: Work, kind: str) -> None:
    """Let nobody else count meanwhile: two runs may remove at the same time."""
    if kind == "person":
        Installation.the()
        Installation.objects.select_for_update().get(pk=1)
    else:
        Application.objects.select_for_update().get(pk=_application(work).pk)


def _writing(work: Work, now: datetime) -> Writing:
    return Writing(
        source=Event.Source.SYNC,
        actor=f"{work.integration.run_as} ({work.integration.name})",
        now=now,
        run_id=work.run.pk,
        origin=work.integration.pk,
        resumed=True,  # a record that was also updated in this run has its one event already
    )


def _write(work: Work, rows: Sequence[Row], writing: Writing) -> None:
    """Deactivate people and accounts, each with its event and its closed row."""
    if not rows:
        return
    kinds = _by_kind(rows)
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
            application_id=_application(work).pk,
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
    if moved:
        update_rows(
            PlannedChange,
            ["state", "reason"],
            [(pk, State.MOVED.value, reason[:500]) for pk, reason in moved.items()],
        )
        left = [row for row in rows if row["id"] in moved]
        write_issues(
            work, [Issue(r["external_id"], r["key"], "moved", moved[r["id"]]) for r in left]
        )


def _say_what_is_held(work: Work) -> None:
    """Count the held rows and tell whoever is to decide, once per episode."""
    rows = list(PlannedChange.objects.filter(run=work.run.pk, state=State.HELD).order_by("pk"))
    work.counts["held"] = len(rows)
    if not rows:
        return
    run = SyncRun.objects.only("held_because").get(pk=work.run.pk)
    with transaction.atomic():
        work.show("removals", 0, None)
        carried_on = SyncRun.objects.filter(held_in=work.run.pk).exists()
        note_held(work.run, rows, run.held_because, were_held=carried_on or None)


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
