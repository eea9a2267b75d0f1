"""`operations`, and what `pending` and `doctor` say of vendor calls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.doctor import examine
from integrations.models import Operation
from integrations.pending import find_pending
from tests.makers import make_operation, make_user

pytestmark = pytest.mark.django_db


def run(capsys: Any, *arguments: str) -> str:
    call_command("operations", *arguments)
    return str(capsys.readouterr().out)


def test_open_calls_are_listed_first(capsys: Any) -> None:
    rows = [make_operation(state=state) for state in ("unknown", "asks", "done")]

    told = json.loads(run(capsys, "--json"))["operations"]
    text = run(capsys)

    assert [one["id"] for one in told] == [rows[1].pk, rows[0].pk, rows[2].pk]
    assert text.splitlines()[0].split()[:2] == [str(rows[1].pk), "asks"]


def test_one_call_is_shown_with_what_was_sent(capsys: Any) -> None:
    row = make_operation(answer={"id": 7})

    text = run(capsys, "show", str(row.pk))
    told = json.loads(run(capsys, "show", str(row.pk), "--json"))["operations"][0]

    assert '"id": 7' in text
    assert told["answer"] == {"id": 7}
    assert told["request"]["method"] == "PUT"


@pytest.mark.parametrize(("word", "state"), [("--done", "done"), ("--not-done", "refused")])
def test_a_call_is_resolved_by_somebody(capsys: Any, word: str, state: str) -> None:
    row, user = make_operation(state="asks"), make_user()

    run(capsys, "resolve", str(row.pk), word, "--as", user.username)

    row.refresh_from_db()
    assert (row.state, row.resolved_by) == (state, user)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show"], "Name the operation"),
        (["show", "999"], "no operation 999"),
        (["resolve", "1"], "say --done or --not-done"),
        (["list", "--done"], "belong to"),
    ],
)
def test_wrong_usage_is_told_and_changes_nothing(arguments: list[str], words: str) -> None:
    if "1" in arguments:
        arguments = ["resolve", str(make_operation(state="asks").pk)]

    with pytest.raises(CommandError, match=words) as problem:
        call_command("operations", *arguments)

    assert problem.value.returncode == 2
    assert not Operation.objects.filter(state="done").exists()


def test_a_call_that_has_ended_is_not_resolved() -> None:
    row = make_operation()

    with pytest.raises(CommandError, match="not open"):
        call_command("operations", "resolve", str(row.pk), "--done")


def test_pending_counts_calls_and_waits_for_all_but_those_that_ask() -> None:
    make_operation(state="asks")
    assert not find_pending(timezone.now()).is_under_way

    make_operation(state="unknown")

    pending = find_pending(timezone.now())
    assert pending.is_under_way
    assert pending.operations == {"waiting": 0, "sending": 0, "unknown": 1, "asks": 1}


def test_the_doctor_names_calls_that_need_a_person() -> None:
    def found() -> list[str]:
        return [one.state for one in examine(timezone.now()) if one.check == "operations"]

    assert found() == ["ok"]
    make_operation(state="asks")
    assert found() == ["bad"]
    make_operation(state="unknown")
    assert found() == ["bad", "warn"]
