"""Whose values stay when several calls are about one account: the newest, whoever sends them."""

from __future__ import annotations

import pytest

from integrations.models import Operation
from integrations.operations.advance import advance_one
from integrations.operations.perform import carry_on
from integrations.operations.resolve import ask_again
from tests.makers import make_user

from .calls import Desk

State = Operation.State


def test_a_call_asked_for_again_after_its_reverse_is_sent_again(desk: Desk) -> None:
    """M-26: a result is not taken over past a call that undid it, else a leaver stays active."""
    user = desk.add("leaver@acme.example")
    desk.fault("reset", method="PUT", commit=True, count=5)
    first = desk.perform(desk.deactivate(user))
    assert first.state == State.UNKNOWN
    desk.perform(desk.call("reactivate_user", {"betterworks_user_id": user}))
    last = desk.perform(desk.deactivate(user))
    desk.sandbox.faults.clear()

    _finish(desk)

    last.refresh_from_db()
    assert last.state == State.DONE
    assert [one.op for one in desk.effects()][-1] == "user.deactivate"
    assert last.tries == 1


def test_an_older_call_that_waited_goes_before_a_newer_one_that_is_pressed(desk: Desk) -> None:
    """M-26: the newest value is written last, also when its own process comes first."""
    desk.add("ann@acme.example")
    desk.fault("reset", method="PUT", count=5)
    first = desk.perform(desk.update("ann@acme.example", title="Clerk"))
    old = desk.perform(desk.update("ann@acme.example", title="Head"))
    new = desk.perform(desk.update("ann@acme.example", title="Chief"))
    desk.sandbox.faults.clear()
    desk.clock.go_on(700)
    carry_on(first.pk, desk.clock)
    first.refresh_from_db()
    assert first.state in Operation.ENDED_STATES

    carry_on(new.pk, desk.clock)
    _finish(desk)

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == (State.DONE, State.DONE)
    assert old.sent_at is not None
    assert new.sent_at is not None
    titles = [one["title"] for one in _sent_bodies(desk)]
    assert titles[-2:] == ["Head", "Chief"]


def test_a_refusal_of_other_credentials_is_not_taken_over(desk: Desk) -> None:
    """M-26: what one key may not, another may; nobody is told that it was refused."""
    user = desk.add("leaver@acme.example")
    desk.fault("status", method="PUT", status=429, retry_after=60, count=1)
    first = desk.perform(desk.deactivate(user))
    poor = desk.credentials
    desk.credentials = Desk(desk.sandbox, desk.clock).credentials
    second = desk.perform(desk.deactivate(user))
    assert second.waits_for_id == first.pk
    poor.delete()

    _finish(desk)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.code) == (State.REFUSED, "not_ready")
    assert second.state == State.DONE, second.note
    assert len(desk.effects("user.deactivate")) == 1


def test_a_key_that_ends_like_a_retry_can_be_asked_for_again(desk: Desk) -> None:
    """M-26: the retry is counted by the row, not read from the end of a key."""
    desk.fault("status", status=422, count=1)
    row = desk.perform(desk.create("new@acme.example"), "run 7 block#1")
    assert row.state == State.REFUSED

    again = ask_again(row.pk, by=make_user(), now=desk.clock())

    assert (again.retry, again.key) == (1, "run 7 block#1#1")
    _finish(desk)
    assert len(desk.effects("user.create")) == 1


def _finish(desk: Desk) -> None:
    for _ in range(60):
        if not advance_one(desk.clock.go_on(61)):
            return
    pytest.fail("the calls never end")


def _sent_bodies(desk: Desk) -> list[dict[str, str]]:
    return [
        one.request["body"]
        for one in Operation.objects.exclude(sent_at=None).order_by("sent_at", "finished_at")
    ]
