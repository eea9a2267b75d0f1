"""What pages and syncs ask about SaaS users and their roles, without writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet

from people.counting import CappedCount
from saas.models import Application, SaaSUser, SaaSUserRole

ROLES_SHOWN = 2


@dataclass(frozen=True)
class RoleSummary:
    """The roles that an account has now, the primary one first."""

    roles: tuple[str, ...]

    @property
    def shown(self) -> str:
        """`Owner (Mobile App), Owner (Web)`: the first ones."""
        return ", ".join(self.roles[:ROLES_SHOWN])

    @property
    def more(self) -> int:
        """How many roles stand behind those that are shown."""
        return max(0, len(self.roles) - ROLES_SHOWN)

    @property
    def text(self) -> str:
        """Every role, for exports."""
        return ", ".join(self.roles)


def current_roles(ids: Iterable[int]) -> dict[int, RoleSummary]:
    """The roles of accounts by account id. One query."""
    rows = SaaSUserRole.objects.filter(saas_user__in=list(ids), valid_to__isnull=True)
    found: dict[int, list[str]] = {}
    for user, role, scope in rows.order_by("rank", "role", "scope", "id").values_list(
        "saas_user_id", "role", "scope"
    ):
        found.setdefault(user, []).append(f"{role} ({scope})" if scope else role)
    return {user: RoleSummary(tuple(roles)) for user, roles in found.items()}


def roles_held(ids: Iterable[int]) -> dict[int, list[dict[str, str]]]:
    """The roles of accounts by account id, as plans and events show them. One query.

    Each is {"role", "scope_id", "scope"}, the primary one first.
    """
    rows = SaaSUserRole.objects.filter(saas_user__among=ids, valid_to__isnull=True)
    held: dict[int, list[dict[str, str]]] = {}
    for user, role, scope_id, scope in rows.order_by("rank", "id").values_list(
        "saas_user_id", "role", "scope_id", "scope"
    ):
        held.setdefault(user, []).append({"role": role, "scope_id": scope_id, "scope": scope})
    return held


def role_names(most: int) -> list[str]:
    """The roles that somebody has now, by name. One query.

    On PostgreSQL it steps from name to name through an index instead of reading every row.
    """
    if connection.vendor != "postgresql":
        rows = SaaSUserRole.objects.filter(valid_to__isnull=True).order_by("role")
        return list(rows.values_list("role", flat=True).distinct()[:most])
    with connection.cursor() as cursor:
        cursor.execute(_ROLE_STEPS, [most])
        return [row[0] for row in cursor.fetchall()]


_ROLE_STEPS = """
WITH RECURSIVE step(role) AS (
    (SELECT role FROM saas_saasuserrole WHERE valid_to IS NULL ORDER BY role LIMIT 1)
    UNION ALL
    SELECT (
        SELECT held.role FROM saas_saasuserrole held
        WHERE held.valid_to IS NULL AND held.role > step.role ORDER BY held.role LIMIT 1
    ) FROM step WHERE step.role IS NOT NULL
)
SELECT role FROM step WHERE role IS NOT NULL LIMIT %s
"""


def roles_of(user: SaaSUser) -> list[SaaSUserRole]:
    """Every role that the account has or had: those of now, then the last ended. One query."""
    rows = list(SaaSUserRole.objects.filter(saas_user=user))
    now = [row for row in rows if row.valid_to is None]
    ended = [row for row in rows if row.valid_to is not None]
    ended.sort(key=lambda row: row.valid_to or row.valid_from, reverse=True)
    return [*sorted(now, key=lambda row: (row.rank, row.role, row.scope)), *ended]


def accounts_by_person(ids: Sequence[int]) -> dict[int, int]:
    """How many accounts that are not deactivated each person has. One query."""
    rows = SaaSUser.objects.filter(person__in=ids).exclude(status=SaaSUser.Status.DEACTIVATED)
    return dict(rows.values_list("person").annotate(accounts=Count("id")).order_by())


MOST_COUNTED = 10_000


def count_active_users(ids: Sequence[int], *, unmatched: bool = False) -> dict[int, int]:
    """Active accounts per application id, of those the ones without a person when `unmatched`.

    At most 10,001 each, so that the caller can say "more than". One query, by an index.
    """
    users = SaaSUser.objects.filter(application=OuterRef("pk"), status=SaaSUser.Status.ACTIVE)
    if unmatched:
        users = users.filter(person__isnull=True)
    counted = CappedCount(users.order_by().values("pk")[: MOST_COUNTED + 1])
    rows = Application.objects.filter(pk__in=ids).order_by().annotate(users_counted=counted)
    return dict(rows.values_list("pk", "users_counted"))


def unused_since(users: QuerySet[SaaSUser], days: int, now: datetime) -> QuerySet[SaaSUser]:
    """Accounts whose last activity is longer ago than `days`, or unknown (MO-35)."""
    return users.filter(Q(last_activity__lt=now - timedelta(days=days)) | Q(last_activity=None))
