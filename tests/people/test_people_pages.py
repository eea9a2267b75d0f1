"""The pages of people: lists of any size, forms with custom fields, owned fields, tabs, exports."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook  # type: ignore[import-untyped]

from people.identity import email_key
from people.models import CustomField, Department, Event, Person
from tests import makers
from tests.config import admin_site

pytestmark = pytest.mark.django_db
PEOPLE = "/admin/people/person/"


@pytest.fixture
def admin(it_admin: User) -> Client:
    return admin_site.client_for(it_admin)


@pytest.fixture
def hr(hr_viewer: User) -> Client:
    return admin_site.client_for(hr_viewer)


def page(client: Client, path: str, query: dict[str, Any] | None = None) -> str:
    answer = client.get(path, query or {})
    assert answer.status_code == 200, answer.headers.get("Location", str(answer.status_code))
    return admin_site.text_of(answer)


def post_form(client: Client, path: str, **changes: Any) -> Any:
    """Send the page's form as it stands, but for `changes`."""
    forms = admin_site.read_page(page(client, path)).forms
    sizes = [len(form) for form in forms]
    return client.post(path, {**forms[sizes.index(max(sizes))], **changes})


# -- the list ------------------------------------------------------------------------------------


def test_the_list_shows_people_with_what_matters(hr: Client):
    """C-06, MO-33"""
    boss = makers.make_person(full_name="Max Boss")
    sales = Department.objects.create(name="Sales", name_key="sales")
    person = makers.make_person(full_name="Ann Lee", title="Clerk", department=sales, manager=boss)
    application = makers.make_application()
    makers.make_saas_user(application, person=person)
    makers.make_saas_user(application, person=person, status="deactivated")

    shown = page(hr, PEOPLE)

    for text in ("Ann Lee", person.email, "Clerk", "Sales", "Max Boss", "Active"):
        assert text in shown
    assert f'href="{PEOPLE}{person.pk}/accounts/">1</a>' in shown


def test_who_left_is_shown_only_when_asked_for(hr: Client):
    makers.make_person(full_name="Ann Here")
    makers.make_person(full_name="Bob Gone", status="deactivated")

    first, gone, everybody = (
        page(hr, PEOPLE, query) for query in ({}, {"status": "deactivated"}, {"status": "all"})
    )

    assert ("Ann Here" in first, "Bob Gone" in first) == (True, False)
    assert ("Ann Here" in gone, "Bob Gone" in gone) == (False, True)
    assert ("Ann Here" in everybody, "Bob Gone" in everybody) == (True, True)


def test_the_list_is_filtered_by_department(hr: Client):
    sales = Department.objects.create(name="Sales", name_key="sales")
    makers.make_person(full_name="Ann Sales", department=sales)
    makers.make_person(full_name="Bob Other")

    shown = page(hr, PEOPLE, {"department": sales.pk})

    assert ("Ann Sales" in shown, "Bob Other" in shown) == (True, False)


@pytest.mark.parametrize(
    "term",
    ["ann", "LEE", "lee ann", "ann.lee@", "ANN.LEE@example.com", "ａｎｎ.lee@example.com", "00042"],
)
def test_people_are_found_by_name_e_mail_and_employee_id(hr: Client, term: str):
    makers.make_person(
        full_name="Ann Lee", first_name="Ann", last_name="Lee", email="Ann.Lee@example.com",
        employee_id="00042",
    )  # fmt: skip
    makers.make_person(
        full_name="Bob Roy", first_name="Bob", last_name="Roy", email="b@example.com"
    )

    shown = page(hr, PEOPLE, {"q": term})

    assert ("Ann Lee" in shown, "Bob Roy" in shown) == (True, False)


@pytest.mark.parametrize("term", ["%", "_", "ann bob", "zzz", "'", "\\"])
def test_a_search_means_its_letters(hr: Client, term: str):
    makers.make_person(full_name="Ann Lee", email="ann@example.com")
    makers.make_person(first_name="Bob", last_name="Roy", email="bob@example.com")

    assert "Nothing matches" in page(hr, PEOPLE, {"q": term})


def test_an_empty_list_says_the_next_step(admin: Client, hr: Client):
    """The step is a link only for whoever may take it."""
    for client, may in ((admin, True), (hr, False)):
        shown = page(client, PEOPLE)

        assert "No people yet" in shown
        assert ("Go to integrations" in shown) == may


