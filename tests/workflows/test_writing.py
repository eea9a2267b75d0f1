"""Writing what blocks found out: fields, roles, removals, events, the guard (M-7, M-15, M-24)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import Installation, LinkState, RecordLink
from people.models import CustomField, Department, Event, Person
from saas.models import Application, SaaSUser, SaaSUserRole
from tests.makers import (
    make_application,
    make_custom_field,
    make_integration,
    make_mapping,
    make_person,
    make_role,
    make_saas_user,
)
from tests.workflows.blocks.steps import make_step
from tests.workflows.makers import make_run, make_workflow
from workflows.kinds import Outcome, Step, Then
from workflows.models import Workflow
from workflows.writing import apply_outcomes

UPDATE = {"key": "set", "kind": "update", "settings": {"set": {"title": "Clerk"}}}
ARCHIVE = {"key": "gone", "kind": "archive"}
MEMBER = {"role": "Member", "scope_id": "", "scope": ""}
OWNER = {"role": "Owner", "scope_id": "7", "scope": "Web"}


def write(step: Step, outcomes: Iterable[Outcome], now: datetime | None = None) -> list[Outcome]:
    with transaction.atomic():
        return apply_outcomes(step, list(outcomes), now=now or timezone.now())


def update_people(people: Sequence[Person], **sets: Any) -> list[Outcome]:
    step = make_step(make_workflow([UPDATE]), "set", people)
    return write(step, [Outcome(sets=sets) for _person in people])


@pytest.fixture
def aha(db: None) -> Application:
    return make_application()


def accounts(application: Application, number: int) -> list[SaaSUser]:
    return [make_saas_user(application) for _number in range(number)]


# Fields.


def test_a_field_is_written_with_one_event_that_names_workflow_and_run(db: None):
    """M-24, M-18: as history shows it, and so that other workflows may start."""
    person = make_person(title="Intern", sources={"title": 7})
    workflow = make_workflow([UPDATE], name="Titles")
    step = make_step(workflow, "set", [person])

    (outcome,) = write(step, [Outcome(sets={"title": "Clerk"})])

    person.refresh_from_db()
    assert (person.title, person.sources) == ("Clerk", {})
    event = Event.objects.get()
    assert (event.source, event.kind, event.actor) == ("workflow", "edit", 'workflow "Titles"')
    assert event.changes == {"title": ["Intern", "Clerk"]}
    assert (event.run_id, event.workflow_run_id) == (None, step.items[0].run_id)
    assert event.dispatched is False
    assert 'Block "set"' in event.note
    assert (outcome.exit, outcome.context["written"]) == ("success", {"title": "Intern"})


def test_what_is_there_already_is_no_event(db: None):
    person = make_person(title="Clerk")

    (outcome,) = update_people([person], title="Clerk")

    assert (outcome.exit, dict(outcome.context)) == ("success", {})
    assert not Event.objects.exists()


def test_every_kind_of_field_is_written_and_cleared(db: None):
    make_custom_field("Notes", type=CustomField.Type.LONG_TEXT)
    boss = make_person(employee_id="0017")
    person = make_person(phone="1", custom={"notes": "old"})

    (outcome,) = update_people(
        [person],
        phone=None,
        hire_date="2026-11-01",
        department="Sales",
        manager="employee_id:0017",
        notes='{"a": 1}',
    )

    person.refresh_from_db()
    assert outcome.exit == "success"
    assert (person.phone, str(person.hire_date)) == ("", "2026-11-01")
    assert person.department == Department.objects.get(name="Sales")
    assert (person.manager, person.custom) == (boss, {"notes": '{"a": 1}'})


def test_the_value_at_the_start_is_kept_over_several_blocks(db: None):
    """M-23: Begin's rules judge a field that the item wrote by its value before."""
    person = make_person(title="Clerk")
    step = make_step(
        make_workflow([UPDATE]), "set", [person], context={"written": {"title": "Intern"}}
    )

    (outcome,) = write(step, [Outcome(sets={"title": "Head", "phone": "1"})])

    assert outcome.context["written"] == {"title": "Intern", "phone": ""}


@pytest.mark.parametrize("field", ["username", "email", "employee_id", "role", "status"])
def test_what_tells_people_apart_is_never_written(db: None, field: str):
    """M-24."""
    person = make_person()
    before = Person.objects.values().get(pk=person.pk)

    (outcome,) = update_people([person], **{field: "deactivated"})

    assert outcome.exit == "failure"
    assert outcome.failure is not None
    assert field in outcome.failure.reason
    assert Person.objects.values().get(pk=person.pk) == before


