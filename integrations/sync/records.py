"""What one batch of staged records meets in our tables, read in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from django.db.models import Q

from integrations.models import RecordLink, StagedRecord
from integrations.sync.work import Work
from people.identity import look_alike
from people.models import Person, UniqueValue
from people.services import DATE_FIELDS, TEXT_FIELDS, unique_key
from saas.models import SaaSUser, SaaSUserRole

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


class Staged(NamedTuple):
    """A staged record as the planner reads it; `people` are mapped values, see `mapping.Mapper`."""

    external_id: str
    key: str
    email_key: str | None
    username_key: str | None
    employee_id: str | None
    outcome: str
    active: bool
    people: Mapping[str, Any]
    user: Mapping[str, Any]
    roles: Sequence[Sequence[str]] | None
    status: str | None
    problem: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Link:
    """A RecordLink."""

    id: int
    external_id: str
    person_id: int | None
    saas_user_id: int | None
    decision: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What this run's listing says of a record: is it active, and under which keys."""

    active: bool
    email_key: str | None
    username_key: str | None
    outcome: str


@dataclass
class Records:
    """A batch of staged records and everything of ours that they touch."""

    staged: list[Staged]
    links: dict[str, Link] = field(default_factory=dict)
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    by_email: dict[str, int] = field(default_factory=dict)
    by_username: dict[str, int] = field(default_factory=dict)
    by_employee_id: dict[str, list[int]] = field(default_factory=dict)
    by_unique: dict[tuple[str, str], int] = field(default_factory=dict)
    drawn_alike: dict[str, int] = field(default_factory=dict)
    links_of: dict[int, list[Link]] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    # E-mails of the batch that look like one of another record of this listing.
    drawn_as_listed: set[str] = field(default_factory=set)
    # Keys of the batch's inactive, unlinked records that an active record has too (M-3).
    active_emails: set[str] = field(default_factory=set)
    active_employee_ids: set[str] = field(default_factory=set)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    roles: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    managers: dict[str, tuple[int | None, str]] = field(default_factory=dict)


def read_batch(work: Work, staged_ids: Sequence[int]) -> Records:
    """Read a batch and what it touches: at most fourteen queries, whatever its size."""
    records = Records(_read_staged(staged_ids))
    external_ids = [one.external_id for one in records.staged]
    records.links = links_by_external_id(work, external_ids)
    _read_candidates(work, records)
    read_unique_values(records, work.unique_sync_keys)
    _read_people(records)
    _read_links_of_people(work, records)
    _read_users(work, records, external_ids)
    _read_managers(work, records)
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


def links_by_external_id(work: Work, external_ids: Iterable[str]) -> dict[str, Link]:
    """The links of this vendor and tenant by external id. One query."""
    rows = RecordLink.objects.filter(
        vendor=work.vendor.key, tenant=work.tenant, external_id__among=list(external_ids)
    ).values_list("id", "external_id", "person_id", "saas_user_id", "decision")
    return {row[1]: Link(*row) for row in rows}


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


def read_unique_values(records: Records, keys: Iterable[str]) -> None:
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
    add_people(records, wanted)


def add_people(records: Records, ids: Iterable[int]) -> None:
    """Read people into the batch. One query, none for those that are there already."""
    missing = [pk for pk in ids if not records.people.get(pk)]
    if missing:
        rows = Person.objects.filter(pk__among=missing).values(*_PERSON_COLUMNS)
        records.people.update({row["id"]: row for row in rows})


def _read_links_of_people(work: Work, records: Records) -> None:
    """Other records of this vendor and tenant that are linked to people of the batch (M-4)."""
    if not records.people:
        return
    rows = RecordLink.objects.filter(
        vendor=work.vendor.key, tenant=work.tenant, person__among=list(records.people)
    ).values_list("id", "external_id", "person_id", "saas_user_id", "decision")
    for row in rows:
        link = Link(*row)
        records.links_of.setdefault(row[2], []).append(link)
    external_ids = [link.external_id for links in records.links_of.values() for link in links]
    staged = StagedRecord.objects.filter(run=work.run.pk, external_id__among=external_ids)
    for external_id, active, email, username, outcome in staged.values_list(
        "external_id", "active", "email_key", "username_key", "outcome"
    ):
        records.listed[external_id] = Listed(active, email, username, outcome)


