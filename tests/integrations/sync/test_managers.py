"""Managers and departments of a listing, whatever its order (F-38, F-39, BB-19, BB-30)."""

from __future__ import annotations

import random
import threading

import pytest
from django.db import connection, transaction

from people.models import Department, Person
from people.services import ensure_departments

from .worlds import EMPLOYEES, World, events_of, issues, person, plan, run_sync, sync, warnings

MANAGED = [*EMPLOYEES, {"source": "supervisor_eid", "target": "manager"}]
IN_DEPARTMENTS = [*EMPLOYEES, {"source": "department", "target": "department"}]


def managers() -> dict[str, str | None]:
    """{e-mail: e-mail of the manager}."""
    return dict(Person.objects.values_list("email", "manager__email"))


def people_in_rings(manager_of: dict[int, int | None]) -> set[int]:
    """Everybody who is above themselves, found by walking up from each."""
    found = set()
    for start, boss in manager_of.items():
        at = boss
        for _step in manager_of:
            if at is None or at == start:
                break
            at = manager_of.get(at)
        if at == start:
            found.add(start)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_random_graph_of_a_thousand_people_ends_with_every_link_that_can_be_set(
    world: World, seed: int
) -> None:
    """F-38: rings, people above themselves, managers who are nowhere."""
    draw = random.Random(seed)  # noqa: S311 - sample data
    boss_of: dict[int, int | None] = {}
    for one in range(1000):
        kind = draw.random()
        if kind < 0.05:
            boss_of[one] = None
        elif kind < 0.10:
            boss_of[one] = one
        elif kind < 0.15:
            boss_of[one] = 5000 + one
        else:
            boss_of[one] = draw.randrange(1000)
    records = [world.employee(f"p{one}", id=str(10_000 + one)) for one in range(1000)]
    world.bamboohr.add_all(records)
    world.bamboohr.change_all(
        {
            str(10_000 + one): {"supervisorEId": str(10_000 + boss)}
            for one, boss in boss_of.items()
            if boss is not None
        }
    )

    run = sync(world.integration("bamboohr", mappings=MANAGED))

    resolvable = {
        one: boss if boss is not None and boss < 1000 and boss != one else None
        for one, boss in boss_of.items()
    }
    assert managers() == {
        f"p{one}@acme.example": None if boss is None else f"p{boss}@acme.example"
        for one, boss in resolvable.items()
    }
    found = warnings(run)
    by_code = {
        code: {int(email[1:].split("@")[0]) for email, each in found if each == code}
        for code in ("own_manager", "manager_unknown", "manager_cycle")
    }
    assert by_code == {
        "own_manager": {one for one, boss in boss_of.items() if boss == one},
        "manager_unknown": {one for one, boss in boss_of.items() if boss and boss >= 5000},
        "manager_cycle": people_in_rings(resolvable),
    }
    assert (run.state, issues(run), run.counts["people"]["created"]) == ("done", [], 1000)


def test_a_manager_in_a_later_batch_of_the_listing_is_linked(world: World) -> None:
    """F-38, BB-19: the last of 2,100 is the manager of all others."""
    records = [world.employee(f"p{one}", id=str(10_000 + one)) for one in range(2100)]
    world.bamboohr.add_all(records)
    world.bamboohr.change_all(
        {record["id"]: {"supervisorEId": records[-1]["id"]} for record in records[:-1]}
    )

    run = sync(world.integration("bamboohr", mappings=MANAGED))
    again = sync(run.integration)

    chief = person("p2099@acme.example")
    assert Person.objects.filter(manager=chief).count() == 2099
    assert chief.manager is None
    assert warnings(run) == []
    assert again.counts["people"]["unchanged"] == 2100


def test_people_who_manage_each_other_are_tolerated_and_reported(world: World) -> None:
    """BB-19."""
    ann, bob = world.employ("Ann"), world.employ("Bob")
    world.bamboohr.change_all({ann: {"supervisorEId": bob}, bob: {"supervisorEId": ann}})

    run = sync(world.integration("bamboohr", mappings=MANAGED))

    assert managers() == {
        "ann@acme.example": "bob@acme.example",
        "bob@acme.example": "ann@acme.example",
    }
    assert warnings(run) == [
        ("ann@acme.example", "manager_cycle"),
        ("bob@acme.example", "manager_cycle"),
    ]
    assert run.state == "done"


