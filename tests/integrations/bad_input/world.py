"""A company in the sandbox and one launched integration that reads it: what these tests act on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.forms.models import model_to_dict

from integrations import services
from integrations.models import Credentials, Integration, RecordIssue, SyncRun
from integrations.registry import get_vendor
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange, VendorSide
from integrations.secrets import seal
from integrations.sync import execute
from people.models import Person, PersonRole
from saas.models import SaaSUser, SaaSUserRole
from tests.integrations.vendors.contract.world import listing_path
from tests.makers import make_mapping, make_user

CANARY = "canary/5e1f+0c7ab94d=42d88e2f6a31"
# Pages of ten, so that a small company has several; the rate is the sandbox's business here.
_EASIER = {
    "rate.per_second": 1000,
    "rate.per_minute": 100_000,
    "loads.users.paging.page_size": 10,
}
SOONER = {"Retry-After": "0.01"}  # before a call is made again


@dataclass
class World:
    """One vendor of the sandbox and the integration that reads it."""

    vendor: str
    sandbox: Sandbox
    integration: Integration
    listing: str = field(init=False)

    def __post_init__(self) -> None:
        self.listing = listing_path(self.sandbox, get_vendor(self.vendor), load_of(self.vendor))

    @property
    def credentials(self) -> Credentials:
        """The credentials as they are stored now."""
        return Credentials.objects.get(integrations=self.integration.pk)

    def sync(self, *, kind: str = SyncRun.Kind.SYNC) -> SyncRun:
        """Queue a run and do it; gives it back ended."""
        integration = Integration.objects.get(pk=self.integration.pk)
        run = services.queue_run(integration, kind=kind, by="admin")
        return execute(run.pk)

    def fault(self, kind: Any, **values: Any) -> int:
        """Arm a fault of the vendor, of its listing unless `path` is given; its number."""
        return self.sandbox.faults.add(kind, vendor=self.vendor, **{"path": self.listing, **values})

    def heal(self) -> None:
        """End every fault, and the pauses that the vendor asked for."""
        self.sandbox.faults.clear()

    def change(self, record: str, **values: Any) -> None:
        """Set values of one record at the vendor."""
        self.sandbox.change(
            StateChange(vendor=self.vendor, change=[RecordChange(id=record, set=values)])
        )

    def add(self, **values: Any) -> None:
        """Add a record at the vendor, whatever its own API would refuse."""
        self.sandbox.change(StateChange(vendor=self.vendor, add=[values]))

    def delete(self, record: str) -> None:
        """Take a record away at the vendor."""
        self.sandbox.change(StateChange(vendor=self.vendor, delete=[record]))

    def ids(self) -> list[str]:
        """The ids of all records at the vendor."""
        return [id_of(one) for one in records_of(self)]

    def requests(self) -> list[Any]:
        """What arrived at the vendor's side."""
        return [seen for seen in self.sandbox.log if seen.vendor == self.vendor]


def open_world(
    vendor: str,
    sandbox: Sandbox,
    *,
    secret: str | None = None,
    overrides: dict[str, Any] | None = None,
) -> World:
    """Make credentials, an integration with the suggested mappings, and launch it.

    The integration maps every suggested field. `secret` replaces the sandbox's own key,
    `overrides` the facts of the vendor that these tests correct.
    """
    PersonRole.objects.get_or_create(name="Employee")
    side = sandbox.state[vendor]
    given = sandbox.credentials(vendor)
    credentials = Credentials(
        name=f"{get_vendor(vendor).label} production",
        vendor=vendor,
        type=given["type"],
        settings=given["settings"],
        base_url=sandbox.base_url(vendor),
        overrides=overrides_of(vendor) if overrides is None else overrides,
    )
    seal(credentials, {"value": secret} if secret else given["secrets"], by="admin")
    credentials.save()
    integration = Integration.objects.create(
        name=f"{get_vendor(vendor).label} load",
        vendor=vendor,
        load=load_of(vendor),
        credentials=credentials,
        inputs=side.inputs(),
        run_as=make_user(f"runner-{vendor}"),
    )
    for row in get_vendor(vendor).loads[load_of(vendor)].suggested:
        make_mapping(integration, **_mapping(row))
    services.launch(integration, by="admin", test=False)
    return World(vendor, sandbox, integration)


