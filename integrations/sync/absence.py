"""Records that a complete listing no longer holds become removals, to be judged (M-10, M-11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from integrations.models import Integration, LinkState, PlannedChange
from integrations.sync.people_rows import Changes
from integrations.sync.plan_rows import COLUMNS, LEAVES, Row
from integrations.sync.work import Work
from people.bulk import insert_rows
from people.models import Person
from saas.models import SaaSUser
from saas.queries import roles_held

_ABSENT = """
    SELECT l.id, l.external_id, p.id, p.email, p.status, u.id, u.email, u.status
    FROM integrations_linkstate t
    JOIN integrations_recordlink l ON l.id = t.link_id
    LEFT JOIN people_person p ON p.id = l.person_id
    LEFT JOIN saas_saasuser u ON u.id = l.saas_user_id
    WHERE t.integration_id = %(integration)s AND NOT EXISTS (
        SELECT 1 FROM integrations_stagedrecord s
        WHERE s.run_id = %(run)s AND s.external_id = l.external_id)
    ORDER BY l.id
"""
# Of these people, who is listed under another record, or comes to be with this very run (M-4).
_STILL_LISTED = """
    SELECT l.person_id FROM integrations_recordlink l
    JOIN integrations_stagedrecord s ON s.run_id = %(run)s AND s.external_id = l.external_id
    WHERE l.vendor = %(vendor)s AND l.tenant = %(tenant)s AND l.person_id IS NOT NULL
    UNION
    SELECT c.target_id FROM integrations_plannedchange c
    WHERE c.run_id = %(run)s AND c.object = 'person' AND c.state = 'planned'
"""


def plan_removals(work: Work) -> None:
    """List what is absent as removals to be judged. Five statements at most.

    Nothing is judged absent when the listing is not complete, or when the run is about one person.
    Raises LeaseLost.
    """
    if not work.complete or work.only_person is not None:
        return
    parameters: dict[str, Any] = {
        "integration": work.integration.pk,
        "run": work.run.pk,
        "vendor": work.vendor.key,
        "tenant": work.tenant,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ABSENT, parameters)
        absent = cursor.fetchall()
        listed: set[int] = set()
        if any(one[2] is not None for one in absent) and work.is_source_of_truth:
            cursor.execute(_STILL_LISTED, parameters)
            listed = {row[0] for row in cursor.fetchall()}
    if not absent:
        return
    active = [one[5] for one in absent if one[7] == SaaSUser.Status.ACTIVE]
    roles = roles_held(active) if active else {}  # what the removals would end (M-29)
    rows = [row for one in absent for row in _rows(work, one, listed, roles)]
    with transaction.atomic():
        work.show("plan", len(rows), None)
        values = ((*row.values(work.run.pk), True) for row in rows)
        insert_rows(PlannedChange, (*COLUMNS, "absent"), values)
        if not work.preview:
            LinkState.objects.filter(
                integration=work.integration.pk,
                link__among=[one[0] for one in absent],
                missing_on=None,
            ).update(missing_on=timezone.localdate(work.now))


def _rows(
    work: Work,
    absent: tuple[Any, ...],
    listed: set[int],
    roles: Mapping[int, list[dict[str, str]]],
) -> Iterator[Row]:
    link, external_id, person, email, person_status, user, user_email, user_status = absent
    leave = Integration.Missing.LEAVE
    if (
        user is not None
        and user_status == SaaSUser.Status.ACTIVE
        and work.writes_users
        and work.integration.missing_users != leave
    ):
        changes = LEAVES | {"roles": [roles[user], []]} if user in roles else LEAVES
        yield _row(work, "saas_user", link, external_id, user, user_email, changes)
    if (
        person is not None
        and person_status == Person.Status.ACTIVE
        and person not in listed
        and work.is_source_of_truth
        and work.integration.missing_people != leave
    ):
        yield _row(work, "person", link, external_id, person, email, LEAVES)


def _row(
    work: Work,
    kind: str,
    link: int,
    external_id: str,
    target: int,
    email: str,
    changes: Changes,
) -> Row:
    return Row(
        kind,
        PlannedChange.Action.DEACTIVATE.value,
        email or external_id,
        external_id,
        changes,
        f"{work.vendor.label} no longer lists it.",
        state=PlannedChange.State.REMOVAL.value,
        link_id=link,
        target_id=target,
    )
