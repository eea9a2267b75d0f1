"""Undoing runs in tests, and the tables as they are compared before and after."""

from __future__ import annotations

from typing import Any

from integrations.models import Integration, RecordLink, SyncRun
from integrations.sync import execute
from integrations.undoing import queue_undo
from people.models import Department, Person, UniqueValue
from saas.models import SaaSUser, SaaSUserRole


def undo(run: SyncRun, *, by: str = "admin") -> SyncRun:
    """Undo a run here; must end well."""
    ended = execute(queue_undo(SyncRun.objects.get(pk=run.pk), by=by).pk)
    assert ended.state in {"done", "partial"}, f"{ended.error_code} {ended.error_message}"
    return ended


def resume(integration: Integration) -> None:
    """Let a paused integration run again."""
    Integration.objects.filter(pk=integration.pk).update(state="active")


def rows_of_everything() -> dict[str, Any]:
    """Each table that a sync writes, row by row with ids; without moments, events and hashes."""
    people = Person.objects.order_by("pk").values()
    users = SaaSUser.objects.order_by("pk").values()
    return {
        "people": [_without_moments(dict(row)) for row in people],
        "users": [_without_moments(dict(row)) for row in users],
        "roles": open_roles(),
        "departments": sorted(Department.objects.values_list("name", flat=True)),
        "links": sorted(
            RecordLink.objects.values_list("external_id", "person_id", "saas_user_id", "decision")
        ),
        "unique": sorted(UniqueValue.objects.values_list("field_id", "person_id", "key")),
    }


def _without_moments(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"updated_at", "created_at"}}


def open_roles() -> list[tuple[int, str, str, str, int, str]]:
    """Roles that are held now, with the moment since when."""
    rows = SaaSUserRole.objects.filter(valid_to__isnull=True)
    return sorted(
        (user, role, scope_id, scope, rank, since.isoformat())
        for user, role, scope_id, scope, rank, since in rows.values_list(
            "saas_user_id", "role", "scope_id", "scope", "rank", "valid_from"
        )
    )
