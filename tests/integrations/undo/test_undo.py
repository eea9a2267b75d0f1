"""What an undo writes back, what it leaves, and what it says (M-16)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.errors import AlreadyRunning, UndoRefused
from integrations.models import Integration, LinkState, RecordLink, SyncRun
from integrations.services import queue_run
from integrations.sync.undo_plan import plan_undo
from integrations.undoing import drop_old_plans, queue_undo
from people.models import Event, Person
from saas.models import SaaSUser, SaaSUserRole
from tests.integrations.sync.worlds import (
    EMPLOYEES,
    World,
    account,
    by_hand,
    person,
    roles_now,
    run_sync,
    sync,
)

from .undoings import resume, rows_of_everything, undo

MANAGED = [*EMPLOYEES, {"source": "supervisor_eid", "target": "manager"}]


def test_old_values_come_back_and_a_field_that_somebody_typed_since_stays(world: World) -> None:
    """M-16, M-18: one event per record, of the source undo."""
    ann = world.employ("Ann", jobTitle="Clerk")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Chief", lastName="Married")
    run = sync(integration)
    by_hand(person("ann@acme.example"), title="Typed")

    undone = undo(run)

    now = person("ann@acme.example")
    event = Event.objects.get(run_id=undone.pk)
    issue = undone.issues.get()
    assert (now.title, now.last_name) == ("Typed", "Example")
    assert (event.source, event.kind) == ("undo", "edit")
    assert event.changes == {"last_name": ["Married", "Example"]}
    assert (issue.field, issue.code) == ("title", "left")
    assert issue.reason.startswith("title stays: changed since by admin on ")
    assert (undone.state, undone.counts["people"]["updated"]) == ("partial", 1)


def test_a_value_that_was_typed_to_what_the_run_wrote_stays_too(world: World) -> None:
    """M-16: somebody touched the field, whatever it holds."""
    ann = world.employ("Ann", jobTitle="Clerk")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Chief")
    run = sync(integration)
    by_hand(person("ann@acme.example"), title="Other")
    by_hand(person("ann@acme.example"), title="Chief")

    undo(run)

    assert person("ann@acme.example").title == "Chief"


def test_provenance_comes_back_with_the_value(world: World) -> None:
    """M-6: what was typed by hand before the run counts as typed again, what was synced as synced."""
    ann = world.employ("Ann", jobTitle="Clerk")
    integration = world.integration("bamboohr")
    sync(integration)
    by_hand(person("ann@acme.example"), title="Typed")
    world.bamboohr.change(ann, lastName="Married")
    run = sync(integration)
    assert person("ann@acme.example").title == "Clerk"

    undo(run)

    now = person("ann@acme.example")
    assert (now.title, now.last_name) == ("Typed", "Example")
    assert "title" not in now.sources
    assert now.sources["last_name"] == integration.pk


def test_undoing_pauses_and_the_next_sync_looks_again_at_every_record(world: World) -> None:
    """M-7, M-16: the plan says how many come again, and they do."""
    ann = world.employ("Ann", jobTitle="Clerk")
    world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Chief")
    run = sync(integration)
    said = plan_undo(run)

    undone = undo(run)

    integration.refresh_from_db()
    assert (integration.state, undone.undoes_id) == ("paused", run.pk)
    assert LinkState.objects.get(link__external_id=ann).hash == ""
    resume(integration)
    assert (said.written, said.again) == (1, 1)
    assert sync(integration).counts["people"]["updated"] == 1
    assert person("ann@acme.example").title == "Chief"


def test_people_who_swapped_their_e_mails_swap_them_back(world: World) -> None:
    ann, bob = world.employ("Ann"), world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    before = rows_of_everything()
    world.bamboohr.change_all(
        {ann: {"workEmail": "bob@acme.example"}, bob: {"workEmail": "ann@acme.example"}}
    )
    run = sync(integration)
    assert rows_of_everything() != before

    undone = undo(run)

    assert rows_of_everything() == before
    assert undone.state == "done"


def test_an_e_mail_that_somebody_else_has_now_is_left_and_listed(world: World) -> None:
    """M-2: people are unique by e-mail; the other fields come back."""
    ann = world.employ("Ann", jobTitle="Clerk")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, workEmail="new@acme.example", jobTitle="Chief")
    run = sync(integration)
    other = Person(first_name="Other")
    by_hand(other, email="ann@acme.example", first_name="Other")

    undone = undo(run)

    now = person("new@acme.example")
    assert now.title == "Clerk"
    assert now.email_key == "new@acme.example"
    assert "email" in set(undone.issues.values_list("field", flat=True))


def test_managers_come_back_also_when_a_created_one_goes(world: World) -> None:
    """BB-19: the manager of before, found by the e-mail of before."""
    boss = world.employ("Boss")
    ann = world.employ("Ann", supervisorEId=boss)
    integration = world.integration("bamboohr", mappings=MANAGED)
    sync(integration)
    before = rows_of_everything()
    newcomer = world.employ("Newcomer")
    world.bamboohr.change_all(
        {ann: {"supervisorEId": newcomer}, boss: {"workEmail": "chief@acme.example"}}
    )
    run = sync(integration)
    assert person("ann@acme.example").manager == person("newcomer@acme.example")

    undone = undo(run)

    assert rows_of_everything() == before
    assert undone.state == "done"


def test_created_records_that_something_touched_stay_and_are_listed(world: World) -> None:
    """M-16: an edit, a report, an account of another application's integration."""
    for name in ("Ann", "Bob", "Cal", "Dan"):
        world.employ(name)
    world.open_account("Cal")
    integration = world.integration("bamboohr")
    aha = world.integration("aha", priority=90)
    run = sync(integration)
    by_hand(person("ann@acme.example"), title="Typed")
    outsider = Person(first_name="Out")
    by_hand(outsider, email="out@acme.example", manager=person("bob@acme.example"))
    sync(aha)

    undone = undo(run)

    assert not Person.objects.filter(first_name="Dan").exists()
    stays = dict(undone.issues.filter(code="not_taken_out").values_list("key", "reason"))
    assert set(stays) == {"ann@acme.example", "bob@acme.example", "cal@acme.example"}
    assert "changed since by admin" in stays["ann@acme.example"]
    assert "manager of somebody" in stays["bob@acme.example"]
    assert undone.counts["people"]["removed"] == 1
    assert not RecordLink.objects.filter(vendor="bamboohr", person=None).exists()


