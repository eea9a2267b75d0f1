"""A batch of staged records and what it meets in our tables, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson
from django.db.models import Q

from integrations.models import StagedRecord
from integrations.sync.links import links_by_external_id, own_links, read_links
from integrations.sync.manager_references import read_managers
from integrations.sync.records import Listed, Records, Staged
from integrations.sync.work import Work
from people.identity import look_alike
from people.models import Person, UniqueValue
from people.services import DATE_FIELDS, TEXT_FIELDS, unique_key
from saas.models import SaaSUser
from saas.queries import roles_held

_PERSON_COLUMNS = (
    "id",
    *TEXT_FIELDS,
    *DATE_FIELDS,
    "status",
    "custom",
    "sources",
    "email_key",
    "username_key",
    "manager_id",
    "department__name",
    "role__name",
    "manager__email",
)
_USER_COLUMNS = (
    "id",
    "external_id",
    "person_id",
    "email",
    "name",
    "status",
    "last_activity",
    "custom",
)


def read_batch(work: Work, staged_ids: Sequence[int]) -> Records:
    """Read a batch and what it touches: at most fourteen queries, whatever its size."""
    records = Records(_read_staged(staged_ids))
    external_ids = [one.external_id for one in records.staged]
    records.links = links_by_external_id(work, external_ids)
    _read_candidates(work, records)
    _read_unique_values(records, work.unique_sync_keys)
    _read_people(records)
    _read_links_of_people(work, records)
    _read_users(work, records, external_ids)
    references = {reference for one in records.staged if (reference := one.people.get("manager"))}
    records.managers = read_managers(work, references)
    return records


def _read_staged(ids: Sequence[int]) -> list[Staged]:
    rows = (
        StagedRecord.objects.filter(pk__among=ids)
        .order_by("pk")
        .values_list(
            "external_id",
            "key",
            "email_key",
            "username_key",
            "employee_id",
            "outcome",
            "active",
            "payload",
        )
    )
    staged = []
    for row in rows:
        content = orjson.loads(row[-1])
        staged.append(
            Staged(
                *row[:-1],
                people=content.get("p") or {},
                user=content.get("u") or {},
                roles=content.get("r"),
                status=content.get("s"),
                problem=content.get("i"),
            )
        )
    return staged


def _read_candidates(work: Work, records: Records) -> None:
    """People who hold a key of the batch: by e-mail, username, employee id, unique field, looks."""
    emails = {one.email_key for one in records.staged if one.email_key}
    usernames = {one.username_key for one in records.staged if one.username_key}
    holders = Person.objects.filter(Q(email_key__among=emails) | Q(username_key__among=usernames))
    for pk, email, username in holders.values_list("pk", "email_key", "username_key"):
        if email in emails:
            records.by_email[email] = pk
        if username in usernames:
            records.by_username[username] = pk
    numbers = {one.employee_id for one in records.staged if one.employee_id}
    if numbers:
        rows = Person.objects.filter(employee_id__among=numbers).values_list("employee_id", "pk")
        for number, pk in rows:
            records.by_employee_id.setdefault(number, []).append(pk)
    _read_look_alikes(work, records, emails)


def _read_look_alikes(work: Work, records: Records, emails: set[str]) -> None:
    """Whose e-mail is drawn like one of the batch, though it is another (M-2).

    One query, and one more where the batch has letters of other scripts.
    """
    drawn: dict[str, set[str]] = {}
    foreign: dict[str, str] = {}
    for email in emails:
        plain = look_alike(email)
        drawn.setdefault(plain or email, set()).add(email)
        if plain is not None:
            foreign[email] = plain
    rows = Person.objects.filter(
        Q(email_look_alike__among=drawn) | Q(email_key__among=foreign.values())
    ).values_list("pk", "email_key", "email_look_alike")
    for pk, key, plain in rows:
        for shape in (plain, key):
            for email in drawn.get(shape or "", ()):
                if email != key:
                    records.drawn_alike[email] = pk
    if foreign:
        listed = StagedRecord.objects.filter(
            run=work.run.pk, email_key__among=foreign.values(), outcome="mapped"
        )
        plains = set(listed.values_list("email_key", flat=True))
        records.drawn_as_listed = {email for email, plain in foreign.items() if plain in plains}


def _read_unique_values(records: Records, keys: Iterable[str]) -> None:
    """People by their values in unique custom fields; for integrations that have such sync keys."""
    for key in keys:
        values = {
            unique_key(one.people[key]): one
            for one in records.staged
            if one.people.get(key) is not None
        }
        rows = UniqueValue.objects.filter(field__key=key, key__among=values)
        for value, pk in rows.values_list("key", "person_id"):
            records.by_unique[key, value] = pk


def _read_people(records: Records) -> None:
    wanted = {link.person_id for link in records.links.values() if link.person_id}
    wanted |= set(records.by_email.values()) | set(records.by_username.values())
    wanted |= {pk for pks in records.by_employee_id.values() for pk in pks}
    wanted |= set(records.drawn_alike.values()) | set(records.by_unique.values())
    if wanted:
        rows = Person.objects.filter(pk__among=list(wanted)).values(*_PERSON_COLUMNS)
        records.people = {row["id"]: row for row in rows}


def _read_links_of_people(work: Work, records: Records) -> None:
    """Other records of this vendor and tenant that are linked to people of the batch (M-4)."""
    if not records.people:
        return
    links = read_links(own_links(work).filter(person__among=list(records.people)))
    for link in links:
        if link.person_id is not None:
            records.links_of.setdefault(link.person_id, []).append(link)
    external_ids = [link.external_id for link in links]
    staged = StagedRecord.objects.filter(run=work.run.pk, external_id__among=external_ids)
    for external_id, active, email, username, outcome in staged.values_list(
        "external_id", "active", "email_key", "username_key", "outcome"
    ):
        records.listed[external_id] = Listed(active, email, username, outcome)


def read_active_twins(work: Work, records: Records) -> None:
    """Which keys of the batch's inactive, unlinked records an active record has too (M-3).

    No query where there are none such, else up to two.
    """
    inactive = [one for one in records.staged if not one.active and not records.person_id(one)]
    active = StagedRecord.objects.filter(run=work.run.pk, active=True, outcome="mapped")
    for column, found in (
        ("email_key", records.active_emails),
        ("employee_id", records.active_employee_ids),
    ):
        keys = {key for one in inactive if (key := getattr(one, column))}
        if keys:
            rows = active.filter(**{f"{column}__among": keys})
            found.update(rows.values_list(column, flat=True))


def _read_users(work: Work, records: Records, external_ids: list[str]) -> None:
    application = work.integration.application_id
    if not work.writes_users or application is None:
        return
    rows = SaaSUser.objects.filter(application=application, external_id__among=external_ids)
    records.users = {row["external_id"]: row for row in rows.values(*_USER_COLUMNS)}
    if records.users:
        records.roles = roles_held([row["id"] for row in records.users.values()])
