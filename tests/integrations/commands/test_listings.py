"""`people` and `saas_users`: every field, three formats, the same queries for any number of rows."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from people.fields import make_field
from people.models import Department, Person, PersonRole
from people.queries import PERSON_FIELDS
from saas.models import Application, SaaSUser, SaaSUserRole

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\tx", "\rx")


@pytest.fixture
def ann() -> Person:
    """Somebody with a value in every kind of field."""
    make_field(label="Aha User Id", type="text")
    make_field(label="Badge", type="integer", unique=True)
    boss = Person.objects.create(email="boss@example.com", email_key="boss@example.com")
    return Person.objects.create(
        username="ann",
        email="ann@example.com",
        first_name="Ann",
        employee_id="00123",
        department=Department.objects.create(name="People", name_key="people"),
        manager=boss,
        role=PersonRole.objects.get_or_create(name="Employee")[0],
        hire_date=date(2020, 2, 29),
        custom={"aha_user_id": "1", "badge": 7, "deleted_field": "gone"},
    )


@pytest.fixture
def aha(ann: Person) -> Application:
    """Two accounts: Ann's with two roles and one that ended, and one without a person."""
    make_field(label="Licence", type="text", object="saas_user")
    aha = Application.objects.create(name="Aha!", vendor="aha", tenant="acme")
    other = Application.objects.create(name="Other")
    SaaSUser.objects.create(application=other, external_id="9")
    SaaSUser.objects.create(application=aha, external_id="1", name="No role")
    user = SaaSUser.objects.create(
        application=aha,
        external_id="2",
        person=ann,
        email="ann@example.com",
        name="Ann",
        last_activity=MOMENT,
        custom={"licence": "Pro"},
    )
    for rank, (role, scope, ended) in enumerate(
        [("Owner", "Web", False), ("Viewer", "", False), ("Reviewer", "Old", True)]
    ):
        SaaSUserRole.objects.create(
            saas_user=user,
            role=role,
            scope_id=scope.lower(),
            scope=scope,
            rank=rank,
            valid_from=MOMENT - timedelta(days=9),
            valid_to=MOMENT if ended else None,
        )
    return aha


def test_people_as_json_have_every_field_under_its_mapping_name(run: Any, ann: Person):
    ended = run("people", "--format", "json")

    told = json.loads(ended.out)[1]
    assert list(told) == ["id", *PERSON_FIELDS, "aha_user_id", "badge"]
    assert (told["id"], told["employee_id"], told["hire_date"]) == (ann.pk, "00123", "2020-02-29")
    assert (told["department"], told["manager"], told["role"]) == (
        "People",
        "boss@example.com",
        "Employee",
    )
    assert (told["status"], told["birthday"], told["badge"]) == ("active", None, 7)


def test_saas_users_as_json_have_their_roles_of_now_the_primary_first(run: Any, aha: Application):
    ended = run("saas_users", "aha!", "--format", "json")

    assert json.loads(ended.out) == [
        {
            "external_id": "1",
            "email": "",
            "name": "No role",
            "status": "active",
            "last_activity": None,
            "roles": [],
            "person": None,
            "licence": None,
        },
        {
            "external_id": "2",
            "email": "ann@example.com",
            "name": "Ann",
            "status": "active",
            "last_activity": "2026-11-20T09:30:00Z",
            "roles": [
                {"role": "Owner", "scope_id": "web", "scope": "Web"},
                {"role": "Viewer", "scope_id": "", "scope": ""},
            ],
            "person": "ann@example.com",
            "licence": "Pro",
        },
    ]


def test_csv_has_every_column_and_roles_in_words(run: Any, aha: Application):
    ended = run("saas_users", "Aha!", "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["roles"] for row in rows] == ["", "Owner (Web); Viewer"]
    assert rows[1]["licence"] == "Pro"


@pytest.mark.parametrize("payload", FORMULAS)
def test_csv_holds_no_formula(run: Any, payload: str):
    """S-15."""
    Person.objects.create(first_name=payload)

    ended = run("people", "--format", "csv")

    (row,) = csv.DictReader(io.StringIO(ended.out, newline=""))
    assert row["first_name"] == f"'{payload}"


def test_a_table_shows_a_line_per_person_and_lets_no_name_move_the_cursor(run: Any):
    Person.objects.create(first_name="A\x1b[2Jnn", last_name="x" * 100)

    lines = run("people").out.splitlines()

    assert len(lines) == 3
    assert "A�[2Jnn" in lines[2]
    assert f"{'x' * 39}…" in lines[2]


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_nobody_yet_is_said_on_standard_error(run: Any, format_: str):
    ended = run("people", "--format", format_)

    assert (ended.code, ended.err) == (0, "There are no people yet.\n")
    if format_ == "json":
        assert json.loads(ended.out) == []


def test_an_application_without_users_is_no_mistake(run: Any):
    Application.objects.create(name="Empty")

    ended = run("saas_users", "Empty", "--format", "json")

    assert (ended.code, json.loads(ended.out)) == (0, [])
    assert ended.err == "Empty has no users yet.\n"


def test_an_unknown_application_ends_with_2_and_a_suggestion(run: Any, aha: Application):
    ended = run("saas_users", "Ahaa")

    assert ended.code == 2
    assert ended.err == ('There is no application "Ahaa". Did you mean "Aha!"? Known: Aha!, Other.')


@pytest.mark.parametrize(("command", "queries"), [(("people",), 2), (("saas_users", "Aha!"), 4)])
def test_the_queries_are_the_same_for_any_number_of_rows(
    run: Any, aha: Application, command: tuple[str, ...], queries: int
):
    Person.objects.bulk_create(Person(first_name=str(number)) for number in range(4_500))
    users = SaaSUser.objects.bulk_create(
        SaaSUser(application=aha, external_id=f"x{number}") for number in range(4_500)
    )
    SaaSUserRole.objects.bulk_create(
        SaaSUserRole(saas_user=user, role="Member", valid_from=MOMENT) for user in users
    )

    with CaptureQueriesContext(connection) as captured:
        ended = run(*command, "--format", "json")

    rows = json.loads(ended.out)
    assert len(rows) > 4_500
    if "saas_users" in command:
        assert all(row["roles"][0]["role"] == "Member" for row in rows[2:])
    selects = [one for one in captured if "FETCH" not in one["sql"]]
    assert len(selects) <= queries
