"""Only what must not be repeated waits for a person; a deactivation never does (M-26)."""

from __future__ import annotations

from datetime import timedelta

from integrations.models import Credentials, Operation
from integrations.operations.advance import advance_one, ask_about_local, settle_after_restore

from .calls import Desk

State = Operation.State


def test_a_deactivation_whose_credentials_went_holds_up_no_other(desk: Desk) -> None:
    """M-26: it ends refused and says so; the next one, with other credentials, is sent."""
    user = desk.add("leaver@acme.example")
    desk.fault("reset", method="PUT", count=5)
    first = desk.perform(desk.deactivate(user))
    assert first.state == State.UNKNOWN
    desk.credentials.delete()
    desk.sandbox.faults.clear()
    advance_one(desk.clock.go_on(700))

    first.refresh_from_db()
    desk.credentials = Desk(desk.sandbox, desk.clock).credentials
    second = desk.perform(desk.deactivate(user))

    assert first.state == State.REFUSED
    assert "deleted" in first.note
    assert (second.state, len(desk.effects("user.deactivate"))) == (State.DONE, 1)


def test_a_deactivation_that_only_a_command_can_look_up_does_not_ask(desk: Desk) -> None:
    """M-26, M-35."""
    user = desk.add("leaver@acme.example")
    desk.fault("reset", method="PUT", count=5)
    row = desk.perform(desk.deactivate(user))
    Credentials.objects.filter(pk=desk.credentials.pk).update(stored="reference")
    late = desk.clock.go_on(2 * 3600)

    ask_about_local(late)

    row.refresh_from_db()
    assert (row.state, row.code) == (State.REFUSED, "no_answer")


def test_after_a_restore_a_planned_deactivation_does_not_ask(desk: Desk) -> None:
    """F-43: it is not sent blindly, and it holds up no other one (M-26)."""
    user = desk.add("leaver@acme.example")
    desk.fault("status", method="PUT", status=429, retry_after=60, count=1)
    row = desk.perform(desk.deactivate(user))
    assert row.state == State.PLANNED

    settle_after_restore("a backup of yesterday", now=desk.clock.now + timedelta(minutes=1))

    row.refresh_from_db()
    assert (row.state, row.code) == (State.REFUSED, "restored")
    assert desk.effects() == []
    desk.clock.go_on(61)
    assert desk.perform(desk.deactivate(user)).state == State.DONE


def test_after_a_restore_a_planned_create_asks(desk: Desk) -> None:
    """F-43: nobody knows whether it was sent since."""
    desk.fault("status", status=429, retry_after=60, count=1)
    row = desk.perform(desk.create("new@acme.example"))

    settle_after_restore("a backup of yesterday", now=desk.clock.now)

    row.refresh_from_db()
    assert (row.state, row.code) == (State.ASKS, "restored")
