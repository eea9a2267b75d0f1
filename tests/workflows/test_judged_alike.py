"""Reading only the columns that rules name judges every record as reading all of it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.rule_operators import ON_CHANGES, OPERATORS
from people.models import CustomField, Department, Person, PersonRole
from saas.models import SaaSUser
from tests.makers import (
    make_application,
    make_custom_field,
    make_person,
    make_role,
    make_saas_user,
)
from tests.workflows.makers import make_workflow
from workflows.definition import BeginPart
from workflows.facts import fields_of, own_fields_of, vendor_keys_of
from workflows.judging import Judge, judge_with
from workflows.models import Workflow
from workflows.records import Record, read_labels, read_records
from workflows.rules import matching_ids, values_by_id

pytestmark = pytest.mark.django_db
NOW = timezone.now()
TEXTS = ["Ann", " ANN ", "active", "suspended", "Sales", "STRASSE", "ann@straße.example", "K1"]
# By the type of the field: what rules compare with, and what custom fields of it hold.
WANTED: dict[str, Sequence[Any]] = {
    "text": TEXTS,
    "long_text": ["ann", '["a"]'],
    "integer": [3, "3"],
    "decimal": [2.5, "3"],
    "boolean": [True, "no"],
    "date": ["2026-03-01", NOW.date().isoformat()],
    "datetime": [NOW.isoformat(), "2026-03-01T10:00:00+05:30"],
    "json": ["Owner", "Member"],
}
HELD: dict[str, Sequence[Any]] = {
    "text": ["Ann", "", None],
    "long_text": ["x ANN x", ""],
    "integer": [3, 0],
    "decimal": ["2.5", None],
    "boolean": [True, False],
    "date": ["2026-03-01", (NOW - timedelta(days=2)).date().isoformat()],
    "datetime": ["2026-03-01T04:30:00Z", NOW.isoformat()],
}
DAYS = ("within_last_days", "within_next_days", "older_than_days")
WITHOUT = ("is_empty", "is_not_empty", "changed")


@pytest.fixture
def custom() -> list[CustomField]:
    """A field of each type of people and of accounts; `shared` is a key of both."""
    for of in ("person", "saas_user"):
        for type_ in HELD:
            make_custom_field(f"{of} {type_}", object=of, type=type_)
        make_custom_field("Shared", object=of)
    make_custom_field("Aha User Id", object="person")
    return list(CustomField.objects.all())


def values_of(of: str, number: int) -> dict[str, Any]:
    return {f"{of}_{type_}": held[number % len(held)] for type_, held in HELD.items()}


@pytest.fixture
def people(custom: list[CustomField]) -> list[Person]:
    """Full and bare, with and without a manager, of every status, some spelled strangely."""
    boss = make_person(email="Boss@Example.com", first_name="ANN")
    full = {
        "department": Department.objects.create(name="Sales"),
        "manager": boss,
        "role": PersonRole.objects.get_or_create(name="Employee")[0],
        "title": " ann ",
        "hire_date": date(2026, 3, 1),
        "birthday": NOW.date(),
        "employment_status": "Suspended",
    }
    return [
        boss,
        make_person(**full, custom={**values_of("person", 0), "shared": "Ann", "aha_user_id": "7"}),
        make_person(status="deactivated", custom={**values_of("person", 1), "shared": None}),
        make_person(email="ann@STRASSE.example", title="Straße", first_name="", last_name=""),
        make_person(email="", username="K1", first_name="", last_name="", full_name=""),
        make_person(username=" ", title="\u00a0", custom={"shared": " "}),
    ]


@pytest.fixture
def accounts(people: list[Person]) -> list[SaaSUser]:
    """With and without a person, values of their own, and roles; one is of another application."""
    aha, other = make_application(), make_application("Other", tenant="other")
    rows = [
        make_saas_user(aha, person=people[1], custom={**values_of("saas_user", 0), "shared": None}),
        make_saas_user(aha, person=people[2], status="suspended", last_activity=NOW, name="Ann"),
        make_saas_user(aha, status="deactivated", custom={"shared": "ann"}, external_id="K1"),
        make_saas_user(aha, person=people[4], email="", custom=values_of("saas_user", 1)),
        make_saas_user(aha, person=people[3], email="Ann@STRASSE.example"),
        make_saas_user(other, person=people[0]),
        make_saas_user(aha, person=people[5], custom={"shared": "\u00a0"}),
    ]
    make_role(rows[0], "Owner", scope_id="1", scope="One")
    make_role(rows[0], "Owner", scope_id="2", scope="Two")
    make_role(rows[1], "Member", valid_to=NOW)
    return rows


def rules_for(types: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Every operator with every field that it goes with."""
    for name, type_ in types.items():
        for operator, made in {**OPERATORS, **ON_CHANGES}.items():
            if type_ not in made.types:
                continue
            if operator in WITHOUT:
                yield {"field": name, "operator": operator}
            elif operator in DAYS:
                yield {"field": name, "operator": operator, "value": 3}
            else:
                for value in WANTED[type_]:
                    yield {"field": name, "operator": operator, "value": value}


