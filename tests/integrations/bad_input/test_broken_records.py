"""Records that cannot be used: an issue on each, and every other record of the run is applied."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import Integration
from integrations.sandbox.poison import POISON
from people.models import Person
from saas.models import SaaSUser
from tests.integrations.bad_input.world import World, issues_of, mend, removed, snapshot

FIRST = {"bamboohr": "employees.0", "aha": "users.0"}
EMAIL = {"bamboohr": "workEmail", "aha": "email"}
NAME = {"bamboohr": "firstName", "aha": "name"}


def break_first(world: World, **values: Any) -> int:
    """Set values of the first record of each page."""
    first = FIRST[world.vendor]
    return world.fault(
        "set_values", count=1, values={f"{first}.{name}": value for name, value in values.items()}
    )


def first_id(world: World) -> str:
    return "1" if world.vendor == "bamboohr" else "6776757454431877834"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Ann\x00Bell", "NUL byte"),
        ("n" * 100_000, "100,000 characters; at most"),
        ("x" * 1_000_000, "1,000,000 characters; at most"),
        (["Ann", {"and": "Bell"}], "a list or an object"),
        ({"first": "Ann"}, "a list or an object"),
    ],
)
def test_a_name_that_cannot_be_stored_is_an_issue_that_says_why(
    world: World, value: Any, said: str
) -> None:
    """F-31: the field is named, the others are applied, the value itself is not repeated whole."""
    mend(world)
    break_first(world, **{NAME[world.vendor]: value})

    run = world.sync()

    (issue,) = issues_of(run)
    assert run.state == "partial"
    assert run.counts["issues"] == 1
    assert issue.external_id == first_id(world)
    assert issue.code == "value_unusable"
    assert issue.field in {"first_name", "full_name", "name"}
    assert said in issue.reason
    assert len(issue.reason) < 200
    assert Person.objects.count() == run.counts["seen"] - 1


@pytest.mark.parametrize("poison", ["surrogate", "nul"])
def test_half_a_character_in_one_record_spoils_only_that_record(world: World, poison: str) -> None:
    """F-31: a strict reader of JSON would refuse the whole answer because of it."""
    mend(world)
    name = NAME[world.vendor]
    fault = world.fault("poison", rate=0.2, seed=3, only=(poison,), fields=(name,))

    run = world.sync()

    touched = {one for seen in world.requests() for one in seen.note.split()[2:]}
    assert world.sandbox.faults.fired(fault)
    assert touched
    assert {issue.external_id for issue in issues_of(run)} == touched
    assert run.counts["people"]["created"] == run.counts["seen"] - len(touched)


def test_a_broken_record_of_a_known_person_leaves_the_person_and_is_tried_in_the_next_run(
    world: World,
) -> None:
    """F-31: retried, visible in each run, gone when it is mended."""
    mend(world)
    world.sync()
    before = snapshot()
    break_first(world, **{NAME[world.vendor]: "A\x00"})

    broken = world.sync()
    after = snapshot()
    mended = world.sync()

    assert (broken.state, broken.counts["issues"]) == ("partial", 1)
    assert after == before
    assert (mended.state, mended.counts["issues"]) == ("done", 0)
    assert snapshot() == before


def test_an_id_that_no_database_stores_comes_twice_and_is_told_without_it(world: World) -> None:
    """F-31: the sentence about records that came twice quotes an id, which may hold anything."""
    mend(world)
    rows = FIRST[world.vendor].split(".")[0]
    world.fault("set_values", count=1, values={f"{rows}.0.id": "1\x00", f"{rows}.1.id": "1\x00"})

    run = world.sync()

    assert run.state == "partial"
    assert any("came twice" in problem for problem in run.listing["problems"])
    assert not any("\x00" in problem for problem in run.listing["problems"])
    assert run.counts["people"]["created"] == run.counts["seen"] - 1


def test_records_without_an_id_and_with_half_a_character_do_not_end_the_run(world: World) -> None:
    """F-31: such records cannot be told apart, so they are left out; the run says how many."""
    mend(world)
    rows = FIRST[world.vendor].split(".")[0]
    world.fault("set_values", count=1, values={f"{rows}.0.id": None})
    world.fault("poison", count=1, rate=1.0, only=("surrogate",), fields=(NAME[world.vendor],))

    run = world.sync()

    assert run.state == "partial"
    assert any("without a usable id" in problem for problem in run.listing["problems"])


def test_records_that_are_no_objects_are_left_out_and_counted(world: World) -> None:
    """F-31, R8: null, numbers and text among the records; the good ones are applied."""
    mend(world)
    rows = FIRST[world.vendor].split(".")[0]
    world.fault("set_values", count=1, values={f"{rows}.0": None, f"{rows}.1": 5, f"{rows}.2": "x"})

    run = world.sync()

    assert run.state == "partial"
    assert "3 records came without a usable id" in " ".join(run.listing["problems"])
    assert Person.objects.count() == run.counts["seen"] - 3
    assert not run.listing["complete"]


def test_no_value_of_the_poison_cabinet_removes_anybody_or_ends_the_run(world: World) -> None:
    """F-31: every hostile value in every field of some records, ids apart."""
    mend(world)
    world.sync()
    before = snapshot()
    harm = {}

    for number, poison in enumerate(sorted(POISON)):
        world.fault("poison", rate=0.5, seed=number, only=(poison,))
        world.fault("poison", path="employmentStatus", rate=0.5, seed=number, only=(poison,))
        run = world.sync()
        gone = removed(before, snapshot())
        world.heal()
        healed = world.sync()
        # Aha!'s switch for "enabled" may say no in other words than false; then it says so itself.
        said_so = world.vendor == "aha" and poison == "zero"
        if run.state == "failed" or (gone and not said_so):
            harm[poison] = (run.state, run.error_message, gone)
        elif healed.state != "done" or snapshot() != before:
            harm[poison] = (healed.state, healed.error_message, [])

    assert harm == {}


@pytest.mark.parametrize("value", ["yesterday", 7, ["2026-01-01"], {"on": "2026-01-01"}])
def test_a_value_that_the_filters_cannot_judge_is_an_issue_and_not_the_end_of_the_run(
    bamboohr: World, value: Any
) -> None:
    """F-31, M-9: not taken for blank either, for then the filter would decide by a mistake."""
    mend(bamboohr)
    bamboohr.integration.mappings.filter(target="hire_date").delete()
    Integration.objects.filter(pk=bamboohr.integration.pk).update(
        filters={"all": [{"field": "hire_date", "operator": "is_not_empty"}]}
    )
    bamboohr.fault("set_values", values={"employees.0.hireDate": value})

    run = bamboohr.sync()

    (issue,) = issues_of(run)
    assert run.state == "partial"
    assert (issue.external_id, issue.field) == ("1", "hire_date")
    assert issue.reason.startswith("The filters cannot judge Hire Date: ")
    assert run.counts["people"]["created"] == run.counts["seen"] - 1


def test_duplicate_keys_in_one_record_are_read_and_do_not_spoil_the_others(world: World) -> None:
    """F-31: JSON with a key twice is read as most readers do, the last value counts."""
    mend(world)
    name = NAME[world.vendor]
    world.fault("poison", rate=0.3, seed=1, only=("duplicate_key",), fields=(name,))

    run = world.sync()

    assert run.state == "done"
    assert Person.objects.filter(full_name__contains="second").exists() or (
        Person.objects.filter(first_name="second").exists()
    )
    assert SaaSUser.objects.count() == run.counts["seen"]
