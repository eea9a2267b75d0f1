"""What workflows hold is decided on by name, as it was shown (M-14, M-15, M-17)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from people.models import Event, Person
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.engine.advance import advance_one
from workflows.held import approve, count_held, held_items, reject
from workflows.models import RunItem, WorkflowRun, WorkflowVersion
from workflows.reports import in_words

pytestmark = pytest.mark.django_db(transaction=True)
ARCHIVE = {"key": "gone", "kind": "archive", "name": "Archive leavers", "exits": {"success": "end"}}


def go() -> None:
    for _number in range(20):
        if not advance_one(timezone.now() + timedelta(seconds=1)):
            return
    raise AssertionError("It never ended.")


@pytest.fixture
def run() -> WorkflowRun:
    """Two of three people are to be deactivated, one more than the guard lets pass."""
    people = [make_person() for _number in range(3)]
    run = make_run(make_workflow([ARCHIVE]))
    for person in people[:2]:
        make_item(run, person)
    go()
    run.refresh_from_db()
    assert run.state == "held"
    return run


def shown(run: WorkflowRun) -> list[tuple[int, str]]:
    return [(item.id, item.hash) for item in held_items(run)]


def gone() -> int:
    return Person.objects.filter(status="deactivated").count()


def test_what_the_guard_holds_is_shown_with_its_block_and_why(run: WorkflowRun) -> None:
    items = held_items(run)

    assert [item.label for item in items] == list(
        run.items.order_by("pk").values_list("label", flat=True)
    )
    assert {item.block_label for item in items} == {"Archive leavers"}
    assert "limit of 1" in items[0].why
    assert not items[0].starts
    assert count_held() == {run.pk: 2}


def test_m_15_what_is_approved_is_done_and_counts_for_nothing(run: WorkflowRun) -> None:
    decision = approve(shown(run), by="ann")
    under_way = WorkflowRun.objects.get().state
    go()

    run.refresh_from_db()
    assert (decision.decided, decision.refused) == (2, [])
    assert under_way == "running"
    assert (run.state, gone()) == ("done", 2)
    assert set(Event.objects.values_list("guarded", "approved_by")) == {(False, "ann")}


def test_what_is_rejected_is_not_done(run: WorkflowRun) -> None:
    decision = reject(shown(run), by="ann")
    go()

    run.refresh_from_db()
    assert (decision.decided, gone(), run.state) == (2, 0, "cancelled")
    assert set(run.items.values_list("decided_by", flat=True)) == {"ann"}


def test_some_are_approved_and_the_others_stay(run: WorkflowRun) -> None:
    approve(shown(run)[:1], by="ann")
    go()

    run.refresh_from_db()
    assert (gone(), run.state, len(held_items(run))) == (1, "held", 1)


def test_m_14_a_row_that_changed_since_it_was_shown_is_not_approved(run: WorkflowRun) -> None:
    rows = shown(run)
    RunItem.objects.filter(pk=rows[0][0]).update(held_hash="another")

    decision = approve(rows, by="ann")

    assert decision.decided == 1
    assert [why for _key, why in decision.refused] == ["It changed since it was shown; look again."]


def test_what_is_held_no_more_cannot_be_decided_on(run: WorkflowRun) -> None:
    rows = shown(run)
    reject(rows, by="ann")

    decision = approve([*rows, (999_999, "x")], by="bob")

    assert decision.decided == 0
    assert len(decision.refused) == 3
    assert "not held any more" in decision.refused[0][1]
    assert set(run.items.values_list("state", flat=True)) == {"cancelled"}


def test_m_17_a_second_person_has_to_say_the_same(run: WorkflowRun, settings: Any) -> None:
    settings.SECOND_PERSON = True

    first = approve(shown(run), by="ann")
    again = approve(shown(run), by="ann")
    go()
    still = gone()
    second = approve(shown(run), by="bob")
    go()

    assert [(one.decided, one.waiting) for one in (first, again, second)] == [
        (0, 2),
        (0, 2),
        (2, 0),
    ]
    assert (still, gone()) == (0, 2)
    assert set(Event.objects.values_list("approved_by", flat=True)) == {"ann and bob"}


def test_m_17_a_shell_approves_alone(run: WorkflowRun, settings: Any) -> None:
    settings.SECOND_PERSON = True

    approve(shown(run), by="command line", alone=True)
    go()

    assert gone() == 2


# The command -----------------------------------------------------------------------------------


def plans(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    call_command("plans", *arguments, "--json")
    return orjson.loads(capsys.readouterr().out)


def test_plans_lists_and_shows_what_workflows_hold(
    run: WorkflowRun, capsys: pytest.CaptureFixture[str]
) -> None:
    (listed,) = plans(capsys, "list")["plans"]
    (report,) = plans(capsys, "show", f"w{run.pk}")["runs"]

    assert (listed["id"], listed["kind"], listed["rows"]) == (f"w{run.pk}", "workflow", 2)
    assert [row["key"] for row in report["plan"]] == [item.label for item in held_items(run)]
    assert "Archive leavers" in report["plan"][0]["reason"]


def test_plans_shows_and_decides_on_a_run_in_the_shape_of_every_command(
    run: WorkflowRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """interface.md."""
    first, second = (str(pk) for pk, _hash in shown(run))
    (showed,) = plans(capsys, "show", f"w{run.pk}")["runs"]

    rejected = plans(capsys, "reject", f"w{run.pk}", "--row", first)
    approved = plans(capsys, "approve", f"w{run.pk}", "--row", second)

    about = (showed["id"], showed["name"], showed["kind"], showed["state"], showed["issues"])
    assert about == (run.pk, run.name, "workflow", "held", [])
    assert (showed["counts"]["matched"], showed["counts"]["held"]) == (2, 2)
    assert (showed["held"]["plan"], showed["held"]["removals"]) == (f"w{run.pk}", 2)
    assert "limit of 1" in showed["held"]["why"]
    assert [row["action"] for row in showed["plan"]] == ["go on", "go on"]
    assert [one["state"] for one in rejected["runs"]] == ["held"]
    assert [one["state"] for one in approved["runs"]] == ["running"]
    assert approved["runs"][0]["held"] is None
    assert [one["still_held"] for one in (rejected, approved)] == [[], []]


def test_plans_tells_what_is_held_again_after_it_was_approved(
    run: WorkflowRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version that only commands may carry on is done here and now, as removals of syncs are."""
    WorkflowVersion.objects.update(local=True)
    RunItem.objects.update(held_hash="of what it was before")
    capsys.readouterr()

    with pytest.raises(SystemExit) as ended:
        call_command("plans", "approve", f"w{run.pk}", "--json")

    told = orjson.loads(capsys.readouterr().out)
    assert ended.value.code == 4
    assert (told["decided"], told["refused"], told["runs"][0]["state"]) == (2, [], "held")
    assert [row["key"] for row in told["still_held"]] == [item.label for item in held_items(run)]
    assert "changed since it was approved" in told["still_held"][0]["reason"]