def count_queries(client: Client, path: str) -> int:
    client.get(path)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        (PEOPLE, 13),
        (f"{PEOPLE}?q=ann&status=all&o=1", 13),
        ("/admin/people/department/", 11),
        ("/admin/people/personrole/", 11),
        ("/admin/people/customfield/", 10),
        ("/admin/people/event/", 12),
    ],
)
def test_a_list_asks_as_much_of_a_few_rows_as_of_many(admin: Client, path: str, most: int):
    """performance.md 4: the number of queries is pinned and does not follow the rows."""
    make_rows(1)
    few = count_queries(admin, path)
    make_rows(30)

    many = count_queries(admin, path)

    assert few == many
    assert many <= most


def make_rows(count: int) -> None:
    start = Person.objects.count()
    for number in range(start, start + count):
        department = Department.objects.create(name=f"D{number}", name_key=f"d{number}")
        boss = Person.objects.first()
        person = makers.make_person(department=department, manager=boss)
        makers.make_custom_field(f"Field {number}")
        Event.objects.create(
            object="person", object_id=person.pk, kind="edit", source="admin", actor="it",
            changes={"title": ["a", "b"]},
        )  # fmt: skip


@pytest.mark.parametrize("tab", ["change", "accounts", "reports", "history"])
def test_a_persons_tabs_ask_as_much_of_a_few_rows_as_of_many(admin: Client, tab: str):
    boss = makers.make_person()
    application = makers.make_application()

    def add(count: int) -> None:
        for _ in range(count):
            makers.make_person(manager=boss)
            makers.make_role(makers.make_saas_user(application, person=boss))
            Event.objects.create(
                object="person", object_id=boss.pk, kind="edit", source="admin", actor="it",
                changes={"title": ["a", "b"]},
            )  # fmt: skip

    add(1)
    few = count_queries(admin, f"{PEOPLE}{boss.pk}/{tab}/")
    add(20)

    assert count_queries(admin, f"{PEOPLE}{boss.pk}/{tab}/") == few


# -- the form ------------------------------------------------------------------------------------


def test_a_person_is_added_by_hand(admin: Client):
    answer = admin.post(
        f"{PEOPLE}add/", {"email": "Ann@Example.com", "first_name": "Ann", "last_name": "Lee"}
    )

    person = Person.objects.get()
    assert answer.status_code == 302
    assert (person.full_name, person.email_key) == ("Ann Lee", "ann@example.com")
    assert Event.objects.get().actor == "it-admin"


def test_a_problem_stands_on_its_field_and_nothing_is_written(admin: Client):
    makers.make_person(email="ann@example.com", full_name="Ann Lee")
    other = makers.make_person(email="bob@example.com")

    shown = admin_site.text_of(
        post_form(admin, f"{PEOPLE}{other.pk}/change/", email="ANN@example.com")
    )

    other.refresh_from_db()
    assert "This e-mail belongs to Ann Lee" in shown
    assert other.email == "bob@example.com"
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("text", {"": "abc"}, "abc"),
        ("long_text", {"": "two\r\nlines"}, "two\r\nlines"),
        ("integer", {"": "7"}, 7),
        ("decimal", {"": "52000.50"}, "52000.50"),
        ("boolean", {"": "true"}, True),
        ("date", {"": "2026-01-02"}, "2026-01-02"),
        ("datetime", {"_0": "2026-01-02", "_1": "03:04"}, "2026-01-02T03:04:00+00:00"),
    ],
)
def test_a_custom_field_has_an_input_of_its_type(
    admin: Client, kind: str, typed: dict[str, str], kept: object
):
    makers.make_custom_field("Extra", type=kind)
    person = makers.make_person()
    form = {f"custom__extra{part}": value for part, value in typed.items()}

    answer = post_form(admin, f"{PEOPLE}{person.pk}/change/", **form)

    person.refresh_from_db()
    assert answer.status_code == 302
    assert person.custom == {"extra": kept}


@pytest.mark.parametrize(
    ("kind", "typed"),
    [("integer", "seven"), ("integer", "9" * 30), ("decimal", "NaN"), ("date", "2026-02-30")],
)
def test_a_custom_value_of_another_type_is_refused_on_its_field(
    admin: Client, kind: str, typed: str
):
    makers.make_custom_field("Extra", type=kind)
    person = makers.make_person()

    answer = post_form(admin, f"{PEOPLE}{person.pk}/change/", custom__extra=typed)

    person.refresh_from_db()
    assert answer.status_code == 200
    assert "errorlist" in admin_site.text_of(answer)
    assert person.custom == {}


