"""Many calls at once: each once for its key, with few statements, and what they ask for kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.errors import OverLimit
from integrations.installation import pause_installation, resume_installation
from integrations.models import Credentials, Operation
from integrations.operations import send
from integrations.operations.advance import advance_one
from integrations.operations.batch import Asked, perform_many
from integrations.operations.mapped import Maps
from integrations.presets.account import Account
from integrations.presets.call import PresetCall
from integrations.registry import get_preset, get_vendor
from tests.makers import make_application, make_saas_user

from .calls import BEGIN, Desk, at_once

State = Operation.State
OF_ENDS = 5  # statements that write down some ends, at most
ID = Maps(positive=(("{{ response.id }}", "betterworks_user_id"),))


def perform_all(desk: Desk, calls: Sequence[Asked | PresetCall], **more: Any) -> list[Operation]:
    """Have calls of one preset made; a key by the place unless one is given."""
    asked = [
        one if isinstance(one, Asked) else Asked(one, f"batch:{place}", guarded=False)
        for place, one in enumerate(calls)
    ]
    preset_id = asked[0].call.preset_id
    inputs = desk.sandbox.state[desk.vendor].inputs()
    credentials = Credentials.objects.get(pk=desk.credentials.pk)
    vendor = get_vendor(desk.vendor)
    with Account(credentials, vendor, inputs, desk.tenant).open() as client:
        return perform_many(
            asked,
            preset=get_preset(preset_id)[1],
            client=client,
            started_by="ann",
            **{"clock": desk.clock, **more},
        )


def statements(captured: CaptureQueriesContext) -> tuple[int, int]:
    """(statements, commits), without those of the pace."""
    sql = [one["sql"] for one in captured.captured_queries if "pace" not in one["sql"]]
    frame = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    commits = sum(one.startswith("COMMIT") for one in sql)
    return len([one for one in sql if not one.startswith(frame)]), commits


def test_each_call_is_made_once_and_its_row_says_what_was_answered(shared_desk: Desk) -> None:
    emails = [f"new{number}@acme.example" for number in range(40)]

    rows = perform_all(shared_desk, [shared_desk.create(email) for email in emails])

    assert [row.record for row in rows] == emails
    assert {row.state for row in rows} == {State.DONE}
    assert sorted(one.key for one in shared_desk.effects()) == sorted(emails)
    for row, stored in zip(rows, map(refreshed, rows), strict=True):
        assert stored.values["betterworks_user_id"] == row.values["betterworks_user_id"]
        assert (stored.tries, stored.status, stored.state) == (1, 201, State.DONE)
        assert (row.tries, row.sent_at, row.fence) == (stored.tries, stored.sent_at, stored.fence)


def refreshed(row: Operation) -> Operation:
    return Operation.objects.get(pk=row.pk)


def test_m_23_what_is_old_when_its_turn_comes_is_asked_for_once_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls before it took minutes; a call that is not wanted any more is not sent."""
    asked: list[str] = []

    def is_wanted(call: Operation, now: datetime, *, is_old: bool) -> bool:
        asked.append(call.record)
        assert is_old == (now - call.created_at >= timedelta(minutes=1))
        return call.record != "new17@acme.example"

    monkeypatch.setattr(send, "STILL_WANTED", [is_wanted])
    began = time.monotonic()
    desk.credentials.overrides = {"rate.per_second": 2}
    desk.credentials.save()
    # A second at the vendor is ten here, so that the second chunk comes late.
    rows = perform_all(
        desk,
        [desk.create(f"new{number}@acme.example") for number in range(18)],
        clock=lambda: BEGIN + 10 * timedelta(seconds=time.monotonic() - began),
    )

    assert 0 < len(asked) < 18
    assert {row.state for row in rows[:17]} == {State.DONE}
    assert (rows[17].state, rows[17].code) == (State.REFUSED, "taken_back")
    assert len(desk.effects()) == 17


