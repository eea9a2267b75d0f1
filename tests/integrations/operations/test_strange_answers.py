"""Answers that no column can hold, and look-ups that find more than one."""

from __future__ import annotations

from typing import Any

from integrations.models import Operation
from integrations.operations.advance import advance_one
from integrations.presets.answers import kept, named_values

from .calls import Desk

State = Operation.State


def test_an_answer_with_signs_that_no_database_holds_ends_like_any_other(desk: Desk) -> None:
    """S-21: else the call stays unknown for ever, and is sent again."""
    user = desk.add("leaver@acme.example")
    long = "a\x00b" + "x" * 100_000
    desk.fault("set_values", method="PUT", values={"is_active": long})

    row = desk.perform(desk.deactivate(user))

    assert (row.state, row.tries) == (State.DONE, 1)
    assert row.values["betterworks_is_active"].startswith("a\ufffdb")
    assert len(row.values["betterworks_is_active"]) < 1_000


def test_no_value_holds_half_a_character() -> None:
    """PostgreSQL takes neither these nor zeros."""
    found = named_values({"name": "name"}, {"name": ["a\ud800", {"b\x00": "c"}]})

    assert found == {"name": ["a?", {"b\ufffd": "c"}]}


def test_a_look_up_that_finds_two_adopts_neither(desk: Desk) -> None:
    """M-27, M-2: whose would it be? A person says it, and at once."""
    desk.fault("reset", count=1)
    row = desk.perform(desk.department("Clerks"))
    assert row.state == State.UNKNOWN
    side: Any = desk.sandbox.state["betterworks"]
    for _ in range(2):
        side.book.add_department("Clerks", None)

    advance_one(desk.clock.go_on(6))

    row.refresh_from_db()
    assert (row.state, row.values) == (State.ASKS, {})
    assert "shows 2" in row.note


def test_a_secret_of_the_answer_is_kept_in_no_form() -> None:
    """M-24: by the name of its key, whatever is under it; whether there is one may be said."""
    answer = {
        "password": {"value": "hunter2"},
        "api_keys": ["hunter2"],
        "token": 1234567,
        "has_password": True,
        "secret": None,
    }

    found = kept(answer)

    assert "hunter2" not in str(found)
    assert "1234567" not in str(found)
    assert (found["has_password"], found["secret"]) == (True, None)