def test_roles_are_as_if_the_run_had_not_been_on_every_day(world: World) -> None:
    """M-30: what it ended is open without a gap, what it added was held on no day; rows stay."""
    one = world.open_account("Ann", roles={"APP": "viewer", "WEB": "contributor"})
    integration = world.integration("aha")
    sync(integration)
    before = roles_now(account("ann@acme.example"))
    old_rows = set(SaaSUserRole.objects.values_list("pk", "valid_from", "valid_to"))
    world.aha.change(one, roles={"APP": "product_owner"})
    run = sync(integration)
    added = SaaSUserRole.objects.exclude(pk__in=[pk for pk, *_rest in old_rows]).get()

    undone = undo(run)

    assert roles_now(account("ann@acme.example")) == before
    assert (
        set(SaaSUserRole.objects.exclude(pk=added.pk).values_list("pk", "valid_from", "valid_to"))
        == old_rows
    )
    added.refresh_from_db()
    assert added.valid_to == added.valid_from
    assert undone.counts["roles"] == {"added": 2, "ended": 1}


def test_a_deactivation_is_undone_without_counting_as_a_removal(world: World) -> None:
    """M-12, M-15: an undo is by name."""
    one = world.open_account("Ann", roles={"APP": "viewer"})
    integration = world.integration("aha")
    sync(integration)
    before = rows_of_everything()
    world.aha.change(one, enabled=False)
    run = sync(integration)
    assert account("ann@acme.example").status == "deactivated"

    undone = undo(run)

    assert rows_of_everything() == before
    assert undone.counts["saas_users"]["reactivated"] == 1
    assert not Event.objects.filter(run_id=undone.pk, guarded=True).exists()


