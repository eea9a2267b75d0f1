"""A row before the call, and what the row says after each way in which a call can end (M-26)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from integrations.installation import pause_installation, resume_installation
from integrations.models import Credentials, Operation
from integrations.operations.advance import advance_one, refuse_overdue, waiting_operations
from integrations.operations.perform import perform
from tests.integrations.language.server import json_reply, serving

from .calls import Desk, at_once

State = Operation.State


def test_a_call_is_a_row_with_what_was_sent_and_answered(desk: Desk) -> None:
    """S-21: who, what, when, and one row for one effect."""
    row = desk.perform(desk.create("new@acme.example"))

    [effect] = desk.effects()
    assert (row.state, row.status, row.tries) == (State.DONE, 201, 1)
    assert row.values["betterworks_user_id"] == int(effect.id)
    assert row.request["body"]["email"] == "new@acme.example"
    assert (row.started_by, row.record) == ("ann", "new@acme.example")
    assert row.first_sent_at == row.sent_at == row.finished_at == desk.clock()


def test_s_21_the_vendor_is_told_the_name_that_the_row_gives_each_try(
    desk: Desk, settings: Any
) -> None:
    answers = [json_reply({}, 500), json_reply({})]
    with serving(lambda seen: answers.pop(0) if seen.method == "PUT" else json_reply({})) as server:
        settings.EGRESS_EXTRA_HOSTS = [server.origin]
        Credentials.objects.update(base_url=server.url)
        row = desk.perform(desk.update("ann@acme.example", title="Lead"))
        while advance_one(desk.clock.go_on(60)):
            pass

    row.refresh_from_db()
    named = [one.headers["X-Request-Id"] for one in server.seen if one.method == "PUT"]
    assert named == [row.request_id(1), row.request_id(2)]


def test_the_same_key_again_is_the_same_row_and_no_second_call(desk: Desk) -> None:
    """F-11."""
    first = desk.perform(desk.department("Clerks"), "item:1")

    again = desk.perform(desk.department("Clerks"), "item:1")

    assert (again.pk, desk.sent()) == (first.pk, 1)


def test_what_is_there_already_is_reported_and_not_made_again(desk: Desk) -> None:
    """BW-27: the departments are listed before one is made."""
    desk.perform(desk.department("Clerks"))

    row = desk.perform(desk.department("clerks"))

    assert (row.state, row.code, row.tries) == (State.REFUSED, "exists", 0)
    assert "betterworks_department_id" in row.values
    assert desk.sent() == 1


def test_what_the_vendor_refuses_as_double_is_refused_with_a_code(desk: Desk) -> None:
    """GT-23j: other than a success, and other than a mistake."""
    desk.add("there@acme.example")

    row = desk.perform(desk.create("there@acme.example"))

    assert (row.state, row.code, row.tries) == (State.REFUSED, "exists", 1)


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_refusal_is_final(desk: Desk, status: int) -> None:
    """F-19: no retry."""
    desk.fault("status", status=status)

    row = desk.perform(desk.create("new@acme.example"))

    assert (row.state, row.status, desk.sent()) == (State.REFUSED, status, 1)
    assert not waiting_operations(desk.clock.go_on(3600))[0]


def test_a_call_that_came_too_often_waits_and_is_sent_by_a_worker(desk: Desk) -> None:
    """F-18: not one request before the vendor's time."""
    desk.fault("status", status=429, retry_after=40, count=1)

    row = desk.perform(desk.create("new@acme.example"))

    assert (row.state, row.tries, row.first_sent_at) == (State.PLANNED, 0, None)
    assert not advance_one(desk.clock.go_on(39))
    assert advance_one(desk.clock.go_on(2))
    row.refresh_from_db()
    assert (row.state, row.tries, len(desk.effects())) == (State.DONE, 1, 1)


def test_a_call_without_a_connection_is_not_lost(desk: Desk) -> None:
    """F-19: nothing was sent, so it may be sent later as if for the first time."""
    desk.credentials.base_url = "http://127.0.0.1:1/api"
    desk.credentials.save()
    from django.conf import settings

    settings.EGRESS_EXTRA_HOSTS = [*settings.EGRESS_EXTRA_HOSTS, "127.0.0.1:1"]
    row = desk.perform(desk.create("new@acme.example"))
    assert (row.state, row.tries) == (State.PLANNED, 0)
    desk.credentials.base_url = desk.sandbox.base_url("betterworks")
    desk.credentials.save()

    advance_one(desk.clock.go_on(31))

    row.refresh_from_db()
    assert (row.state, len(desk.effects())) == (State.DONE, 1)


def test_what_could_not_be_sent_for_a_day_is_refused_with_the_reason(desk: Desk) -> None:
    """M-26."""
    desk.fault("status", status=429, retry_after=500)
    row = desk.perform(desk.create("new@acme.example"))

    assert refuse_overdue(desk.clock.go_on(24 * 3600 - 1)) == 0
    assert refuse_overdue(desk.clock.go_on(1)) == 1

    row.refresh_from_db()
    assert (row.state, row.code) == (State.REFUSED, "waited_too_long")
    assert "for a day" in row.note
    assert not desk.effects()


def test_deleted_credentials_end_a_call_that_waits(desk: Desk) -> None:
    desk.fault("status", status=429, retry_after=5, count=1)
    row = desk.perform(desk.create("new@acme.example"))
    desk.credentials.delete()

    advance_one(desk.clock.go_on(60))

    row.refresh_from_db()
    assert (row.state, row.code) == (State.REFUSED, "not_ready")
    assert "deleted" in row.note


