"""An upgrade with runs in flight: they are parked, and finish as if it had not been (F-42)."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from integrations import services
from integrations.models import Integration, SyncRun
from integrations.sync import execute
from integrations.worker import free_lost_runs
from tests.integrations.keeping.conftest import Company
from tests.integrations.sync.worlds import tables

BEFORE = "0002"


class Killed(BaseException):
    """Ends a run as SIGKILL would."""


def begin(integration: Integration) -> SyncRun:
    return services.queue_run(Integration.objects.get(pk=integration.pk), by="admin")


def killed_at(run: SyncRun, step: str) -> None:
    """Do the run until it reports this step for the first time."""

    def die(now: str, _done: int, _total: int | None) -> None:
        if now == step:
            raise Killed

    with suppress(Killed):
        execute(run.pk, on_progress=die)
    run.refresh_from_db()
    assert run.state == "running"


def upgrade() -> None:
    """Migrations are taken back and applied again, as old code and then new would have them."""
    call_command("migrate", "integrations", BEFORE, verbosity=0)
    call_command("migrate", verbosity=0)
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []


@pytest.mark.parametrize("step", ["", "fetch", "apply"])
def test_a_run_that_was_parked_by_an_upgrade_ends_as_an_undisturbed_one(
    company: Company, step: str
) -> None:
    """F-42: queued, killed while it fetched, killed while it applied."""
    company.world.employ("Newcomer", workEmail="newcomer@acme.example")
    company.world.open_account("Newcomer", roles={"APP": "viewer"})
    with transaction.atomic():
        expected_runs = [execute(begin(one).pk) for one in (company.bamboohr, company.aha)]
        expected = tables()
        transaction.set_rollback(True)
    runs = [begin(company.bamboohr), begin(company.aha)]
    if step:
        for run in runs:
            killed_at(run, step)

    upgrade()
    free_lost_runs(now=timezone.now() + timedelta(hours=1))
    ended = [execute(run.pk) for run in runs]

    assert [run.state for run in ended] == ["done", "done"]
    assert [run.counts for run in ended] == [run.counts for run in expected_runs]
    assert tables() == expected
    assert "newcomer@acme.example" in expected["people"]