@pytest.mark.parametrize(
    ("sets", "word"),
    [
        ({"title": "x" * 301}, "300"),
        ({"hire_date": "tomorrow"}, "date"),
        ({"title": "a\x00b"}, "text"),
        ({"gone_field": "x"}, "gone_field"),
        ({"manager": "email:nobody@example.com"}, "nobody@example.com"),
    ],
)
def test_what_does_not_fit_fails_alone_and_the_others_are_written(
    db: None, sets: dict[str, Any], word: str
):
    bad, good = make_person(), make_person()
    step = make_step(make_workflow([UPDATE]), "set", [bad, good])

    first, second = write(step, [Outcome(sets=sets), Outcome(sets={"title": "Clerk"})])

    assert (first.exit, second.exit) == ("failure", "success")
    assert word in first.note
    good.refresh_from_db()
    assert good.title == "Clerk"
    assert Event.objects.get().object_id == good.pk


def test_nobody_becomes_their_own_manager(db: None):
    person = make_person(employee_id="9")

    (outcome,) = update_people([person], manager="employee_id:9")

    assert outcome.exit == "failure"


def test_m_2_one_manager_is_found_by_every_spelling_of_the_address_in_a_batch(db: None):
    boss = make_person(email="boss@example.com")
    people = [make_person() for _number in range(3)]
    spelled = ["email:boss@example.com", "email:Boss@Example.com", "email:BOSS@EXAMPLE.COM"]
    step = make_step(make_workflow([UPDATE]), "set", people)

    outcomes = write(step, [Outcome(sets={"manager": one}) for one in spelled])

    assert [one.exit for one in outcomes] == ["success"] * 3
    assert {Person.objects.get(pk=one.pk).manager for one in people} == {boss}


def test_a_unique_value_that_somebody_has_is_a_failure_that_says_so(db: None):
    """M-24: the others of the batch are written."""
    make_custom_field("Badge", unique=True)
    one, two = make_person(), make_person()

    outcomes = update_people([one, two], badge="77")
    assert [outcome.exit for outcome in outcomes] == ["failure", "failure"]
    assert "unique" in outcomes[0].note

    (first,) = update_people([one], badge="77")
    (second,) = update_people([two], badge="77")
    assert (first.exit, second.exit) == ("success", "failure")


def test_a_record_that_is_gone_is_a_failure(db: None):
    person = make_person()
    step = make_step(make_workflow([UPDATE]), "set", [person])
    person.delete()

    (outcome,) = write(step, [Outcome(sets={"title": "Clerk"}, status=200)])

    assert (outcome.exit, outcome.code, outcome.status) == ("failure", "gone", 200)


def test_one_record_in_two_runs_of_a_batch_is_written_twice_in_order(db: None):
    person = make_person(title="Intern")
    workflow = make_workflow([UPDATE])
    one = make_step(workflow, "set", [person])
    two = make_step(workflow, "set", [person])
    both = Step(**{**vars(one), "items": [*one.items, *two.items]})

    write(both, [Outcome(sets={"title": "Clerk"}), Outcome(sets={"title": "Head"})])

    person.refresh_from_db()
    assert person.title == "Head"
    changes = Event.objects.order_by("pk").values_list("workflow_run_id", "changes")
    assert list(changes) == [
        (one.items[0].run_id, {"title": ["Intern", "Clerk"]}),
        (two.items[0].run_id, {"title": ["Clerk", "Head"]}),
    ]


def test_owners_of_written_fields_look_again(db: None):
    """M-7: the integration that maps the field, for the people that were written, no others."""
    owner = make_integration(state="active")
    make_mapping(owner, source="name", target="title")
    written, other = make_person(), make_person()
    states = {}
    for person in (written, other):
        link = RecordLink.objects.create(
            vendor="aha", tenant="mycompany", external_id=str(person.pk), person=person
        )
        states[person] = LinkState.objects.create(
            link=link, integration=owner, hash="x", seen_at=timezone.now()
        )

    update_people([written], phone="1")
    assert LinkState.objects.get(pk=states[written].pk).hash == "x"
    update_people([written], title="Clerk")

    assert LinkState.objects.get(pk=states[written].pk).hash == ""
    assert LinkState.objects.get(pk=states[other].pk).hash == "x"


def test_fields_of_accounts_are_written(aha: Application):
    make_custom_field("Seat", object=CustomField.Object.SAAS_USER)
    user = make_saas_user(aha)
    workflow = make_workflow([UPDATE], application=aha)
    step = make_step(workflow, "set", [user])

    (outcome,) = write(step, [Outcome(sets={"seat": "7", "name": "Ann"})])

    user.refresh_from_db()
    assert (outcome.exit, user.custom, user.name) == ("success", {"seat": "7"}, "Ann")
    assert Event.objects.get().workflow_run_id == step.items[0].run_id


