"""Random companies over several days: a sync that is undone leaves the tables as they were."""

from __future__ import annotations

import pytest

from integrations.models import Integration
from people.models import Event
from tests.integrations.sync.test_random_worlds import MAPPINGS, Fate, check_tables
from tests.integrations.sync.worlds import World, run_sync

from .undoings import resume, rows_of_everything, undo

DAYS = 5


def check_undo(integration: Integration) -> None:
    """A sync, its undo, and the sync again."""
    before = rows_of_everything()
    run = run_sync(integration)
    if not run.plan.filter(state="applied").exists():
        return

    undone = undo(run)

    assert list(undone.issues.values_list("key", "reason")) == []
    found = rows_of_everything()
    for name, rows in before.items():
        assert found[name] == rows, name
    assert undone.state == "done"
    assert not Event.objects.filter(run_id=undone.pk).exclude(source="undo").exists()

    resume(integration)
    again = run_sync(integration)
    assert again.state in {run.state, "held"}, "the limit of removals counts the first time too"
    for name in ("created", "updated", "reactivated"):
        assert again.counts["people"][name] == run.counts["people"][name]


@pytest.mark.parametrize("seed", range(8))
def test_a_sync_that_is_undone_leaves_every_row_as_it_was(world: World, seed: int) -> None:
    """M-16: people, accounts, roles, managers, departments, links, provenance."""
    fate = Fate(world, seed)
    bamboohr = world.integration("bamboohr", mappings=MAPPINGS)
    aha = world.integration("aha", priority=90)

    for _day in range(DAYS):
        fate.day()
        check_undo(bamboohr)
        check_undo(aha)
        check_tables()
