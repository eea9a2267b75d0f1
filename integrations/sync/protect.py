"""Whom nothing removes: protected people, the owner of the credentials, the last administrator."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.client import VendorClient
from integrations.manifest_load import RoleRule
from integrations.models import Integration
from integrations.sync.work import Work
from people.identity import email_key
from people.models import Person
from saas.models import SaaSUser, SaaSUserRole

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shield:
    """Who is protected at one account of a vendor: by list, as owner of the key, as run-as user."""

    listed: frozenset[str]
    owner: str | None
    run_as: frozenset[str]

    def why(self, *, external_ids: Collection[str], emails: Collection[str]) -> str:
        """Why a record with these ids and e-mail keys must not be removed; empty when it may."""
        if not self.listed.isdisjoint(external_ids) or not self.listed.isdisjoint(emails):
            return "Protected: named in the integration's list."
        if self.owner is not None and self.owner in external_ids:
            return "Protected: the credentials belong to this record."
        if not self.run_as.isdisjoint(emails):
            return "Protected: the integration runs as this user."
        return ""


LAST_ADMINISTRATOR = "Protected: no other administrator would be left."


def shield_of(integrations: Iterable[Integration], *, owner: str | None) -> Shield:
    """What these integrations protect. No query when their run-as users are loaded."""
    chosen = list(integrations)
    run_as = {email_key(one.run_as.email) for one in chosen if one.run_as is not None}
    return Shield(
        listed=frozenset(_normal(entry) for one in chosen for entry in one.protected),
        owner=owner,
        run_as=frozenset(key for key in run_as if key),
    )


def find_protected(work: Work, client: VendorClient, rows: Sequence[Row]) -> dict[int, str]:
    """Which removals must not happen, and why, by the id of their row (M-15, F-27).

    One call to a vendor that says whose the credentials are; up to four queries.
    Raises VendorError when the vendor cannot say it: then nobody may be removed.
    """
    if not rows:
        return {}
    shield = shield_of([work.integration], owner=client.owner_id())
    emails = _emails(rows)
    going = {row["target_id"] for row in rows if row["object"] == "saas_user"}
    last = last_administrators(work.load.roles, work.integration.application_id, going)
    reasons: dict[int, str] = {}
    for row in rows:
        own = emails.get((row["object"], row["target_id"]), set())
        reason = shield.why(external_ids={row["external_id"]}, emails=own)
        if not reason and row["object"] == "saas_user" and row["target_id"] in last:
            reason = LAST_ADMINISTRATOR
        if reason:
            reasons[row["id"]] = reason
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


def last_administrators(
    roles: RoleRule | None, application_id: int | None, going: Collection[int]
) -> set[int]:
    """The administrators among those that go, if they are all that there are. One query."""
    if roles is None or application_id is None:
        return set()
    found = administrators(roles, application_id)
    return found if found <= set(going) else set()


def administrators(roles: RoleRule, application_id: int) -> set[int]:
    """The active accounts with a role that administrates. Up to one query."""
    if not roles.administrators:
        return set()
    return set(
        SaaSUserRole.objects.filter(
            saas_user__application=application_id,
            saas_user__status=SaaSUser.Status.ACTIVE,
            role__in=roles.administrators,
            valid_to=None,
        ).values_list("saas_user", flat=True)
    )
