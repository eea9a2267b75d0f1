"""Who may write a field of a person, and what happens to what others wrote (M-6, M-7)."""

from __future__ import annotations

from typing import Any

from integrations import services
from integrations.models import Integration
from integrations.sync import execute
from people.models import Person
from tests.makers import make_person

from .worlds import ACCOUNTS, EMPLOYEES, World, by_hand, events_of, person, run_sync, sync

TITLE = {"source": "job_title", "target": "title"}
AHA_TITLE = {"source": "custom_title", "target": "title"}


def owner_and_other(world: World, **policy: Any) -> tuple[Integration, Integration]:
    """BambooHR owns the title (priority 10), Aha! maps it too (priority 50)."""
    mappings = [row if row["target"] != "title" else {**row, **policy} for row in EMPLOYEES]
    owner = world.integration("bamboohr", priority=10, mappings=mappings)
    other = world.integration("aha", priority=50, mappings=[*ACCOUNTS, AHA_TITLE])
    return owner, other


def test_the_integration_with_the_lowest_priority_number_owns_a_field(world: World) -> None:
    """M-6: whatever the order in which they run."""
    world.employ("Ann", jobTitle="Clerk")
    world.open_account("Ann", custom_title="Product Owner")
    owner, other = owner_and_other(world)

    sync(other)
    first = person("ann@acme.example").title
    sync(owner)
    second = person("ann@acme.example").title
    sync(other)

    assert (first, second, person("ann@acme.example").title) == ("Product Owner", "Clerk", "Clerk")


def test_others_write_a_field_only_while_it_is_blank(world: World) -> None:
    """M-6."""
    world.employ("Ann", jobTitle=None)
    ann = world.open_account("Ann", custom_title="Product Owner")
    owner, other = owner_and_other(world)
    sync(owner)
    sync(other)
    world.aha.change(ann, custom_title="Chief Product Owner")

    run = sync(other)

    assert person("ann@acme.example").title == "Product Owner"
    assert ("person", "ann@acme.example") not in events_of(run)


def test_a_paused_owner_stays_the_owner(world: World) -> None:
    """M-6: pausing moves no ownership."""
    world.employ("Ann", jobTitle="Clerk")
    world.open_account("Ann", custom_title="Product Owner")
    owner, other = owner_and_other(world)
    sync(owner)
    services.pause(owner, by="admin")

    sync(other)

    assert person("ann@acme.example").title == "Clerk"


def test_a_draft_owns_nothing(world: World) -> None:
    """M-6: of the launched integrations."""
    ann = world.open_account("Ann", custom_title="Product Owner")
    world.integration("bamboohr", priority=1, launched=False)
    other = world.integration("aha", priority=50, mappings=[*ACCOUNTS, AHA_TITLE])
    sync(other)
    world.aha.change(ann, custom_title="Chief Product Owner")

    sync(other)

    assert person("ann@acme.example").title == "Chief Product Owner"


def test_a_blank_of_the_owner_clears_what_the_owner_wrote(world: World) -> None:
    """M-6."""
    ann = world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world)
    sync(owner)
    world.bamboohr.change(ann, jobTitle=None)

    run = sync(owner)

    assert person("ann@acme.example").title == ""
    assert events_of(run)["person", "ann@acme.example"]["changes"]["title"] == ["Clerk", None]


def test_a_blank_of_the_owner_clears_what_was_written_by_hand(world: World) -> None:
    """M-6."""
    world.employ("Ann", jobTitle=None)
    owner, _other = owner_and_other(world)
    sync(owner)
    by_hand(person("ann@acme.example"), title="Typed")

    sync(owner)

    assert person("ann@acme.example").title == ""


def test_a_blank_of_the_owner_never_clears_what_another_integration_filled_in(
    world: World,
) -> None:
    """M-6."""
    ann = world.employ("Ann", jobTitle=None)
    world.open_account("Ann", custom_title="Product Owner")
    owner, other = owner_and_other(world)
    sync(owner)
    sync(other)
    world.bamboohr.change(ann, lastName="Married")

    sync(owner)
    services.look_again(owner)
    sync(owner)

    found = person("ann@acme.example")
    assert (found.title, found.last_name) == ("Product Owner", "Married")


def test_the_owner_takes_over_what_another_filled_in_once_it_has_a_value(world: World) -> None:
    """M-6, M-7."""
    ann = world.employ("Ann", jobTitle=None)
    world.open_account("Ann", custom_title="Product Owner")
    owner, other = owner_and_other(world)
    sync(owner)
    sync(other)
    world.bamboohr.change(ann, jobTitle="Clerk")

    sync(owner)
    world.bamboohr.change(ann, jobTitle=None)
    sync(owner)

    assert person("ann@acme.example").title == ""


