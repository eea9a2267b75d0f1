"""Due slots become runs: once each, caught up after downtime, skipped while one is running."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from integrations import services
from integrations.due_times import next_slots
from integrations.models import DueSlot, Installation, Integration, SyncRun
from integrations.slots import find_schedule, make_due_runs, owner_of
from integrations.timetable import next_runs, set_schedule, slot_in_words, slot_overview
from tests.makers import make_integration, make_run, make_user

DAILY = {"every": "day", "at": "06:00", "timezone": "Europe/London"}
HOURLY = {"every": "hour", "minute": 0, "timezone": "UTC"}
SUMMER = datetime(2026, 7, 1, tzinfo=UTC)  # 06:00 in London is 05:00 UTC


def at(day: int, clock: str, seconds: int = 2) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return SUMMER.replace(day=day, hour=hour, minute=minute, second=seconds)


def scheduled(data: dict[str, Any] | None = None, name: str = "Aha!", **fields: Any) -> Integration:
    """Active, with a schedule that holds since noon of the last day of June."""
    values = {
        "state": "active",
        "schedule": data or DAILY,
        "schedule_since": SUMMER - timedelta(hours=12),
        **fields,
    }
    return make_integration(name, **values)


def end_runs() -> None:
    SyncRun.objects.update(state=SyncRun.State.DONE)


def slots() -> list[tuple[str, bool]]:
    return [(row.state, row.catch_up) for row in DueSlot.objects.order_by("instant")]


@pytest.mark.django_db
def test_a_slot_makes_one_run_that_names_its_schedule():
    """M-32, AH-33: and no second however often it ticks."""
    integration = scheduled()

    made = [make_due_runs(at(1, "04:59", 58)), *(make_due_runs(at(1, "05:00", s)) for s in (3, 8))]

    assert made == [0, 1, 0]
    run = SyncRun.objects.get()
    assert (run.state, run.kind) == ("queued", "sync")
    assert run.started_by == "Schedule: every day at 06:00 Europe/London"
    row = DueSlot.objects.get()
    assert row.owner == owner_of(integration)
    assert (row.local_date, row.instant) == (date(2026, 7, 1), at(1, "05:00", 0))
    assert (row.state, row.catch_up, row.run) == ("started", False, run)


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["draft", "paused"])
def test_only_active_integrations_run_by_themselves(state: str):
    """M-32."""
    scheduled(state=state)

    assert make_due_runs(at(1, "05:00")) == 0
    assert not DueSlot.objects.exists()


@pytest.mark.django_db
def test_a_paused_installation_starts_nothing():
    """A restored installation waits until a person says go."""
    scheduled()
    installation = Installation.the()
    installation.paused_at = SUMMER
    installation.save()

    assert make_due_runs(at(1, "05:00")) == 0


@pytest.mark.django_db
def test_after_downtime_one_run_makes_up_for_all_that_was_missed():
    """F-17: down from the first to the fourth; the next regular run is the fifth's."""
    scheduled()

    made = [make_due_runs(at(4, clock)) for clock in ("09:00", "09:01", "12:00")]
    end_runs()
    made += [make_due_runs(at(5, "05:00")), make_due_runs(at(5, "06:30"))]

    assert made == [1, 0, 0, 1, 0]
    assert slots() == [("started", True), ("started", False)]
    days = DueSlot.objects.order_by("instant").values_list("local_date__day", flat=True)
    assert list(days) == [4, 5]


@pytest.mark.django_db
def test_five_minutes_late_is_no_catch_up():
    """F-17."""
    scheduled()

    make_due_runs(at(1, "05:05", 0))

    assert slots() == [("started", False)]


@pytest.mark.django_db
def test_nothing_is_made_up_for_when_the_regular_run_is_under_an_hour_away():
    """F-17: never two runs close together."""
    scheduled()

    made = [make_due_runs(at(2, "04:20")), make_due_runs(at(2, "04:25"))]
    made.append(make_due_runs(at(2, "05:00")))

    assert made == [0, 0, 1]
    assert slots() == [("missed", False), ("started", False)]
    assert "39 minutes away" in DueSlot.objects.order_by("instant")[0].note


@pytest.mark.django_db
def test_a_slot_that_falls_into_a_run_is_skipped_and_says_so():
    """F-16."""
    scheduled(HOURLY)

    made = [make_due_runs(at(1, clock)) for clock in ("05:00", "06:00", "06:03")]
    end_runs()
    made += [make_due_runs(at(1, clock)) for clock in ("06:04", "07:00")]

    assert made == [1, 0, 0, 0, 1]
    assert slots() == [("started", False), ("skipped", False), ("started", False)]
    assert DueSlot.objects.get(state="skipped").note == "The run before was still running."


@pytest.mark.django_db
def test_a_run_that_waits_for_the_vendor_counts_as_running():
    """F-16: parked runs are queued with a time."""
    integration = scheduled()
    make_run(integration, state="queued", due_at=at(1, "09:00"))

    assert make_due_runs(at(1, "05:00")) == 0
    assert slots() == [("skipped", False)]


@pytest.mark.django_db
def test_run_now_is_no_slot():
    """M-32."""
    integration = scheduled()
    make_run(integration, queued_at=at(1, "04:00"))

    assert make_due_runs(at(1, "05:00")) == 1


@pytest.mark.django_db
def test_an_integration_that_came_to_own_fields_is_only_previewed():
    """M-6."""
    scheduled(preview_since=SUMMER)

    make_due_runs(at(1, "05:00"))

    assert SyncRun.objects.get().kind == "preview"


@pytest.mark.django_db
def test_what_is_not_ready_is_queued_all_the_same():
    """The run itself fails with a sentence, which is told; a slot does not vanish silently."""
    integration = scheduled()
    integration.mappings.all().delete()

    assert make_due_runs(at(1, "05:00")) == 1