def judges_of(workflow: Workflow, custom: list[CustomField]) -> Iterator[Judge]:
    types = fields_of(workflow.object, custom, vendor_keys_of(workflow.application))
    own = own_fields_of(workflow.object, custom)
    for row in rules_for(types):
        if row["operator"] in ON_CHANGES and row["field"] not in own:
            continue
        for records in ("active", "deactivated", "all"):
            begin = BeginPart(records=records, rules={"all": [row]})
            yield judge_with(begin, types=types, own=own, now=NOW)


def said_of(judge: Judge, found: Any) -> list[bool]:
    """By a new record, by one that changed in each field that matters, and by one archived."""
    changes = {name: ["x", "Ann"] for name in judge.fields}
    judges = judge.matches if isinstance(found, Record) else judge.takes
    return [
        judges(found, changes=given, by_archive=gone)
        for given in ({}, changes)
        for gone in (False, True)
    ]


def differences(workflow: Workflow, custom: list[CustomField], ids: Sequence[int]) -> list[Any]:
    records = read_records(workflow, ids)
    rows: dict[frozenset[str], Any] = {}
    found = []
    for judge in judges_of(workflow, custom):
        names = judge.fields | {"status"}
        if names not in rows:
            rows[names] = values_by_id(workflow, names, ids)
        assert rows[names].keys() == records.keys()
        found += [
            (judge.records, judge.rules, pk)
            for pk, record in records.items()
            if said_of(judge, record) != said_of(judge, rows[names][pk])
        ]
    return found


def test_m_20_events_are_judged_on_people_by_columns_as_by_whole_records(
    custom: list[CustomField], people: list[Person]
) -> None:
    ids = [one.pk for one in people]

    assert differences(make_workflow(), custom, [*ids, 999_999]) == []


def test_m_20_events_are_judged_on_accounts_by_columns_as_by_whole_records(
    custom: list[CustomField], accounts: list[SaaSUser]
) -> None:
    workflow = make_workflow(application=accounts[0].application)

    assert differences(workflow, custom, [one.pk for one in accounts]) == []


@pytest.mark.parametrize("of", ["person", "saas_user"])
def test_c_14_what_the_tables_leave_out_would_not_match(
    of: str, custom: list[CustomField], accounts: list[SaaSUser]
) -> None:
    """The condition in SQL never leaves out a record that the rules accept."""
    application = accounts[0].application if of == "saas_user" else None
    workflow = make_workflow(application=application)
    everything = SaaSUser.objects.all() if application else Person.objects.all()
    ids = sorted(everything.values_list("pk", flat=True))
    records = read_records(workflow, ids)
    missed = []
    for judge in judges_of(workflow, custom):
        begin = BeginPart(records=judge.records, rules=judge.rules)
        if judge.fields & {"status", "email", "username", "roles", "shared"}:
            by_tables = [pk for part in matching_ids(workflow, begin, now=NOW) for pk in part]
            if by_tables != [pk for pk, one in records.items() if judge.matches(one)]:
                missed.append((judge.records, judge.rules))

    assert missed == []


def test_c_24_labels_are_those_of_whole_records(accounts: list[SaaSUser]) -> None:
    for workflow in (make_workflow(), make_workflow(application=accounts[0].application)):
        everything = SaaSUser.objects.all() if workflow.application_id else Person.objects.all()
        records = read_records(workflow, everything.values_list("pk", flat=True))

        assert dict(read_labels(workflow, records)) == {
            pk: one.label for pk, one in records.items()
        }