def test_the_next_owner_is_the_one_with_the_next_number(world: World) -> None:
    """M-6: when the owner's mapping is removed."""
    world.employ("Ann", jobTitle="Clerk")
    world.open_account("Ann", custom_title="Product Owner")
    owner, other = owner_and_other(world)
    sync(owner)
    sync(other)
    owner.mappings.filter(target="title").delete()
    services.look_again(owner)
    services.look_again(other)

    sync(owner)
    sync(other)

    assert person("ann@acme.example").title == "Product Owner"


# Policies.


def test_always_overwrites_with_a_value_and_with_a_blank(world: World) -> None:
    """M-6: what a mapping does unless it says otherwise."""
    ann = world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world)
    sync(owner)

    seen = []
    for title in ("Head of Clerks", None):
        world.bamboohr.change(ann, jobTitle=title)
        sync(owner)
        seen.append(person("ann@acme.example").title)

    assert seen == ["Head of Clerks", ""]


def test_when_filled_overwrites_with_a_value_and_never_with_a_blank(world: World) -> None:
    """M-6."""
    ann = world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world, policy="when_filled")
    sync(owner)

    seen = []
    for title in ("Head of Clerks", None):
        world.bamboohr.change(ann, jobTitle=title)
        sync(owner)
        seen.append(person("ann@acme.example").title)

    assert seen == ["Head of Clerks", "Head of Clerks"]


def test_on_create_writes_a_new_person_and_never_again(world: World) -> None:
    """M-6."""
    ann = world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world, policy="on_create")
    sync(owner)
    world.bamboohr.change(ann, jobTitle="Head of Clerks")

    run = sync(owner)

    assert person("ann@acme.example").title == "Clerk"
    assert run.counts["people"]["updated"] == 0


def test_on_create_leaves_a_person_who_was_there_already(world: World) -> None:
    make_person(email="ann@acme.example")
    world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world, policy="on_create")

    sync(owner)

    found = person("ann@acme.example")
    assert (found.title, found.last_name) == ("", "Example")


# M-7.


def test_a_manual_change_is_overwritten_and_the_event_says_so(world: World) -> None:
    """M-7, BB-27: although the vendor's record did not change."""
    world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world)
    sync(owner)
    by_hand(person("ann@acme.example"), title="Typed")

    run = sync(owner)
    after = sync(owner)

    assert person("ann@acme.example").title == "Clerk"
    assert events_of(run) == {
        ("person", "ann@acme.example"): {"kind": "edit", "changes": {"title": ["Typed", "Clerk"]}}
    }
    assert after.counts["people"] | {"updated": 0, "unchanged": 1} == after.counts["people"]


def test_a_field_that_is_not_mapped_is_left_as_it_was_typed(world: World) -> None:
    """BB-27."""
    world.employ("Ann")
    owner, _other = owner_and_other(world)
    sync(owner)
    by_hand(person("ann@acme.example"), phone="+44 1")

    run = sync(owner)

    assert person("ann@acme.example").phone == "+44 1"
    assert events_of(run) == {}


def test_a_manual_change_is_overwritten_also_when_a_run_failed_since(world: World) -> None:
    """M-7: a run that never came to look must not make the next one forget the change."""
    world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world)
    sync(owner)
    by_hand(person("ann@acme.example"), title="Typed")
    world.bamboohr.fault("html")
    failed = run_sync(owner)
    world.bamboohr.heal()

    sync(owner)

    assert failed.state == "failed"
    assert person("ann@acme.example").title == "Clerk"


def test_what_a_third_wrote_into_a_cleared_field_is_overwritten_by_the_owner(
    world: World,
) -> None:
    """M-7: cleared by hand, filled in by another sync, and then the owner looks again."""
    world.employ("Ann", jobTitle="Clerk")
    world.open_account("Ann", custom_title="Product Owner")
    owner, other = owner_and_other(world)
    sync(owner)
    by_hand(person("ann@acme.example"), title="")

    sync(other)
    between = person("ann@acme.example").title
    run = sync(owner)

    assert between == "Product Owner"
    assert events_of(run)["person", "ann@acme.example"]["changes"] == {
        "title": ["Product Owner", "Clerk"]
    }


def test_a_change_by_hand_in_the_middle_of_a_run_is_seen_by_the_next_one(world: World) -> None:
    """M-7: after the plan was made, in a field that the plan does not touch."""
    world.employ("Ann", jobTitle="Clerk")
    owner, _other = owner_and_other(world)
    sync(owner)
    run = services.queue_run(owner, by="admin")

    def interfere(step: str, _done: int, _total: int | None) -> None:
        if step == "remember":
            by_hand(Person.objects.get(email="ann@acme.example"), title="Typed")

    execute(run.pk, on_progress=interfere)
    sync(owner)

    assert person("ann@acme.example").title == "Clerk"
