"""Values that are unusual and right, and values that are wrong: the first are stored as they came."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import SyncRun
from people.models import Person
from saas.models import SaaSUser
from tests.integrations.bad_input.world import World, issues_of, mend, snapshot, warnings_of
from tests.makers import make_custom_field, make_mapping

NAMES = [
    "Øystein Ærlig-Ångström",
    "Nguyễn Thị Minh Khai",
    "王小明",
    "山田 太郎",
    "김민준",
    "Владимир Щербаков",
    "Αλέξανδρος Παπαδόπουλος",
    "محمد عبد الله",
    "יוסף כהן",
    "अनिल कुमार",
    "สมชาย ใจดี",
    "ქეთევან",
    "አበበ ቢቂላ",
    "Nei\u0308l",  # a letter and its dots apart: kept apart
    'O\'Neil "Bo" <b>Smith</b> & Sons',
    "{{ variables.Aha.Subdomain }} {% now %}",
    '=HYPERLINK("http://127.0.0.1")',
    "Robert'); DROP TABLE people_person;--",
    "\U0001f469\u200d\U0001f680 Astro",
    "\U00020bb7野家",
]
LAST = "29"  # an employee who manages nobody


def employee(external_id: str = LAST) -> Person:
    return Person.objects.get(record_links__external_id=external_id)


def test_names_in_any_script_are_stored_exactly(bamboohr: World) -> None:
    """F-31, F-32: nothing is folded, evaluated, escaped or cut on the way."""
    mend(bamboohr)
    for number, name in enumerate(NAMES, start=1):
        bamboohr.change(str(number), firstName=name)

    run = bamboohr.sync()
    again = bamboohr.sync()

    stored = {one.record_links.get().external_id: one.first_name for one in Person.objects.all()}
    assert run.state == again.state == "done"
    assert again.counts["people"]["unchanged"] == again.counts["seen"]
    assert [stored[str(number)] for number in range(1, len(NAMES) + 1)] == NAMES
    assert SaaSUser.objects.get(external_id="3").name.startswith("王小明 ")


def test_a_megabyte_in_a_field_that_nobody_mapped_is_of_no_concern(world: World) -> None:
    """M-8: unmapped data is not stored, however large it is."""
    mend(world)
    rows = "employees" if world.vendor == "bamboohr" else "users"
    world.fault("set_values", values={f"{rows}.3.essay": "x" * 1_000_000})

    run = world.sync()

    assert run.state == "done"


def test_a_megabyte_in_a_long_text_is_an_issue_and_a_hundred_thousand_letters_are_not(
    bamboohr: World,
) -> None:
    mend(bamboohr)
    make_custom_field("Essay", key="essay", object="person", type="long_text")
    make_mapping(bamboohr.integration, source="city", target="essay")
    values = {"employees.0.city": "x" * 1_000_000, "employees.1.city": "y" * 100_000}
    bamboohr.fault("set_values", values=values)

    run = bamboohr.sync()

    (issue,) = issues_of(run)
    assert (issue.external_id, issue.field) == ("1", "essay")
    assert "1,000,000 characters; at most 100,000 fit" in issue.reason
    assert employee("2").custom["essay"] == "y" * 100_000


def test_fields_that_are_not_documented_are_passed_over(world: World) -> None:
    mend(world)
    rows = "employees" if world.vendor == "bamboohr" else "users"
    new = {f"{rows}.{place}.pk": 1 for place in range(3)} | {f"{rows}.0.__class__": {"x": [1]}}
    world.fault("set_values", values=new)

    run = world.sync()

    assert run.state == "done"


def test_a_person_without_an_email_is_an_issue_once_and_everybody_else_is_there(
    world: World,
) -> None:
    """F-31: null, blank and absent are alike for somebody new; the account is kept all the same."""
    mend(world)
    rows, name = ("employees", "workEmail") if world.vendor == "bamboohr" else ("users", "email")
    world.fault("set_values", count=1, values={f"{rows}.3.{name}": None, f"{rows}.5.{name}": " "})

    run = world.sync()
    healthy = world.sync()

    issues = issues_of(run)
    assert run.state == "partial"
    assert {one.code for one in issues} == {"required_blank"}
    assert len(issues) == run.counts["issues"] == 2
    assert all(one.field == "username" for one in issues)
    assert all("Fill it in at" in one.reason for one in issues)
    assert Person.objects.count() == healthy.counts["seen"]
    assert run.counts["saas_users"]["created"] == run.counts["seen"]
    assert healthy.state == "done"


def test_a_known_person_whose_email_is_blank_today_keeps_it(bamboohr: World) -> None:
    mend(bamboohr)
    bamboohr.sync()
    before = employee().email
    bamboohr.change(LAST, workEmail=None)

    run = bamboohr.sync()

    assert run.error_code == ""
    assert employee().email == before


def test_two_new_records_with_one_email_are_issues_on_both_in_whatever_case_it_is_written(
    world: World,
) -> None:
    """M-2, M-3, F-33: the others are applied, and mending one of the two mends both."""
    mend(world)
    first, second = (
        ("employees.23.workEmail", "employees.25.workEmail")
        if world.vendor == "bamboohr"
        else ("users.7.email", "users.8.email")
    )
    emails = {first: "Team@ACME.example", second: " ｔeam@acme.example "}
    world.fault("set_values", count=1, values=emails)

    run = world.sync()
    healthy = world.sync()

    assert run.state == "partial"
    assert {one.code for one in issues_of(run)} == {"two_records_one_person"}
    assert run.counts["issues"] == 2
    assert not Person.objects.filter(email__icontains="team").exists()
    assert healthy.state == "done"
    assert Person.objects.count() == healthy.counts["seen"]


@pytest.mark.parametrize(
    ("field", "value", "target", "said"),
    [
        ("hireDate", "2026-13-45", "hire_date", "is no date; a date looks like 2026-12-31"),
        ("hireDate", "1/2/2026", "hire_date", "is no date"),
        ("hireDate", 20260101, "hire_date", "is no date"),
        ("hireDate", {"y": 2026}, "hire_date", "is no date"),
        ("status", "Retired", "status", '"Retired" is no status that is known here'),
        ("status", True, "status", "no status that is known here"),
        ("firstName", ["Ann", {"middle": 1}], "first_name", "a list or an object"),
        ("workEmail", {"work": "a@b.example"}, "email", "a list or an object"),
        ("department", {"id": 1}, "department", "a list or an object"),
        ("jobTitle", "t" * 5_000, "title", "5,000 characters; at most"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_issue_on_its_field(
    bamboohr: World, field: str, value: Any, target: str, said: str
) -> None:
    """F-31: named by the field that it was mapped to, with what would be right."""
    mend(bamboohr)
    bamboohr.fault("set_values", values={f"employees.28.{field}": value})

    run = bamboohr.sync()

    (issue,) = issues_of(run)
    assert run.state == "partial"
    assert (issue.external_id, issue.code) == (LAST, issue.code)
    assert issue.field in {target, "username"}
    assert said in issue.reason
    assert Person.objects.count() == run.counts["seen"] - 1


@pytest.mark.parametrize("value", ["0000-00-00", "", None, "null"])
def test_a_date_that_means_none_is_none(bamboohr: World, value: str | None) -> None:
    """F-31: BambooHR's own ways of writing no date."""
    mend(bamboohr)
    bamboohr.fault("set_values", values={"employees.28.terminationDate": value})

    run = bamboohr.sync()

    assert run.state == "done"
    assert employee().deactivation_date is None


