"""What a person decides about held removals: row by row, as it was shown (M-14, M-17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q, QuerySet, TextChoices
from django.utils import timezone

from integrations.broker import wake
from integrations.installation import is_paused
from integrations.models import Integration, PlannedChange, SyncRun
from integrations.sync.held import COLUMNS, Row, end_holding, held_rows, row_hash

State = PlannedChange.State


@dataclass
class Decision:
    """What became of the rows that somebody decided on; `refused` are (key, why).

    `runs` are those that now wait to apply what was approved.
    """

    decided: int = 0
    waiting: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    runs: list[SyncRun] = field(default_factory=list)


@dataclass(frozen=True)
class Holding:
    """How many removals of a run are held, how many of them are approved, half approved."""

    held: int
    approved: int
    half: int

    @property
    def undecided(self) -> int:
        """Those that still need a word, the first or the second."""
        return self.held - self.approved


def count_held(run: SyncRun) -> Holding:
    """Count what a run holds, by what was said about it. One query."""
    rows = PlannedChange.objects.filter(run=run.pk, state=State.HELD)
    begun = ~Q(decided_by="")
    half = begun & Q(seconded_by="") if settings.SECOND_PERSON else Q(pk=None)
    counts = rows.aggregate(
        held=Count("pk"), begun=Count("pk", filter=begun), half=Count("pk", filter=half)
    )
    return Holding(counts["held"], counts["begun"] - counts["half"], counts["half"])


def open_plan(run: SyncRun) -> list[Row]:
    """The held rows of a run in their order, each with its `hash`. One query."""
    rows = PlannedChange.objects.filter(run=run.pk, state=State.HELD).order_by("pk")
    return [{**row, "hash": row_hash(row)} for row in rows.values(*COLUMNS)]


def approve(
    shown: Iterable[tuple[int, str]], *, by: str, alone: bool = False, now: datetime | None = None
) -> Decision:
    """Approve held rows that are still as they were shown (id and hash), and queue their removal.

    With SECOND_PERSON the first word only counts when another person says the same; `alone` is for
    a shell, which could name anybody. About six queries. Safe to repeat.
    """
    decision = Decision()
    moment = now or timezone.now()
    with transaction.atomic():
        rows = _as_shown(shown, decision)
        two = settings.SECOND_PERSON and not alone
        ready = [row["id"] for row in rows if not two or row["decided_by"] not in ("", by)]
        first = [row["id"] for row in rows if row["id"] not in ready]
        if two:
            _held(ready).update(seconded_by=by, decided_at=moment)
            _held(first).update(decided_by=by, decided_at=moment)
        else:
            _held(ready).filter(decided_by="").update(decided_by=by)
            _held(ready).update(decided_at=moment, seconded_by=by if alone else F("seconded_by"))
        decision.decided, decision.waiting = len(ready), len(first)
        integrations = _integrations_of(ready)
    queued = [queue_approved(integration, by=by) for integration in integrations]
    decision.runs = [run for run in queued if run is not None]
    return decision


def reject(shown: Iterable[tuple[int, str]], *, by: str, now: datetime | None = None) -> Decision:
    """Reject held rows as they were shown: as long as they stay true they are not asked again."""
    decision = Decision()
    with transaction.atomic():
        rows = _as_shown(shown, decision)
        _held([row["id"] for row in rows]).update(
            state=State.REJECTED, decided_by=by, decided_at=now or timezone.now(), seconded_by=""
        )
        for run_id in {row["run_id"] for row in rows}:
            end_holding(run_id)
    decision.decided = len(rows)
    return decision


def _as_shown(shown: Iterable[tuple[int, str]], decision: Decision) -> list[Row]:
    """Lock the rows that are held and unchanged; note why others are not decided on."""
    hashes = dict(shown)
    rows = PlannedChange.objects.select_for_update().filter(pk__among=list(hashes)).order_by("pk")
    found = {row["id"]: row for row in rows.values(*COLUMNS, "state")}
    return keep_unchanged(hashes, found, decision, states=State, name="key", hash_of=row_hash)


def keep_unchanged(
    hashes: Mapping[int, str],
    found: Mapping[int, Row],
    decision: Decision,
    *,
    states: type[TextChoices],
    name: str,
    hash_of: Callable[[Row], str],
) -> list[Row]:
    """Of rows by id, those that are held and as they were shown; notes why others are not.

    `states` are those of the rows' table, with `held` among them; `name` is the column by which
    people know a row.
    """
    unchanged = []
    for pk, shown_hash in hashes.items():
        row = found.get(pk)
        if row is None:
            decision.refused.append((f"row {pk}", "There is no such row."))
        elif row["state"] != "held":
            words = states(row["state"]).label.lower()
            decision.refused.append((row[name], f"It is not held any more ({words})."))
        elif hash_of(row) != shown_hash:
            decision.refused.append((row[name], "It changed since it was shown; look again."))
        else:
            unchanged.append(row)
    return unchanged


def _held(ids: Sequence[int]) -> QuerySet[PlannedChange]:
    return PlannedChange.objects.filter(pk__among=ids, state=State.HELD)


def _integrations_of(ids: Sequence[int]) -> list[Integration]:
    return list(Integration.objects.filter(runs__plan__in=_held(ids)).distinct().order_by("pk"))


def queue_approved(integration: Integration, *, by: str) -> SyncRun | None:
    """Queue the run that applies what was approved; None while another run is active.

    That one, or the tick after it, takes them up; so does the tick after a pause. Two queries.
    """
    if is_paused():
        return None  # a run that waits would stand in the way of previews
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(
                integration=integration,
                name=integration.name,
                kind=SyncRun.Kind.REMOVALS,
                started_by=by,
            )
            transaction.on_commit(wake)
    except IntegrityError:
        return None
    return run


def queue_all_approved() -> int:
    """Queue runs for approvals that no run has taken up yet; gives how many. For the tick.

    One query when nothing is approved. A run that could not prove a removal has taken it up, a
    sync only if its listing was complete: the next sync tries again.
    """
    rows = PlannedChange.objects.filter(state=State.HELD).exclude(decided_by="")
    if settings.SECOND_PERSON:
        rows = rows.exclude(seconded_by="")
    waiting = rows.filter(run__integration__isnull=False).values_list(
        "run__integration", "decided_by"
    )
    queued = 0
    for integration_id, by in dict(waiting).items():
        latest = held_rows(integration_id).exclude(decided_by="").order_by("-decided_at")
        decided_at = latest.values_list("decided_at", flat=True).first()
        whole_sync = Q(kind=SyncRun.Kind.SYNC, person="", listing__complete=True)
        tried = SyncRun.objects.filter(
            Q(kind=SyncRun.Kind.REMOVALS) | whole_sync,
            integration=integration_id,
            started_at__gt=decided_at,
        )
        if not tried.exists():
            integration = Integration.objects.get(pk=integration_id)
            queued += queue_approved(integration, by=by) is not None
    return queued