def read_active_twins(work: Work, records: Records) -> None:
    """Which keys of the batch's inactive, unlinked records an active record has too (M-3).

    No query where there are none such, else up to two.
    """
    inactive = [one for one in records.staged if not one.active and not _person_of(records, one)]
    active = StagedRecord.objects.filter(run=work.run.pk, active=True, outcome="mapped")
    for column, found in (
        ("email_key", records.active_emails),
        ("employee_id", records.active_employee_ids),
    ):
        keys = {key for one in inactive if (key := getattr(one, column))}
        if keys:
            rows = active.filter(**{f"{column}__among": keys})
            found.update(rows.values_list(column, flat=True))


def _person_of(records: Records, one: Staged) -> int | None:
    link = records.links.get(one.external_id)
    return link.person_id if link else None


def _read_users(work: Work, records: Records, external_ids: list[str]) -> None:
    application = work.integration.application_id
    if not work.writes_users or application is None:
        return
    rows = SaaSUser.objects.filter(application=application, external_id__among=external_ids)
    records.users = {row["external_id"]: row for row in rows.values(*_USER_COLUMNS)}
    if records.users:
        ids = [row["id"] for row in records.users.values()]
        roles = SaaSUserRole.objects.filter(saas_user__among=ids, valid_to__isnull=True)
        for user, role, scope_id, scope in roles.order_by("rank", "id").values_list(
            "saas_user_id", "role", "scope_id", "scope"
        ):
            records.roles.setdefault(user, []).append(
                {"role": role, "scope_id": scope_id, "scope": scope}
            )


def _read_managers(work: Work, records: Records) -> None:
    """Who the batch's manager references are: reference -> (person id if there is one, e-mail)."""
    references = {reference for one in records.staged if (reference := one.people.get("manager"))}
    if not references:
        return
    found = find_managers(work, references)
    emails = dict(Person.objects.filter(pk__among=set(found.values())).values_list("pk", "email"))
    records.managers = {
        reference: (pk, emails.get(pk) or f"person {pk}") for reference, pk in found.items()
    }
    for reference, key in _managers_in_listing(work, references - found.keys()).items():
        records.managers[reference] = (None, key)


def find_managers(work: Work, references: Iterable[str]) -> dict[str, int]:
    """People by reference `kind:value`; up to three queries. Ambiguous ones are left out."""
    by_kind: dict[str, set[str]] = {}
    for reference in references:
        kind, _, value = reference.partition(":")
        by_kind.setdefault(kind, set()).add(value)
    found: dict[str, int] = {}
    if ids := by_kind.get("external_id"):
        for external_id, link in links_by_external_id(work, ids).items():
            if link.person_id is not None:
                found[f"external_id:{external_id}"] = link.person_id
    for kind, column in (("employee_id", "employee_id"), ("email", "email_key")):
        if values := by_kind.get(kind):
            seen: dict[str, list[int]] = {}
            wanted = {value.casefold() if kind == "email" else value: value for value in values}
            rows = Person.objects.filter(**{f"{column}__among": wanted})
            for value, pk in rows.values_list(column, "pk"):
                seen.setdefault(value, []).append(pk)
            found |= {
                f"{kind}:{wanted[value]}": pks[0] for value, pks in seen.items() if len(pks) == 1
            }
    return found


def _managers_in_listing(work: Work, references: set[str]) -> dict[str, str]:
    """References to records of this listing, whose person comes with this run. Three queries."""
    found: dict[str, str] = {}
    for kind, column in (
        ("external_id", "external_id"),
        ("employee_id", "employee_id"),
        ("email", "email_key"),
    ):
        values = {
            reference.partition(":")[2]
            for reference in references
            if reference.startswith(f"{kind}:")
        }
        if values:
            rows = StagedRecord.objects.filter(
                run=work.run.pk,
                outcome="mapped",
                email_key__isnull=False,
                username_key__isnull=False,
                **{f"{column}__among": values},
            )
            found |= {f"{kind}:{value}": key for value, key in rows.values_list(column, "key")}
    return found
