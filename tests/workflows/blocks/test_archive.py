"""The Archive block: deactivates people and accounts here, within the guard."""

from __future__ import annotations

from django.utils import timezone

from people.models import Event, Person
from saas.models import SaaSUser
from tests.makers import (
    make_application,
    make_integration,
    make_person,
    make_role,
    make_saas_user,
)
from tests.workflows.blocks.facts import check_block
from tests.workflows.blocks.steps import make_step, plan_step, run_step
from tests.workflows.makers import make_workflow
from workflows.kinds import Step, find_kind
from workflows.writing import apply_outcomes

BLOCK = {"key": "gone", "kind": "archive", "name": "Archive leavers"}


def archive(step: Step) -> list[str]:
    return [one.exit for one in apply_outcomes(step, run_step(step), now=timezone.now())]


def test_a_person_is_deactivated_here(db: None):
    """M-24: through the guard, with an event that names the block."""
    people = [make_person() for _number in range(4)]
    step = make_step(make_workflow([BLOCK]), "gone", people[:1])

    assert archive(step) == ["success"]

    assert list(Person.objects.filter(status="deactivated")) == [people[0]]
    event = Event.objects.get()
    assert (event.kind, event.guarded) == ("archive", True)
    assert 'Block "Archive leavers"' in event.note


def test_an_account_is_deactivated_and_its_person_is_not(db: None):
    """M-12, M-29."""
    application = make_application()
    person = make_person()
    user = make_saas_user(application, person=person)
    make_role(user, "Owner")
    for _number in range(3):
        make_saas_user(application)
    step = make_step(make_workflow([BLOCK], application=application), "gone", [user])

    assert archive(step) == ["success"]

    assert SaaSUser.objects.get(pk=user.pk).status == "deactivated"
    assert not user.roles.filter(valid_to=None).exists()
    assert Person.objects.get(pk=person.pk).status == "active"


def test_a_second_time_changes_nothing(db: None):
    person = make_person(status="deactivated")
    step = make_step(make_workflow([BLOCK]), "gone", [person])

    assert archive(step) == ["success"]

    assert not Event.objects.exists()


def test_a_plan_shows_old_and_new_and_writes_nothing(db: None):
    application = make_application()
    user = make_saas_user(application)
    make_role(user, "Owner", scope_id="7", scope="Web")
    step = make_step(make_workflow([BLOCK], application=application), "gone", [user])

    (planned,) = plan_step(step)

    owner = {"role": "Owner", "scope_id": "7", "scope": "Web"}
    assert (planned.action, planned.exit) == ("deactivate", "success")
    assert planned.changes == {"status": ["active", "deactivated"], "roles": [[owner], []]}
    assert SaaSUser.objects.get(pk=user.pk).status == "active"


def test_g_09_a_plan_says_whom_the_block_would_leave_and_that_the_others_would_be_held(db: None):
    """M-15: of ten people three may go."""
    make_integration(state="active", protected=["ceo@example.com"])
    boss = make_person(email="ceo@example.com")
    people = [make_person() for _number in range(9)]
    workflow = make_workflow([BLOCK])

    few = plan_step(make_step(workflow, "gone", [boss, *people[:3]]))
    many = plan_step(make_step(workflow, "gone", [boss, *people]))

    assert "Left as it is." in few[0].summary
    assert [one.changes for one in (few[0], many[0])] == [{}, {}]
    assert [one.warnings for one in few] == [()] * 4
    (warning,) = {one.warnings for one in many[1:]}
    assert warning[0].startswith("It would be held: 9 removals of people")


def test_it_is_destructive_and_judges_the_record_again(db: None):
    """S-19, M-23."""
    kind = find_kind("archive")
    assert kind is not None
    block = make_step(make_workflow([BLOCK]), "gone", [make_person()]).block

    assert kind.is_destructive(block)
    assert kind.judges_again(block)
    assert kind.batch(block) >= 10_000


def test_it_has_no_settings(db: None):
    """C-10."""
    workflow = make_workflow([], active=False)

    assert check_block(workflow, "archive", {}) == []
    (mistake,) = check_block(workflow, "archive", {"reason": "x"})
    assert mistake.field == "settings.reason"
