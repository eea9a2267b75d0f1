"""The plan of an undo as the command `undo --plan` tells it, in the shape of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from integrations.sync.undo import undo_counts
from integrations.sync.undo_judge import UndoRow
from integrations.sync.undo_plan import UndoPlan
from integrations.sync.undo_write import COUNTED, reason_of


def plan_as_json(plan: UndoPlan) -> dict[str, Any]:
    """The plan as a run that has not been begun: `id` is null, `undoes` is the run. No query."""
    return {
        "id": None,
        "undoes": plan.run.pk,
        "name": plan.run.name,
        "kind": "undo",
        "state": "queued",
        "counts": _counts(plan),
        "issues": [issue for row in plan.left_rows for issue in _issues(row)],
        "warnings": [],
        "held": None,
        "error": None,
        "again": plan.again,
        "plan": list(plan_lines_of(plan)),
    }


def plan_lines_of(plan: UndoPlan) -> Iterator[dict[str, Any]]:
    """The rows that would be written, with the keys that rows of a plan have. No query."""
    for row in plan.rows:
        yield {
            "action": row.action,
            "object": row.effect.object,
            "key": row.effect.key,
            "reason": reason_of(row),
            "changes": row.changes,
            "state": "planned",
        }


def _counts(plan: UndoPlan) -> dict[str, Any]:
    counts = undo_counts()
    for (kind, action), number in plan.counts.items():
        counts["people" if kind == "person" else "saas_users"][COUNTED[action]] += number
    for row in plan.left_rows:
        if not row.writes:
            kind = "people" if row.effect.object == "person" else "saas_users"
            counts[kind]["skipped"] += 1
        counts["issues"] += len(row.left)
    return counts


def _issues(row: UndoRow) -> Iterator[dict[str, str]]:
    for name, why in row.left.items():
        code = "left" if name else "not_taken_out"
        reason = f"{name or 'It'} stays: {why}."
        yield {"key": row.effect.key, "code": code, "reason": reason, "detail": ""}