@pytest.mark.parametrize("field", ["external_id", "email", "status", "roles"])
def test_what_tells_accounts_apart_is_never_written(aha: Application, field: str):
    """M-24."""
    step = make_step(make_workflow([UPDATE], application=aha), "set", [make_saas_user(aha)])

    (outcome,) = write(step, [Outcome(sets={field: "x"})])

    assert outcome.exit == "failure"
    assert not Event.objects.exists()


# Roles.


def read_role(workflow: Workflow, user: SaaSUser, roles: Any, now: datetime) -> Outcome:
    step = make_step(workflow, "set", [user])
    return write(step, [Outcome(roles=roles, found=True)], now)[0]


def test_roles_are_planned_against_dated_rows(aha: Application):
    """AH-46, AH-47, AH-48: new, unchanged and lost ones; nothing is multiplied."""
    user = make_saas_user(aha)
    workflow = make_workflow([UPDATE], application=aha)
    start = timezone.now() - timedelta(days=2)
    owner_too = {**OWNER, "scope_id": "8", "scope": "App"}

    read_role(workflow, user, [OWNER, owner_too], start)
    read_role(workflow, user, [OWNER, owner_too], start + timedelta(hours=1))
    assert Event.objects.count() == 1
    read_role(workflow, user, [OWNER], start + timedelta(days=1))

    rows = SaaSUserRole.objects.filter(saas_user=user).order_by("pk")
    assert [(row.scope, row.valid_to) for row in rows] == [
        ("Web", None),
        ("App", start + timedelta(days=1)),
    ]
    assert Event.objects.count() == 2


def test_unknown_roles_are_left_alone(aha: Application):
    """M-12."""
    user = make_saas_user(aha)
    make_role(user, "Owner")
    workflow = make_workflow([UPDATE], application=aha)

    read_role(workflow, user, None, timezone.now())

    assert SaaSUserRole.objects.get(saas_user=user).valid_to is None


def test_since_when_an_account_is_not_found_is_kept_until_it_is_found(aha: Application):
    """GT-36, BW-53: no event, and the row stays as it is."""
    user = make_saas_user(aha)
    workflow = make_workflow([UPDATE], application=aha)
    first = timezone.now() - timedelta(days=2)

    for hours in (0, 5):
        step = make_step(workflow, "set", [user])
        write(step, [Outcome(found=False)], first + timedelta(hours=hours))
    user.refresh_from_db()
    assert (user.not_found_at, user.status) == (first, "active")
    assert not Event.objects.exists()

    read_role(workflow, user, [MEMBER], timezone.now())
    user.refresh_from_db()
    assert user.not_found_at is None


# Removals.


def archive(
    workflow: Workflow, records: Sequence[Person | SaaSUser], **item: Any
) -> tuple[Step, list[Outcome]]:
    step = make_step(workflow, "gone", records, **item)
    asked = Outcome(removes="A workflow archives it.")
    return step, write(step, [asked for _record in records])


def test_a_removal_closes_the_roles_and_counts(aha: Application):
    """M-15, M-29."""
    users = accounts(aha, 9)
    make_role(users[0], "Owner", scope_id="7", scope="Web")
    workflow = make_workflow([ARCHIVE], application=aha)

    step, (outcome,) = archive(workflow, users[:1])

    users[0].refresh_from_db()
    assert (outcome.then, users[0].status) == (Then.GOES_ON, "deactivated")
    assert SaaSUserRole.objects.get(saas_user=users[0]).valid_to is not None
    event = Event.objects.get()
    assert (event.kind, event.guarded, event.approved_by) == ("archive", True, "")
    assert event.workflow_run_id == step.items[0].run_id


def test_over_the_limit_all_removals_of_the_run_are_held_and_none_is_written(db: None):
    """M-15: 3 people may leave of 10; 4 are held, not only the fourth."""
    people = [make_person() for _number in range(10)]
    workflow = make_workflow([ARCHIVE])

    _step, outcomes = archive(workflow, people[:4])

    assert {outcome.then for outcome in outcomes} == {Then.IS_HELD}
    assert all(outcome.held_hash and "limit of 3" in outcome.note for outcome in outcomes)
    assert not Person.objects.filter(status="deactivated").exists()
    assert not Event.objects.exists()


def test_a_run_within_the_limit_passes_and_another_one_is_held(db: None):
    """M-15: one counter over runs of the same batch, and over those before."""
    people = [make_person() for _number in range(10)]
    workflow = make_workflow([ARCHIVE])
    one = make_step(workflow, "gone", people[:2])
    two = make_step(workflow, "gone", people[2:4])
    both = Step(**{**vars(one), "items": [*one.items, *two.items]})
    asked = Outcome(removes="Left.")

    outcomes = write(both, [asked] * 4)

    assert [one.then for one in outcomes] == [Then.GOES_ON] * 2 + [Then.IS_HELD] * 2
    _step, later = archive(workflow, people[4:6])
    assert {outcome.then for outcome in later} == {Then.IS_HELD}
    assert Person.objects.filter(status="deactivated").count() == 2