def test_the_same_keys_again_give_the_same_rows(shared_desk: Desk) -> None:
    """F-11."""
    calls = [shared_desk.create(f"new{number}@acme.example") for number in range(5)]
    first = perform_all(shared_desk, calls)

    again = perform_all(shared_desk, calls)

    assert [row.pk for row in again] == [row.pk for row in first]
    assert len(shared_desk.effects()) == 5


def test_two_batches_with_the_same_keys_bring_about_each_effect_once(shared_desk: Desk) -> None:
    """M-26: they overlap, in opposite order."""
    calls = [
        Asked(shared_desk.create(f"new{number}@acme.example"), f"item:{number}", guarded=False)
        for number in range(30)
    ]
    halves = (calls[:20], calls[:9:-1])

    at_once(2, lambda number: perform_all(shared_desk, halves[number]))
    while advance_one(shared_desk.clock.go_on(10)):
        pass

    assert len(shared_desk.effects()) == 30
    assert set(Operation.objects.values_list("state", flat=True)) == {State.DONE}
    assert Operation.objects.count() == 30


def test_calls_about_one_account_in_two_batches_go_one_after_the_other(shared_desk: Desk) -> None:
    """M-26: one per target is under way; who comes second waits, and is sent."""
    for number in range(6):
        shared_desk.add(f"ann{number}@acme.example")
    batches = [
        [
            Asked(
                shared_desk.update(f"ann{number}@acme.example", title=f"Title {batch}"),
                f"{batch}:{number}",
                guarded=False,
            )
            for number in range(6)
        ]
        for batch in range(2)
    ]

    at_once(2, lambda number: perform_all(shared_desk, batches[number]))
    while advance_one(shared_desk.clock.go_on(10)):
        pass

    assert set(Operation.objects.values_list("state", flat=True)) == {State.DONE}
    assert len(shared_desk.effects()) == 12


def test_two_calls_about_one_account_in_a_batch_keep_their_order(shared_desk: Desk) -> None:
    shared_desk.add("ann@acme.example")
    calls = [shared_desk.update("ann@acme.example", title=f"Title {at}") for at in range(3)]

    rows = perform_all(shared_desk, calls)

    assert [row.state for row in rows] == [State.DONE] * 3
    sent = [json.loads(one.body)["title"] for one in shared_desk.sandbox.log if one.method == "PUT"]
    assert sent == ["Title 0", "Title 1", "Title 2"]


def test_an_answer_that_leaves_it_open_is_looked_up_and_spoils_no_other(shared_desk: Desk) -> None:
    """F-20."""
    calls = [shared_desk.create(f"new{number}@acme.example") for number in range(10)]
    shared_desk.fault("status_after", status=502, count=1)

    rows = perform_all(shared_desk, calls)

    assert sorted(row.state for row in rows) == sorted([State.DONE] * 9 + [State.UNKNOWN])
    advance_one(shared_desk.clock.go_on(6))
    assert {refreshed(row).state for row in rows} == {State.DONE}
    assert len(shared_desk.effects()) == 10


def test_while_rolecall_is_paused_rows_stay_planned(shared_desk: Desk) -> None:
    """F-43."""
    pause_installation("a backup was restored", by="ann", now=shared_desk.clock())
    calls = [shared_desk.create(f"new{number}@acme.example") for number in range(3)]

    rows = perform_all(shared_desk, calls)

    assert {row.state for row in rows} == {State.PLANNED}
    assert shared_desk.sent() == 0
    resume_installation(by="ann")
    assert {row.state for row in perform_all(shared_desk, calls)} == {State.DONE}


def test_over_the_limit_nothing_of_a_batch_is_planned(shared_desk: Desk) -> None:
    """M-15: of nine three may go, so four are held, all of them; three go."""
    application = make_application("Betterworks", vendor="betterworks", tenant="main")
    asked = []
    for number in range(9):
        user_id = shared_desk.add(f"ann{number}@acme.example")
        account = make_saas_user(application, external_id=user_id)
        call = shared_desk.deactivate(user_id, saas_user_id=account.pk)
        asked.append(Asked(call, f"item:{number}", guarded=True))

    with pytest.raises(OverLimit):
        perform_all(shared_desk, asked[:4], limited=True)

    assert Operation.objects.count() == 0
    rows = perform_all(shared_desk, asked[:3], limited=True)
    assert {row.state for row in rows} == {State.DONE}
    assert {row.guarded for row in rows} == {True}
    with pytest.raises(OverLimit):
        perform_all(shared_desk, asked[3:4], limited=True)