def test_an_unknown_manager_is_a_warning_and_the_rest_of_the_record_is_applied(
    world: World,
) -> None:
    """F-38, BB-19; the manager is set as soon as a sync brings that person."""
    ann = world.employ("Ann")
    world.bamboohr.change(ann, supervisorEId="99999")
    integration = world.integration("bamboohr", mappings=MANAGED)

    first = sync(integration)
    again = sync(integration)
    world.bamboohr.add(**world.employee("Boss", id="99999"))
    last = sync(integration)

    assert warnings(first) == warnings(again) == [("ann@acme.example", "manager_unknown")]
    assert first.state == "done"
    assert warnings(last) == []
    assert managers()["ann@acme.example"] == "boss@acme.example"
    assert events_of(last)["person", "ann@acme.example"]["changes"] == {
        "manager": [None, "boss@acme.example"]
    }


def test_a_manager_whose_record_has_an_issue_is_not_named_in_the_event(world: World) -> None:
    """M-18: the event says what was done."""
    boss = world.employ("Boss", jobTitle="x" * 5000)
    ann = world.employ("Ann")
    world.bamboohr.change(ann, supervisorEId=boss)

    run = sync(world.integration("bamboohr", mappings=MANAGED))

    assert managers() == {"ann@acme.example": None}
    assert "manager" not in events_of(run)["person", "ann@acme.example"]["changes"]
    assert ("ann@acme.example", "manager_unknown") in warnings(run)


def test_a_manager_who_cannot_be_matched_is_not_named_in_the_event(world: World) -> None:
    """M-18: two records claim the manager's e-mail, so that person never comes."""
    boss = world.employ("Boss")
    world.employ("Boss", lastName="Twin")
    ann = world.employ("Ann")
    world.bamboohr.change(ann, supervisorEId=boss)
    integration = world.integration("bamboohr", mappings=MANAGED)

    run = sync(integration)

    assert managers() == {"ann@acme.example": None}
    event = events_of(run)["person", "ann@acme.example"]
    assert event["kind"] == "new"
    assert "manager" not in event["changes"]
    assert ("ann@acme.example", "manager_unknown") in warnings(run)


def test_somebody_whose_only_change_is_a_manager_who_never_comes_has_no_empty_event(
    world: World,
) -> None:
    """M-18."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr", mappings=MANAGED)
    sync(integration)
    boss = world.employ("Boss")
    world.employ("Boss", lastName="Twin")
    world.bamboohr.change(ann, supervisorEId=boss)

    run = sync(integration)

    assert events_of(run).get(("person", "ann@acme.example"), {"changes": "none"})["changes"]
    assert managers()["ann@acme.example"] is None


def test_a_manager_who_left_stays_the_manager(world: World) -> None:
    """F-38."""
    boss = world.employ("Boss", status="Inactive")
    ann = world.employ("Ann")
    world.bamboohr.change(ann, supervisorEId=boss)

    run = sync(world.integration("bamboohr", mappings=MANAGED))

    assert managers()["ann@acme.example"] == "boss@acme.example"
    assert warnings(run) == []


def test_a_manager_who_is_taken_away_is_cleared_by_the_owner(world: World) -> None:
    """M-6."""
    boss, ann = world.employ("Boss"), world.employ("Ann")
    world.bamboohr.change(ann, supervisorEId=boss)
    integration = world.integration("bamboohr", mappings=MANAGED)
    sync(integration)
    world.bamboohr.change(ann, supervisorEId=None)

    run = sync(integration)

    assert managers()["ann@acme.example"] is None
    assert events_of(run)["person", "ann@acme.example"]["changes"] == {
        "manager": ["boss@acme.example", None]
    }


def test_on_create_and_when_filled_hold_for_the_manager_too(world: World) -> None:
    """M-6: a policy of the mapping is of every field."""
    boss, other, ann = world.employ("Boss"), world.employ("Other"), world.employ("Ann")
    world.bamboohr.change(ann, supervisorEId=boss)
    on_create = [*EMPLOYEES, {**MANAGED[-1], "policy": "on_create"}]
    integration = world.integration("bamboohr", mappings=on_create)
    sync(integration)
    world.bamboohr.change(ann, supervisorEId=other)
    sync(integration)
    kept = managers()["ann@acme.example"]
    integration.mappings.filter(target="manager").update(policy="when_filled")
    integration.revision += 1
    integration.save()
    world.bamboohr.change(ann, supervisorEId=None)

    sync(integration)

    assert kept == "boss@acme.example"
    assert managers()["ann@acme.example"] == "boss@acme.example"


def test_an_integration_that_does_not_own_the_manager_leaves_it(world: World) -> None:
    """M-6."""
    boss, other, ann = world.employ("Boss"), world.employ("Other"), world.employ("Ann")
    world.bamboohr.change(ann, supervisorEId=boss)
    sync(world.integration("bamboohr", mappings=MANAGED, priority=10))
    world.bamboohr.change(ann, supervisorEId=other)
    second = world.integration(
        "bamboohr", mappings=[row for row in MANAGED if row["target"] != "status"], priority=50
    )

    sync(second)

    assert managers()["ann@acme.example"] == "boss@acme.example"


def test_a_preview_does_not_show_a_manager_who_will_not_come(world: World) -> None:
    """M-13: the manager's record is there, but two of them have one e-mail."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr", mappings=MANAGED)
    sync(integration)
    boss = world.employ("Boss")
    world.employ("Boss", lastName="Twin")
    world.bamboohr.change(ann, supervisorEId=boss)

    run = run_sync(integration, kind="preview")

    assert plan(run) == []
    assert ("ann@acme.example", "manager_unknown") in warnings(run)
    assert run.counts["people"] | {"updated": 0, "unchanged": 1} == run.counts["people"]


