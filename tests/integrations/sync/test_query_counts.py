"""How many statements a sync asks the database for: as many for a thousand records as for a hundred."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.sandbox.server import Sandbox
from tests.integrations.bad_input.world import World, mend, open_world

NO_LIMIT = {"per_minute": None, "per_second": None}
SMALL, LARGE = 100, 1_000
FAST: dict[str, dict[str, Any]] = {
    "bamboohr": {"rate.per_second": 1000},
    "aha": {"rate.per_second": 1000, "rate.per_minute": 100_000},
}
# The ceiling of each kind of sync; PostgreSQL takes two statements more to reserve ids.
MOST = {
    "bamboohr": {"first load": 126, "nothing changed": 80, "1 % changed": 114, "10 % changed": 114},
    "aha": {"first load": 107, "nothing changed": 77, "1 % changed": 108, "10 % changed": 108},
}
FEW = 2  # one changed record of a hundred may be one that has no manager
NAME = {"bamboohr": "firstName", "aha": "first_name"}


def statements(world: World, state: str = "done") -> list[str]:
    """The statements of one sync, in their order. COPY is not among them.

    Nor is the one of each request that keeps the pace: a longer listing has more pages.
    """
    with CaptureQueriesContext(connection) as asked:
        run = world.sync()
    assert run.state == state, (run.error_message, run.warnings)
    return [one["sql"] for one in asked if "integrations_pace" not in one["sql"]]


def syncs_of(vendor: str, people: int, settings: Any) -> dict[str, list[str]]:
    """The statements of a first load, of a sync that changes nothing, of 1 % and of 10 % changed."""
    call_command("flush", interactive=False, verbosity=0)
    limits = {"aha": NO_LIMIT, "bamboohr": NO_LIMIT}
    with Sandbox(people=people, seed=1, settings=limits) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        world = open_world(vendor, sandbox, overrides=FAST[vendor])
        mend(world)
        found = {"first load": statements(world)}
        found["nothing changed"] = statements(world)
        for share, step in (("1 % changed", 100), ("10 % changed", 10)):
            for one in world.ids()[::step]:
                world.change(one, **{NAME[vendor]: f"Changed {step}"})
            found[share] = statements(world)
    return found


@pytest.mark.parametrize("vendor", ["bamboohr", "aha"])
def test_a_sync_of_a_thousand_records_asks_as_much_as_one_of_a_hundred(
    transactional_db: None, settings: Any, vendor: str
) -> None:
    """house.md, section 5: within a batch of 2,000 records no statement is asked for per record.

    From a thousand records on, PostgreSQL's planner is told what the tables of the run hold.
    """
    told = 4 if connection.vendor == "postgresql" else 0

    small = syncs_of(vendor, SMALL, settings)
    large = syncs_of(vendor, LARGE, settings)

    for kind, most in MOST[vendor].items():
        assert len(large[kind]) <= len(small[kind]) + FEW + told, "\n".join(large[kind])
        assert len(large[kind]) <= most + told, "\n".join(large[kind])


@pytest.mark.parametrize("vendor", ["bamboohr", "aha"])
def test_a_tenth_of_the_records_changed_costs_no_more_statements_than_a_hundredth(
    transactional_db: None, settings: Any, vendor: str
) -> None:
    found = syncs_of(vendor, LARGE, settings)

    assert len(found["10 % changed"]) == len(found["1 % changed"])
    assert len(found["nothing changed"]) < len(found["1 % changed"])