def test_saving_a_form_as_it_stands_writes_nothing(admin: Client):
    """Values of every type survive the way into the form and back."""
    kinds: dict[str, Any] = {
        "text": "abc",
        "long_text": "two\nlines",
        "integer": 7,
        "decimal": "52000.50",
        "boolean": False,
        "date": "2026-01-02",
        "datetime": "2026-01-02T03:04:05+00:00",
    }
    for kind in kinds:
        makers.make_custom_field(f"A {kind}", key=f"a_{kind}", type=kind)
    person = makers.make_person(
        custom={f"a_{kind}": value for kind, value in kinds.items()}, birthday="1990-01-02"
    )

    answer = post_form(admin, f"{PEOPLE}{person.pk}/change/")

    assert answer.status_code == 302
    assert not Event.objects.exists()


def test_a_field_that_an_integration_owns_is_shown_and_not_asked_for(admin: Client):
    """M-6, M-7: with the owner's name; what is sent for it anyway is ignored."""
    makers.make_custom_field("Aha User Id")
    integration = makers.make_integration("BambooHR employees", state="active")
    makers.make_mapping(integration, source="title", target="title")
    makers.make_mapping(integration, source="id", target="aha_user_id")
    person = makers.make_person(title="Clerk", custom={"aha_user_id": "7"})
    path = f"{PEOPLE}{person.pk}/change/"

    shown = page(admin, path)
    post_form(admin, path, title="Head", custom__aha_user_id="8", location="Leeds")

    person.refresh_from_db()
    assert "Owned by BambooHR employees" in shown
    assert 'name="title"' not in shown
    assert 'name="custom__aha_user_id"' not in shown
    assert (person.title, person.custom, person.location) == (
        "Clerk",
        {"aha_user_id": "7"},
        "Leeds",
    )


def test_the_status_is_not_an_input(admin: Client):
    person = makers.make_person()

    post_form(admin, f"{PEOPLE}{person.pk}/change/", status="deactivated")

    person.refresh_from_db()
    assert person.status == "active"


def test_hr_reads_a_person_without_a_single_input(hr: Client):
    makers.make_custom_field("Shoe size", type="integer")
    makers.make_custom_field("Salary", visible_to_hr=False)
    person = makers.make_person(custom={"shoe_size": 43, "salary": "52000"})

    shown = page(hr, f"{PEOPLE}{person.pk}/change/")

    assert "Shoe size" in shown
    assert "43" in shown
    assert "Salary" not in shown
    assert "52000" not in shown
    assert 'name="title"' not in shown
    assert 'name="custom__shoe_size"' not in shown


def test_a_manager_that_is_no_id_is_refused_and_the_page_still_comes(admin: Client):
    """G-11: the input that completes names asks the database for what was sent."""
    boss = makers.make_person()
    person = makers.make_person(manager=boss)

    answer = post_form(admin, f"{PEOPLE}{person.pk}/change/", manager="\x00abc")

    person.refresh_from_db()
    assert answer.status_code == 200
    assert person.manager == boss


@pytest.mark.parametrize("field", ["", "nothing", "email", "id"])
def test_a_page_comes_whatever_field_its_address_names(admin: Client, field: str):
    """G-11"""
    person = makers.make_person()

    for path in ("change/", "delete/"):
        answer = admin.get(f"{PEOPLE}{person.pk}/{path}", {"_to_field": field, "_popup": "1"})

        assert answer.status_code < 500


# -- moving --------------------------------------------------------------------------------------


def test_people_are_deactivated_by_name_with_a_reason(admin: Client):
    people = [makers.make_person(full_name=f"Ann {number}") for number in range(8)]
    chosen = {"action": "deactivate_selected", "_selected_action": [p.pk for p in people[:2]]}

    asked = admin_site.text_of(admin.post(PEOPLE, chosen))
    still = Person.objects.filter(status="active").count()
    admin.post(PEOPLE, {**chosen, "reason": "left the company"})

    assert "Ann 0" in asked
    assert "Ann 1" in asked
    assert "Ann 2" not in asked
    assert still == 8
    gone = Person.objects.filter(status="deactivated").order_by("pk")
    assert list(gone) == people[:2]
    assert set(Event.objects.values_list("kind", "note")) == {("archive", "left the company")}


