"""What checking a definition needs to know of the world, read once; the checks are pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.models import User

from integrations import templates
from integrations.errors import InputInvalid, TemplateError
from integrations.holding import what_is_missing
from integrations.models import Credentials, Integration
from integrations.presets.account import ANY_CREDENTIALS
from integrations.registry import Vendor, vendors
from integrations.services import variables
from people.models import CustomField
from people.queries import PERSON_FIELDS, Target, built_in_targets, custom_target
from saas.models import Application, SaaSUser
from workflows.approvals import approver_names
from workflows.definition import BlockPart, Definition
from workflows.models import Workflow


@dataclass(frozen=True)
class CredentialsFact:
    """Credentials as checks see them. `missing` is what they lack to sign in, as a sentence.

    `tenant` is empty where nobody knows it before a call; `local`: only commands read the secret.
    """

    name: str
    vendor: str
    tenant: str
    missing: str
    local: bool
    may_be_used: bool  # by who saves (M-25); True for the engine and the command line
    inputs: Mapping[str, str]  # the vendor's inputs that come with them, such as a sub-domain


@dataclass(frozen=True)
class Facts:
    """`fields` are the record's fields that templates and rules may name, with their types.

    `writable` are the fields that Update and Response may write (M-24), by key. `item_variables`
    are those that blocks before this one may have set. `vendor_keys` are names such as
    `aha_user_id`, which a SaaS user has by its vendor and a person by a custom field only.
    """

    object: str
    application: str
    application_vendor: str
    application_tenant: str
    application_has_users: bool
    fields: Mapping[str, str]
    writable: Mapping[str, Target]
    credentials: Mapping[str, CredentialsFact]
    variables: frozenset[str]
    vendor_keys: frozenset[str] = frozenset()
    item_variables: frozenset[str] = frozenset()
    may_own_request: bool = True
    # What a block is now, where a user without `own_request` may leave it as it is: key -> request.
    kept_requests: Mapping[str, Any] = field(default_factory=dict)
    # The blocks as they are stored: credentials that the user may not use may stay where they are.
    kept_blocks: Mapping[str, BlockPart] = field(default_factory=dict)
    # Fields whose changes the record's own events tell, for `changed` and `changed_to`.
    own_fields: frozenset[str] = frozenset()
    # What names an active user: usernames, e-mails, groups; in lower case.
    approvers: frozenset[str] = frozenset()
    # Rules and templates may name `failure` behind a failure exit only.
    after_failure: bool = False


# Names of the application that the record belongs to; empty of people.
APPLICATION_FIELDS = {"name": "text", "vendor": "text", "tenant": "text"}
SAAS_FIELDS = {
    "external_id": "text",
    "email": "text",
    "name": "text",
    "status": "text",
    "last_activity": "datetime",
    "roles": "json",
}
# What tells records apart, or goes through plan and guard: never written by a mapping (M-24).
NEVER_WRITTEN = frozenset({"username", "email", "employee_id", "external_id", "role", "status"})
_WRITABLE_OF_USERS = (
    Target("name", "Name", "text", 400, may_be_sync_key=False, custom=False, of_saas_user=True),
    Target(
        "last_activity",
        "Last activity",
        "datetime",
        None,
        may_be_sync_key=False,
        custom=False,
        of_saas_user=True,
    ),
)


def read_facts(
    workflow: Workflow, *, user: User | None = None, kept: Definition | None = None
) -> Facts:
    """Everything that checks of this workflow may ask. At most eleven queries.

    `user` is who saves: what their groups may not use is refused (M-25); nobody is the engine and
    the command line, which may everything. `kept` is the definition as it is stored: what is in it
    already may stay. `Facts.item_variables` and `after_failure` depend on the place: `at_place`.
    """
    custom = list(CustomField.objects.all())
    application = workflow.application
    vendor_keys = vendor_keys_of(application)
    variables_now = variables()
    kept_blocks = kept.blocks if kept is not None else ()
    return Facts(
        object=workflow.object,
        application=application.name if application is not None else "",
        application_vendor=application.vendor if application is not None else "",
        application_tenant=(application.tenant or "") if application is not None else "",
        application_has_users=application is not None
        and SaaSUser.objects.filter(application=application).exists(),
        fields=fields_of(workflow.object, custom, vendor_keys),
        writable=writable_of(workflow.object, custom),
        credentials=_credentials(user, variables_now),
        variables=frozenset(variables_now),
        vendor_keys=vendor_keys,
        may_own_request=user is None or user.has_perm("workflows.own_request"),
        kept_requests={one.key: one.settings.get("request") or {} for one in kept_blocks},
        own_fields=own_fields_of(workflow.object, custom),
        kept_blocks={one.key: one for one in kept_blocks},
        approvers=approver_names(),
    )


def at_place(facts: Facts, *, item_variables: frozenset[str], after_failure: bool) -> Facts:
    """The facts at one block: what those before it may have set. No query."""
    return replace(facts, item_variables=item_variables, after_failure=after_failure)


def fields_of(
    object: str,  # noqa: A002
    custom: Sequence[CustomField],
    vendor_keys: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """What rules and templates may name of a record, with types; `person.` and `application.` too.

    A SaaS user has its own fields before those of its person, as `saas_user_targets` gives them.
    """
    of_people = {
        key: kind if kind in {"text", "date"} else "text" for key, kind in PERSON_FIELDS.items()
    }
    own = {one.key: one.type for one in custom if one.object == CustomField.Object.PERSON}
    person = {**own, **of_people}
    named = {f"person.{key}": kind for key, kind in person.items()}
    about = {f"application.{key}": kind for key, kind in APPLICATION_FIELDS.items()}
    if object == Workflow.Object.PERSON:
        return {**person, **named}
    users = {one.key: one.type for one in custom if one.object == CustomField.Object.SAAS_USER}
    return {
        **person,
        **users,
        **SAAS_FIELDS,
        **dict.fromkeys(vendor_keys, "text"),
        **named,
        **about,
    }


def own_fields_of(object: str, custom: Sequence[CustomField]) -> frozenset[str]:  # noqa: A002
    """The fields whose changes the record's own events tell."""
    keys = {one.key for one in custom if one.object == object}
    mine = PERSON_FIELDS if object == Workflow.Object.PERSON else SAAS_FIELDS
    return frozenset(keys | set(mine))


