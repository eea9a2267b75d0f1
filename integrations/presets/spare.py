"""Whom a call that takes access away spares (M-15, F-27)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q

from integrations.manifest_presets import Change
from integrations.models import LinkState, Operation
from integrations.presets.account import Account
from integrations.sync.protect import LAST_ADMINISTRATOR, administrators
from people.identity import email_key
from people.models import Person
from saas.models import Application, SaaSUser


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
    rows = None if before is None else [before]
    return why_each_is_spared(account, [meant], owner=owner, takes_accounts=False, before=rows)[0]


def why_each_is_spared(
    account: Account,
    meant: Sequence[Meant],
    *,
    owner: str | None,
    takes_accounts: bool,
    before: Sequence[int] | None = None,
) -> list[str]:
    """The same for many calls, in their order. Six queries in all.

    Where they take whole accounts, whom an earlier one takes is gone for the next. With
    `before`, each is a row of the journal, and of other rows only older ones count.
    """
    known = _known(account, meant)
    shield = account.shield(owner=owner)
    application = account.application()
    alone = _administrators(account, application)
    going = _already_going(account) if any(alone) else []
    own = set(before or ())
    taken: set[int] = set()
    reasons = []
    for place, one in enumerate(meant):
        ids, emails, users = known.stands_for(one)
        reason = shield.why(external_ids=ids, emails=emails)
        if not reason and any(not users.isdisjoint(admins) for admins in alone):
            until = before[place] if before is not None else None
            others = {
                user
                for pk, user in going
                if user is not None and pk not in own and (until is None or pk < until)
            }
            if any(
                not users.isdisjoint(admins) and admins <= users | others | taken
                for admins in alone
            ):
                reason = LAST_ADMINISTRATOR
        if takes_accounts and not reason:
            taken |= users
        reasons.append(reason)
    return reasons


@dataclass(frozen=True)
class _Known:
    """The people and accounts of this application that a batch of calls could mean."""

    people: Mapping[str, int]
    accounts: Sequence[tuple[int, str, str | None, int | None]]
    by: Mapping[tuple[str, Any], list[int]]
    emails: Mapping[int, str | None]

    def stands_for(self, meant: Meant) -> tuple[set[str], Collection[str], set[int]]:
        """Ids at the vendor, e-mail keys, and our SaaS users that a call could mean.

        Whatever it names counts, so that an input that names somebody else is seen.
        """
        ids = set(meant.texts)
        emails = _email_keys(ids)
        people = {self.people[key] for key in emails if key in self.people}
        people |= {meant.person_id} if meant.person_id else set()
        found = {
            place
            for name, values in (("id", ids), ("email", emails), ("person", people))
            for value in values
            for place in self.by.get((name, value), ())
        }
        found.update(self.by.get(("pk", meant.saas_user_id), ()))
        users = set()
        for place in found:
            pk, external_id, key, person = self.accounts[place]
            users.add(pk)
            ids.add(external_id)
            emails |= {key} if key else set()
            people |= {person} if person else set()
        return ids, emails | {key for one in people if (key := self.emails.get(one))}, users


def _email_keys(texts: Iterable[str]) -> set[str]:
    return {key for text in texts if "@" in text and (key := email_key(text))}


def _known(account: Account, meant: Sequence[Meant]) -> _Known:
    """Three queries."""
    ids = {text for one in meant for text in one.texts}
    emails = _email_keys(ids)
    named = Person.objects.filter(email_key__among=sorted(emails))
    people = {key: pk for key, pk in named.values_list("email_key", "pk") if key}
    persons = {one.person_id for one in meant if one.person_id} | set(people.values())
    about = Q(external_id__among=sorted(ids)) | Q(email_key__among=sorted(emails))
    about |= Q(pk__among=sorted(one.saas_user_id for one in meant if one.saas_user_id))
    about |= Q(person__among=sorted(persons))
    accounts = list(
        SaaSUser.objects.filter(
            about, application__vendor=account.vendor.key, application__tenant=account.tenant
        ).values_list("pk", "external_id", "email_key", "person")
    )
    by: dict[tuple[str, Any], list[int]] = {}
    for place, (pk, external_id, key, person) in enumerate(accounts):
        for name in (("pk", pk), ("id", external_id), ("email", key), ("person", person)):
            by.setdefault(name, []).append(place)
        persons |= {person} if person else set()
    keys = Person.objects.filter(pk__among=sorted(persons)).values_list("pk", "email_key")
    return _Known(people, accounts, by, dict(keys))


def _administrators(account: Account, application: Application | None) -> list[set[int]]:
    """All the administrators that there are, by each load's rule. A query per load with one."""
    if application is None:
        return []
    rules = (load.roles for load in account.vendor.loads.values())
    return [administrators(rule, application.pk) for rule in rules if rule is not None]


def _already_going(account: Account) -> list[tuple[int, int | None]]:
    """(call, account) of calls that take one, and that no load has seen since. One query."""
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
    calls = calls.exclude(preset__in=_leaves_accounts(account)).order_by()
    return list(calls.values_list("pk", "saas_user"))


def _leaves_accounts(account: Account) -> list[str]:
    """Presets that take less than the account, such as one licence."""
    return [
        f"{account.vendor.key}.{key}"
        for key, preset in account.vendor.presets.items()
        if preset.change is not None and not takes_accounts(preset.change)
    ]


def takes_accounts(change: Change) -> bool:
    """Whether a call that takes access takes the whole account."""
    return change.destructive or not change.takes_access
