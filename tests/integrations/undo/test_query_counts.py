"""How many statements an undo asks for: as many for hundreds of records as for dozens."""

from __future__ import annotations

from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import SyncRun
from integrations.sync import execute
from integrations.sync.undo_plan import plan_undo
from integrations.undoing import queue_undo
from tests.integrations.sync.worlds import World, sync

from .undoings import resume

MOST_TO_PLAN = 40
MOST_TO_UNDO = 110


def test_undoing_five_hundred_rows_asks_no_more_than_fifty(world: World) -> None:
    """house.md, section 5: batches, in planning and in writing."""
    ids = world.bamboohr.add_all([world.employee(f"p{one}") for one in range(500)])
    integration = world.integration("bamboohr")
    sync(integration)
    asked = {}
    for number in (50, 500):
        values = {one: {"jobTitle": f"T{number}", "lastName": f"L{number}"} for one in ids[:number]}
        world.bamboohr.change_all(values)
        run = sync(integration)
        with CaptureQueriesContext(connection) as planning:
            assert plan_undo(SyncRun.objects.get(pk=run.pk)).written == number
        queued = queue_undo(run, by="admin")
        with CaptureQueriesContext(connection) as undoing:
            assert execute(queued.pk).counts["people"]["updated"] == number
        asked[number] = (len(planning), len(undoing))
        resume(integration)

    assert asked[500] == asked[50]
    assert asked[500][0] <= MOST_TO_PLAN
    assert asked[500][1] <= MOST_TO_UNDO


def test_taking_five_hundred_people_out_asks_for_few_statements(world: World) -> None:
    world.bamboohr.add_all([world.employee(f"p{one}") for one in range(500)])
    integration = world.integration("bamboohr")
    run = sync(integration)
    queued = queue_undo(run, by="admin")

    with CaptureQueriesContext(connection) as undoing:
        ended = execute(queued.pk)

    assert ended.counts["people"]["removed"] == 500
    assert len(undoing) <= MOST_TO_UNDO