def writable_of(object: str, custom: Sequence[CustomField]) -> dict[str, Target]:  # noqa: A002
    """The fields that Update and Response may write, by key (M-24)."""
    own = {one.key: custom_target(one) for one in custom if one.object == object}
    if object == Workflow.Object.SAAS_USER:
        return own | {one.key: one for one in _WRITABLE_OF_USERS}
    plain = built_in_targets()
    return own | {key: one for key, one in plain.items() if key not in NEVER_WRITTEN}


def vendor_keys_of(application: Application | None) -> frozenset[str]:
    """The names of ids at vendors: of all of them for people, of its own for a SaaS user."""
    if application is None:
        listed = list(vendors().values())
    else:
        known = vendors().get(application.vendor)
        listed = [known] if known is not None else []
    return frozenset(
        load.record_key for vendor in listed for load in vendor.loads.values() if load.record_key
    )


# Credentials.


def _credentials(user: User | None, known: Mapping[str, str]) -> dict[str, CredentialsFact]:
    """Every credentials by name. Up to five queries; none is opened."""
    usable = _usable(user)
    by_credentials: dict[int | None, list[Integration]] = {}
    for one in Integration.objects.exclude(credentials=None).order_by("pk"):
        by_credentials.setdefault(one.credentials_id, []).append(one)
    return {
        row.name: credentials_fact(
            row,
            by_credentials.get(row.pk, []),
            known,
            may_be_used=usable is None or row.pk in usable,
        )
        for row in Credentials.objects.order_by("name")
    }


def _usable(user: User | None) -> frozenset[int] | None:
    """Ids of what the user's groups may use; None where all may be. Up to three queries."""
    if user is None or user.has_perm(ANY_CREDENTIALS):
        return None
    through = Credentials.groups.through.objects
    return frozenset(
        through.filter(group__in=user.groups.values("pk")).values_list("credentials_id", flat=True)
    )


def credentials_fact(
    row: Credentials,
    integrations: Sequence[Integration],
    known: Mapping[str, str],
    *,
    may_be_used: bool,
    missing: str | None = None,
) -> CredentialsFact:
    """What checks know of credentials that these integrations use. No query.

    `missing` says what they lack, where the row does not tell yet.
    """
    vendor = vendors().get(row.vendor)
    launched = [one for one in integrations if one.tenant]
    first = next(iter([*launched, *integrations]), None)
    given = first.inputs if first is not None else {}
    inputs = _inputs(vendor, given, known) if vendor is not None else {}
    return CredentialsFact(
        name=row.name,
        vendor=row.vendor,
        tenant=_tenant(vendor, row, inputs, launched),
        missing=what_is_missing(row) if missing is None else missing,
        local=row.stored == Credentials.Stored.REFERENCE,
        may_be_used=may_be_used,
        inputs=inputs,
    )


def _inputs(vendor: Vendor, given: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The vendor's inputs as calls get them; those that cannot be used are left out."""
    found = {}
    for name, field_ in vendor.inputs.items():
        template = given.get(name) or (
            f"{{{{ variables.{field_.variable} }}}}" if field_.variable else ""
        )
        try:
            value = templates.render(template, {"variables": known}, absent="blank")
            found[name] = field_.normalise(str(value if value is not None else ""))
        except (TemplateError, InputInvalid):
            continue
    return found


def _tenant(
    vendor: Vendor | None,
    row: Credentials,
    inputs: Mapping[str, str],
    launched: Sequence[Integration],
) -> str:
    """As calls find the account; empty where only an answer of the vendor says it (M-1)."""
    if vendor is None:
        return ""
    tenants = {str(one.tenant) for one in launched}
    if len(tenants) > 1:
        return ""
    named = vendor.manifest.tenant.input
    if named:
        return inputs.get(named, "")
    if vendor.manifest.tenant.word:
        return row.tenant or vendor.manifest.tenant.word
    return next(iter(tenants), "")
