"""Rows that tests begin with, made by the models directly; each maker fills in what it must."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from integrations import secrets
from integrations.models import (
    Credentials,
    FieldMapping,
    GlobalVariable,
    Integration,
    Notification,
    Operation,
    PlannedChange,
    RecordIssue,
    SyncRun,
)
from integrations.sandbox.server import Sandbox
from people.identity import email_key, look_alike, username_key
from people.models import CustomField, Person
from saas.models import Application, SaaSUser, SaaSUserRole

_number = count(1)
AHA_KEY = "Bearer canary-4f7d2a9c1b8e6a3d"


def make_user(username: str = "admin", **fields: Any) -> User:
    """A superuser who may sign in with `correct-horse-battery`."""
    return User.objects.create_superuser(
        username, f"{username}@example.com", "correct-horse-battery", **fields
    )


def make_person(**fields: Any) -> Person:
    """A person with an e-mail, a name and the keys that belong to them."""
    number = next(_number)
    values = {
        "first_name": "Ann",
        "last_name": f"Example {number}",
        "email": f"ann{number}@example.com",
        **fields,
    }
    values.setdefault("username", values["email"])
    values.setdefault("full_name", f"{values['first_name']} {values['last_name']}".strip())
    email = email_key(values["email"])
    return Person.objects.create(
        email_key=email,
        username_key=username_key(values["username"]),
        email_look_alike=look_alike(email),
        **values,
    )


def make_custom_field(label: str = "Aha User Id", **fields: Any) -> CustomField:
    """A text field of people, whose key is the label in snake case."""
    values = {"key": label.lower().replace(" ", "_"), **fields}
    return CustomField.objects.create(label=label, **values)


def make_application(name: str = "Aha!", **fields: Any) -> Application:
    """An application of the vendor `aha`; the tenant is its lower-case name."""
    values = {"vendor": "aha", "tenant": "mycompany", **fields}
    return Application.objects.create(name=name, **values)


def make_saas_user(application: Application, **fields: Any) -> SaaSUser:
    """An account, with no person unless one is given."""
    number = next(_number)
    values = {
        "external_id": str(7_000_000 + number),
        "email": f"ann{number}@example.com",
        "name": f"Ann Example {number}",
        **fields,
    }
    return SaaSUser.objects.create(
        application=application, email_key=email_key(values["email"]), **values
    )


def make_role(saas_user: SaaSUser, role: str = "Member", **fields: Any) -> SaaSUserRole:
    """A role that the account has since yesterday."""
    values = {"valid_from": timezone.now() - timedelta(days=1), **fields}
    return SaaSUserRole.objects.create(saas_user=saas_user, role=role, **values)


def make_credentials(
    name: str = "Aha production", *, secret: str = AHA_KEY, **fields: Any
) -> Credentials:
    """Credentials of the vendor `aha` with an API key, sealed; `secret=""` leaves it out."""
    values = {
        "vendor": "aha",
        "type": Credentials.Type.API_KEY,
        "settings": {"token_name": "Authorization", "add_to": "header"},
        **fields,
    }
    credentials = Credentials(name=name, **values)
    if secret:
        secrets.seal(credentials, {"value": secret}, by="maker")
    credentials.save()
    return credentials


def make_sandbox_credentials(
    sandbox: Sandbox, vendor: str, name: str, *, overrides: Mapping[str, Any]
) -> Credentials:
    """The admin credentials of a sandbox's vendor; the overrides are copied."""
    given = sandbox.credentials(vendor)
    credentials = Credentials(
        name=name,
        vendor=vendor,
        type=given["type"],
        settings=given["settings"],
        base_url=sandbox.base_url(vendor),
        overrides=dict(overrides),
    )
    secrets.seal(credentials, given["secrets"], by="maker")
    credentials.save()
    return credentials


def make_variable(key: str = "Aha.Subdomain", value: str = "mycompany") -> GlobalVariable:
    """A global variable."""
    return GlobalVariable.objects.create(key=key, value=value)


