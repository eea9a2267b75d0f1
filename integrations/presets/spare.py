"""Whom a call that takes access away spares (M-15, F-27)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from integrations.models import LinkState, Operation
from integrations.presets.account import Account
from integrations.sync.protect import LAST_ADMINISTRATOR, last_administrators
from people.identity import email_key
from people.models import Person
from saas.models import SaaSUser


@dataclass(frozen=True)
class Meant:
    """Whom a call is about: every text that it names, and our records if they are known."""

    texts: frozenset[str]
    person_id: int | None
    saas_user_id: int | None


def why_spared(
    account: Account, meant: Meant, *, owner: str | None, before: int | None = None
) -> str:
    """Why nothing may be taken from them; empty when it may. Six queries.

    `owner` is whose the credentials are, where the vendor said it. Of administrators, those whom
    other calls take since the last load are gone already; with `before`, calls of older rows only.
    """
    ids, emails, users = _stands_for(account, meant)
    reason = account.shield(owner=owner).why(external_ids=ids, emails=emails)
    application = account.application()
    if reason or application is None:
        return reason
    going = users | _already_going(account, before)
    for load in account.vendor.loads.values():
        if not users.isdisjoint(last_administrators(load.roles, application.pk, going)):
            return LAST_ADMINISTRATOR
    return ""


def _stands_for(account: Account, meant: Meant) -> tuple[set[str], Collection[str], set[int]]:
    """Ids at the vendor, e-mail keys, and our SaaS users that a call could mean. Three queries.

    Whatever it names counts, so that an input that names somebody else is seen.
    """
    ids = set(meant.texts)
    emails = {key for text in ids if "@" in text and (key := email_key(text))}
    about = Q(external_id__in=ids) | Q(email_key__in=emails)
    if meant.saas_user_id:
        about |= Q(pk=meant.saas_user_id)
    people = set(Person.objects.filter(email_key__in=emails).values_list("pk", flat=True))
    if meant.person_id:
        people.add(meant.person_id)
    about |= Q(person__in=people)
    found = SaaSUser.objects.filter(
        about, application__vendor=account.vendor.key, application__tenant=account.tenant
    ).values_list("pk", "external_id", "email_key", "person")
    users = set()
    for pk, external_id, key, person in found:
        users.add(pk)
        ids.add(external_id)
        emails |= {key} if key else set()
        people |= {person} if person else set()
    known = Person.objects.filter(pk__in=people).values_list("email_key", flat=True)
    return ids, emails | {key for key in known if key}, users


def _already_going(account: Account, before: int | None) -> set[int]:
    """Accounts that calls took, or will take, and that no load has seen since. One query."""
    seen_since = LinkState.objects.filter(
        link__saas_user=OuterRef("saas_user"), seen_at__gt=OuterRef("finished_at")
    )
    calls = Operation.objects.filter(
        Q(finished_at=None) | ~Exists(seen_since),
        vendor=account.vendor.key,
        tenant=account.tenant,
        takes_access=True,
        saas_user__status=SaaSUser.Status.ACTIVE,
    ).exclude(state=Operation.State.REFUSED)
    if before is not None:
        calls = calls.filter(pk__lt=before)
    calls = calls.exclude(preset__in=_leaves_accounts(account)).order_by()
    return set(calls.values_list("saas_user", flat=True))


def _leaves_accounts(account: Account) -> list[str]:
    """Presets that take less than the account, such as one licence."""
    changes = ((key, preset.change) for key, preset in account.vendor.presets.items())
    return [
        f"{account.vendor.key}.{key}"
        for key, change in changes
        if change is not None and change.takes_access and not change.destructive
    ]
