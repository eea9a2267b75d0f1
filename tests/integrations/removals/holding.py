"""A company of twenty whose source lists fewer, so that the guard holds who is missing."""

from __future__ import annotations

from typing import Any

from integrations.models import Integration, PlannedChange, SyncRun
from integrations.sync.held import row_hash
from tests.integrations.sync.worlds import DOMAIN, World, run_sync, sync

GONE = ("Ann", "Bob", "Cyd", "Dan")
NAMES = (*GONE, *(f"Stays{number}" for number in range(16)))


class Holding:
    """The integration, and the run that holds the removals of Ann, Bob, Cyd and Dan."""

    def __init__(self, world: World) -> None:
        self.world = world
        records = [world.employee(name) for name in NAMES]
        self.ids = dict(zip(NAMES, world.bamboohr.add_all(records), strict=True))
        self.integration: Integration = world.integration(
            "bamboohr", missing_people="deactivate", name="Employees", removals_count=3
        )
        sync(self.integration)
        world.bamboohr.remove(*(self.ids[name] for name in GONE))
        self.run: SyncRun = run_sync(self.integration)
        assert self.run.state == "held", self.run.error_message

    def row(self, name: str) -> PlannedChange:
        """The newest row about this person's removal."""
        rows = PlannedChange.objects.filter(key=email(name), action="deactivate")
        return rows.latest("pk")

    def token(self, name: str) -> str:
        """The row as a page shows it now."""
        row = self.row(name)
        said: dict[str, Any] = {
            "object": row.object,
            "target_id": row.target_id,
            "action": row.action,
            "changes": row.changes,
        }
        return f"{row.pk}:{row_hash(said)}"

    def states(self) -> dict[str, str]:
        """How the removal of each stands."""
        return {name: self.row(name).state for name in GONE}


def email(name: str) -> str:
    """The address that a person of the company has."""
    return f"{name.lower()}@{DOMAIN}"