def test_a_hundred_calls_cost_three_commits(shared_desk: Desk) -> None:
    counts = []
    for name in ("a", "b"):
        calls = [
            Asked(shared_desk.create(f"{name}{at}@acme.example"), f"{name}:{at}", guarded=False)
            for at in range(100)
        ]
        began = time.monotonic()
        with CaptureQueriesContext(connection) as captured:
            perform_all(shared_desk, calls)
        counts.append((*statements(captured), int(time.monotonic() - began)))

    usual = 12 if connection.vendor == "postgresql" else 15
    for asked, _commits, seconds in counts:
        # Where the machine is busy, ends are written down once a second.
        assert usual <= asked <= usual + OF_ENDS * seconds
    # The first call with some credentials makes the row of their pace, too.
    _asked, commits, seconds = counts[1]
    assert commits <= 3 + seconds


def test_sending_threads_leave_no_connection_behind(shared_desk: Desk) -> None:
    calls = [shared_desk.create(f"new{number}@acme.example") for number in range(40)]
    from integrations.threads import on_threads

    perform_all(shared_desk, calls)

    open_ones = [
        still_open
        for _place, still_open in on_threads(lambda _at: connection.connection, range(64))
    ]
    assert set(open_ones) == {None}
    assert threading.active_count() < 64


# What is asked for from the answer.


def test_mapped_values_are_stored_with_the_end(shared_desk: Desk) -> None:
    asked = [
        Asked(shared_desk.create(f"new{at}@acme.example"), f"item:{at}", guarded=False, maps=ID)
        for at in range(3)
    ]

    rows = perform_all(shared_desk, asked)

    ids = [one.id for one in shared_desk.effects()]
    assert sorted(str(row.mapped["betterworks_user_id"]) for row in rows) == sorted(ids)
    assert refreshed(rows[0]).mapped == rows[0].mapped


def test_a_mapping_without_a_value_maps_nothing_and_is_named(shared_desk: Desk) -> None:
    maps = Maps(positive=(("{{ response.no_such }}", "title"), ("{{ response.id }}", "key")))
    asked = Asked(shared_desk.create("new@acme.example"), "item:1", guarded=False, maps=maps)

    [row] = perform_all(shared_desk, [asked])

    assert set(row.mapped) == {"key"}
    assert "{{ response.no_such }}" in row.note


def test_a_refusal_maps_what_was_asked_for_a_failure(shared_desk: Desk) -> None:
    maps = Maps(negative=(("{{ failure.status }}", "variables.status"),))
    shared_desk.fault("status", status=403)
    asked = Asked(shared_desk.create("new@acme.example"), "item:1", guarded=False, maps=maps)

    [row] = perform_all(shared_desk, [asked])

    assert (row.state, row.mapped) == (State.REFUSED, {"variables.status": 403})


def test_what_a_look_up_shows_is_mapped_as_far_as_the_preset_names_it(shared_desk: Desk) -> None:
    maps = Maps(
        positive=(("{{ response.id }}", "their_id"), ("{{ response.first_name }}", "title"))
    )
    shared_desk.fault("status_after", status=502, count=1)
    asked = Asked(shared_desk.create("new@acme.example"), "item:1", guarded=False, maps=maps)
    [row] = perform_all(shared_desk, [asked])
    assert row.state == State.UNKNOWN

    advance_one(shared_desk.clock.go_on(6))

    row.refresh_from_db()
    assert (row.state, row.code) == (State.DONE, "adopted")
    assert row.mapped == {"their_id": row.values["betterworks_user_id"]}
    assert "{{ response.first_name }}" in row.note