@pytest.mark.django_db
def test_an_edit_moves_the_next_slot_at_once():
    """M-32, AH-33, AH-36: and what passed before the edit is not caught up."""
    integration = scheduled()
    edited = at(1, "03:00")
    set_schedule(integration, {**DAILY, "at": "03:30"}, by="admin", now=edited)

    made = [make_due_runs(edited), make_due_runs(at(1, "05:00"))]
    overview = slot_overview(integration, at(1, "05:00"))
    set_schedule(integration, {**DAILY, "at": "06:30"}, by="admin", now=at(1, "05:10"))
    made += [make_due_runs(at(1, "05:29")), make_due_runs(at(1, "05:30"))]

    assert made == [0, 0, 0, 1]
    assert overview.next[0].instant == at(2, "02:30", 0)
    assert integration.history.first().history_change_reason == "Schedule set by admin"


@pytest.mark.django_db
def test_a_date_that_had_its_slot_gets_no_second_after_an_edit():
    """M-32."""
    integration = scheduled()
    make_due_runs(at(1, "05:00"))
    end_runs()
    set_schedule(integration, {**DAILY, "at": "09:00"}, by="admin", now=at(1, "06:00"))

    made = [make_due_runs(at(1, "08:00")), make_due_runs(at(2, "08:00"))]

    assert made == [0, 1]


@pytest.mark.django_db
def test_the_next_run_shown_is_never_one_of_a_date_that_had_its_slot():
    """AH-33."""
    integration = scheduled()
    make_due_runs(at(1, "05:00"))
    set_schedule(integration, {**DAILY, "at": "09:00"}, by="admin", now=at(1, "06:00"))

    overview = slot_overview(integration, at(1, "06:00"))

    assert [slot.local_date.day for slot in overview.next if slot.local_date] == [2, 3, 4]
    assert next_runs([integration], at(1, "06:00")) == {integration.pk: overview.next[0]}
    assert [row.state for row in overview.last] == ["started"]


@pytest.mark.django_db
def test_setting_the_same_schedule_again_changes_nothing():
    """M-32: a file that is applied every night does not push slots away."""
    integration = scheduled()

    assert not set_schedule(integration, dict(DAILY), by="admin", now=at(3, "09:00"))

    assert Integration.objects.get().schedule_since == SUMMER - timedelta(hours=12)


@pytest.mark.django_db
def test_without_a_schedule_it_runs_no_more():
    """M-32."""
    integration = scheduled()
    set_schedule(integration, {}, by="admin", now=at(1, "03:00"))

    assert make_due_runs(at(2, "05:00")) == 0
    assert slot_overview(integration, at(1, "06:00")).next == ()


@pytest.mark.django_db
def test_a_pause_is_no_downtime():
    """What came due while it was paused is not made up for at the launch."""
    integration = scheduled()
    integration.state = "paused"
    integration.save()
    before = datetime.now(UTC)

    services.launch(integration, by="admin", test=False)

    assert integration.schedule_since
    assert integration.schedule_since >= before


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [1, 24, -1, -24])
def test_a_clock_that_jumps_and_comes_back_makes_and_loses_no_slot(hours: int):
    """F-13: each local day has one run, whatever the clock said in between."""
    scheduled()
    jump = timedelta(hours=hours)

    for day in range(1, 8):
        for clock in ("04:05", "04:35", "05:00", "05:30", "18:00"):
            wrong = jump if day == 4 and clock != "18:00" else timedelta()
            make_due_runs(at(day, clock) + wrong)
            end_runs()

    started = DueSlot.objects.filter(state="started").values_list("local_date", flat=True)
    assert sorted(one.day for one in started if one) == [1, 2, 3, 4, 5, 6, 7]
    assert SyncRun.objects.count() == 7


@pytest.mark.django_db
def test_a_schedule_that_cannot_be_read_hinders_no_other():
    """Nobody can type it; a restored row may hold it."""
    scheduled({"every": "blue moon"}, name="Broken")
    scheduled(name="Whole")

    assert make_due_runs(at(1, "05:00")) == 1


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_make_one_run():
    """M-32: the database decides."""
    scheduled()
    made: list[int] = []
    barrier = threading.Barrier(4)

    def tick() -> None:
        barrier.wait()
        try:
            made.append(make_due_runs(at(1, "05:00")))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [0, 0, 0, 1]
    assert SyncRun.objects.count() == DueSlot.objects.count() == 1


@pytest.mark.django_db
def test_ticks_ask_the_database_little():
    """G-06: three statements when nothing is due, and the same number for each that is."""
    make_user()
    for number in range(3):
        scheduled(name=f"Daily {number}")

    def statements(now: datetime) -> int:
        with CaptureQueriesContext(connection) as asked:
            make_due_runs(now)
        return len(asked)

    before_any = statements(at(1, "04:00"))
    due = statements(at(1, "05:00"))
    nothing = statements(at(1, "05:01"))
    end_runs()
    for number in range(3):
        scheduled(name=f"More {number}", schedule_since=at(1, "06:00"))
    twice = statements(at(2, "05:00"))

    assert before_any == 2
    assert nothing == 3
    assert due - nothing == 3 * 7
    assert twice - nothing == 6 * 7


def test_the_next_run_is_said_by_the_schedules_clock():
    """AH-33, BB-24."""
    integration = Integration(schedule=DAILY)
    schedule = find_schedule(integration)
    assert schedule
    now = at(1, "04:00")
    said = [slot_in_words(slot, schedule, now) for slot in next_slots(schedule, now, 3)]

    assert said == [
        "today 06:00 Europe/London",
        "tomorrow 06:00 Europe/London",
        "Fri 3 Jul 2026 06:00 Europe/London",
    ]
