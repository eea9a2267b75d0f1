"""Begin's rules: judged on single records, and over whole tables."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from integrations.errors import RuleInvalid
from people.identity import email_key, username_key
from people.models import CustomField, Department, Person, PersonRole
from saas.models import Application, SaaSUser
from tests.makers import (
    make_application,
    make_custom_field,
    make_person,
    make_role,
    make_saas_user,
)
from tests.workflows.makers import make_workflow
from workflows.definition import BeginPart
from workflows.models import Workflow
from workflows.records import Record, read_records
from workflows.rules import Judge, count_matching, judge_of, matching_ids, matching_values

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def row(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    found = {"field": field, "operator": operator}
    return found if value is None else {**found, "value": value}


def begin(*rows: Any, records: str = "active", group: str = "all") -> BeginPart:
    return BeginPart(actions=("manual",), records=records, rules={group: list(rows)})


def judge(workflow: Workflow, part: BeginPart) -> Judge:
    return judge_of(workflow, part, now=NOW, zone=UTC)


def record(workflow: Workflow, pk: int) -> Record:
    return read_records(workflow, [pk])[pk]


def found(workflow: Workflow, part: BeginPart) -> list[int]:
    return [pk for ids in matching_ids(workflow, part, now=NOW) for pk in ids]


@pytest.fixture
def people() -> Workflow:
    return make_workflow()


def test_status_equals_active_and_an_e_mail_find_exactly_that_person(people: Workflow):
    """(BW-21, GT-08, C-15)"""
    helen = make_person(email="Helen.Troy@oomnitza.com")
    make_person(email="paris@oomnitza.com")
    part = begin(
        row("status", "equals", "Active"), row("email", "equals", "helen.troy@oomnitza.com")
    )

    assert found(people, part) == [helen.pk]
    assert judge(people, part).matches(record(people, helen.pk))


def test_without_rules_every_record_of_the_chosen_state_matches(people: Workflow):
    """(C-14)"""
    here, gone = make_person(), make_person(status="deactivated")

    assert found(people, BeginPart(records="active")) == [here.pk]
    assert found(people, BeginPart(records="deactivated")) == [gone.pk]
    assert found(people, BeginPart(records="all")) == [here.pk, gone.pk]
    assert count_matching(people, BeginPart(records="all"), now=NOW) == 2


def test_an_archive_start_is_for_deactivated_records_whatever_begin_asks_for(people: Workflow):
    here, gone = make_person(), make_person(status="deactivated")
    judged = judge(people, BeginPart(records="active"))

    assert judged.matches(record(people, gone.pk), by_archive=True)
    assert not judged.matches(record(people, here.pk), by_archive=True)


def test_suspended_accounts_are_active_records():
    application = make_application()
    workflow = make_workflow(application=application)
    user = make_saas_user(application, status="suspended")
    make_saas_user(application, status="deactivated")

    assert found(workflow, BeginPart()) == [user.pk]


def test_changed_and_changed_to_are_judged_by_the_event(people: Workflow):
    """(M-23)"""
    person = make_person(title="Head of Sales")
    seen = record(people, person.pk)
    changed = judge(people, begin(row("title", "changed")))
    to_head = judge(people, begin(row("title", "changed_to", "head of sales")))

    change = {"title": ["Seller", "Head of Sales"]}
    assert changed.matches(seen, changes=change)
    assert to_head.matches(seen, changes=change)
    assert not to_head.matches(seen, changes={"title": ["Head of Sales", "Seller"]})
    assert not to_head.matches(seen, changes={"title": ["HEAD OF SALES", "Head of Sales"]})
    assert not changed.matches(seen, changes={"location": ["", "Berlin"]})


def test_without_an_event_nothing_has_changed(people: Workflow):
    make_person(title="Head of Sales")

    assert found(people, begin(row("title", "changed"))) == []
    assert found(people, begin(row("title", "changed_to", "Head of Sales"))) == []


def test_a_field_that_the_item_wrote_is_judged_by_its_value_at_the_start(people: Workflow):
    """(M-23)"""
    person = make_person(title="Left", status="deactivated")
    judged = judge(people, begin(row("title", "equals", "Seller")))
    seen = record(people, person.pk)

    assert judged.matches(seen, written={"title": "Seller", "status": "active"})
    assert not judged.matches(seen, written={"title": "Seller"})


def test_a_field_that_the_item_wrote_counts_by_its_long_name_too(people: Workflow):
    """`person.title` of a person is `title` (M-23)."""
    person = make_person(title="Left")
    judged = judge(people, begin(row("person.title", "equals", "Seller")))
    seen = record(people, person.pk)

    assert judged.matches(seen, written={"title": "Seller"})
    assert not judged.matches(seen)


def test_what_was_written_to_an_account_is_no_field_of_its_person():
    """(M-23)"""
    make_custom_field("Note")
    make_custom_field("Note", object="saas_user")
    application = make_application()
    workflow = make_workflow(application=application)
    person = make_person(custom={"note": "blue"})
    user = make_saas_user(application, person=person, custom={"note": "red"})
    judged = judge(workflow, begin(row("person.note", "equals", "blue")))

    assert judged.matches(record(workflow, user.pk), written={"note": "green"})


def test_a_workflow_on_accounts_may_ask_for_the_application_the_person_and_roles():
    """(BW-41)"""
    application = make_application("Betterworks", vendor="betterworks", tenant="main")
    workflow = make_workflow(application=application)
    sales = Department.objects.create(name="Sales", name_key="sales")
    person = make_person(department=sales, title="Seller")
    user = make_saas_user(application, person=person, external_id="77")
    make_role(user, "Super Admin")
    make_saas_user(application, external_id="78")

    for rule in (
        row("person.department", "equals", "sales"),
        row("title", "equals", "seller"),
        row("roles", "contains", "Super Admin"),
        row("betterworks_user_id", "equals", "77"),
        row("external_id", "equals", "77"),
    ):
        part = begin(row("application.name", "equals", "betterworks"), rule)
        assert found(workflow, part) == [user.pk], rule
        assert judge(workflow, part).matches(record(workflow, user.pk)), rule


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("equals", "super admin", {"both", "one"}),
        ("not_equals", "Super Admin", {"other", "none"}),
        ("in", ["Admin", "SUPER ADMIN"], {"both", "one"}),
        ("not_in", ["Super Admin", "Owner"], {"other", "none"}),
        ("contains", "Super Admin", {"both", "one"}),
        ("not_contains", "Super Admin", {"other", "none"}),
        ("is_empty", None, {"none"}),
    ],
)
def test_m_29_a_rule_on_roles_looks_at_each_of_them(operator: str, value: Any, expected: set[str]):
    """Nobody who is a Super Admin passes "roles not equals Super Admin", whatever else they are."""
    application = make_application("Betterworks", vendor="betterworks", tenant="main")
    workflow = make_workflow(application=application)
    held = {"both": ["Super Admin", "Member"], "one": ["Super Admin"], "other": ["Member"]}
    names = {}
    for name in (*held, "none"):
        user = make_saas_user(application)
        names[user.pk] = name
        for role in held.get(name, ()):
            make_role(user, role)
    rule = {"field": "roles", "operator": operator} | ({"value": value} if value else {})

    assert {names[pk] for pk in found(workflow, begin(rule))} == expected


def test_a_rule_on_a_field_that_is_gone_is_refused(people: Workflow):
    field = make_custom_field("Cost Centre")
    part = begin(row("cost_centre", "equals", "5"))
    assert found(people, part) == []

    field.delete()

    with pytest.raises(RuleInvalid, match="cost_centre"):
        judge(people, part)


def test_among_looks_at_these_records_only(people: Workflow):
    first, second = make_person(title="Seller"), make_person(title="Seller")
    other = make_person(title="Cook")

    ids = matching_ids(
        people, begin(row("title", "equals", "Seller")), now=NOW, among=[second.pk, other.pk]
    )

    assert list(ids) == [[second.pk]]
    assert first.pk != second.pk


def test_it_says_rule_by_rule_why_a_record_does_not_match(people: Workflow):
    person = make_person(title="Cook", location="")
    part = begin(
        row("title", "equals", "Seller"),
        {"any": [row("location", "equals", "Berlin"), row("location", "equals", "Paris")]},
    )

    reasons = judge(people, part).why_not(record(people, person.pk))

    assert reasons[0] == 'The rule “title equals "Seller"” does not hold: title is "Cook".'
    assert reasons[1].startswith("None of these holds, and one of them has to:")
    assert "location is blank" in reasons[1]


def test_a_record_that_matches_has_no_reasons(people: Workflow):
    person = make_person(title="Seller")

    judged = judge(people, begin(row("title", "equals", "seller")))

    assert judged.why_not(record(people, person.pk)) == []


def test_values_that_may_not_be_seen_are_not_told(people: Workflow):
    """(M-36)"""
    make_custom_field("Salary Grade")
    person = make_person(custom={"salary_grade": "fourteen"})
    judged = judge(people, begin(row("salary_grade", "equals", "x")))

    (reason,) = judged.why_not(record(people, person.pk), shows=lambda name: name != "salary_grade")

    assert "fourteen" not in reason


def test_thousands_are_read_in_batches_with_one_query_each(
    people: Workflow, django_assert_num_queries: Any
):
    Person.objects.bulk_create(
        Person(
            email=f"p{number}@example.com",
            email_key=f"p{number}@example.com",
            username_key=f"p{number}@example.com",
            title="Seller" if number % 3 else "Cook",
            custom={"floor": number % 5},
        )
        for number in range(4_500)
    )
    make_custom_field("Floor", type="integer")
    part = begin(row("title", "equals", "Cook"), row("floor", "less", 2))

    with django_assert_num_queries(4):
        ids = found(people, part)

    assert len(ids) == 600
    assert ids == sorted(ids)


def test_one_person_by_e_mail_is_found_without_reading_the_others(
    people: Workflow, django_assert_num_queries: Any
):
    for _number in range(5):
        make_person()
    wanted = make_person(email="helen@example.com")

    with django_assert_num_queries(2):
        batches = list(
            matching_values(
                people, begin(row("email", "in", ["HELEN@example.com"])), frozenset(), now=NOW
            )
        )

    assert [[pk for pk, _values in batch] for batch in batches] == [[wanted.pk]]


# The tables and the plain check say the same, whatever the rules.

TEXTS = [
    "",
    " ",
    "Berlin",
    "berlin",
    "BERLIN ",
    "Straße",
    "STRASSE",
    "ſtrasse",
    "İ",
    "a",
    "K",
    "ﬁn",
]
EMAILS = [
    "",
    "ann@example.com",
    "ANN.B@Example.com",
    " bob@example.com",
    "ſam@example.com",
    "Kim@x.de",
    "ann@straße.example",
    "ann@bücher.example",
]
DATES = [None, date(2026, 11, 20), date(2026, 11, 22), date(2020, 1, 1)]
TIMES = [None, NOW, NOW - timedelta(days=3), NOW + timedelta(days=3)]
FIELDS_OF_PEOPLE = [
    "email",
    "username",
    "title",
    "location",
    "department",
    "manager",
    "role",
    "status",
    "hire_date",
    "note",
    "floor",
    "full_time",
    "person.title",
    "person.note",
    "employee_id",
]
FIELDS_OF_USERS = [
    "email",
    "external_id",
    "name",
    "status",
    "last_activity",
    "roles",
    "aha_user_id",
    "plan",
    "note",
    "title",
    "department",
    "person.manager",
    "person.hire_date",
    "person.note",
    "application.name",
    "application.tenant",
    "username",
]
OPERATORS = [
    "equals",
    "not_equals",
    "begins_with",
    "ends_with",
    "contains",
    "not_contains",
    "in",
    "not_in",
    "less",
    "greater_or_equal",
    "is_empty",
    "is_not_empty",
    "before",
    "after",
    "within_last_days",
    "older_than_days",
    "changed",
]
WORDS = [
    *(one for one in (*TEXTS, *EMAILS) if one.strip()),
    *("ann", "sam@example.com", "kim@x.de", "bob@EXAMPLE.com ", "ANN@STRASSE.example"),
    *("active", "Deactivated", "suspended", "2026-11-20", "true", "Admin", "5"),
]
WANTED = st.sampled_from(WORDS) | st.integers(0, 5) | st.none()
LISTS = st.lists(WANTED, min_size=1, max_size=3)
# Those that SQL narrows down.
KEYS = ["email", "username", "status"]
BY_KEY = st.builds(row, st.sampled_from(KEYS), st.sampled_from(OPERATORS), WANTED | LISTS)


def rules(fields: list[str]) -> st.SearchStrategy[Any]:
    any_row = st.builds(row, st.sampled_from(fields), st.sampled_from(OPERATORS), WANTED | LISTS)
    one = any_row | BY_KEY
    groups = st.sampled_from(["all", "any"])
    return st.recursive(
        one,
        lambda part: st.builds(
            lambda group, parts: {group: parts}, groups, st.lists(part, min_size=1, max_size=3)
        ),
        max_leaves=5,
    )


class TheTablesAndThePlainCheckAgree(TestCase):
    """A superset in SQL never leaves out what the plain check accepts, and columns read alone give
    the values that whole records have."""

    on_people: Workflow
    on_users: Workflow

    @classmethod
    def setUpTestData(cls) -> None:
        make_custom_field("Note", type="long_text")
        make_custom_field("Floor", type="integer")
        make_custom_field("Full Time", type="boolean")
        make_custom_field("Plan", object=CustomField.Object.SAAS_USER)
        make_custom_field("Note", object=CustomField.Object.SAAS_USER)
        application = make_application()
        cls.on_people, cls.on_users = make_workflow(), make_workflow(application=application)
        chance = random.Random(7)  # noqa: S311 - the same world each time
        people = [_person(chance, email) for email in EMAILS]
        Person.objects.filter(pk=people[0].pk).update(manager=people[1])
        owners = [None, None, *people]
        for number in range(16):
            _user(chance, application, chance.choice(owners), number)

    @hypothesis_settings(max_examples=150)
    @given(rules=rules(FIELDS_OF_PEOPLE), records=st.sampled_from(["active", "all"]))
    def test_of_people(self, rules: Any, records: str) -> None:
        self._agree(self.on_people, BeginPart(records=records, rules=rules))

    @hypothesis_settings(max_examples=150)
    @given(rules=rules(FIELDS_OF_USERS), records=st.sampled_from(["active", "all"]))
    def test_of_accounts(self, rules: Any, records: str) -> None:
        self._agree(self.on_users, BeginPart(records=records, rules=rules))

    def test_each_operator_with_each_word_on_each_key(self) -> None:
        for workflow in (self.on_people, self.on_users):
            for field, operator, word in product(KEYS, OPERATORS, WORDS):
                part = BeginPart(records="all", rules=row(field, operator, word))
                self._agree(workflow, part)

    def _agree(self, workflow: Workflow, part: BeginPart) -> None:
        try:
            judged = judge_of(workflow, part, now=NOW, zone=UTC)
        except RuleInvalid:
            return
        model: Any = Person if workflow.object == "person" else SaaSUser
        every = read_records(workflow, model.objects.values_list("pk", flat=True))
        expected = sorted(pk for pk, one in every.items() if judged.matches(one))

        assert found(workflow, part) == expected


def _person(chance: random.Random, email: str) -> Person:
    department = chance.choice([None, "Berlin", "Straße"])
    return Person.objects.create(
        email=email,
        email_key=email_key(email),
        username=email.upper(),
        username_key=username_key(email.upper()),
        title=chance.choice(TEXTS),
        location=chance.choice(TEXTS),
        department=_department(department),
        role=chance.choice([None, PersonRole.objects.get_or_create(name="Admin")[0]]),
        status=chance.choice(Person.Status.values),
        hire_date=chance.choice(DATES),
        custom=_custom(chance, {"note": TEXTS, "floor": [0, 5, None], "full_time": [True, None]}),
    )


def _department(name: str | None) -> Department | None:
    if name is None:
        return None
    return Department.objects.get_or_create(name=name, defaults={"name_key": name.casefold()})[0]


def _custom(chance: random.Random, values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    return {name: chance.choice(ones) for name, ones in values.items() if chance.random() > 0.3}


def _user(
    chance: random.Random, application: Application, person: Person | None, number: int
) -> None:
    email = chance.choice(EMAILS)
    user = SaaSUser.objects.create(
        application=application,
        external_id=f"{number}{chance.choice(['', 'a', 'Berlin'])}",
        email=email,
        email_key=email_key(email),
        name=chance.choice(TEXTS),
        person=person,
        status=chance.choice(SaaSUser.Status.values),
        last_activity=chance.choice(TIMES),
        custom=_custom(chance, {"plan": TEXTS, "note": TEXTS}),
    )
    if role := chance.choice(["", "Admin", "Member"]):
        make_role(user, role)
