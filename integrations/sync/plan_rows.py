"""Rows of a plan: how they are stored, counted, and closed when their record moved on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from integrations.models import PlannedChange
from integrations.sync.work import Issue, Work, write_issues
from people.bulk import update_rows
from people.models import Person

COLUMNS = (
    "run_id",
    "object",
    "action",
    "state",
    "key",
    "external_id",
    "link_id",
    "target_id",
    "manager_ref",
    "reason",
    "changes",
    "moves_keys",
)
Action, State = PlannedChange.Action, PlannedChange.State
LEAVES: dict[str, list[Any]] = {
    "status": [Person.Status.ACTIVE.value, Person.Status.DEACTIVATED.value]
}
"""What a removal changes; an account's word for it is the same."""
_COUNTED = {
    Action.CREATE.value: "created",
    Action.UPDATE.value: "updated",
    Action.REACTIVATE.value: "reactivated",
    Action.DEACTIVATE.value: "deactivated",
}


@dataclass
class Row:
    """A plan row in the making; `target_id` is filled in for creates when ids are reserved."""

    object: str
    action: str
    key: str
    external_id: str
    changes: Mapping[str, Sequence[Any]]
    reason: str = ""
    state: str = State.PLANNED.value
    link_id: int | None = None
    target_id: int | None = None
    manager_ref: str = ""
    moves_keys: bool = False

    def values(self, run_id: int) -> tuple[Any, ...]:
        """The row in the order of COLUMNS."""
        return (
            run_id,
            self.object,
            self.action,
            self.state,
            self.key,
            self.external_id,
            self.link_id,
            self.target_id,
            self.manager_ref,
            self.reason,
            orjson.dumps(self.changes).decode(),
            self.moves_keys,
        )


def has_keys(changes: Mapping[str, Any]) -> bool:
    """Whether an e-mail or a username is among the changes: both may pass from one to another."""
    return "email" in changes or "username" in changes


def count_row(work: Work, row: Mapping[str, Any], *, by: int = 1, with_roles: bool = False) -> None:
    """Count a row that was applied, or in a preview one that would be.

    `row` has object, action, external_id and changes; `with_roles` where nobody else counts them.
    """
    if row["action"] not in _COUNTED:
        return
    work.count(row["object"], row["external_id"], _COUNTED[row["action"]], by=by)
    if with_roles and "roles" in row["changes"]:
        old, new = (
            {(role["role"], role["scope_id"]) for role in roles or []}
            for roles in row["changes"]["roles"]
        )
        work.counts["roles"]["added"] += by * len(new - old)
        work.counts["roles"]["ended"] += by * len(old - new)


def close_moved(work: Work, rows: Sequence[Mapping[str, Any]], moved: Mapping[int, str]) -> None:
    """Leave out those rows whose record is no longer as it was planned, each with an issue.

    `moved` are ids of rows, with the reason. Two statements, none where nothing moved.
    """
    if not moved:
        return
    update_rows(
        PlannedChange,
        ["state", "reason"],
        [(pk, State.MOVED.value, reason[:500]) for pk, reason in moved.items()],
    )
    write_issues(
        work,
        [
            Issue(row["external_id"], row["key"], "moved", moved[row["id"]])
            for row in rows
            if row["id"] in moved
        ],
    )
