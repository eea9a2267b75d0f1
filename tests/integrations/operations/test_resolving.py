"""A person's word, what a restore makes of calls, and the one counter of removals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from integrations import guard
from integrations.errors import CannotResolve
from integrations.models import Operation
from integrations.operations.advance import advance_one, settle_after_restore
from integrations.operations.guarding import room_for_call
from integrations.operations.resolve import ask_again, settle
from people.models import Event
from tests.makers import make_application, make_operation, make_person, make_saas_user, make_user

from .calls import Desk

State = Operation.State


@pytest.mark.parametrize("state", [State.DONE, State.REFUSED])
def test_a_person_says_how_an_open_call_ended(desk: Desk, state: State) -> None:
    """Who said it stays on the row, and who waited for it goes on (S-21)."""
    desk.fault("reset", count=1)
    asks = _asking(desk)
    waiting = desk.perform(desk.department("clerks"))
    user = make_user()

    settled = settle(asks.pk, done=state == State.DONE, by=user, now=desk.clock())
    while advance_one(desk.clock.go_on(1)):
        pass

    waiting.refresh_from_db()
    assert (settled.state, settled.resolved_by) == (state, user)
    assert user.username in settled.note
    assert waiting.state in Operation.ENDED_STATES


def test_a_call_that_has_ended_is_not_settled_again(desk: Desk) -> None:
    row = desk.perform(desk.create("new@acme.example"))

    with pytest.raises(CannotResolve, match="not open"):
        settle(row.pk, done=False, by=make_user(), now=desk.clock())
    with pytest.raises(CannotResolve, match="cannot be tried again"):
        ask_again(row.pk, by=make_user("other"), now=desk.clock())

    row.refresh_from_db()
    assert row.state == State.DONE


def test_asking_again_is_a_new_row_with_the_next_retry(desk: Desk) -> None:
    """M-26: retry grows only when a person asks; automatic repeats carry the same key."""
    desk.fault("reset", count=1)
    asks = _asking(desk)
    user = make_user()

    again = ask_again(asks.pk, by=user, now=desk.clock())
    with pytest.raises(CannotResolve, match="already"):
        ask_again(asks.pk, by=user, now=desk.clock())
    while advance_one(desk.clock.go_on(1)):
        pass

    asks.refresh_from_db()
    again.refresh_from_db()
    assert (again.retry, again.key) == (1, f"{asks.key}#1")
    assert (asks.state, again.state) == (State.REFUSED, State.DONE)
    assert len(desk.effects("department.create")) == 1
    assert again.idempotency_key != asks.idempotency_key


def test_after_a_restore_nothing_is_sent_blindly(desk: Desk) -> None:
    """F-43: sending and unknown are looked up; planned ones ask where twice would do harm."""
    desk.add("ann@acme.example")
    made = "betterworks.create_department"
    planned = make_operation(preset=made, state="planned", first_sent_at=None, sent_at=None)
    same = make_operation(preset=made, state="planned", effect=planned.effect)
    desk.fault("reset", method="PUT", count=2)
    update = desk.perform(desk.update("ann@acme.example", title="Clerk"))
    desk.fault("reset", count=1, commit=True)
    create = desk.perform(desk.department("Clerks"))
    Operation.objects.filter(pk=create.pk).update(state="sending", heartbeat_at=timezone.now())

    assert settle_after_restore("restored from b.zip", now=desk.clock()) == (2, 1)
    for _second in range(700):
        advance_one(desk.clock.go_on(1))

    states = {row.pk: row.state for row in Operation.objects.all()}
    assert states == {
        planned.pk: "asks", same.pk: "refused", update.pk: "refused", create.pk: "done",
    }  # fmt: skip
    assert not desk.effects("user.update")
    assert len(desk.effects("department.create")) == 1


# The guard --------------------------------------------------------------------------------------


def test_calls_and_syncs_share_one_counter_that_counts_each_account_once(
    db: None, django_assert_num_queries: Any
) -> None:
    """M-15: all routes, done, unknown and waiting ones; not those approved by name or refused."""
    application = make_application()
    people = [make_person() for _number in range(3)]
    users = [make_saas_user(application) for _number in range(30)]
    users[5].person = people[0]
    users[5].save()
    now = timezone.now()
    taken: dict[str, Any] = {"takes_access": True, "guarded": True}
    for user in users[:3]:
        Event.objects.create(
            object="saas_user", object_id=user.pk, kind="archive", source="sync", guarded=True
        )
    make_operation(saas_user_id=users[2].pk, **taken)  # the same account
    make_operation(saas_user_id=users[3].pk, **taken)
    make_operation(saas_user_id=users[4].pk, state="unknown", **taken)
    make_operation(saas_user_id=users[4].pk, state="asks", **taken)
    make_operation(person_id=people[0].pk, **taken)  # the account of that person
    make_operation(person_id=people[1].pk, target="nobody", **taken)  # no account here
    make_operation(target="waits", state="planned", first_sent_at=None, **taken)
    make_operation(saas_user_id=users[7].pk, state="refused", **taken)
    make_operation(saas_user_id=users[8].pk, takes_access=True)
    make_operation(saas_user_id=users[9].pk, first_sent_at=now - timedelta(hours=25), **taken)
    make_operation(saas_user_id=users[10].pk, tenant="other", **taken)

    with django_assert_num_queries(3):
        room = room_for_call("aha", "mycompany", now=now)
    with django_assert_num_queries(2):
        again = guard.accounts_room(application, now)

    assert (room.removed, room.base, room.limit) == (8, 32, 5)
    assert again == room
    assert not room.allows(1)


def test_without_a_loaded_list_the_limit_is_the_number_alone(db: None) -> None:
    """M-15."""
    for _number in range(4):
        make_operation(takes_access=True, guarded=True)

    room = room_for_call("aha", "mycompany")

    assert (room.limit, room.removed) == (5, 4)
    assert room.allows(1)
    assert not room.allows(2)
    make_application()
    assert room_for_call("aha", "mycompany").limit == 5


def _asking(desk: Desk) -> Operation:
    row = desk.perform(desk.department("Clerks"))
    for _second in range(650):
        advance_one(desk.clock.go_on(1))
    row.refresh_from_db()
    assert row.state == State.ASKS
    return row


def test_who_says_so_is_asked_for_by_the_page_only(db: None) -> None:
    """A shell is no user, but its word is written down."""
    row = make_operation(state="asks")

    settled = settle(row.pk, done=True, by=None, name="command line", now=timezone.now())

    assert settled.note.startswith("command line looked")
    assert settled.resolved_by is None
    assert not User.objects.exists()
