"""A run under which the database goes away is taken up again (F-07, F-08)."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from integrations import services
from integrations.models import Integration, SyncRun
from integrations.sandbox.server import Sandbox
from integrations.sync import execute
from integrations.worker import free_lost_runs
from tests.integrations.bad_input.processes import database_url

from .worlds import World, emails


@pytest.fixture
def shared_world(transactional_db: None, sandbox: Sandbox) -> World:
    """A world whose rows outlive a connection."""
    return World(sandbox)


def end_all_connections() -> None:
    with psycopg.connect(database_url(), autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.postgresql
@pytest.mark.parametrize("where", ["fetch", "apply", "remember"])
def test_a_run_that_loses_the_database_does_not_fail_but_is_taken_up(
    shared_world: World, where: str
) -> None:
    """F-07, F-08: nobody knows what was committed, so another attempt looks."""
    shared_world.employ("Ann")
    integration = shared_world.integration("bamboohr")
    run = services.queue_run(Integration.objects.get(pk=integration.pk), by="admin")

    def lose_it(step: str, _done: int, _total: int | None) -> None:
        if step == where:
            end_all_connections()

    with pytest.raises(OperationalError):
        execute(run.pk, on_progress=lose_it)
    connection.close()
    run.refresh_from_db()
    before = run.state
    free_lost_runs(timezone.now() + timedelta(hours=1))
    again = execute(run.pk)

    assert before == SyncRun.State.RUNNING
    assert (again.state, again.attempts, emails()) == ("done", 2, ["ann@acme.example"])
    assert again.counts["people"]["created"] == 1