def test_m_20_starts_that_are_held_are_no_removals(
    run: WorkflowRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """interface.md: `held.removals`; `counts` has all that is held."""
    storm = make_run(run.workflow, state="held", held_because="21 starts by events.")
    for one, code in ((run, "storm"), (storm, "storm"), (storm, "too_often")):
        make_item(one, make_person(), state="held", code=code)

    told = [plans(capsys, "show", f"w{one.pk}")["runs"][0] for one in (run, storm)]

    assert [one["held"]["removals"] for one in told] == [2, 0]
    assert [one["counts"]["held"] for one in told] == [3, 2]
    assert told[1]["held"]["why"] == "21 starts by events."
    assert "2 held" in in_words(told[1]["counts"])


def test_plans_approves_one_row_and_rejects_the_other(
    run: WorkflowRun, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (str(pk) for pk, _hash in shown(run))

    approved = plans(capsys, "approve", f"w{run.pk}", "--row", first)
    rejected = plans(capsys, "reject", f"w{run.pk}", "--row", second)
    go()

    assert (approved["decided"], rejected["decided"]) == (1, 1)
    assert list(run.items.order_by("pk").values_list("state", flat=True)) == ["done", "cancelled"]


@pytest.mark.parametrize("name", ["w999999", "wx", "w"])
def test_plans_says_when_there_is_no_such_run(name: str) -> None:
    with pytest.raises(CommandError, match="plans list") as refused:
        call_command("plans", "show", name)

    assert refused.value.returncode == 2


def test_pending_and_doctor_tell_of_what_is_held(
    run: WorkflowRun, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("pending", "--json")
    told = orjson.loads(capsys.readouterr().out)
    with pytest.raises(SystemExit):
        call_command("doctor", "--json")
    text = capsys.readouterr().out

    assert told["held"] == [{"run": run.pk, "name": run.name, "removals": 2, "plan": f"w{run.pk}"}]
    assert "Workflows hold 2 records" in text
