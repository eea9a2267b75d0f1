"""Many rows in one statement, on the database that the suite runs on."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection, models
from django.db.models.fields import NOT_PROVIDED
from django.test.utils import CaptureQueriesContext

from integrations.models import PlannedChange, RecordIssue, RecordLink, StagedRecord
from integrations.sync import links, plan_rows, stage
from people import services as people_services
from people.bulk import clear_columns, insert_rows, reserve_ids, update_rows
from people.models import Department, Event, Person
from saas import services as saas_services
from saas.models import SaaSUser, SaaSUserRole

NOW = dt.datetime(2026, 11, 20, 19, 0, 0, 123456, tzinfo=dt.UTC)
WRITERS = [
    (Person, {"id", "created_at", *people_services._COLUMNS}),
    (Event, set(people_services._EVENT_COLUMNS)),
    (SaaSUser, {"id", "created_at", *saas_services._COLUMNS}),
    (SaaSUserRole, set(saas_services._ROLE_COLUMNS)),
    (StagedRecord, set(stage._COLUMNS)),
    (PlannedChange, set(plan_rows.COLUMNS)),
    (RecordLink, set(links.COLUMNS)),
    (
        RecordIssue,
        {
            "run_id",
            "external_id",
            "key",
            "code",
            "severity",
            "field",
            "reason",
            "detail",
            "candidates",
            "settled_as",
            "settled_by",
        },
    ),
]


@pytest.mark.parametrize(
    ("model", "columns"), WRITERS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_writer_names_every_column_that_cannot_be_left_out(
    model: type[models.Model], columns: set[str]
):
    needed = {
        field.column
        for field in model._meta.concrete_fields
        if not field.null
        and not isinstance(field, models.AutoField)
        and field.db_default is NOT_PROVIDED
    }

    missing = needed - columns

    assert missing == set()
    assert columns <= {field.column for field in model._meta.concrete_fields}


@pytest.mark.django_db
def test_rows_come_back_as_they_were_written():
    rows = [
        ("Ventes\tet \\N\n«ça»", "ventes", NOW),
        ("营业部", "营业部", NOW - dt.timedelta(days=1)),
        ("", "", NOW),
    ]

    insert_rows(Department, ["name", "name_key", "created_at"], rows)

    found = Department.objects.order_by("id").values_list("name", "name_key", "created_at")
    assert list(found) == rows


@pytest.mark.django_db
def test_reserved_ids_belong_to_nobody_else():
    first = reserve_ids(Department, 3)
    made = Department.objects.create(name="In between", name_key="in between")
    second = reserve_ids(Department, 2)

    insert_rows(
        Department,
        ["id", "name", "name_key", "created_at"],
        [(pk, f"d{pk}", f"d{pk}", NOW) for pk in [*first, *second]],
    )

    assert len({*first, made.pk, *second}) == 6
    assert Department.objects.create(name="After", name_key="after").pk not in {*first, *second}


@pytest.mark.django_db
def test_no_ids_are_reserved_for_nothing():
    assert reserve_ids(Department, 0) == []


@pytest.mark.django_db
def test_an_update_of_many_rows_is_one_statement():
    departments = [
        Department.objects.create(name=f"d{number}", name_key=f"d{number}") for number in range(50)
    ]
    rows = [(one.pk, f"new {one.pk}", NOW) for one in departments]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        update_rows(Department, ["name", "created_at"], rows)

    assert len(queries) == 1
    found = Department.objects.order_by("id").values_list("id", "name", "created_at")
    assert list(found) == rows


@pytest.mark.django_db
def test_keys_can_change_hands_once_they_were_cleared():
    ann = Person.objects.create(email="ann@example.com", email_key="ann@example.com")
    bob = Person.objects.create(email="bob@example.com", email_key="bob@example.com")

    clear_columns(Person, ["email_key"], [ann.pk, bob.pk])
    update_rows(Person, ["email_key"], [(ann.pk, "bob@example.com"), (bob.pk, "ann@example.com")])

    ann.refresh_from_db()
    bob.refresh_from_db()
    assert (ann.email_key, bob.email_key) == ("bob@example.com", "ann@example.com")


@pytest.mark.django_db
def test_the_database_refuses_a_second_person_with_the_same_e_mail():
    """M-2: the rule stands in the database, whoever writes."""
    row = ("ann@example.com", "ann@example.com")
    Person.objects.create(email=row[0], email_key=row[1])

    with pytest.raises(IntegrityError):
        Person.objects.create(email="ANN@example.com", email_key=row[1])


@pytest.mark.django_db
def test_a_refused_row_is_djangos_own_error():
    rows = [("Sales", "sales", NOW), ("Sales", "sales", NOW)]

    with pytest.raises(IntegrityError):
        insert_rows(Department, ["name", "name_key", "created_at"], rows)


@pytest.mark.django_db
def test_among_finds_what_in_finds_with_one_parameter():
    wanted = [Department.objects.create(name=f"d'{n}", name_key=f"d{n}").pk for n in range(20)]
    Department.objects.create(name="other", name_key="other")

    with CaptureQueriesContext(connection) as queries:
        by_id = set(Department.objects.filter(pk__among=wanted).values_list("pk", flat=True))
        by_name = Department.objects.filter(name__among={f"d'{n}" for n in range(20)}).count()
        none = Department.objects.filter(name__among=[]).count()

    assert by_id == set(wanted)
    assert (by_name, none) == (20, 0)
    assert len(queries) == 3


AWKWARD = [
    'quote " in',
    "back\\slash",
    "{brace,comma}",
    "NULL",
    "tab\there",
    "line\nbreak",
    "é營\u00a0",
    "'",
    "",
]


@pytest.mark.django_db
@pytest.mark.parametrize("among", [AWKWARD, [one for one in AWKWARD if one.isprintable()]])
def test_among_finds_values_with_any_characters(among: list[str]):
    for number, name in enumerate([*AWKWARD, "u000b", "n"]):
        Department.objects.create(name=name, name_key=f"{number}")

    found = Department.objects.filter(name__among=among).values_list("name", flat=True)

    assert sorted(found) == sorted(among)