def make_integration(name: str = "Aha! User Load", **fields: Any) -> Integration:
    """A draft that nothing is missing from, or with `state="active"` a launched one.

    Maps e-mail (sync key), username and full name unless `mappings=False`.
    """
    mapped = fields.pop("mappings", True)
    values = {"vendor": "aha", "load": "users", **fields}
    values.setdefault("inputs", {"subdomain": "mycompany"})
    if "credentials" not in values:
        values["credentials"] = make_credentials(f"Key of {name}", vendor=values["vendor"])
    if "run_as" not in values:
        values["run_as"] = User.objects.filter(is_superuser=True).first() or make_user(
            f"runner{next(_number)}"
        )
    if values.get("state", "draft") != "draft":
        values.setdefault("tenant", "mycompany")
        values.setdefault("launched_at", timezone.now())
    integration = Integration.objects.create(name=name, **values)
    if mapped:
        make_mapping(integration, source="email", target="email", sync_key=1)
        make_mapping(integration, source="email", target="username")
        make_mapping(integration, source="name", target="full_name")
    return integration


def make_mapping(integration: Integration, **fields: Any) -> FieldMapping:
    """A mapping after those that the integration has."""
    fields.setdefault("position", integration.mappings.count())
    return FieldMapping.objects.create(integration=integration, **fields)


def make_run(integration: Integration, **fields: Any) -> SyncRun:
    """A run that is done, unless `state` says otherwise."""
    now = timezone.now()
    values: dict[str, Any] = {
        "name": integration.name,
        "state": SyncRun.State.DONE,
        "started_by": "maker",
        "listing": {"complete": True},
        "counts": make_counts(),
        **fields,
    }
    if values["state"] not in SyncRun.ACTIVE_STATES:
        values.setdefault("started_at", now - timedelta(seconds=12))
        values.setdefault("finished_at", now)
    return SyncRun.objects.create(integration=integration, **values)


def make_counts(**people: int) -> dict[str, Any]:
    """Counts of a sync in the shape in which runs keep them."""
    nothing = dict.fromkeys(
        ("created", "updated", "deactivated", "reactivated", "unchanged", "skipped"), 0
    )
    return {
        "seen": 0,
        "people": {**nothing, **people},
        "saas_users": dict(nothing),
        "roles": {"added": 0, "ended": 0},
        "issues": 0,
        "held": 0,
    }


def make_change(run: SyncRun, **fields: Any) -> PlannedChange:
    """A row of the run's plan: an applied update of a person."""
    values: dict[str, Any] = {
        "object": "person",
        "action": PlannedChange.Action.UPDATE,
        "state": PlannedChange.State.APPLIED,
        "key": "ann@example.com",
        "external_id": str(next(_number)),
        "changes": {"title": ["Clerk", "Head of Clerks"]},
        **fields,
    }
    return PlannedChange.objects.create(run=run, **values)


def make_issue(run: SyncRun, **fields: Any) -> RecordIssue:
    """An issue that is open."""
    values: dict[str, Any] = {
        "key": "ann@example.com",
        "external_id": str(next(_number)),
        "code": "several_people",
        "reason": "Two people have this employee ID.",
        **fields,
    }
    return RecordIssue.objects.create(run=run, **values)


def make_notification(**fields: Any) -> Notification:
    """A mail that waits to be sent to one address."""
    number = next(_number)
    values = {
        "kind": Notification.Kind.FAILED,
        "episode": f"failed:{number}",
        "subject": f"[Rolecall] Mail {number}",
        "body": "A run failed.",
        "recipients": ["it@example.com"],
        **fields,
    }
    return Notification.objects.create(**values)


def make_operation(**fields: Any) -> Operation:
    """A call to the vendor `aha` that is done, unless `state` says otherwise."""
    number = next(_number)
    now = timezone.now()
    values: dict[str, Any] = {
        "key": f"maker:{number}",
        "vendor": "aha",
        "tenant": "mycompany",
        "preset": "aha.deactivate_user",
        "credentials_name": "Aha production",
        "target": f"target {number}",
        "effect": f"effect {number}",
        "record": f"ann{number}@example.com",
        "request": {"method": "PUT", "path": "users/1", "body": {"user": {"enabled": False}}},
        "request_hash": f"{number:064}",
        "state": Operation.State.DONE,
        "started_by": "maker",
        "tries": 1,
        "first_sent_at": now,
        "sent_at": now,
        **fields,
    }
    if values["state"] in Operation.ENDED_STATES:
        values.setdefault("finished_at", now)
    return Operation.objects.create(**values)