def test_a_reason_is_asked_for(admin: Client):
    person = makers.make_person()

    answer = admin.post(f"{PEOPLE}{person.pk}/deactivate/", {"reason": " "})

    person.refresh_from_db()
    assert answer.status_code == 200
    assert person.status == "active"


def test_opening_the_question_changes_nothing(admin: Client):
    person = makers.make_person()

    shown = page(admin, f"{PEOPLE}{person.pk}/deactivate/")

    person.refresh_from_db()
    assert "This person will be deactivated" in shown
    assert person.status == "active"


def test_the_question_says_who_will_set_the_status_again(admin: Client):
    """M-7"""
    integration = makers.make_integration("BambooHR employees", state="active")
    makers.make_mapping(integration, source="status", target="status")
    person = makers.make_person()

    shown = page(admin, f"{PEOPLE}{person.pk}/deactivate/")

    assert "owned by BambooHR employees" in shown


def test_the_button_is_the_one_that_fits(admin: Client):
    here, gone = makers.make_person(), makers.make_person(status="deactivated")

    for person, fits, not_fits in (
        (here, "deactivate", "reactivate"),
        (gone, "reactivate", "deactivate"),
    ):
        shown = page(admin, f"{PEOPLE}{person.pk}/change/")

        assert f"/{person.pk}/{fits}/" in shown
        assert f"/{person.pk}/{not_fits}/" not in shown


def test_more_people_than_a_page_can_name_are_not_moved_at_once(admin: Client):
    for _ in range(3):
        makers.make_person()
    Person.objects.bulk_create(
        Person(email=f"p{number}@example.com", email_key=email_key(f"p{number}@example.com"))
        for number in range(200)
    )

    admin.post(
        PEOPLE,
        {
            "action": "deactivate_selected",
            "select_across": "1",
            "reason": "all",
            "_selected_action": "1",
        },
    )

    assert not Person.objects.filter(status="deactivated").exists()


# -- history -------------------------------------------------------------------------------------


def test_the_history_says_when_who_and_what(admin: Client):
    person = makers.make_person(title="Clerk")
    post_form(admin, f"{PEOPLE}{person.pk}/change/", title="Head")

    shown = page(admin, f"{PEOPLE}{person.pk}/history/")

    for text in ("it-admin (by hand)", "<del>Clerk</del>", "<ins>Head</ins>", " UTC</time>"):
        assert text in shown


def test_a_run_is_a_link_for_whoever_may_read_runs(admin: Client, hr: Client):
    integration = makers.make_integration()
    run = makers.make_run(integration)
    person = makers.make_person()
    Event.objects.create(
        object="person", object_id=person.pk, kind="new", source="sync", run_id=run.pk, actor="x"
    )

    for client, may in ((admin, True), (hr, False)):
        shown = page(client, f"{PEOPLE}{person.pk}/history/")

        assert f"Run {run.pk}" in shown
        assert (f"/admin/integrations/syncrun/{run.pk}/" in shown) == may


def test_the_event_list_finds_a_record_by_its_e_mail(hr: Client):
    ann, bob = (
        makers.make_person(email="ann@example.com"),
        makers.make_person(email="b@example.com"),
    )
    for person in (ann, bob):
        Event.objects.create(
            object="person", object_id=person.pk, kind="edit", source="admin",
            actor=f"actor of {person.pk}", changes={"title": ["a", "b"]},
        )  # fmt: skip

    shown = page(hr, "/admin/people/event/", {"q": "ANN@example.com"})

    assert f"actor of {ann.pk}" in shown
    assert f"actor of {bob.pk}" not in shown


# -- exports -------------------------------------------------------------------------------------

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://evil.example")',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "=cmd|'/c calc'!A1",
    "+44 20 7946 0000",
    "--1",
    "=",
    "@",
    "-",
]


def export(client: Client, number: int, query: str = "") -> bytes:
    answer = client.post(f"{PEOPLE}export/{query}", {"format": str(number), "resource": "0"})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment")
    return bytes(answer.content)