def test_what_somebody_approved_by_name_is_written_and_not_counted(db: None):
    """M-14, M-15."""
    people = [make_person() for _number in range(10)]
    workflow = make_workflow([ARCHIVE])
    _step, held = archive(workflow, people[:5])

    for person, outcome in zip(people, held, strict=False):
        archive(workflow, [person], approved_by="it-admin", held_hash=outcome.held_hash)

    assert Person.objects.filter(status="deactivated").count() == 5
    events = Event.objects.filter(kind="archive")
    assert set(events.values_list("guarded", "approved_by")) == {(False, "it-admin")}


def test_an_approval_of_something_else_holds_it_again(aha: Application):
    """M-14: the account got a role after it was shown."""
    users = accounts(aha, 6)
    workflow = make_workflow([ARCHIVE], application=aha)
    _step, held = archive(workflow, users[:4])
    make_role(users[0], "Owner")

    _step, (outcome,) = archive(
        workflow, users[:1], approved_by="it-admin", held_hash=held[0].held_hash
    )

    users[0].refresh_from_db()
    assert (outcome.then, users[0].status) == (Then.IS_HELD, "active")
    assert outcome.held_hash != held[0].held_hash


def test_protected_people_stay_and_the_outcome_says_so(db: None):
    """M-15, F-27: by e-mail, by their ID at the vendor, and as run-as user."""
    listed = make_person(email="ceo@example.com")
    by_id, run_as = make_person(), make_person()
    others = [make_person() for _number in range(9)]
    integration = make_integration(state="active", protected=["CEO@example.com", "4711"])
    assert integration.run_as is not None
    Person.objects.filter(pk=run_as.pk).update(email_key=integration.run_as.email.lower())
    RecordLink.objects.create(vendor="aha", tenant="mycompany", external_id="4711", person=by_id)
    workflow = make_workflow([ARCHIVE])

    _step, outcomes = archive(workflow, [listed, by_id, run_as, others[0]])

    assert [one.exit for one in outcomes] == ["success"] * 4
    assert all("Protected" in one.note for one in outcomes[:3])
    left = Person.objects.filter(status="deactivated")
    assert list(left) == [others[0]]


def test_the_last_administrator_stays(aha: Application):
    """M-15."""
    users = accounts(aha, 9)
    make_role(users[0], "Administrator")
    workflow = make_workflow([ARCHIVE], application=aha)

    _step, outcomes = archive(workflow, users[:2])

    assert "administrator" in outcomes[0].note
    assert list(SaaSUser.objects.filter(status="deactivated")) == [users[1]]


def test_who_is_deactivated_already_is_neither_written_nor_counted(db: None):
    people = [make_person(status="deactivated") for _number in range(5)]

    _step, outcomes = archive(make_workflow([ARCHIVE]), people)

    assert {outcome.then for outcome in outcomes} == {Then.GOES_ON}
    assert not Event.objects.exists()


# How much it asks.


def statements(step: Step, outcomes: Sequence[Outcome]) -> int:
    with CaptureQueriesContext(connection) as asked:
        write(step, outcomes)
    return len(asked)


def test_a_batch_of_people_asks_as_much_for_three_hundred_as_for_three(db: None):
    """house.md: no query per record."""
    workflow = make_workflow([UPDATE])
    counts = []
    for number in (3, 300):
        step = make_step(workflow, "set", [make_person() for _one in range(number)])
        counts.append(statements(step, [Outcome(sets={"title": "Clerk"})] * number))

    assert counts[0] == counts[1]
    assert counts[0] <= 16


def test_a_batch_of_roles_and_removals_asks_as_much_for_three_hundred_as_for_three(
    aha: Application,
):
    """house.md: no query per record; as many approvers, as many parts."""
    accounts(aha, 50)
    Installation.the()
    roles = make_workflow([UPDATE], application=aha)
    removals = make_workflow([ARCHIVE], application=aha)
    counts = []
    for number in (3, 300):
        step = make_step(roles, "set", accounts(aha, number))
        outcome = Outcome(roles=[OWNER, MEMBER], found=True)
        going = make_step(
            removals, "gone", accounts(aha, number), run=make_run(removals), approved_by="it-admin"
        )
        counts.append(
            (
                statements(step, [outcome] * number),
                statements(going, [Outcome(removes="Left.")] * number),
            )
        )

    assert counts[0] == counts[1]
    assert counts[0][0] <= 14
    assert counts[0][1] <= 20
