"""What checks of a workflow may know once the rest of the file is written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.contrib.auth.models import User

from integrations.configuration.sections import After
from integrations.models import Credentials, Integration
from integrations.presets.account import ANY_CREDENTIALS
from people.models import CustomField
from saas.models import Application, SaaSUser
from workflows.configuration.wishes import Wish
from workflows.definition import Definition
from workflows.facts import (
    CredentialsFact,
    Facts,
    credentials_fact,
    fields_of,
    own_fields_of,
    read_facts,
    vendor_keys_of,
    writable_of,
)
from workflows.models import Workflow

_LOADS_USERS = Integration.UserSelection.USER_PLUS_SAAS_USER


@dataclass(frozen=True)
class Ahead:
    """The world after the file.

    `with_users` are the applications that have SaaS users, or get them from an active load.
    """

    after: After
    base: Facts
    credentials: dict[str, CredentialsFact]
    with_users: frozenset[str]


def look_ahead(after: After, user: User | None) -> Ahead:
    """Read what the checks of all workflows share. About a dozen queries."""
    base = read_facts(Workflow(object=Workflow.Object.PERSON), user=user)
    loaded = {
        one.application.name
        for one in after.integrations
        if one.application is not None
        and one.user_selection == _LOADS_USERS
        and one.state != Integration.State.DRAFT
    }
    ids = SaaSUser.objects.order_by().values_list("application", flat=True).distinct()
    have = set(Application.objects.filter(pk__in=ids).values_list("name", flat=True))
    found = {
        name: _credentials(row, after, base.credentials.get(name), user)
        for name, row in after.credentials.items()
    }
    return Ahead(after, base, found, frozenset(have | loaded))


def _credentials(
    row: Credentials, after: After, now: CredentialsFact | None, user: User | None
) -> CredentialsFact:
    used = [
        one
        for one in after.integrations
        if one.credentials is not None and one.credentials.name == row.name
    ]
    return credentials_fact(
        row,
        used,
        after.variables,
        may_be_used=now.may_be_used
        if now is not None
        else user is None or user.has_perm(ANY_CREDENTIALS),
        missing="" if row.name in after.with_secrets else None,
    )


def facts_for(wish: Wish, ahead: Ahead) -> Facts:
    """The facts of one workflow. No query."""
    object_, custom = wish.wanted.object, list(ahead.after.fields)
    application = ahead.after.applications.get(wish.wanted.application)
    if object_ == Workflow.Object.PERSON:
        application = None
    kept = wish.stored.described.definition if wish.stored else Definition()
    vendor_keys = vendor_keys_of(application)
    return replace(
        ahead.base,
        object=object_,
        application=wish.wanted.application,
        application_vendor=application.vendor if application is not None else "",
        application_tenant=(application.tenant or "") if application is not None else "",
        application_has_users=wish.wanted.application in ahead.with_users,
        fields=fields_of(object_, _of(custom), vendor_keys),
        writable=writable_of(object_, custom),
        credentials=ahead.credentials,
        variables=frozenset(ahead.after.variables),
        vendor_keys=vendor_keys,
        kept_requests={one.key: one.settings.get("request") or {} for one in kept.blocks},
        kept_blocks={one.key: one for one in kept.blocks},
        own_fields=own_fields_of(object_, custom),
    )


def _of(fields: list[CustomField]) -> list[CustomField]:
    return sorted(fields, key=lambda one: (one.object, one.key))