def test_nothing_is_sent_while_rolecall_is_paused(desk: Desk) -> None:
    """F-43."""
    pause_installation("restored", by="ann", now=desk.clock())

    row = desk.perform(desk.create("new@acme.example"))

    assert (row.state, desk.sent()) == (State.PLANNED, 0)
    assert not advance_one(desk.clock.go_on(60))
    resume_installation(by="ann")
    assert advance_one(desk.clock.go_on(1))
    assert len(desk.effects()) == 1


def test_a_call_in_a_transaction_is_refused_before_anything_is_sent(shared_desk: Desk) -> None:
    """A row that could be rolled back protects nothing."""
    with pytest.raises(RuntimeError), transaction.atomic():
        shared_desk.perform(shared_desk.create("new@acme.example"))

    assert shared_desk.sent() == 0


def test_targets_and_effects_are_compared_without_case_and_in_full(desk: Desk) -> None:
    """Longer ones than the columns hold stay two."""
    one = desk.perform(desk.department("X" * 255))
    long = desk.call("create_department", {"inputs": {"name": "Y" * 255}})
    object.__setattr__(long, "target", "T" * 400)

    other = desk.perform(long)

    assert one.target == f"department {'x' * 255}"
    assert (len(other.target), other.target[:10]) == (320, "t" * 10)


# Two at once ------------------------------------------------------------------------------------


def test_of_the_same_key_in_many_threads_one_call_is_sent(shared_desk: Desk) -> None:
    """F-11, G-05: each message three times, on four workers."""
    call = shared_desk.department("Clerks")

    rows = at_once(8, lambda _number: shared_desk.perform(call, "item:1"))

    assert len({row.pk for row in rows}) == 1
    assert len(shared_desk.effects("department.create")) == 1


def test_the_same_request_under_other_keys_takes_over_the_result(shared_desk: Desk) -> None:
    """M-26: whoever comes second waits for the first, and has its result."""
    call = shared_desk.create("new@acme.example")
    shared_desk.fault("delay", seconds=0.3)

    at_once(6, lambda number: shared_desk.perform(call, f"item:{number}"))
    while advance_one(shared_desk.clock.go_on(1)):
        pass

    rows = Operation.objects.all()
    assert len(shared_desk.effects("user.create")) == 1
    assert shared_desk.sent() == 1 or {row.code for row in rows} <= {"", "exists"}
    assert {row.state for row in rows} <= {State.DONE, State.REFUSED}
    assert any("same request was sent" in row.note for row in rows)


def test_another_call_about_the_same_target_is_sent_after_the_first(desk: Desk) -> None:
    """M-26: shown as "waits for", and sent when the first has ended."""
    desk.add("ann@acme.example")
    desk.fault("reset", method="PUT", count=5)
    first = desk.perform(desk.update("ann@acme.example", title="Clerk"))
    assert first.state == State.UNKNOWN

    second = desk.perform(desk.update("ann@acme.example", title="Head"))

    assert (second.state, second.waits_for_id) == (State.PLANNED, first.pk)
    desk.sandbox.faults.clear()
    while advance_one(desk.clock.go_on(200)):
        pass
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state, second.waits_for_id) == (State.DONE, State.DONE, None)
    assert [one.set for one in desk.effects("user.update")] == [("title",), ("title",)]
    assert first.finished_at is not None
    assert second.sent_at is not None
    assert second.sent_at >= first.finished_at


def test_an_older_call_that_waits_for_the_vendor_goes_first(desk: Desk) -> None:
    """Values keep their order: the newest is written last."""
    desk.add("ann@acme.example")
    desk.fault("status", method="PUT", status=429, retry_after=60, count=1)
    old = desk.perform(desk.update("ann@acme.example", title="Clerk"))

    new = desk.perform(desk.update("ann@acme.example", title="Head"))
    assert new.waits_for_id == old.pk
    while advance_one(desk.clock.go_on(61)):
        pass

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, new.state) == (State.DONE, State.DONE)
    assert old.finished_at is not None
    assert new.sent_at is not None
    assert old.finished_at <= new.sent_at


def test_of_workers_at_once_each_operation_is_sent_by_one(shared_desk: Desk) -> None:
    """G-05, F-11: ten rows, six threads that all look."""
    shared_desk.fault("status", status=429, retry_after=1)
    for number in range(10):
        shared_desk.perform(shared_desk.department(f"D{number}"))
        shared_desk.clock.go_on(1.1)
    shared_desk.sandbox.faults.clear()
    now = shared_desk.clock.go_on(60)

    def work(_number: int) -> None:
        while advance_one(now):
            pass

    at_once(6, work)

    made = [one.key for one in shared_desk.effects("department.create")]
    assert sorted(made) == sorted(f"D{number}" for number in range(10))
    assert set(Operation.objects.values_list("state", flat=True)) == {State.DONE}


def test_a_call_costs_few_queries(desk: Desk, django_assert_num_queries: Any) -> None:
    desk.add("ann@acme.example")
    call = desk.update("ann@acme.example", title="Clerk")
    desk.perform(call)

    with django_assert_num_queries(QUERIES[connection.vendor]):
        perform(call, key="counted", started_by="ann", guarded=False, clock=desk.clock)


QUERIES = {"sqlite": 21, "postgresql": 21}
