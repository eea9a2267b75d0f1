"""One batch of records while it is planned: what it meets, and the rows and issues it gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integrations.models import PlannedChange
from integrations.sync.match import Claims
from integrations.sync.plan_rows import Row
from integrations.sync.records import Records, Staged
from integrations.sync.work import Issue, Relying, Work


class Owner(NamedTuple):
    """Whose a record's account is; the id is 0 for a person whom this very plan creates."""

    person_id: int | None
    email: str | None


NOBODY = Owner(None, None)
COMES = 0


@dataclass
class BatchPlan:
    """The plan of one batch; `relying` are those who rely on a key that another gives up."""

    work: Work
    records: Records
    claims: Claims
    rows: list[Row] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    relying: list[Relying] = field(default_factory=list)

    def add(
        self,
        kind: str,
        action: PlannedChange.Action,
        one: Staged,
        changes: dict[str, list[Any]],
        reason: str,
    ) -> Row:
        """Add a row for the record's person or account; gives it, to say more."""
        link_id = self.records.link_id(one)
        row = Row(kind, action.value, one.key, one.external_id, changes, reason, link_id=link_id)
        self.rows.append(row)
        return row

    def skip(self, one: Staged, reason: str) -> None:
        """Leave the record's person as it is, and say why in the plan."""
        self.work.leave_out([one.external_id])
        self.work.count("person", one.external_id, "skipped")
        state = PlannedChange.State.SKIPPED.value
        row = Row(
            "person",
            PlannedChange.Action.SKIP.value,
            one.key,
            one.external_id,
            {},
            reason,
            state=state,
        )
        self.rows.append(row)

    def report(
        self,
        one: Staged,
        code: str,
        reason: str,
        *,
        field_name: str = "",
        candidates: Sequence[int] = (),
    ) -> None:
        """Give the record an issue; its person is left as it is."""
        self.work.leave_out([one.external_id])
        self.issues.append(
            Issue(one.external_id, one.key, code, reason, field=field_name, candidates=candidates)
        )

    def count_untouched(self, kind: str, one: Staged) -> None:
        """Count a record in which nothing differs."""
        self.work.count(
            kind, one.external_id, "skipped" if one.outcome == "filtered" else "unchanged"
        )
