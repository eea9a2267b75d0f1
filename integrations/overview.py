"""What pages ask about integrations, runs and issues, without writing; each says its queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from integrations.models import (
    FieldMapping,
    Integration,
    Operation,
    PlannedChange,
    RecordIssue,
    SyncRun,
)
from integrations.services import FieldOwner
from integrations.show import moment

# Runs whose issues say how things stand: they read the listing, and for everybody.
_JUDGED_STATES = (SyncRun.State.DONE, SyncRun.State.PARTIAL, SyncRun.State.HELD)


def latest_judged_runs() -> QuerySet[SyncRun, int]:
    """Ids of the last run of each integration that came to its end and was about everybody."""
    ids = with_judged_run().values("judged_run")
    return SyncRun.objects.filter(pk__in=ids).values_list("pk", flat=True).order_by()


def with_judged_run() -> QuerySet[Any]:
    """Integrations with `judged_run`, the id of that run or None."""
    newest = (
        SyncRun.objects.filter(integration=OuterRef("pk"), state__in=_JUDGED_STATES, person="")
        .order_by("-id")
        .values("pk")[:1]
    )
    return Integration.objects.annotate(judged_run=Subquery(newest))


def open_issues() -> QuerySet[RecordIssue]:
    """Issues of those runs that nobody has settled; warnings are not among them."""
    return RecordIssue.objects.filter(
        run__in=latest_judged_runs(),
        severity=RecordIssue.Severity.ISSUE,
        settled_at__isnull=True,
    )


def count_open_issues(*, most: int) -> int:
    """How many issues are open, counted up to `most`. One query."""
    return open_issues().order_by()[:most].count()


def last_runs(integrations: Iterable[Integration], *, ended: bool = False) -> Mapping[int, SyncRun]:
    """The newest run of each of these integrations, or the newest that has ended. One query.

    Of an integration at most one run has not ended, so that is one of the newest two: which an
    index alone tells, however many runs there are.
    """
    newest = SyncRun.objects.filter(integration=OuterRef("pk")).order_by("-id").values("pk")
    asked = Integration.objects.filter(pk__in=[row.pk for row in integrations]).order_by()
    first, second = (asked.values(it=Subquery(newest[at : at + 1])) for at in (0, 1))
    which = Q(pk__in=first) | Q(pk__in=second) if ended else Q(pk__in=first)
    found: dict[int, SyncRun] = {}
    for run in SyncRun.objects.filter(which).order_by("id"):
        if run.integration_id is not None and not (ended and run.state in SyncRun.ACTIVE_STATES):
            found[run.integration_id] = run
    return found


def with_counts(integrations: QuerySet[Integration]) -> QuerySet[Integration]:
    """Add `mapping_count` and `has_sync_key` to each row, in the same query."""
    keyed = FieldMapping.objects.filter(integration=OuterRef("pk"), sync_key__isnull=False)
    return integrations.annotate(
        mapping_count=Count("mappings", distinct=True), has_sync_key=Exists(keyed)
    )


@dataclass(frozen=True)
class PlanTotal:
    """How many rows of a plan have this object, action and state."""

    object: str
    action: str
    state: str
    count: int


def plan_totals(run: SyncRun) -> Sequence[PlanTotal]:
    """Count the rows of a plan by kind. One query, over the rows of this run."""
    rows = (
        PlannedChange.objects.filter(run=run)
        .order_by()
        .values_list("object", "action", "state")
        .annotate(count=Count("pk"))
    )
    return [PlanTotal(*row) for row in sorted(rows)]


@dataclass(frozen=True)
class FieldClaims:
    """Who owns a people field now, and the others that map it, next in line first (M-6)."""

    field: str
    owner: FieldOwner
    next: tuple[FieldOwner, ...]


def field_claims(fields: Iterable[str] | None = None) -> dict[str, FieldClaims]:
    """By field the launched integrations that map it, in the order of ownership. One query."""
    rows = FieldMapping.objects.exclude(integration__state=Integration.State.DRAFT)
    if fields is not None:
        rows = rows.filter(target__in=list(fields))
    in_line: dict[str, list[FieldOwner]] = {}
    for row in rows.order_by("integration__priority", "integration_id").values_list(
        "target", "integration_id", "integration__name", "integration__priority"
    ):
        in_line.setdefault(row[0], []).append(FieldOwner(*row))
    return {
        field: FieldClaims(field, owners[0], tuple(owners[1:])) for field, owners in in_line.items()
    }


@dataclass(frozen=True)
class Move:
    """A field that another integration owns now; `to` is empty when nobody does."""

    field: str
    was: str
    to: str


def moves(before: Mapping[str, FieldClaims], after: Mapping[str, FieldClaims]) -> list[Move]:
    """Which fields changed hands between two answers of `field_claims`. No query."""
    moved = []
    for field in sorted({*before, *after}):
        was, now = before.get(field), after.get(field)
        if was is None or (now and was.owner.integration_id == now.owner.integration_id):
            continue
        moved.append(Move(field, was.owner.name, now.owner.name if now else ""))
    return moved


@dataclass(frozen=True)
class Trouble:
    """An integration that cannot connect; `kind` is `warn` before the error state, then `bad`."""

    badge: str
    text: str
    advice: str
    kind: str


def find_trouble(integration: Integration, runs: Iterable[SyncRun | None]) -> Trouble | None:
    """Say since when it cannot connect; `runs` are its last ones, newest first. No query."""
    if not integration.failed_connections and integration.error_since is None:
        return None
    failed = (run for run in runs if run and run.state == SyncRun.State.FAILED)
    last = next(failed, None)
    reason = f"The last one said: {last.error_message} " if last else ""
    if integration.error_since is not None:
        return Trouble(
            "In error",
            f"In error since {moment(integration.error_since)}: three runs in a row could not "
            "connect.",
            f"{reason}Mend the credentials, or wait: its schedule goes on, and the first run that "
            "connects ends this.",
            "bad",
        )
    number = integration.failed_connections
    return Trouble(
        "Did not connect",
        "The last run could not connect." if number == 1 else "Two runs could not connect.",
        f"{reason}Three in a row put it into error state.",
        "warn",
    )


def count_held_removals(*, most: int) -> int:
    """How many removals wait for a person, counted up to `most`. One query."""
    held = PlannedChange.objects.filter(state=PlannedChange.State.HELD)
    return held.order_by()[:most].count()


def count_open_operations(*, most: int) -> int:
    """How many vendor calls ask a person, or may have gone through; at most `most`. One query."""
    open_states = [Operation.State.UNKNOWN, Operation.State.ASKS]
    return Operation.objects.filter(state__in=open_states).order_by()[:most].count()


def step_of_draft(row: Any) -> str:
    """What a draft lacks first; `row` comes from `with_counts`. No query."""
    if row.credentials is None:
        return "Choose credentials"
    if not row.mapping_count:
        return "Map fields"
    if not row.has_sync_key:
        return "Mark a sync key"
    return "Preview, then launch"
