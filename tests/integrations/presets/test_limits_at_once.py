"""The guard with several calls at once, and whom a call spares when it is sent late (M-15, F-27)."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.errors import PresetRefused
from integrations.models import Integration, Operation
from integrations.operations.perform import carry_on
from integrations.operations.resolve import ask_again
from integrations.presets.calling import call_now
from tests.integrations.operations.calls import at_once
from tests.makers import make_person, make_role, make_user

from .desk import Desk

State = Operation.State


def test_of_calls_at_once_no_more_go_than_the_limit_lets(shared_aha: Desk):
    """M-15: each is counted before another asks; of nine, three may go."""
    users = [shared_aha.account(make_person()) for _ in range(9)]

    def take(number: int) -> Any:
        return call_now(
            "aha.deactivate_user",
            shared_aha.credentials,
            users[number].external_id,
            {},
            key=f"at once {number}",
            started_by="ann",
        )

    called = at_once(9, take)

    assert len(shared_aha.effects()) == 3
    assert sum(bool(one.held) for one in called) == 6
    assert Operation.objects.count() == 3


def test_the_same_key_at_the_limit_gives_the_row_that_there_is(aha: Desk):
    """M-26: who asks twice is not told the second time that nothing was sent."""
    users = [aha.account(make_person()) for _ in range(3)]  # of three, one may go
    what: Any = ("aha.deactivate_user", aha.credentials, users[0].external_id, {})

    first = call_now(*what, key="once", started_by="ann")
    again = call_now(*what, key="once", started_by="ann")

    assert first.operation is not None
    assert again.operation == first.operation
    assert again.held == ""


def test_the_last_two_administrators_do_not_go_one_after_the_other(aha: Desk):
    """F-27: what was taken away since the last load is gone already."""
    one, two = aha.account(make_person()), aha.account(make_person())
    for _ in range(40):
        aha.account(make_person())
    make_role(one, "Administrator")
    make_role(two, "Administrator")
    done = call_now(
        "aha.deactivate_user",
        aha.credentials,
        one.external_id,
        {},
        key="the first",
        started_by="ann",
    )
    assert done.operation is not None
    assert done.operation.state == State.DONE

    with pytest.raises(PresetRefused, match="no other administrator"):
        aha.prepare("deactivate_user", two.external_id)


def test_who_is_protected_meanwhile_is_spared_when_it_is_asked_for_again(aha: Desk):
    """F-27: a page may be pressed weeks after the call was prepared."""
    user = aha.account(make_person())
    for _ in range(40):
        aha.account(make_person())
    aha.sandbox.faults.add("status", vendor="aha", method="PUT", status=403, count=1)
    refused = call_now(
        "aha.deactivate_user",
        aha.credentials,
        user.external_id,
        {},
        key="refused",
        started_by="ann",
    ).operation
    assert refused is not None
    assert refused.state == State.REFUSED
    Integration.objects.filter(pk=aha.integration.pk).update(protected=[user.email])

    again = ask_again(refused.pk, by=make_user(), now=refused.created_at)
    carry_on(again.pk)

    again.refresh_from_db()
    assert (again.state, again.code, again.tries) == (State.REFUSED, "protected", 0)
    assert "named in the integration's list" in again.note
    assert aha.effects() == []


@pytest.mark.parametrize("key", ["", "   ", "\u200b"])
def test_a_key_of_nothing_means_nobody(aha: Desk, key: str):
    """S-12: people without an employee ID are not meant by a blank one."""
    aha.person(vendor_id="7", employee_id="")

    with pytest.raises(PresetRefused, match="There is no record"):
        aha.prepare("deactivate_user", key)
    assert aha.effects() == []
