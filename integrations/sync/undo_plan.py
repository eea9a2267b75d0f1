"""What undoing a run would do, record by record, in the order in which it is written (M-16)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from integrations import services
from integrations.errors import IntegrationsError
from integrations.models import FieldMapping, PlannedChange, SyncRun
from integrations.sync.undo_created import Created, find_removable, judge_created
from integrations.sync.undo_facts import read_facts
from integrations.sync.undo_judge import (
    UndoRow,
    World,
    judge_people,
    judge_users,
    leave_stuck_keys,
)
from integrations.sync.undo_rows import Index, Record, Scope, read_effects, read_index
from integrations.sync.work import batches
from people.identity import email_key

Action = PlannedChange.Action


@dataclass
class UndoPlan:
    """What undoing a run would do; `rows` are the first of them, the counts speak of all.

    `again` are records that the integration's next sync would write again if its vendor still says
    the same, because it owns what comes back.
    """

    run: SyncRun
    rows: list[UndoRow] = field(default_factory=list)
    left_rows: list[UndoRow] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    written: int = 0
    left: int = 0
    again: int = 0


def plan_undo(run: SyncRun, *, shown: int | None = None) -> UndoPlan:
    """Say what undoing this run would do; reads only. `shown` limits the rows that are kept.

    Some thirty queries per batch of 2,000 records.
    """
    plan = UndoPlan(run)
    scope = scope_of(run)
    owned = _owned_fields(scope)
    index = read_index(run)
    judging = Judging(scope, index, emails_of_before(index), lock=False)
    for rows in judging.all():
        for row in rows:
            _take_in(plan, row, owned, shown)
    return plan


def _take_in(plan: UndoPlan, row: UndoRow, owned: set[str], shown: int | None) -> None:
    if row.writes:
        plan.written += 1
        plan.counts[row.effect.object, row.action] += 1
        if (
            row.action == Action.REMOVE
            or row.effect.object == "saas_user"
            or (owned & row.changes.keys())
        ):
            plan.again += 1
        if shown is None or len(plan.rows) < shown:
            plan.rows.append(row)
    if row.left:
        plan.left += 1
        if shown is None or len(plan.left_rows) < shown:
            plan.left_rows.append(row)


def _owned_fields(scope: Scope) -> set[str]:
    """People fields that the integration writes again by itself. Two queries."""
    once = FieldMapping.objects.filter(integration=scope.integration_id, policy="on_create")
    not_again = set(once.values_list("target", flat=True))
    return {
        name
        for name, owner in services.field_owners().items()
        if owner.integration_id == scope.integration_id and name not in not_again
    }


def scope_of(run: SyncRun) -> Scope:
    """The vendor's account that the run read. Raises IntegrationsError when nobody knows it."""
    integration = run.integration
    if integration is None:
        raise IntegrationsError("The integration of this run was deleted, so it cannot be undone.")
    return Scope(run, integration.vendor, integration.tenant or "", integration.pk)


class Judging:
    """Judges the run's records in the order in which they can be written.

    Accounts first, as people are kept for the sake of accounts that stay; then people who are taken
    out, as they may hold e-mails that others get back; then those, together; then the rest.
    """

    def __init__(
        self, scope: Scope, index: Index, had_email: Mapping[str, int], *, lock: bool
    ) -> None:
        self.scope = scope
        self.index = index
        self.created: Created = find_removable(scope, index)
        kept = {target for kind, target in self.created.kept if kind == "saas_user"}
        self.world = World.read(had_email, kept)
        self._lock = lock

    def all(self) -> Iterator[list[UndoRow]]:
        """Every batch, without writing between."""
        for batch in batches(self.index.users):
            yield self.users(batch)
        for batch in batches(self.index.created_people):
            yield self.created_people(batch)
        yield self.key_moves()
        for batch in batches(self.index.other_people):
            yield self.people(batch)

    def users(self, batch: Sequence[Record]) -> list[UndoRow]:
        """Accounts, created or not."""
        effects = read_effects(batch)
        facts = read_facts(self.scope, effects, lock=self._lock)
        known = [effect for effect in effects if not effect.created]
        new = [effect for effect in effects if effect.created]
        return [
            *judge_users(known, facts, self.world),
            *judge_created(new, facts, self.created),
        ]

    def created_people(self, batch: Sequence[Record]) -> list[UndoRow]:
        """People whom the run created."""
        effects = read_effects(batch)
        facts = read_facts(self.scope, effects, lock=self._lock)
        return judge_created(effects, facts, self.created)

    def people(self, batch: Sequence[Record]) -> list[UndoRow]:
        """People who were there before."""
        effects = read_effects(batch)
        facts = read_facts(self.scope, effects, lock=self._lock)
        return judge_people(effects, facts, self.world)

    def key_moves(self) -> list[UndoRow]:
        """People whose e-mail or username the run changed, all of them: they may have swapped."""
        rows: list[UndoRow] = []
        for batch in batches(self.index.key_moves):
            rows += self.people(batch)
        return leave_stuck_keys(rows, sorted(self.created.people)) if rows else []


def emails_of_before(index: Index) -> dict[str, int]:
    """Who had which e-mail before the run, of those whose e-mail it changed. A query per batch."""
    had: dict[str, int] = {}
    for batch in batches(index.key_moves):
        for effect in read_effects(batch):
            if "email" in effect.changes and (key := email_key(effect.changes["email"][0])):
                had[key] = effect.target_id
    return had
