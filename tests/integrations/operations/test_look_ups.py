"""What becomes of a call that nobody knows the end of (M-27, R2, F-03, F-20)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.errors import LeaseLost
from integrations.models import Notification, Operation
from integrations.operations.advance import (
    advance_one,
    ask_about_local,
    give_back_own_operations,
    note_lost_senders,
)
from integrations.operations.rows import claim
from integrations.operations.send import send
from tests.makers import make_application, make_integration, make_saas_user

from .calls import Desk, at_once

State = Operation.State


def test_a_create_whose_answer_was_lost_is_looked_up_and_adopted(desk: Desk) -> None:
    """F-03, F-20: after five seconds, not earlier; what it made is kept."""
    desk.fault("reset", commit=True)

    row = desk.perform(desk.create("new@acme.example"))

    assert (row.state, row.tries) == (State.UNKNOWN, 1)
    assert not advance_one(desk.clock.go_on(4.9))
    assert advance_one(desk.clock.go_on(0.1))
    row.refresh_from_db()
    [effect] = desk.effects()
    assert (row.state, row.code) == (State.DONE, "adopted")
    assert row.values == {"betterworks_user_id": int(effect.id)}
    assert desk.sent() == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_fault_of_the_vendor_after_it_made_something_makes_nothing_twice(
    desk: Desk, status: int
) -> None:
    """F-20, G-02."""
    desk.fault("status_after", status=status)

    row = desk.perform(desk.department("Clerks"))
    advance_one(desk.clock.go_on(5))

    row.refresh_from_db()
    assert (row.state, len(desk.effects())) == (State.DONE, 1)


def test_look_ups_come_after_5_30_120_and_600_seconds(desk: Desk) -> None:
    """M-27: the moments count from when it became unknown."""
    desk.fault("reset")
    row = desk.perform(desk.department("Clerks"))
    began = desk.clock()

    moments = [
        int((desk.clock() - began).total_seconds())
        for _second in range(620)
        if advance_one(desk.clock.go_on(1))
    ]

    row.refresh_from_db()
    assert moments == [5, 30, 120, 600]
    assert (row.state, row.looks, desk.sent()) == (State.ASKS, 4, 1)


def test_what_the_vendor_takes_twice_is_asked_of_a_person_once(desk: Desk) -> None:
    """R2, M-27: one mail for one operation; nothing is sent again."""
    make_integration(
        credentials=desk.credentials, vendor="betterworks", inputs={}, notify=["it@acme.example"]
    )
    desk.fault("reset")
    row = desk.perform(desk.department("Clerks"))

    _let_pass(desk, 700)

    row.refresh_from_db()
    [mail] = Notification.objects.all()
    assert (row.state, desk.sent()) == (State.ASKS, 1)
    assert (mail.kind, mail.recipients) == ("operation", ["it@acme.example"])
    assert f"operation/{row.pk}/" in mail.body


def test_what_the_vendor_refuses_twice_is_sent_again_after_the_last_look(desk: Desk) -> None:
    """M-27: still absent, and `duplicates: refused`."""
    desk.fault("reset", count=1)
    row = desk.perform(desk.create("new@acme.example"))

    _let_pass(desk, 700)

    row.refresh_from_db()
    assert (row.state, row.tries, len(desk.effects())) == (State.DONE, 2, 1)


def test_a_vendor_that_shows_things_late_gets_no_second_one(desk: Desk) -> None:
    """G-02: visible only after 31 s; the third look finds it."""
    desk.set(lookup_lag=31)
    desk.fault("reset", commit=True)
    row = desk.perform(desk.department("Clerks"))

    _let_pass(desk, 110)
    row.refresh_from_db()
    assert row.state == State.UNKNOWN
    _let_pass(desk, 15)

    row.refresh_from_db()
    assert (row.state, row.code, desk.sent()) == (State.DONE, "adopted", 1)


def test_what_is_shown_later_than_every_look_is_made_once_all_the_same(desk: Desk) -> None:
    """The vendor refuses the second one: that is ours, and nobody is told of a failure."""
    desk.set(lookup_lag=5000)
    desk.fault("reset", commit=True, count=1)
    row = desk.perform(desk.create("new@acme.example"))

    _let_pass(desk, 1500)

    row.refresh_from_db()
    assert (row.state, row.code, row.tries) == (State.DONE, "exists", 2)
    assert len(desk.effects("user.create")) == 1


def test_what_may_be_repeated_is_sent_again_at_once(desk: Desk) -> None:
    """M-27: updates that set values."""
    desk.add("ann@acme.example")
    desk.fault("reset", method="PUT", count=1)

    row = desk.perform(desk.update("ann@acme.example", title="Head"))

    assert (row.state, row.tries) == (State.DONE, 2)


def test_a_second_try_that_is_refused_because_the_first_went_through_is_done(desk: Desk) -> None:
    """F-20: such as the last seat, taken by the try whose answer was lost."""
    user = desk.add("ann@acme.example")
    desk.fault("reset", method="PUT", commit=True, count=1)
    desk.fault("status", method="PUT", status=409, after=1, count=1)

    row = desk.perform(desk.deactivate(user))

    assert (row.state, row.code, row.tries) == (State.DONE, "adopted", 2)
    assert len(desk.effects("user.deactivate")) == 1


def test_what_may_be_repeated_never_asks_a_person(desk: Desk) -> None:
    """M-26: it ends refused after five tries, and says that sending it again does no harm."""
    desk.add("ann@acme.example")
    desk.fault("reset", method="PUT")
    row = desk.perform(desk.update("ann@acme.example", title="Head"))

    _let_pass(desk, 4000)

    row.refresh_from_db()
    assert (row.state, row.code, row.tries) == (State.REFUSED, "no_answer", 5)
    assert not Notification.objects.exists()


def test_a_look_up_that_gets_no_answer_is_no_answer(desk: Desk) -> None:
    """M-11: 403, 5xx and HTML never mean "not there"; after an hour a person is asked."""
    desk.fault("reset", count=1)
    desk.fault("status", method="GET", status=403)
    row = desk.perform(desk.create("new@acme.example"), "item:1")

    _let_pass(desk, 3000)
    row.refresh_from_db()
    assert (row.state, row.looks, desk.sent()) == (State.UNKNOWN, 0, 1)
    _let_pass(desk, 1000)

    row.refresh_from_db()
    assert (row.state, desk.sent()) == (State.ASKS, 1)


def test_a_question_to_a_person_holds_up_the_same_effect_only(desk: Desk) -> None:
    """M-26: never a deactivation, deletion or update."""
    user = desk.add("ann@acme.example")
    desk.fault("reset", count=1)
    asks = desk.perform(desk.department("Clerks"))
    _let_pass(desk, 700)
    same = desk.perform(desk.department("CLERKS"))
    about_the_same = desk.deactivate(user)
    object.__setattr__(about_the_same, "target", "department clerks")

    other = desk.perform(about_the_same)

    asks.refresh_from_db()
    assert asks.state == State.ASKS
    assert (same.state, same.waits_for_id) == (State.PLANNED, asks.pk)
    assert (other.state, len(desk.effects("user.deactivate"))) == (State.DONE, 1)


# Senders that are gone ---------------------------------------------------------------------------


def test_a_sender_that_fell_silent_leaves_an_unknown_call(desk: Desk) -> None:
    """F-03: never back to planned once a send may have begun."""
    row = _planned(desk)
    taken = claim(row)
    assert taken is not None
    taken.write(sent_at=desk.clock(), first_sent_at=desk.clock(), tries=1)

    row.refresh_from_db()
    assert row.heartbeat_at is not None
    assert note_lost_senders(row.heartbeat_at + timedelta(seconds=10)) == 0
    assert note_lost_senders(row.heartbeat_at + timedelta(seconds=46)) == 1

    row.refresh_from_db()
    assert (row.state, row.code, row.looks) == (State.UNKNOWN, "process_lost", 0)
    assert row.due_at == row.heartbeat_at + timedelta(seconds=5)


def test_a_sender_that_had_sent_nothing_gives_the_call_back(desk: Desk) -> None:
    row = _planned(desk)
    claim(row)

    assert give_back_own_operations() == 1

    row.refresh_from_db()
    assert (row.state, row.tries) == (State.PLANNED, 0)


def test_a_sender_that_wakes_up_late_writes_nothing_any_more(desk: Desk) -> None:
    """F-12: the raised fence; its call is found by the look-up."""
    row = _planned(desk)
    taken = claim(row)
    assert taken is not None
    row.refresh_from_db()
    assert row.heartbeat_at is not None
    taken.write(sent_at=desk.clock(), first_sent_at=desk.clock(), tries=1)
    note_lost_senders(row.heartbeat_at + timedelta(seconds=60))

    with pytest.raises(LeaseLost):
        taken.write(state=State.DONE)
    with pytest.raises(LeaseLost):
        taken.beat()


def test_a_sender_that_lost_its_lease_before_sending_sends_nothing(desk: Desk) -> None:
    """F-12: asleep between the claim and the call."""
    row = _planned(desk)
    taken = claim(row)
    assert taken is not None
    give_back_own_operations()
    before = desk.sent()

    with pytest.raises(LeaseLost):
        send(taken, row, desk.clock)

    assert desk.sent() == before


def test_of_many_who_look_one_looks(shared_desk: Desk) -> None:
    """F-11: an unknown call is looked up by one of them at a time."""
    shared_desk.fault("reset", count=1)
    shared_desk.perform(shared_desk.department("Clerks"))
    before = shared_desk.sent("GET")
    now = shared_desk.clock.go_on(5)

    at_once(6, lambda _number: advance_one(now))

    assert shared_desk.sent("GET") == before + 1
    assert Operation.objects.get().looks == 1


def test_calls_whose_secret_only_commands_can_read_are_left_by_workers(desk: Desk) -> None:
    """M-35: after an hour without such a command a person is asked."""
    desk.fault("reset", count=1)
    row = desk.perform(desk.department("Clerks"))
    desk.credentials.stored = "reference"
    desk.credentials.save()

    assert not advance_one(desk.clock.go_on(60))
    assert ask_about_local(desk.clock()) == 0
    assert ask_about_local(desk.clock.go_on(3600)) == 1

    row.refresh_from_db()
    assert row.state == State.ASKS


# Taking away what is gone ------------------------------------------------------------------------


def test_a_removal_of_what_is_gone_is_not_done_without_a_control_record(desk: Desk) -> None:
    """M-11, M-27: 404 alone proves nothing."""
    row = desk.perform(desk.deactivate("424242"))

    assert row.state == State.REFUSED


def test_a_removal_counts_for_the_account_that_it_is_about(desk: Desk) -> None:
    application = make_application("Betterworks", vendor="betterworks", tenant="main")
    user = make_saas_user(application, external_id=desk.add("ann@acme.example"))

    row = desk.perform(desk.deactivate(user.external_id, saas_user_id=user.pk), guarded=True)

    assert (row.state, row.takes_access, row.guarded) == (State.DONE, True, True)
    assert row.saas_user_id == user.pk


def _planned(desk: Desk) -> Operation:
    desk.fault("status", status=429, retry_after=1, count=1)
    row = desk.perform(desk.create("new@acme.example"))
    assert row.state == State.PLANNED
    row.refresh_from_db()
    return row


def _let_pass(desk: Desk, seconds: int) -> None:
    """Time passes in steps of a second, and a worker looks at each."""
    for _second in range(seconds):
        while advance_one(desk.clock.go_on(1)):
            pass
