"""The small company of the trials: loaded once, then changed at the vendor, with a run queued."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from integrations import secrets, services
from integrations.models import Credentials, FieldMapping, Integration, SyncRun
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from integrations.sync import execute
from people.models import PersonRole

ACCOUNTS = 66
PAGE = 25
MAPPINGS: tuple[dict[str, Any], ...] = (
    {"source": "email", "target": "email", "sync_key": 1},
    {"source": "email", "target": "username"},
    {"source": "name", "target": "full_name"},
    {"source": "name", "target": "first_name", "transform": "first_name"},
    {"constant": "Employee", "target": "role", "policy": "on_create"},
)


@dataclass(frozen=True)
class Company:
    """What a trial needs to know of its world: the one queued run is in the template."""

    sandbox: Sandbox
    integration_id: int
    run_id: int


def make_sandbox() -> Sandbox:
    """An empty vendor that does not slow anybody down."""
    return Sandbox(people=0, seed=1, settings={"aha": {"per_minute": None, "per_second": None}})


def make_company(sandbox: Sandbox) -> Company:
    """Load the company undisturbed, let a busy day pass at the vendor, queue the next sync."""
    settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
    PersonRole.objects.get_or_create(name="Employee")
    owner = _change(sandbox, add=[_account("key", "Owner", administrator=True)])[0]
    sandbox.state["aha"].owner_id = owner  # type: ignore[attr-defined]
    ids = _change(sandbox, add=[_account(f"p{number}") for number in range(ACCOUNTS)])
    _change(sandbox, change=[RecordChange(id=one, set={"enabled": False}) for one in ids[40:44]])
    integration = add_integration(sandbox, "Aha! User Load")
    first = execute(services.queue_run(integration, by="admin").pk)
    if first.state != SyncRun.State.DONE:
        raise RuntimeError(f"The first load ended {first.state}: {first.error_message}")
    _busy_day(sandbox, ids)
    run = services.queue_run(Integration.objects.get(pk=integration.pk), by="admin")
    return Company(sandbox, integration.pk, run.pk)


def _runner() -> User:
    found = User.objects.filter(username="runner").first()
    return found or User.objects.create_superuser("runner", "runner@acme.example")


def _account(name: str, last_name: str = "Example", **values: Any) -> dict[str, Any]:
    return {
        "first_name": name.title(),
        "last_name": last_name,
        "email": f"{name}@acme.example",
        "roles": {"APP": "viewer"},
        **values,
    }


def _busy_day(sandbox: Sandbox, ids: list[str]) -> None:
    """Newcomers, other names, roles and e-mails; some back, some disabled, three not listed."""
    renamed = [RecordChange(id=one, set={"first_name": "Renamed"}) for one in ids[:12]]
    roles = [RecordChange(id=one, set={"roles": {"WEB": "contributor"}}) for one in ids[8:16]]
    emails = [
        RecordChange(id=ids[20], set={"email": "p21@acme.example"}),
        RecordChange(id=ids[21], set={"email": "p20@acme.example"}),
        RecordChange(id=ids[22], set={"email": "married@acme.example"}),
    ]
    back = [RecordChange(id=one, set={"enabled": True}) for one in ids[40:44]]
    disabled = [RecordChange(id=one, set={"enabled": False}) for one in ids[50:52]]
    _change(sandbox, change=[*renamed, *roles, *emails, *back, *disabled])
    _change(sandbox, add=[_account(f"n{number}") for number in range(10)])
    _change(sandbox, delete=[ids[30], ids[45], ids[60]])


def _change(sandbox: Sandbox, **what: Any) -> list[str]:
    return sandbox.change(StateChange(vendor="aha", **what))["aha"]


def add_integration(sandbox: Sandbox, name: str) -> Integration:
    """Launch an integration that reads the sandbox, with a key of its own."""
    given = sandbox.credentials("aha")
    credentials = Credentials(
        name=f"Key of {name}",
        vendor="aha",
        type=given["type"],
        settings=given["settings"],
        base_url=sandbox.base_url("aha"),
        overrides={
            "rate.per_minute": 100_000,
            "rate.per_second": 1_000,
            "loads.users.paging.page_size": PAGE,
        },
    )
    secrets.seal(credentials, given["secrets"], by="trial")
    credentials.save()
    integration = Integration.objects.create(
        name=name,
        vendor="aha",
        load="users",
        inputs=sandbox.state["aha"].inputs(),
        credentials=credentials,
        run_as=_runner(),
    )
    for position, mapping in enumerate(MAPPINGS):
        FieldMapping.objects.create(integration=integration, position=position, **mapping)
    services.launch(integration, by="trial", test=False)
    return integration