def load_of(vendor: str) -> str:
    """The first load of a vendor, which these worlds read."""
    return next(iter(get_vendor(vendor).loads))


def overrides_of(vendor: str) -> dict[str, Any]:
    """What makes a vendor quick and its pages small, as far as its folder lets that be corrected."""
    uncertain = {fact.path for fact in get_vendor(vendor).inferred}
    return {path: value for path, value in _EASIER.items() if path in uncertain}


def records_of(world: World) -> list[dict[str, Any]]:
    """Every record at the vendor, by the names that its side keeps them under."""
    side = world.sandbox.state[world.vendor]
    found: list[dict[str, Any]] = side.kept()[records_name(side)]
    return found


def records_name(side: VendorSide) -> str:
    """Under which name a vendor's side keeps its records: a list of what it finds by id."""
    return next(
        name
        for name, rows in side.kept().items()
        if isinstance(rows, list) and rows and side.has_record(id_of(rows[0]))
    )


def id_of(row: Any) -> str:
    """The id of a record as a vendor's side keeps it; empty for what is no record."""
    return str(row.get("id") or row.get("key") or "") if isinstance(row, dict) else ""


def mend(world: World) -> None:
    """Mend, at the vendor, what every sandbox company has amiss, so that a run can be `done`.

    Everybody gets an e-mail, and one that nobody else has.
    """
    seen: set[str] = set()
    name = "workEmail" if world.vendor == "bamboohr" else "email"
    for number, one in enumerate(records_of(world)):
        email = one.get("work_email") if world.vendor == "bamboohr" else one["email"]
        if not email or email in seen:
            world.change(id_of(one), **{name: f"mended{number}@acme.example"})
        seen.add(email or "")


def _mapping(row: Any) -> dict[str, Any]:
    return {
        "source": row.source or "",
        "constant": row.constant,
        "transform": row.transform or "",
        "target": row.target,
        "sync_key": row.sync_key,
        # A hostile value in a field that is blank otherwise would stay, as "when filled" says.
        "policy": "always" if row.policy == "when_filled" else row.policy,
    }


Rows = dict[str, dict[Any, Any]]


def snapshot() -> Rows:
    """Every person, SaaS user and current role, as plain values: what must not be damaged.

    People by id, SaaS users by application and external id, roles by those, role and scope.
    """
    left_out = ["custom", "sources"]
    people = {
        person.pk: {**model_to_dict(person, exclude=left_out), "custom": person.custom}
        for person in Person.objects.all()
    }
    users = {
        f"{user.application_id}/{user.external_id}": model_to_dict(user)
        for user in SaaSUser.objects.all()
    }
    roles = SaaSUserRole.objects.filter(valid_to__isnull=True).values_list(
        "saas_user__application", "saas_user__external_id", "role", "scope_id", "scope"
    )
    return {"people": people, "users": users, "roles": dict(Counter(roles))}


def removed(before: Rows, after: Rows) -> list[str]:
    """Whoever was active before and is not any more, or is gone: `people 12`, `users 1/4711`."""
    return [
        f"{kind} {key}"
        for kind in ("people", "users")
        for key, row in before[kind].items()
        if row["status"] == "active" and after[kind].get(key, {}).get("status") != "active"
    ]


def issues_of(run: SyncRun) -> list[RecordIssue]:
    """The run's issues; warnings are told apart, by `warnings_of`."""
    return list(RecordIssue.objects.filter(run=run, severity=RecordIssue.Severity.ISSUE))


def warnings_of(run: SyncRun) -> list[RecordIssue]:
    """The run's warnings about records."""
    return list(RecordIssue.objects.filter(run=run, severity=RecordIssue.Severity.WARNING))


OpenWorld = Callable[..., World]
