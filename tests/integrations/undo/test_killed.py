"""An undo that is killed and begun again ends as an undisturbed one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction

from integrations.models import SyncRun
from integrations.sync import execute
from integrations.undoing import queue_undo
from people.models import Event
from tests.integrations.sync.test_killed import Company, Killed, disturbed_at, done_again, kill
from tests.integrations.sync.worlds import World, by_hand, person, run_sync

from .undoings import rows_of_everything


def begin(run: SyncRun) -> SyncRun:
    return queue_undo(SyncRun.objects.get(pk=run.pk), by="admin")


def outcome(undone: SyncRun) -> dict[str, Any]:
    events = Event.objects.filter(run_id=undone.pk).order_by("object", "object_id")
    return {
        **rows_of_everything(),
        "events": list(events.values_list("object", "object_id", "kind", "changes")),
        "counts": undone.counts,
        "state": undone.state,
        "issues": sorted(undone.issues.values_list("key", "reason")),
    }


@pytest.mark.parametrize("vendor", ["bamboohr", "aha"])
def test_killed_at_any_commit_and_begun_again_it_leaves_the_same_tables(
    world: World, vendor: str
) -> None:
    """M-16, M-18: people, accounts, roles, links, events, counts, issues."""
    company = Company(world)
    run_sync(company.bamboohr)
    run_sync(company.aha)
    company.busy_day()
    run = run_sync(getattr(company, vendor))
    by_hand(person("p3@acme.example"), title="Typed")
    with transaction.atomic():
        undone = begin(run)
        with disturbed_at(0, kill) as begun:
            ended = execute(undone.pk)
        expected = outcome(ended)
        transaction.set_rollback(True)

    wrong = []
    for commit in range(2, begun[0] + 1):
        with transaction.atomic():
            undone = begin(run)
            with disturbed_at(commit, kill), suppress(Killed):
                execute(undone.pk)
            found = outcome(done_again(undone))
            wrong += [(commit, name) for name in expected if found[name] != expected[name]]
            transaction.set_rollback(True)

    assert begun[0] > 10
    assert wrong == []
