"""Which staged records are as they were when this integration last looked, and need no look."""

from __future__ import annotations

from typing import Any

from django.db import connection

from integrations.sync.work import Work

_STAGED_WITH_STATE = """
    SELECT {columns} FROM integrations_stagedrecord s
    LEFT JOIN integrations_recordlink l
      ON l.vendor = %(vendor)s AND l.tenant = %(tenant)s AND l.external_id = s.external_id
    LEFT JOIN integrations_linkstate t ON t.link_id = l.id AND t.integration_id = %(integration)s
    WHERE s.run_id = %(run)s
"""
_DONE_BEFORE = """s.external_id IN (
    SELECT c.external_id FROM integrations_plannedchange c
    WHERE c.run_id = %(run)s AND c.object = '{kind}' AND c.state = 'applied')
"""
_UNCHANGED = "COALESCE(t.hash, '') <> '' AND t.hash = s.hash AND t.revision = %(revision)s"


def changed_ids(work: Work) -> list[int]:
    """Ids of staged records to look at: new ones, changed ones, all under a new revision (M-1).

    Also those whose link state has lost its hash, which says "look again" (M-7). One query.
    """
    sql = f"{_STAGED_WITH_STATE} AND NOT ({_UNCHANGED}) ORDER BY s.id"
    with connection.cursor() as cursor:
        cursor.execute(sql.format(columns="s.id"), _parameters(work))
        return [row[0] for row in cursor.fetchall()]


def count_unchanged(work: Work) -> None:
    """Count records that nobody has to look at. One query, two more in a run that was resumed."""
    _count_those(work, "", by=1)
    if work.done_before:
        # They are counted with what an earlier attempt did.
        for kind in ("person", "saas_user"):
            _count_those(work, f"AND {_DONE_BEFORE.format(kind=kind)}", by=-1, only=kind)


def _count_those(work: Work, condition: str, *, by: int, only: str = "") -> None:
    sql = _STAGED_WITH_STATE.format(
        columns="s.outcome, l.person_id IS NULL, l.saas_user_id IS NULL, COUNT(*)"
    )
    sql = f"{sql} AND {_UNCHANGED} {condition} GROUP BY 1, 2, 3"
    with connection.cursor() as cursor:
        cursor.execute(sql, _parameters(work))
        rows = cursor.fetchall()
    for outcome, no_person, no_user, number in rows:
        counted = "skipped" if outcome == "filtered" else "unchanged"
        if not no_person and only != "saas_user":
            work.counts["people"][counted] += by * number
        if not no_user and work.writes_users and only != "person":
            work.counts["saas_users"][counted] += by * number


def _parameters(work: Work) -> dict[str, Any]:
    return {
        "vendor": work.vendor.key,
        "tenant": work.tenant,
        "integration": work.integration.pk,
        "run": work.run.pk,
        "revision": work.run.revision,
    }
