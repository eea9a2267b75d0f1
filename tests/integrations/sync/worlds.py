"""A small company at the vendors, integrations that read it, and what a sync made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import orjson
from django.contrib.auth.models import User
from django.db.models import Q

from integrations import services
from integrations.models import Integration, LinkState, PlannedChange, RecordLink, SyncRun
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from integrations.sync import execute
from integrations.vendors.aha.sandbox import Vendor as AhaSide
from people.by_hand import save_person
from people.models import Department, Event, Person, PersonRole
from saas.models import SaaSUser, SaaSUserRole
from tests.makers import make_credentials, make_mapping, make_user

DOMAIN = "acme.example"
AHA_OWNER = f"key-owner@{DOMAIN}"
LOADS = {"bamboohr": "employees", "aha": "users", "monday": "users"}
NO_LIMIT = {"per_minute": None, "per_second": None}
OVERRIDES: dict[str, dict[str, Any]] = {
    "bamboohr": {"rate.per_second": 1000},
    "aha": {"rate.per_minute": 100_000, "rate.per_second": 1000},
    "monday": {"rate.per_minute": 100_000, "rate.per_second": 1000},
}
# What most of these tests map: enough to tell people apart, and a few fields to differ in.
EMPLOYEES: tuple[dict[str, Any], ...] = (
    {"source": "work_email", "target": "email", "sync_key": 1},
    {"source": "work_email", "target": "username"},
    {"source": "employee_number", "target": "employee_id", "sync_key": 2},
    {"source": "first_name", "target": "first_name"},
    {"source": "last_name", "target": "last_name"},
    {"source": "job_title", "target": "title"},
    {"source": "termination_date", "target": "deactivation_date"},
    {"source": "status", "target": "status"},
)
ACCOUNTS: tuple[dict[str, Any], ...] = (
    {"source": "email", "target": "email", "sync_key": 1},
    {"source": "email", "target": "username"},
    {"source": "name", "target": "full_name"},
)
MAPPINGS = {"bamboohr": EMPLOYEES, "aha": ACCOUNTS, "monday": ACCOUNTS}
_number = count(1)


def without(mappings: Iterable[Mapping[str, Any]], *targets: str) -> list[dict[str, Any]]:
    """The mappings except those to these targets."""
    return [dict(row) for row in mappings if row["target"] not in targets]


class Vendor:
    """One vendor's side: change its records as its own users would."""

    def __init__(self, sandbox: Sandbox, key: str) -> None:
        self.sandbox = sandbox
        self.key = key

    def add(self, **values: Any) -> str:
        """Add a record; its id."""
        return self.add_all([values])[0]

    def add_all(self, records: Sequence[dict[str, Any]]) -> list[str]:
        """Add records in one go; their ids."""
        return self.sandbox.change(StateChange(vendor=self.key, add=list(records)))[self.key]

    def change(self, record_id: str, **values: Any) -> None:
        """Set values of a record."""
        self.change_all({record_id: values})

    def change_all(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Set values of several records at once, as when two of them swap something."""
        changes = [RecordChange(id=record, set=dict(new)) for record, new in values.items()]
        self.sandbox.change(StateChange(vendor=self.key, change=changes))

    def remove(self, *record_ids: str) -> None:
        """Take records away as if they had never been."""
        self.sandbox.change(StateChange(vendor=self.key, delete=list(record_ids)))

    def set(self, **settings: Any) -> None:
        """Change settings of the vendor's side."""
        self.sandbox.change(StateChange(vendor=self.key, settings=settings))

    def fault(self, kind: Any, **values: Any) -> None:
        """Spoil answers from now on."""
        self.sandbox.faults.add(kind, vendor=self.key, **values)

    def heal(self) -> None:
        """End every fault."""
        self.sandbox.faults.clear()


class World:
    """An empty company with both vendors; Aha! has the account that its key belongs to."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.bamboohr = Vendor(sandbox, "bamboohr")
        self.aha = Vendor(sandbox, "aha")
        owner = self.aha.add(
            first_name="Key", last_name="Owner", email=AHA_OWNER, administrator=True
        )
        side = sandbox.state["aha"]
        assert isinstance(side, AhaSide)
        side.owner_id = owner
        PersonRole.objects.get_or_create(name="Employee")

    def employ(self, first_name: str, **values: Any) -> str:
        """A new BambooHR employee with an e-mail and an employee number of their own; the id."""
        return self.bamboohr.add(**self.employee(first_name, **values))

    def employee(self, first_name: str, **values: Any) -> dict[str, Any]:
        number = next(_number)
        return {
            "id": str(1000 + number),
            "firstName": first_name,
            "lastName": "Example",
            "workEmail": f"{first_name.lower()}@{DOMAIN}",
            "employeeNumber": f"E-{number}",
            "jobTitle": "Clerk",
            **values,
        }

    def open_account(self, first_name: str, **values: Any) -> str:
        """A new Aha! user, enabled and without roles; the id."""
        named = {"first_name": first_name, "last_name": "Example"}
        return self.aha.add(**{**named, "email": f"{first_name.lower()}@{DOMAIN}", **values})

    def integration(
        self,
        vendor: str,
        *,
        mappings: Iterable[Mapping[str, Any]] | None = None,
        launched: bool = True,
        overrides: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Integration:
        """An integration of this vendor, launched; people come from its suggested e-mail key."""
        number = next(_number)
        name = fields.pop("name", f"{get_vendor(vendor).label} load {number}")
        if "credentials" not in fields:
            given = self.sandbox.credentials(vendor)
            fields["credentials"] = make_credentials(
                f"Key {number}",
                vendor=vendor,
                secret=given["secrets"]["value"],
                settings=given["settings"],
                base_url=self.sandbox.base_url(vendor),
                overrides={**OVERRIDES[vendor], **(overrides or {})},
            )
        values: dict[str, Any] = {
            "inputs": self.sandbox.state[vendor].inputs(),
            "user_selection": "user_only" if vendor == "bamboohr" else "user_plus_saas_user",
            "run_as": User.objects.first() or make_user("runner"),
            **fields,
        }
        integration = Integration.objects.create(
            name=name, vendor=vendor, load=LOADS[vendor], **values
        )
        for mapping in MAPPINGS[vendor] if mappings is None else mappings:
            make_mapping(integration, **mapping)
        if launched:
            services.launch(integration, by="admin", test=False)
        return integration


def run_sync(integration: Integration, *, kind: str = "sync", person: str = "") -> SyncRun:
    """Queue a run and do it here; gives it back ended, whatever its end."""
    fresh = Integration.objects.get(pk=integration.pk)
    run = services.queue_run(fresh, kind=kind, by="admin", person=person)
    return execute(run.pk)


def sync(integration: Integration | None, **options: Any) -> SyncRun:
    """Run a sync that must end well: done, or partial because of issues of records."""
    assert integration is not None
    run = run_sync(integration, **options)
    assert run.state in {"done", "partial"}, f"{run.state}: {run.error_code} {run.error_message}"
    return run


# What is there now, told so that a test can name it.


def emails(**only: Any) -> list[str]:
    """The e-mails of the people that match, in alphabetical order."""
    return sorted(Person.objects.filter(**only).values_list("email", flat=True))


def person(email: str) -> Person:
    """The person with this e-mail."""
    return Person.objects.get(email=email)


def account(email: str) -> SaaSUser:
    """The SaaS user with this e-mail."""
    return SaaSUser.objects.get(email=email)


def roles_now(user: SaaSUser) -> list[tuple[str, str]]:
    """(role, scope) of the roles that the account has now, the primary one first."""
    rows = user.roles.filter(valid_to__isnull=True).order_by("rank")
    return [(row.role, row.scope) for row in rows]


def issues(run: SyncRun, **only: Any) -> list[tuple[str, str]]:
    """(external id, code) of the run's issues, without warnings."""
    rows = run.issues.filter(severity="issue", **only)
    return sorted(rows.values_list("external_id", "code"))


def warnings(run: SyncRun) -> list[tuple[str, str]]:
    """(e-mail, code) of the run's warnings."""
    return sorted(run.issues.filter(severity="warning").values_list("key", "code"))


def plan(run: SyncRun, **only: Any) -> list[tuple[str, str, str]]:
    """(object, action, key) of the run's plan rows, in order."""
    return list(run.plan.filter(**only).values_list("object", "action", "key"))


def removals(run: SyncRun) -> list[tuple[str, str]]:
    """(object, key) of the removals that the run previewed, applied or held."""
    states = [PlannedChange.State(name) for name in ("removal", "applied", "held")]
    rows = run.plan.filter(
        Q(object="person") | Q(absent=True), action="deactivate", state__in=states
    )
    return sorted(rows.values_list("object", "key"))


def skipped(run: SyncRun) -> dict[str, str]:
    """{key: reason} of the records that the run left out."""
    return dict(run.plan.filter(action="skip").values_list("key", "reason"))


def links() -> dict[str, str | None]:
    """{external id: e-mail of the person that it stands for}."""
    return dict(RecordLink.objects.values_list("external_id", "person__email"))


def events_of(run: SyncRun) -> dict[tuple[str, str], dict[str, Any]]:
    """{(object, e-mail): {"kind", "changes"}} of the run's events."""
    named = names()
    return {
        named[event.object, event.object_id]: {"kind": event.kind, "changes": event.changes}
        for event in Event.objects.filter(run_id=run.pk)
    }


def names() -> dict[tuple[str, int], tuple[str, str]]:
    """Object and id -> object and e-mail or id at the vendor."""
    people = dict(Person.objects.values_list("pk", "email"))
    users = dict(SaaSUser.objects.values_list("pk", "external_id"))
    return {
        **{("person", pk): ("person", email) for pk, email in people.items()},
        **{("saas_user", pk): ("saas_user", external_id) for pk, external_id in users.items()},
    }


def by_hand(one: Person, **values: Any) -> None:
    """Change fields of a person as the admin pages do."""
    save_person(one, values, actor="admin")


def tables() -> dict[str, Any]:
    """All that a sync writes, by names instead of ids and without moments, to be compared."""
    people = {
        row["email"]: row
        for row in Person.objects.values(
            "email", "username", "first_name", "last_name", "full_name", "title", "employee_id",
            "status", "deactivation_date", "department__name", "manager__email", "custom",
            "email_key", "username_key", "sources",
        )
    }  # fmt: skip
    users = {
        row["external_id"]: row
        for row in SaaSUser.objects.values(
            "external_id", "email", "name", "status", "person__email", "last_activity", "custom"
        )
    }
    roles = [
        (user, role, scope, "ended" if ended else "current")
        for user, role, scope, ended in SaaSUserRole.objects.values_list(
            "saas_user__external_id", "role", "scope_id", "valid_to"
        )
    ]
    states = LinkState.objects.values_list("link__external_id", "integration__name", "hash")
    return {
        "people": people,
        "users": users,
        "roles": sorted(roles),
        "departments": sorted(Department.objects.values_list("name", flat=True)),
        "links": links(),
        "states": sorted(states),
        "events": _all_events(),
    }


def _all_events() -> list[tuple[str, str, str, str]]:
    named = names()
    return sorted(
        (
            *named[event.object, event.object_id],
            event.kind,
            orjson.dumps(event.changes, option=orjson.OPT_SORT_KEYS).decode(),
        )
        for event in Event.objects.all()
    )
