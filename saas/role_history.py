"""Taking back what a run did to dated roles, so that past days read as if it had not been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q

from people.bulk import insert_rows, update_rows
from saas.models import SaaSUserRole

_COLUMNS = ("saas_user_id", "role", "scope_id", "scope", "rank", "valid_from", "valid_to")
Key = tuple[str, str]
Roles = Sequence[Mapping[str, str]]


class RolesBack(NamedTuple):
    """The roles of one account as they are and as they are to be again, the primary one first."""

    saas_user_id: int
    now: Roles
    before: Roles


@dataclass
class _Mending:
    ends: list[tuple[int, datetime | None]] = field(default_factory=list)
    new: list[tuple[Any, ...]] = field(default_factory=list)
    added: int = 0
    ended: int = 0


def take_roles_back(
    accounts: Iterable[RolesBack], *, since: datetime, until: datetime, now: datetime
) -> tuple[int, int]:
    """Undo what a run that worked from `since` to `until` did; gives (reopened, ended).

    The run was wrong, so "on a day" must not show its work: a role that it ended is opened again in
    the same row, without a gap, and one that it added ends at the moment it began, which holds on
    no day. Rows stay, and rows of before the run keep their dates. Order and scope are not mended.
    Inside a transaction. Up to three statements.
    """
    wanted = list(accounts)
    rows = SaaSUserRole.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gte=since, valid_to__lte=until),
        saas_user__among=[one.saas_user_id for one in wanted],
    ).order_by("pk")
    of_user: dict[int, list[SaaSUserRole]] = {}
    for row in rows:
        of_user.setdefault(row.saas_user_id, []).append(row)
    mending = _Mending()
    for one in wanted:
        _mend(one, of_user.get(one.saas_user_id, []), mending, since=since, now=now)
    update_rows(SaaSUserRole, ["valid_to"], mending.ends)
    if mending.new:
        insert_rows(SaaSUserRole, _COLUMNS, mending.new)
    return mending.added, mending.ended


def _mend(
    one: RolesBack,
    rows: Sequence[SaaSUserRole],
    mending: _Mending,
    *,
    since: datetime,
    now: datetime,
) -> None:
    opened = {(row.role, row.scope_id): row for row in rows if row.valid_to is None}
    closed = {(row.role, row.scope_id): row for row in rows if row.valid_to is not None}
    before = {(role["role"], role["scope_id"]): role for role in reversed(one.before)}
    for key, row in opened.items():
        if key not in before:
            mending.ends.append((row.pk, row.valid_from if row.valid_from >= since else now))
            mending.ended += 1
    for rank, role in enumerate(one.before):
        key = (role["role"], role["scope_id"])
        if key in opened or before[key] is not role:
            continue
        mending.added += 1
        if key in closed:
            mending.ends.append((closed[key].pk, None))
        else:
            mending.new.append((one.saas_user_id, *key, role["scope"], rank, now, None))
