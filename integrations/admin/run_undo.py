"""Undo on the run's page: the plan first, then one click that means it (M-16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from integrations.admin.run_plan import SAAS_LABELS, FieldChange, people_labels
from integrations.admin.unseen import unseen_fields
from integrations.errors import IntegrationsError
from integrations.models import PlannedChange, SyncRun
from integrations.sync.undo_judge import UndoRow
from integrations.sync.undo_plan import plan_undo
from integrations.sync.undo_write import reason_of
from integrations.undoing import queue_undo, why_not_undone

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object

SHOWN = 200
_PERMISSION = "integrations.undo_syncrun"
_OBJECTS = dict(PlannedChange._meta.get_field("object").flatchoices)


class RunUndo(_Base):
    """For the SyncRunAdmin: the page behind Undo, and what the run's page says of it."""

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what undoing would do; POST does it. Thirty queries per 2,000 records."""
        run: SyncRun = self._run(request, object_id)
        if not request.user.has_perm(_PERMISSION):
            raise PermissionDenied
        if request.method == "POST":
            return self._queue_undo(request, run)
        refusal = why_not_undone(run)
        context: dict[str, Any] = {"title": f"Undo {run}", "refusal": refusal, "shown": SHOWN}
        context["may_undo"] = not refusal
        if not refusal:
            context |= _plan_shown(run, unseen_fields(request))
        answer: HttpResponse = self._page(request, run, "undo", context)
        return answer

    def _queue_undo(self, request: HttpRequest, run: SyncRun) -> HttpResponse:
        try:
            undo = queue_undo(run, by=request.user.get_username())
        except IntegrationsError as error:
            messages.error(request, error.message)
            return redirect("admin:integrations_syncrun_change", run.pk)
        messages.success(
            request,
            f'{run} is being undone. "{run.name}" is paused: mend the cause, then resume it.',
        )
        return redirect("admin:integrations_syncrun_change", undo.pk)

    def undo_context(self, request: HttpRequest, run: SyncRun) -> dict[str, Any]:
        """What the run's page says: may it be undone, was it, is it an undo. Four queries."""
        may = request.user.has_perm(_PERMISSION)
        return {
            "may_undo": may and not why_not_undone(run),
            "undone_by": run.undone_by.order_by("pk").last(),
            "undoes": run.undoes,
        }


def _plan_shown(run: SyncRun, unseen: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    plan = plan_undo(run, shown=SHOWN)
    labels = {"person": people_labels(), "saas_user": SAAS_LABELS}
    return {
        "plan": plan,
        "totals": [
            {"label": f"{_OBJECTS[kind]}: {PlannedChange.Action(action).label}", "count": count}
            for (kind, action), count in sorted(plan.counts.items())
        ],
        "rows": [_row_shown(row, labels, unseen) for row in plan.rows],
        "left_rows": [_left_shown(row, labels, unseen) for row in plan.left_rows],
    }


def _row_shown(
    row: UndoRow, labels: Mapping[str, Mapping[str, str]], unseen: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    kind = row.effect.object
    hidden = unseen.get(kind, frozenset())
    return {
        "row": row,
        "object": _OBJECTS[kind],
        "action": PlannedChange.Action(row.action).label,
        "reason": reason_of(row),
        "changes": [
            FieldChange(labels[kind].get(name, name), old, new)
            for name, (old, new) in row.changes.items()
            if name not in hidden
        ],
    }


def _left_shown(
    row: UndoRow, labels: Mapping[str, Mapping[str, str]], unseen: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    kind = row.effect.object
    hidden = unseen.get(kind, frozenset())
    return {
        "row": row,
        "object": _OBJECTS[kind],
        "left": [
            (labels[kind].get(name, name) if name else "The record", why)
            for name, why in row.left.items()
            if name not in hidden
        ],
    }
