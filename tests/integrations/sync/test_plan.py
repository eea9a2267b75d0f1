"""Plans: shown before they are applied, and applied only where nothing moved since (M-13)."""

from __future__ import annotations

from collections.abc import Callable

from integrations import services
from integrations.models import Integration, LinkState, SyncRun
from integrations.sync import execute
from people.models import Person
from saas.models import SaaSUser
from tests.makers import make_person

from .worlds import (
    AHA_OWNER,
    World,
    by_hand,
    emails,
    events_of,
    issues,
    links,
    person,
    plan,
    removals,
    run_sync,
    sync,
    tables,
)


def interfering(integration: Integration, do: Callable[[], object], *, at: str) -> SyncRun:
    """A sync during which `do` is called once, when it is at this step."""
    left = [do]

    def call(step: str, _done: int, _total: int | None) -> None:
        if step == at and left:
            left.pop()()

    run = services.queue_run(Integration.objects.get(pk=integration.pk), by="admin")
    return execute(run.pk, on_progress=call)


def company(world: World) -> Integration:
    """Something of every kind: who is new, changed, back, left, the same, or only to be linked."""
    ann, _bob, cal = (world.employ(name) for name in ("Ann", "Bob", "Cal"))
    world.employ("Same")
    integration = world.integration("bamboohr", missing_people="deactivate")
    sync(integration)
    Person.objects.filter(email="bob@acme.example").update(status="deactivated")
    make_person(
        email="eve@acme.example",
        first_name="Eve",
        last_name="Example",
        employee_id="E-eve",
        title="Clerk",
    )
    world.employ("Eve", employeeNumber="E-eve")
    world.employ("Dan")
    world.bamboohr.change(ann, jobTitle="Head")
    world.bamboohr.remove(cal)
    services.look_again(integration)
    return Integration.objects.get(pk=integration.pk)


def test_a_preview_stores_old_and_new_with_the_reason_and_applies_nothing(world: World) -> None:
    """M-13."""
    integration = company(world)
    before = tables()

    run = run_sync(integration, kind="preview")

    assert tables() == before
    assert run.state == "done"
    rows = {row.key: row for row in run.plan.all()}
    assert {key: row.action for key, row in rows.items()} == {
        "ann@acme.example": "update",
        "bob@acme.example": "reactivate",
        "cal@acme.example": "deactivate",
        "dan@acme.example": "create",
        "eve@acme.example": "link",
    }
    assert rows["ann@acme.example"].changes == {"title": ["Clerk", "Head"]}
    assert rows["bob@acme.example"].changes == {"status": ["deactivated", "active"]}
    assert rows["cal@acme.example"].changes == {"status": ["active", "deactivated"]}
    assert rows["dan@acme.example"].changes["email"] == [None, "dan@acme.example"]
    assert rows["eve@acme.example"].changes == {}
    assert all(row.reason for row in rows.values())
    assert rows["ann@acme.example"].target_id == person("ann@acme.example").pk


def test_a_preview_counts_what_the_sync_then_does(world: World) -> None:
    """M-13: unchanged records are counted, not planned."""
    integration = company(world)

    preview = run_sync(integration, kind="preview")
    run = sync(integration)

    assert preview.counts == run.counts
    assert run.counts["people"] == {
        "created": 1,
        "updated": 1,
        "reactivated": 1,
        "deactivated": 1,
        "unchanged": 2,
        "skipped": 0,
    }
    assert sorted(plan(preview)) == sorted(plan(run))
    assert removals(run) == removals(preview) == [("person", "cal@acme.example")]


def test_a_preview_counts_accounts_and_roles_as_the_sync_does(world: World) -> None:
    world.open_account("Ann", roles={"APP": "viewer"})
    bob = world.open_account("Bob", roles={"APP": "viewer", "WEB": "viewer"})
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(bob, roles={"WEB": "viewer", "MKT": "contributor"}, first_name="Bobby")
    world.open_account("Cal", roles={"APP": "viewer"})

    preview = run_sync(integration, kind="preview")
    run = sync(integration)

    assert preview.counts == run.counts
    assert run.counts["roles"] == {"added": 2, "ended": 1}


def test_a_preview_of_a_draft_needs_no_launch(world: World) -> None:
    world.employ("Ann")
    integration = world.integration("bamboohr", launched=False)

    run = run_sync(integration, kind="preview")

    assert plan(run) == [("person", "create", "ann@acme.example")]
    assert emails() == []