def test_a_status_word_that_nobody_knows_removes_nobody(bamboohr: World) -> None:
    """M-12: an issue on each, and who is active stays active."""
    mend(bamboohr)
    bamboohr.sync()
    before = snapshot()
    values = {f"employees.{place}.status": "Inaktiv" for place in range(30)}
    bamboohr.fault("set_values", values=values)

    run = bamboohr.sync()

    assert run.state == "partial"
    assert run.counts["issues"] == 30
    assert run.counts["people"]["deactivated"] == 0
    assert snapshot() == before


def test_a_report_without_its_status_fields_fails_loudly_and_nobody_is_changed(
    bamboohr: World,
) -> None:
    """F-24: BambooHR leaves out what the key may not read, with status 200."""
    mend(bamboohr)
    bamboohr.sync()
    before = snapshot()
    forbidden = bamboohr.sandbox.state["bamboohr"].settings["forbidden_fields"]

    for field in ("status", "employmentHistoryStatus"):
        bamboohr.sandbox.state["bamboohr"].settings["forbidden_fields"] = [*forbidden, field]
        run = bamboohr.sync()

        assert (run.state, run.error_code) == ("failed", "contradiction")
        assert f"leaves out {field}: the key may not read this field" in run.error_message
        assert "give the key's owner access to it" in run.error_message
        assert snapshot() == before
    bamboohr.sandbox.state["bamboohr"].settings["forbidden_fields"] = forbidden
    assert bamboohr.sync().state == "done"


def test_other_fields_that_a_report_leaves_out_are_told_and_never_taken_for_blank(
    bamboohr: World,
) -> None:
    """M-12: a field that is not in the answer says nothing about anybody."""
    mend(bamboohr)
    bamboohr.sync()
    before = snapshot()
    hidden = ["jobTitle", "hireDate", "department", "supervisorEId", "workPhone", "mobilePhone"]
    settings = bamboohr.sandbox.state["bamboohr"].settings
    settings["forbidden_fields"] = [*settings["forbidden_fields"], *hidden]

    run = bamboohr.sync()

    assert run.counts["people"]["updated"] == 0
    assert snapshot() == before
    assert any("jobTitle" in one or "Job Title" in one for one in run.warnings), run.warnings


def test_a_field_that_one_record_leaves_out_is_not_taken_for_blank(aha: World) -> None:
    """M-12: Aha! has no list of its fields, each record stands for itself."""
    mend(aha)
    aha.sync()
    before = snapshot()
    for field in ("accessed_at", "enabled", "product_roles", "email", "administrator"):
        aha.fault("omit_field", field=field)
        run = aha.sync()
        aha.heal()

        assert run.state in {"done", "partial"}, field
        assert snapshot() == before, field
    assert aha.sync().state == "done"


def test_a_manager_who_is_not_known_is_a_warning_and_no_issue(bamboohr: World) -> None:
    mend(bamboohr)
    bamboohr.fault("set_values", values={"employees.28.supervisorEId": "4711\u202e"})

    run = bamboohr.sync()

    (warning,) = warnings_of(run)
    assert run.state == SyncRun.State.DONE
    assert (warning.external_id, warning.field) == (LAST, "manager")
    assert employee().manager is None


def test_one_date_that_changes_among_others_that_stay_is_written(bamboohr: World) -> None:
    """F-31: found by hostile dates; PostgreSQL takes no list of dates and text for a column."""
    mend(bamboohr)
    bamboohr.sync()
    stays = employee("28").hire_date
    bamboohr.change("28", firstName="Changed")
    bamboohr.change(LAST, hireDate="2019-04-01")
    bamboohr.change("26", hireDate=None)

    run = bamboohr.sync()

    assert run.state == "done"
    assert (employee("28").first_name, employee("28").hire_date) == ("Changed", stays)
    assert str(employee().hire_date) == "2019-04-01"
    assert employee("26").hire_date is None
