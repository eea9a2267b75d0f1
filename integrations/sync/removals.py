"""The last phase of a run: removals are joined with held ones, guarded, proven, applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.client import VendorClient
from integrations.errors import TryLater, VendorError
from integrations.filters import as_text
from integrations.mapping.sources import field_reader
from integrations.models import LinkState, PlannedChange, StagedRecord, SyncRun
from integrations.notices import note_held
from integrations.sync.held import (
    Row,
    approved_rows,
    decided_or_held,
    end_holding,
    held_rows,
    open_rows,
    read_rows,
    take_over_held,
)
from integrations.sync.judge import by_kind, judge, protect_rows, why_held
from integrations.sync.protect import find_protected
from integrations.sync.prove import LASTS, Missing, Proof, Prover, Verdict
from integrations.sync.removal_rows import count_removal, remove_batch
from integrations.sync.work import Issue, Work, write_issues

State = PlannedChange.State
BATCH = 50
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
    if not _candidates(work).exists() and not decided_or_held(work.integration.pk).exists():
        return
    try:
        with transaction.atomic():
            work.show("removals", 0, None)
            take_over_held(work)
        protected = find_protected(work, client, read_rows(open_rows(work.run.pk)))
    except VendorError as problem:
        _leave_rows(work, read_rows(_to_apply(work)), problem)
    else:
        judge(work, protected)
        _apply(work, client, read_rows(_to_apply(work)))
    _say_what_is_held(work)


def remove_approved(work: Work, client: VendorClient) -> None:
    """Apply the held removals of the integration that were approved, each proven anew (M-14).

    As `remove`; what cannot be proven stays held and is listed.
    """
    rows = read_rows(approved_rows(held_rows(work.integration.pk)))
    if not rows:
        return
    try:
        protected = find_protected(work, client, rows)
    except VendorError as problem:
        _leave_rows(work, rows, problem)
        return
    with transaction.atomic():
        work.show("removals", 0, len(rows))
        protect_rows(work, protected)
    _apply(work, client, [row for row in rows if row["id"] not in protected])
    for run_id in {row["run_id"] for row in rows}:
        end_holding(run_id)


def preview_removals(work: Work) -> None:
    """Count what a preview would remove, and say whether it would be held. Some eight queries."""
    rows = read_rows(_candidates(work))
    for row in rows:
        count_removal(work, row["object"], row["changes"])
    for kind, some in by_kind(rows).items():
        if reason := why_held(work, kind, len(some)):
            work.warnings.append(f"A sync would hold these removals: {reason}")


# What is there.


def _candidates(work: Work) -> QuerySet[PlannedChange]:
    return PlannedChange.objects.filter(run=work.run.pk, state=State.REMOVAL)


def _to_apply(work: Work) -> QuerySet[PlannedChange]:
    rows = PlannedChange.objects.filter(run=work.run.pk)
    return rows.filter(state=State.REMOVAL) | approved_rows(rows.filter(state=State.HELD))


def _apply(work: Work, client: VendorClient, rows: Sequence[Row]) -> None:
    """Prove and remove, a batch at a time; the rows of one record stay together."""
    if not rows:
        return
    prover = Prover(client, work.load, control=_control(work, rows))
    left = sorted(rows, key=lambda row: (row["external_id"], row["id"]))
    for batch in _batches(left):
        try:
            proofs = _fresh_proofs(work, prover, batch)
        except VendorError as problem:
            _leave_rows(work, left, problem)
            return
        left = left[len(batch) :]
        with transaction.atomic():
            remove_batch(work, _sort_out(work, batch, proofs))
            work.show("removals", len(rows) - len(left), len(rows))


def _fresh_proofs(work: Work, prover: Prover, batch: Sequence[Row]) -> dict[str, Proof]:
    """Proofs of which the oldest may still be acted on; waiting for a vendor may make it too old.

    Raises VendorError, also when it stays so: nothing is proven then.
    """
    for _attempt in range(2):
        asked_at = timezone.now()
        proofs = _prove(work, prover, batch)
        if timezone.now() - asked_at <= LASTS:
            return proofs
    raise TryLater(
        "too_slow",
        f"{work.vendor.label} took more than 15 minutes to say of {len(batch)} records whether "
        "they are gone, which is too long to rely on.",
    )


def _batches(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Batches of rows that are sorted by their record."""
    batch: list[Row] = []
    for row in rows:
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
        if proof is not None and proof.verdict == Verdict.UNKNOWN:
            issues.append(Issue(row["external_id"], row["key"], "not_proven", proof.problem))
            _leave(work, [row], f"Not removed: {proof.problem} The next sync asks again.")
        elif row["absent"]:
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
    if status is None or proof.record is None:
        return False
    word = field_reader(work.load.fields[status.field])(proof.record)
    return as_text(word).casefold() in {as_text(one).casefold() for one in status.active}


def _leave(work: Work, rows: Iterable[Row], reason: str) -> None:
    """Leave rows unapplied: approved ones stay held, others are skipped and planned again."""
    rows = list(rows)
    skipped = [row["id"] for row in rows if row["state"] == State.REMOVAL]
    PlannedChange.objects.filter(pk__among=skipped).update(state=State.SKIPPED, reason=reason[:500])
    PlannedChange.objects.filter(pk__among=[row["id"] for row in rows], state=State.HELD).update(
        reason=reason[:500]
    )


def _leave_rows(work: Work, rows: Sequence[Row], problem: VendorError) -> None:
    """Nobody could be asked: nobody else is removed in this run, which says so (S-25, F-24)."""
    with transaction.atomic():
        work.show("removals", 0, None)
        _leave(work, rows, f"Not removed: {problem.message} The next sync asks again.")
        reason = f"{len(rows)} removals could not be proven and were left: {problem.message}"
        write_issues(work, [Issue("", work.integration.name, "not_proven", reason[:500])])


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
