"""Whole runs of a role workflow: held removals, their approval, and what the run then says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models.pace import Pace
from people.models import Event
from saas.models import SaaSUser
from tests.workflows.blocks.offices import Office, offices, roles_now
from tests.workflows.makers import make_item, make_run
from workflows.engine.advance import advance_one
from workflows.held import approve, held_items
from workflows.models import BlockRun, RunItem, WorkflowRun

Open = Callable[..., Office]


@pytest.fixture
def open_office(transactional_db: None, settings: Any) -> Iterator[Open]:
    with offices(settings) as opened:
        yield opened


def work(now: datetime | None = None) -> None:
    """Do all that is ready."""
    while advance_one(now or timezone.now()):
        pass


def begin(office: Office, users: list[SaaSUser], **settings: Any) -> WorkflowRun:
    run = make_run(office.workflow(**settings))
    for user in users:
        make_item(run, user)
    return run


def test_a_run_reads_everybody_in_one_batch_and_says_what_it_found(open_office: Open):
    """C-24, BW-56, BW-57, BW-53: request, answer and outcome of each record."""
    office = open_office("betterworks")
    boss, gone = office.join(is_super_admin=True), office.join()
    office.remove(gone)
    run = begin(office, [boss, gone])

    work()

    run.refresh_from_db()
    assert run.state == WorkflowRun.State.DONE
    assert roles_now(boss) == ["Super Admin"]
    ways = {way.item.record_id: way for way in BlockRun.objects.select_related("item")}
    assert "Super Admin" in ways[boss.pk].note
    assert (ways[boss.pk].request or {})["method"] == "GET"
    assert (ways[gone.pk].exit, ways[gone.pk].code) == ("success", "not_found")
    secrets = office.sandbox.credentials("betterworks")["secrets"].values()
    assert not any(one in repr(way.request) for one in secrets for way in ways.values())


def test_c_24_each_of_several_that_are_asked_for_by_id_shows_its_own_request(open_office: Open):
    office = open_office("betterworks", people=100)
    there, gone = office.join(), office.join()
    office.remove(gone)
    run = begin(office, [there, gone])

    work()

    ways = {way.item.record_id: way for way in BlockRun.objects.filter(item__run=run)}
    for user, status in ((there, 200), (gone, 404)):
        way = ways[user.pk]
        assert user.external_id in (way.request or {})["url"]
        assert way.status == status


def test_what_is_held_waits_and_goes_on_when_somebody_approves_it(open_office: Open):
    """M-14, M-15, BW-52: proven anew, then deactivated, and not counted."""
    office = open_office("betterworks")
    gone = [office.join() for _number in range(8)]
    office.remove(*gone)
    run = begin(office, office.users(), deactivate_user=True)

    work()
    run.refresh_from_db()
    assert run.state == WorkflowRun.State.HELD
    held = held_items(run)
    assert len(held) == len(gone)

    decision = approve([(one.id, one.hash) for one in held], by="it-admin")
    assert decision.refused == []
    work()

    run.refresh_from_db()
    assert run.state == WorkflowRun.State.DONE
    left = SaaSUser.objects.filter(status="deactivated").values_list("pk", flat=True)
    assert set(left) == {user.pk for user in gone}
    events = Event.objects.filter(kind="archive").values_list("guarded", "approved_by")
    assert set(events) == {(False, "it-admin")}


def test_a_vendor_that_is_away_is_asked_again_later(open_office: Open):
    """C-25: nothing is lost, and nobody is taken for gone."""
    office = open_office("goto")
    user = office.join(adminRoles=["SUPER_USER"])
    run = begin(office, [user], deactivate_not_found=True)
    office.sandbox.faults.add("status", vendor="goto", status=503, retry_after=1_000)
    now = timezone.now()

    work(now)
    item = RunItem.objects.get(run=run)
    assert (item.state, item.waits_for) == (RunItem.State.WAITING, "time")
    assert SaaSUser.objects.get(pk=user.pk).not_found_at is None

    office.sandbox.faults.clear()
    Pace.objects.all().delete()  # the pause that the vendor asked for is over
    item.state, item.waits_for = RunItem.State.READY, ""
    item.save()
    work(now + timedelta(minutes=30))

    item.refresh_from_db()
    assert (item.state, roles_now(user)) == (RunItem.State.DONE, ["SUPER_USER"])