def rows_of(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_an_export_is_a_formula(hr: Client, formula: str):
    """S-15: in CSV the first character is an apostrophe, in XLSX the cell is text as well."""
    makers.make_person(title=formula)

    (row,) = rows_of(export(hr, 0))
    book = load_workbook(io.BytesIO(export(hr, 1)))
    heads, cells = (list(line) for line in book.active.iter_rows())
    cell = cells[[head.value for head in heads].index("Job title")]

    assert row["Job title"] == f"'{formula}"
    assert str(cell.value).startswith("'")
    assert cell.data_type == "s"


def test_an_export_holds_the_rows_that_the_list_shows(hr: Client):
    sales = Department.objects.create(name="Sales", name_key="sales")
    makers.make_person(full_name="Ann Sales", department=sales)
    makers.make_person(full_name="Bob Other")
    makers.make_person(full_name="Eve Gone", department=sales, status="deactivated")

    shown = rows_of(export(hr, 0, f"?department={sales.pk}"))
    everybody = rows_of(export(hr, 0, "?status=all"))

    assert [row["Full name"] for row in shown] == ["Ann Sales"]
    assert {row["Full name"] for row in everybody} == {"Ann Sales", "Bob Other", "Eve Gone"}


def test_an_export_holds_the_fields_that_its_reader_sees(hr: Client, admin: Client):
    """M-36"""
    makers.make_custom_field("Salary", visible_to_hr=False)
    makers.make_custom_field("Shoe size", type=CustomField.Type.INTEGER)
    makers.make_person(custom={"salary": "52000", "shoe_size": 43})

    (for_hr,), (for_admin,) = rows_of(export(hr, 0)), rows_of(export(admin, 0))

    assert for_hr["Shoe size"] == "43"
    assert "Salary" not in for_hr
    assert for_admin["Salary"] == "52000"


def test_a_workbook_holds_every_character_that_it_can(hr: Client):
    makers.make_person(title="bell \x07 and 名前", location="x" * 200)

    with zipfile.ZipFile(io.BytesIO(export(hr, 1))) as book:
        assert book.testzip() is None
    sheet = load_workbook(io.BytesIO(export(hr, 1))).active
    cells = [cell.value for cell in list(sheet.iter_rows())[1]]

    assert "bell \N{REPLACEMENT CHARACTER} and 名前" in cells


def test_an_export_asks_as_much_of_a_few_rows_as_of_many(hr: Client):
    makers.make_person()
    export(hr, 0)
    with CaptureQueriesContext(connection) as few:
        export(hr, 0)
    for _ in range(20):
        makers.make_person()

    with CaptureQueriesContext(connection) as many:
        export(hr, 0)

    assert len(many) == len(few)


def test_who_may_not_export_is_not_offered_it(hr: Client, hr_viewer: User):
    group = hr_viewer.groups.get()
    group.permissions.remove(*group.permissions.filter(codename="export_person"))
    makers.make_person()

    assert "Export" not in page(hr, PEOPLE)
    assert hr.get(f"{PEOPLE}export/").status_code == 403


# -- setting up ----------------------------------------------------------------------------------


def test_a_field_is_made_from_its_label(admin: Client):
    """AH-24"""
    answer = admin.post(
        "/admin/people/customfield/add/",
        {"object": "person", "label": "Aha User Id", "type": "text", "visible_to_hr": "on"},
    )

    field = CustomField.objects.get()
    assert answer.status_code == 302
    assert (field.key, field.visible_to_hr) == ("aha_user_id", True)
    assert "{{ aha_user_id }}" in page(admin, "/admin/people/customfield/")


def test_a_reserved_label_is_refused_on_its_field(admin: Client):
    answer = admin.post(
        "/admin/people/customfield/add/", {"object": "person", "label": "Response", "type": "text"}
    )

    assert answer.status_code == 200
    assert "has a meaning of its own" in admin_site.text_of(answer)
    assert not CustomField.objects.exists()


def test_a_department_with_people_cannot_be_deleted(admin: Client):
    sales = Department.objects.create(name="Sales", name_key="sales")
    makers.make_person(department=sales)

    answer = admin.post(f"/admin/people/department/{sales.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert Department.objects.exists()


def test_a_selection_of_departments_spares_those_with_people(admin: Client):
    sales = Department.objects.create(name="Sales", name_key="sales")
    empty = Department.objects.create(name="Empty", name_key="empty")
    makers.make_person(department=sales)

    admin.post(
        "/admin/people/department/",
        {"action": "delete_selected", "_selected_action": [sales.pk, empty.pk], "post": "yes"},
    )

    assert sales in Department.objects.all()