def test_two_runs_are_undone_one_after_the_other_newest_first(world: World) -> None:
    """M-16: what was undone meanwhile does not count as newer."""
    ann = world.employ("Ann", jobTitle="Clerk")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head")
    first = sync(integration)
    world.bamboohr.change(ann, jobTitle="Chief")
    second = sync(integration)

    undo(second)
    undone = undo(first)

    now = person("ann@acme.example")
    assert (now.title, now.sources["title"]) == ("Clerk", integration.pk)
    assert undone.state == "done"


def test_an_older_run_leaves_what_a_newer_one_wrote(world: World) -> None:
    ann = world.employ("Ann", jobTitle="Clerk")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head", lastName="Married")
    first = sync(integration)
    world.bamboohr.change(ann, jobTitle="Chief")
    sync(integration)

    undone = undo(first)

    now = person("ann@acme.example")
    assert (now.title, now.last_name) == ("Chief", "Example")
    assert [one.field for one in undone.issues.all()] == ["title"]


def test_planning_an_undo_changes_nothing(world: World) -> None:
    world.employ("Ann")
    world.open_account("Ann")
    integration = world.integration("aha")
    run = sync(integration)
    before = rows_of_everything()

    plan = plan_undo(run, shown=1)

    assert rows_of_everything() == before
    assert len(plan.rows) == 1
    assert plan.written == plan.again == 4  # two people, two accounts
    assert not SyncRun.objects.filter(kind="undo").exists()


def test_what_cannot_be_undone_is_refused_with_the_reason(world: World) -> None:
    world.employ("Ann")
    integration = world.integration("bamboohr")
    preview = run_sync(integration, kind="preview")
    run = sync(integration)
    idle = sync(integration)
    undone = undo(run)
    resume(integration)

    for one, word in (
        (preview, "preview"),
        (idle, "nothing"),
        (undone, "undo itself"),
        (run, f"already, by run {undone.pk}"),
    ):
        with pytest.raises(UndoRefused, match=word):
            queue_undo(one, by="admin")


def test_nothing_is_undone_while_a_run_of_the_integration_is_under_way(world: World) -> None:
    world.employ("Ann")
    integration = world.integration("bamboohr")
    run = sync(integration)
    waiting = queue_run(Integration.objects.get(pk=integration.pk), by="admin")

    with pytest.raises(AlreadyRunning) as refused:
        queue_undo(run, by="admin")
    with pytest.raises(UndoRefused, match="under way"):
        queue_undo(waiting, by="admin")

    integration.refresh_from_db()
    assert refused.value.run_id == waiting.pk
    assert integration.state == "active"


def test_values_are_dropped_when_they_are_old_and_the_run_says_so(world: World) -> None:
    """M-13: rows and counts stay, held rows keep their values."""
    world.employ("Ann")
    integration = world.integration("bamboohr")
    run = sync(integration)
    held = run.plan.create(
        object="person", action="deactivate", state="held", key="x", changes={"status": ["a", "b"]}
    )
    later = timezone.now() + timedelta(days=31)

    assert drop_old_plans(timezone.now()) == 0
    assert drop_old_plans(later) == 1
    assert drop_old_plans(later) == 0

    run.refresh_from_db()
    held.refresh_from_db()
    assert run.plan.get(action="create").changes == {}
    assert held.changes == {"status": ["a", "b"]}
    assert run.counts["people"]["created"] == 1
    with pytest.raises(UndoRefused, match="30 days"):
        queue_undo(run, by="admin", now=later)
    with pytest.raises(UndoRefused, match="no longer kept"):
        queue_undo(run, by="admin")


def test_the_whole_first_load_is_taken_out_again(world: World) -> None:
    """M-16: outside the guard, however many; the departments that came with it go too."""
    for number in range(30):
        world.employ(f"p{number}", department="Sales")
    world.open_account("p1")
    mappings = [*EMPLOYEES, {"source": "department", "target": "department"}]
    integration = world.integration("bamboohr", mappings=mappings)
    before = rows_of_everything()
    run = sync(integration)

    undone = undo(run)

    assert rows_of_everything() == before
    assert (undone.state, undone.counts["people"]["removed"]) == ("done", 30)
    assert set(Event.objects.filter(run_id=undone.pk).values_list("kind", flat=True)) == {"archive"}
    assert not SaaSUser.objects.exists()
