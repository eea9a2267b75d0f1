"""A loaded company of which some leave, and what became of their removals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from integrations import approvals
from integrations.models import Integration, PlannedChange, SyncRun
from people.models import Event, Person
from saas.models import SaaSUser
from tests.integrations.sync.worlds import Vendor, World, sync

STATUS_OF = {"person": Person, "saas_user": SaaSUser}


@dataclass(frozen=True)
class Company:
    """One vendor's records, each with a person and at Aha! an account; all were loaded."""

    world: World
    vendor: Vendor
    integration: Integration
    ids: list[str]

    def leave(self, *ids: str) -> None:
        """Delete records at the vendor."""
        self.vendor.remove(*ids)

    def sync(self) -> SyncRun:
        """One more sync, which may hold removals."""
        return sync_to(self.integration)


def load(world: World, vendor: str, people: int, **fields: Any) -> Company:
    """Load so many people from a vendor; at Aha! the owner of the key comes on top."""
    names = [f"p{number:03}" for number in range(people)]
    side: Vendor = getattr(world, vendor)
    if vendor == "aha":
        ids = side.add_all(
            [{"first_name": n, "last_name": "X", "email": f"{n}@acme.example"} for n in names]
        )
    else:
        fields.setdefault("missing_people", "deactivate")
        ids = side.add_all([world.employee(n, id=str(50_000 + i)) for i, n in enumerate(names)])
    company = Company(world, side, world.integration(vendor, **fields), ids)
    sync(company.integration)
    return company


def sync_to(
    integration: Integration, *, states: str = "done partial held", **options: Any
) -> SyncRun:
    """A sync that must end in one of these states."""
    from tests.integrations.sync.worlds import run_sync

    run = run_sync(integration, **options)
    assert run.state in states.split(), f"{run.state}: {run.error_code} {run.error_message}"
    return run


def gone(kind: str = "saas_user") -> int:
    """How many people or accounts are deactivated."""
    return STATUS_OF[kind].objects.filter(status="deactivated").count()  # type: ignore[attr-defined, no-any-return]


def kind_of(company: Company) -> str:
    """What a removal of this company's records removes."""
    return "person" if company.vendor.key == "bamboohr" else "saas_user"


def shown(run: SyncRun, *keys: str) -> list[tuple[int, str]]:
    """The held rows of a run as a page shows them: id and hash; all, or those of these records."""
    rows = approvals.open_plan(run)
    return [(row["id"], row["hash"]) for row in rows if not keys or row["external_id"] in keys]


def states(run: SyncRun | None = None, **only: Any) -> dict[str, str]:
    """{external id: state} of the removals that match."""
    rows = PlannedChange.objects.filter(action="deactivate", **only)
    if run is not None:
        rows = rows.filter(run=run)
    return dict(rows.order_by("pk").values_list("external_id", "state"))


def codes(run: SyncRun) -> list[str]:
    """The codes of a run's issues, each once."""
    return sorted(set(run.issues.values_list("code", flat=True)))


def a_day_passes(hours: float = 25) -> None:
    """Make the removals so far older."""
    for event in Event.objects.filter(guarded=True):
        Event.objects.filter(pk=event.pk).update(at=event.at - timedelta(hours=hours))