def test_a_preview_does_not_make_the_next_sync_blind(world: World) -> None:
    """M-1: what was only shown has not been written."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head")
    run_sync(integration, kind="preview")

    sync(integration)

    assert person("ann@acme.example").title == "Head"


def test_a_row_that_moved_since_it_was_shown_is_left_out_and_listed(world: World) -> None:
    """M-13: the next sync looks at it again."""
    ann, bob = world.employ("Ann"), world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change_all({ann: {"jobTitle": "Head"}, bob: {"jobTitle": "Head"}})

    def interfere() -> None:
        by_hand(person("ann@acme.example"), title="Typed")

    run = interfering(integration, interfere, at="plan")

    assert run.state == "partial"
    assert issues(run) == [(ann, "moved")]
    assert run.plan.get(key="ann@acme.example").state == "moved"
    assert run.plan.get(key="bob@acme.example").state == "applied"
    assert person("ann@acme.example").title == "Typed"
    assert run.counts["people"]["updated"] == 1
    assert list(events_of(run)) == [("person", "bob@acme.example")]
    assert sync(integration).counts["people"]["updated"] == 1
    assert person("ann@acme.example").title == "Head"


def test_a_row_that_moved_in_another_field_is_applied(world: World) -> None:
    """M-13: what is compared are the fields that the row is about."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head")

    def interfere() -> None:
        by_hand(person("ann@acme.example"), phone="+44 1")

    run = interfering(integration, interfere, at="plan")

    assert issues(run) == []
    assert (person("ann@acme.example").title, person("ann@acme.example").phone) == ("Head", "+44 1")


def test_a_rename_that_moved_is_left_out_and_the_person_keeps_the_keys(world: World) -> None:
    """M-13, F-37: of two who swap, one was edited meanwhile."""
    ann, bob = world.employ("Ann"), world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change_all(
        {ann: {"workEmail": "bob@acme.example"}, bob: {"workEmail": "ann@acme.example"}}
    )

    def interfere() -> None:
        by_hand(person("ann@acme.example"), email="typed@acme.example")

    run = interfering(integration, interfere, at="plan")

    assert run.state == "partial"
    assert (ann, "moved") in issues(run)
    keys = dict(Person.objects.values_list("email", "email_key"))
    assert all(email == key for email, key in keys.items())
    assert len(keys) == 2
    last = sync(integration)
    assert issues(last) == []
    assert links() == {ann: "bob@acme.example", bob: "ann@acme.example"}


def test_an_email_that_somebody_took_meanwhile_is_left_out_and_listed(world: World) -> None:
    """M-13: for a new person and for a renamed one."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, workEmail="first@acme.example")
    new = world.employ("Second")

    def interfere() -> None:
        make_person(email="first@acme.example")
        make_person(email="second@acme.example")

    run = interfering(integration, interfere, at="plan")

    assert issues(run) == [(ann, "moved"), (new, "moved")]
    assert links() == {ann: "ann@acme.example"}
    assert Person.objects.get(pk=person("ann@acme.example").pk).email_key == "ann@acme.example"


def test_a_person_who_was_taken_away_meanwhile_is_left_out_and_listed(world: World) -> None:
    ann = world.employ("Ann")
    world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head")

    def interfere() -> None:
        Person.objects.filter(email="ann@acme.example").delete()

    run = interfering(integration, interfere, at="plan")

    assert issues(run) == [(ann, "moved")]
    assert emails() == ["bob@acme.example"]


def test_an_account_that_moved_is_left_out_and_listed(world: World) -> None:
    ann = world.open_account("Ann")
    integration = world.integration("aha")
    sync(integration)
    world.aha.change(ann, first_name="Anna")

    def interfere() -> None:
        SaaSUser.objects.filter(external_id=ann).update(name="Typed")

    run = interfering(integration, interfere, at="plan")

    assert (ann, "moved") in issues(run)
    assert SaaSUser.objects.get(external_id=ann).name == "Typed"
    assert sync(integration).state == "done"
    assert SaaSUser.objects.get(external_id=ann).name == "Anna Example"


# One person.


def test_a_sync_of_one_person_applies_that_person_only(world: World) -> None:
    """`sync --person`: and the next whole sync still sees what the others changed."""
    ann, bob = world.employ("Ann"), world.employ("Bob")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change_all({ann: {"jobTitle": "Head"}, bob: {"jobTitle": "Head"}})
    world.employ("Cal")

    run = sync(integration, person="Ann@acme.example")
    titles = [person(f"{name}@acme.example").title for name in ("ann", "bob")]
    after = sync(integration)

    assert plan(run) == [("person", "update", "ann@acme.example")]
    assert titles == ["Head", "Clerk"]
    assert person("bob@acme.example").title == "Head"
    assert after.counts["people"] | {"created": 1, "updated": 1} == after.counts["people"]


def test_a_sync_of_one_person_judges_nobody_absent(world: World) -> None:
    ann, bob = world.employ("Ann"), world.employ("Bob")
    integration = world.integration("bamboohr", missing_people="deactivate")
    sync(integration)
    world.bamboohr.remove(bob)

    run = sync(integration, person="ann@acme.example")

    assert removals(run) == []
    assert LinkState.objects.filter(link__external_id=ann).exists()


def test_a_preview_of_one_person_shows_that_person_only(world: World) -> None:
    """Those with an account, too."""
    for name in ("Ann", "Bob"):
        world.open_account(name)
    integration = world.integration("aha")

    run = run_sync(integration, kind="preview", person="ann@acme.example")

    assert plan(run) == [
        ("person", "create", "ann@acme.example"),
        ("saas_user", "create", "ann@acme.example"),
    ]


def test_two_accounts_of_the_owner_are_untouched_by_a_preview(world: World) -> None:
    integration = world.integration("aha")

    run = run_sync(integration, kind="preview")

    assert plan(run)[0] == ("person", "create", AHA_OWNER)
    assert not SaaSUser.objects.exists()
