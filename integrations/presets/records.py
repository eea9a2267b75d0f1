"""The record that a preset is called for, and the values that its templates may name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet

from integrations.errors import PresetRefused, Problem
from integrations.manifest_presets import Preset
from integrations.presets.call import Target
from integrations.registry import Vendor
from people.identity import email_key, username_key
from people.listing import plain
from people.models import Person
from people.queries import PERSON_FIELDS
from saas.models import Application, SaaSUser
from saas.queries import roles_held

_NAMED = 5  # of several records that could be meant
_LONGEST_ID = 18  # digits of a number that is an id of ours
_SAAS_FIELDS = ("external_id", "email", "name", "status", "last_activity")


def find_record(vendor: Vendor, preset: Preset, key: str, *, tenant: str) -> Target:
    """The person or SaaS user that a key means; up to eight queries.

    A person by e-mail, username or employee id; a SaaS user of the application of this account by
    the vendor's id or e-mail. The person first, for presets that read roles the SaaS user. An id of
    ours is tried last, and not where access is taken away: it could be a vendor's that is not
    loaded. Raises PresetRefused when nobody, or more than one, is meant.
    """
    # What no column can hold is nobody's name.
    wanted = key.strip().replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    application = Application.objects.filter(vendor=vendor.key, tenant=tenant).first()
    people = _people(wanted) if "person" in preset.records else []
    users = _users(application, wanted) if application is not None and _takes_users(preset) else []
    if preset.roles and users:
        people = []
    if people:
        users = _others(people, users, wanted)
    elif not users and "person" in preset.records and not _takes_access(preset):
        people = _with_our_id(wanted)
    found: list[Person | SaaSUser] = [*people, *users]
    if len(found) != 1:
        raise PresetRefused([Problem("record", _not_one(found, wanted, preset, application))])
    one = found[0]
    if isinstance(one, Person):
        return person_target(vendor, one, application=application)
    return saas_user_target(vendor, one)


def person_target(vendor: Vendor, person: Person, *, application: Application | None) -> Target:
    """A person as the record of a call. Up to three queries.

    The id at the vendor is what a load put into the custom field of that name, nothing else.
    """
    return at_application(vendor, person_targets([person]), application=application)[0]


def person_targets(people: Iterable[Person]) -> list[Target]:
    """People as records that no vendor is known for yet. No query for whole people."""
    targets = []
    for person in people:
        values = _person_values(person)
        targets.append(
            Target(
                kind="person",
                id=person.pk,
                label=str(person.email or person),
                values={**values, "person": values, "application": {}},
                person_id=person.pk,
            )
        )
    return targets


def at_application(
    vendor: Vendor, targets: Sequence[Target], *, application: Application | None
) -> list[Target]:
    """People as the records of calls to this vendor; SaaS users stay as they are. At most a query.

    Who has exactly one account in the application is known by it.
    """
    people = [target.person_id for target in targets if target.kind == "person"]
    own: dict[int | None, list[int]] = {}
    if people and application is not None:
        accounts = SaaSUser.objects.filter(application=application, person__among=people)
        for person, pk in accounts.values_list("person", "pk"):
            own.setdefault(person, []).append(pk)
    keys = dict.fromkeys(_record_keys(vendor))
    about = _application_values(application)
    return [
        replace(
            target,
            values={**keys, **target.values, "application": about},
            saas_user_id=ids[0] if len(ids := own.get(target.person_id, [])) == 1 else None,
        )
        if target.kind == "person"
        else target
        for target in targets
    ]


def saas_user_target(vendor: Vendor, user: SaaSUser) -> Target:
    """A SaaS user as the record of a call: its fields before those of its person. Three queries."""
    return saas_user_targets(vendor, [user])[0]


def saas_user_targets(vendor: Vendor | None, users: Sequence[SaaSUser]) -> list[Target]:
    """SaaS users as records, with their roles of now. One query for whole accounts."""
    held = roles_held([user.pk for user in users])
    keys = _record_keys(vendor) if vendor is not None else []
    targets = []
    for user in users:
        about_person = _person_values(user.person) if user.person is not None else {}
        own = {name: plain(getattr(user, name)) for name in _SAAS_FIELDS}
        roles = [
            {name: row[name] for name in ("role", "scope_id", "scope")}
            for row in held.get(user.pk, [])
        ]
        targets.append(
            Target(
                kind="saas_user",
                id=user.pk,
                label=user.email or user.external_id,
                values={
                    **about_person,
                    **user.custom,
                    **own,
                    "roles": roles,
                    **dict.fromkeys(keys, user.external_id),
                    "person": about_person,
                    "application": _application_values(user.application),
                },
                person_id=user.person_id,
                saas_user_id=user.pk,
            )
        )
    return targets


def _record_keys(vendor: Vendor) -> list[str]:
    return [load.record_key for load in vendor.loads.values() if load.record_key]


def _takes_users(preset: Preset) -> bool:
    return "saas_user" in preset.records


def _person_values(person: Person) -> dict[str, Any]:
    """Every field by its key; a department by its name, a manager by the e-mail."""
    values: dict[str, Any] = {}
    for name, kind in PERSON_FIELDS.items():
        value = getattr(person, name)
        if kind == "manager":
            value = value.email if value is not None else None
        elif kind in {"department", "role"}:
            value = value.name if value is not None else None
        values[name] = plain(value)
    return {**person.custom, **values}


def _application_values(application: Application | None) -> dict[str, Any]:
    if application is None:
        return {}
    return {
        "name": application.name,
        "vendor": application.vendor,
        "tenant": application.tenant,
    }


# Finding.


def _people(key: str) -> list[Person]:
    """Who has this e-mail, username or employee id. Up to one query."""
    if not key:
        return []  # a blank employee id is nobody's
    named = Q(employee_id=key)
    if folded := email_key(key):
        named |= Q(email_key=folded) | Q(username_key=username_key(key))
    return list(_whole_people().filter(named).order_by("pk")[:_NAMED])


def _with_our_id(key: str) -> list[Person]:
    """Whose id in our table it is. Up to one query."""
    if key.isascii() and key.isdigit() and len(key) <= _LONGEST_ID:
        return list(_whole_people().filter(pk=int(key)))
    return []


def _whole_people() -> QuerySet[Person]:
    return Person.objects.select_related("department", "manager", "role")


def _takes_access(preset: Preset) -> bool:
    change = preset.change
    return change is not None and (change.takes_access or change.destructive)


def _users(application: Application, key: str) -> list[SaaSUser]:
    """The account with this id at the vendor; else those with this e-mail. Up to two queries."""
    users = SaaSUser.objects.select_related(
        "application", "person__department", "person__manager", "person__role"
    ).filter(application=application)
    found = list(users.filter(external_id=key))
    folded = email_key(key)
    if not found and folded:
        found = list(users.filter(email_key=folded).order_by("pk")[:_NAMED])
    return found


def _others(people: Sequence[Person], users: Sequence[SaaSUser], key: str) -> list[SaaSUser]:
    """Accounts that the key means by their id and that are not those of the people it means."""
    known = {person.pk for person in people}
    return [one for one in users if one.external_id == key and one.person_id not in known]


def _not_one(
    found: Sequence[Person | SaaSUser],
    key: str,
    preset: Preset,
    application: Application | None,
) -> str:
    where = f" of {application.name}" if application is not None else ""
    if found:
        named = ", ".join(_in_words(one) for one in found[:_NAMED])
        return (
            f'"{key}" could mean several records: {named}. Name one by something that only it has, '
            "such as the ID at the vendor."
        )
    looked = []
    if "person" in preset.records:
        own = "or employee ID" if _takes_access(preset) else "employee ID or ID"
        looked.append(f"no person with this e-mail, username, {own}".replace(", or", " or"))
    if _takes_users(preset):
        looked.append(
            f"no SaaS user{where} with this ID or e-mail"
            if application is not None
            else "no application of this vendor account yet, so no SaaS users; run the user "
            "integration with User plus SaaS User first"
        )
    return f'There is no record "{key}": {"; and ".join(looked)}.'


def _in_words(one: Person | SaaSUser) -> str:
    if isinstance(one, Person):
        return f"the person {one.email or one} (ID {one.pk})"
    return f"the SaaS user {one.email or one.name} (ID {one.external_id})"
