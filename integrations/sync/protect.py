"""Whom nothing removes: protected people, the owner of the credentials, the last administrator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.client import VendorClient
from integrations.sync.work import Work
from people.identity import email_key
from people.models import Person
from saas.models import SaaSUser, SaaSUserRole

Row = Mapping[str, Any]


def find_protected(work: Work, client: VendorClient, rows: Sequence[Row]) -> dict[int, str]:
    """Which removals must not happen, and why, by the id of their row (M-15, F-27).

    One call to a vendor that says whose the credentials are; up to four queries.
    Raises VendorError when the vendor cannot say it: then nobody may be removed.
    """
    if not rows:
        return {}
    owner = client.owner_id()
    emails = _emails(rows)
    listed = {_normal(one) for one in work.integration.protected}
    run_as = email_key(work.integration.run_as.email) if work.integration.run_as else None
    last = _last_administrators(work, rows)
    reasons: dict[int, str] = {}
    for row in rows:
        own = emails.get((row["object"], row["target_id"]), set())
        if row["external_id"] in listed or own & listed:
            reasons[row["id"]] = "Protected: named in the integration's list."
        elif owner is not None and row["external_id"] == owner:
            reasons[row["id"]] = "Protected: the credentials belong to this record."
        elif run_as in own:
            reasons[row["id"]] = "Protected: the integration runs as this user."
        elif row["object"] == "saas_user" and row["target_id"] in last:
            reasons[row["id"]] = "Protected: no other administrator would be left."
    return reasons


def _normal(entry: str) -> str:
    """An e-mail as its key; an id as it is."""
    return (email_key(entry) or entry) if "@" in entry else entry.strip()


def _emails(rows: Iterable[Row]) -> dict[tuple[str, int], set[str]]:
    """The e-mail keys of the rows' people and accounts, of an account also its person's.

    One query each.
    """
    emails: dict[tuple[str, int], set[str]] = {}
    for kind, records, columns in (
        ("person", Person.objects, ("email_key",)),
        ("saas_user", SaaSUser.objects, ("email_key", "person__email_key")),
    ):
        ids = [row["target_id"] for row in rows if row["object"] == kind]
        if ids:
            found = records.filter(pk__among=ids).values_list("pk", *columns)
            emails |= {(kind, pk): {key for key in keys if key} for pk, *keys in found}
    return emails


def _last_administrators(work: Work, rows: Iterable[Row]) -> set[int]:
    """The administrators among the rows, if they are all that the application has. Two queries."""
    roles = work.load.roles
    if roles is None or not roles.administrators or work.integration.application_id is None:
        return set()
    administrators = set(
        SaaSUserRole.objects.filter(
            saas_user__application=work.integration.application_id,
            saas_user__status=SaaSUser.Status.ACTIVE,
            role__in=roles.administrators,
            valid_to=None,
        ).values_list("saas_user", flat=True)
    )
    going = {row["target_id"] for row in rows if row["object"] == "saas_user"}
    return administrators if administrators <= going else set()