def test_who_came_back_under_a_new_record_is_not_above_the_old_one(world: World) -> None:
    """F-38: the new record names the old one, which is the same person, as supervisor."""
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr", mappings=MANAGED)
    sync(integration)
    world.bamboohr.change(old, status="Inactive")
    new = world.employ("Ann", employeeNumber="E-1")
    world.bamboohr.change(new, supervisorEId=old)

    run = sync(integration)

    assert managers() == {"ann@acme.example": None}
    assert ("ann@acme.example", "own_manager") in warnings(run)


# Departments.


def test_departments_are_made_once_and_used_again(world: World) -> None:
    """BB-30: by exact name."""
    Department.objects.create(name="Sales", name_key="sales")
    for name, department in (("Ann", "Sales"), ("Bob", "Märkte"), ("Cal", "Märkte")):
        world.employ(name, department=department)

    run = sync(world.integration("bamboohr", mappings=IN_DEPARTMENTS))

    assert sorted(Department.objects.values_list("name", flat=True)) == ["Märkte", "Sales"]
    assert person("cal@acme.example").department == person("bob@acme.example").department
    assert run.warnings == []


@pytest.mark.parametrize("name", [" Sales", "sales", "SALES", "Sales ", "Ｓａｌｅｓ"])
def test_a_department_that_differs_only_in_case_or_spaces_is_reported(
    world: World, name: str
) -> None:
    """BB-30: as a near-duplicate."""
    Department.objects.create(name="Sales", name_key="sales")
    world.employ("Ann", department=name)

    run = sync(world.integration("bamboohr", mappings=IN_DEPARTMENTS))

    (warning,) = run.warnings
    assert name in warning
    assert '"Sales"' in warning
    assert person("ann@acme.example").department == Department.objects.get(name=name)


@pytest.mark.postgresql
def test_eight_workers_that_name_the_same_new_departments_make_each_once(
    transactional_db: None,
) -> None:
    """F-39: 200 names, in batches, each worker in its own order."""
    names = [f"Department {number}" for number in range(200)]
    ids: list[dict[str, int]] = []
    problems: list[BaseException] = []
    barrier = threading.Barrier(8)

    def work(seed: int) -> None:
        mine = random.Random(seed).sample(names, len(names))  # noqa: S311 - sample data
        known: dict[str, int] = {}
        try:
            barrier.wait(60)
            for start in range(0, 200, 50):
                with transaction.atomic():
                    known |= ensure_departments(mine[start : start + 50])
        except BaseException as problem:  # noqa: BLE001 - told by the test below
            problems.append(problem)
        finally:
            ids.append(known)
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert problems == []
    assert Department.objects.count() == 200
    expected = dict(Department.objects.values_list("name", "id"))
    assert ids == [expected] * 8
