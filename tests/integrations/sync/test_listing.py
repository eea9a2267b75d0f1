"""What a listing says of records that are filtered, broken, inactive or absent (M-8 to M-12)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
import pytest
from django.apps import apps

from integrations.models import StagedRecord
from people.models import Person
from tests.makers import make_custom_field, make_person

from .worlds import (
    ACCOUNTS,
    AHA_OWNER,
    EMPLOYEES,
    World,
    account,
    emails,
    events_of,
    issues,
    person,
    plan,
    removals,
    roles_now,
    run_sync,
    sync,
    tables,
    without,
)

CANARY = "canary-93d1"
CLERKS = {"all": [{"field": "job_title", "operator": "equals", "value": "Clerk"}]}
EVERYBODY_BUT_BOB = {
    "all": [{"field": "email", "operator": "not_equals", "value": "bob@acme.example"}]
}


def everything_stored() -> str:
    """Every value of every table of ours, as one text."""
    rows = [
        list(model._default_manager.values_list())
        for app in ("people", "saas", "integrations")
        for model in apps.get_app_config(app).get_models()
    ]
    return orjson.dumps(rows, default=str).decode()


# M-8.


def test_only_mapped_values_are_stored_and_the_stage_goes_with_the_run(world: World) -> None:
    """M-8."""
    world.open_account("Ann", secret_note=CANARY)

    run = sync(world.integration("aha"))

    assert run.counts["people"]["created"] == 2
    assert CANARY not in everything_stored()
    assert not StagedRecord.objects.exists()


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        ("html", {}),
        ("body", {"body": f'{{"users": ["{CANARY}'}),
        ("status", {"status": 422, "body": f'{{"error": "{CANARY}"}}'}),
    ],
)
def test_of_a_bad_answer_no_body_is_kept(world: World, fault: str, values: dict[str, Any]) -> None:
    """M-8: status, type and length are."""
    integration = world.integration("aha")
    world.aha.fault(fault, path="/users", **values)

    run = run_sync(integration)

    assert run.state == "failed"
    assert "bytes" in run.error_message
    stored = everything_stored()
    assert CANARY not in stored
    assert "<form" not in stored
    assert not StagedRecord.objects.exists()


# M-9.


def test_a_filtered_out_record_creates_nothing(world: World) -> None:
    """M-9, MO-16: it is counted."""
    world.open_account("Ann")
    world.open_account("Bob")

    run = sync(world.integration("aha", filters=EVERYBODY_BUT_BOB))

    assert emails() == ["ann@acme.example", AHA_OWNER]
    assert run.counts["saas_users"]["created"] == 2
    assert (run.counts["people"]["skipped"], run.counts["saas_users"]["skipped"]) == (1, 1)
    assert run.counts["issues"] == 0


def test_a_filtered_out_record_writes_no_person(world: World) -> None:
    """M-9."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr", filters=CLERKS)
    sync(integration)
    world.bamboohr.change(ann, jobTitle="Head", lastName="Married", workEmail="new@acme.example")

    run = sync(integration)

    found = person("ann@acme.example")
    assert (found.title, found.last_name) == ("Clerk", "Example")
    assert (run.plan.count(), run.counts["people"]["skipped"]) == (0, 1)


def test_a_filtered_out_account_that_is_known_is_kept_true(world: World) -> None:
    """M-9: status, roles and last activity; nothing else."""
    make_person(email="bob@acme.example", full_name="Robert")
    bob = world.open_account("Bob", roles={"APP": "viewer"})
    integration = world.integration("aha")
    sync(integration)
    integration.filters = EVERYBODY_BUT_BOB
    integration.revision += 1
    integration.save()
    world.aha.change(
        bob,
        first_name="Bobby",
        roles={"WEB": "contributor"},
        accessed_at="2026-03-01T10:00:00.000Z",
    )

    sync(integration)

    known = account("bob@acme.example")
    assert known.name == "Bob Example"
    assert roles_now(known) == [("Contributor", "Web Platform")]
    assert known.last_activity == dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
    world.aha.change(bob, enabled=False)
    sync(integration)
    assert account("bob@acme.example").status == "deactivated"
    assert person("bob@acme.example").status == "active"


def test_a_filter_never_hides_a_leaver(world: World) -> None:
    """M-9: the source of truth keeps status and deactivation date of linked people true."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr", filters=CLERKS)
    sync(integration)
    world.bamboohr.change(
        ann, jobTitle="Head", status="Inactive", terminationDate="2026-02-28", lastName="Married"
    )

    run = sync(integration)

    found = person("ann@acme.example")
    assert removals(run) == [("person", "ann@acme.example")]
    assert found.deactivation_date == dt.date(2026, 2, 28)
    assert (found.status, found.title, found.last_name) == ("deactivated", "Clerk", "Example")


def test_a_filter_does_not_hide_that_somebody_is_active_again(world: World) -> None:
    """M-9."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr", filters=CLERKS)
    sync(integration)
    Person.objects.update(status="deactivated")
    world.bamboohr.change(ann, jobTitle="Head")

    run = sync(integration)

    assert person("ann@acme.example").status == "active"
    assert run.counts["people"]["reactivated"] == 1


def test_a_filtered_out_record_is_seen_and_so_not_absent(world: World) -> None:
    """M-9."""
    bob = world.open_account("Bob")
    integration = world.integration("aha")
    sync(integration)
    integration.filters = EVERYBODY_BUT_BOB
    integration.revision += 1
    integration.save()
    world.aha.change(bob, first_name="Bobby")

    run = sync(integration)

    assert removals(run) == []
    assert run.counts["saas_users"]["deactivated"] == 0


def test_a_record_with_an_issue_is_seen_and_so_not_absent(world: World) -> None:
    """M-9, F-31: its values cannot be used, but the vendor lists it."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr", missing_people="deactivate")
    sync(integration)
    world.bamboohr.change(ann, jobTitle="x" * 5000)
    world.employ("Bob")

    run = sync(integration)
    again = sync(integration)

    assert issues(run) == issues(again) == [(ann, "value_unusable")]
    assert removals(run) == []
    assert person("ann@acme.example").title == "Clerk"
    assert emails() == ["ann@acme.example", "bob@acme.example"]


# M-10: absence.


def test_an_account_that_is_gone_is_deactivated_with_its_roles(world: World) -> None:
    """M-10, M-11, M-29."""
    ann = world.open_account("Ann", roles={"APP": "viewer"})
    for name in ("Bob", "Cal", "Dan"):
        world.open_account(name)
    integration = world.integration("aha")
    sync(integration)
    world.aha.remove(ann)

    run = sync(integration)
    again = sync(integration)

    row = run.plan.get(state="applied")
    assert row.action == "deactivate"
    assert row.changes["status"] == ["active", "deactivated"]
    assert "no longer lists" in row.reason
    assert account("ann@acme.example").status == "deactivated"
    assert roles_now(account("ann@acme.example")) == []
    assert person("ann@acme.example").status == "active"
    assert run.counts["saas_users"]["deactivated"] == 1
    assert (plan(again), removals(again)) == ([], [])


def test_missing_accounts_can_be_left(world: World) -> None:
    """M-10."""
    ann = world.open_account("Ann")
    integration = world.integration("aha", missing_users="leave")
    sync(integration)
    world.aha.remove(ann)

    run = sync(integration)

    assert removals(run) == []


@pytest.mark.parametrize(
    ("missing_people", "expected"),
    [("leave", []), ("deactivate", [("person", "ann@acme.example")])],
)
def test_missing_people_are_left_unless_the_source_of_truth_says_deactivate(
    world: World, missing_people: str, expected: list[tuple[str, str]]
) -> None:
    """M-10."""
    ann = world.employ("Ann")
    for name in ("Bob", "Cal", "Dan", "Eve"):
        world.employ(name)
    integration = world.integration("bamboohr", missing_people=missing_people)
    sync(integration)
    make_person(email="unlinked@acme.example")
    world.bamboohr.remove(ann)

    run = sync(integration)

    assert removals(run) == expected
    assert person("ann@acme.example").status == ("deactivated" if expected else "active")
    assert person("unlinked@acme.example").status == "active"


def test_who_does_not_map_the_status_speaks_of_no_missing_people(world: World) -> None:
    """M-10: only the source of truth for employment does."""
    ann = world.employ("Ann")
    world.employ("Bob")
    integration = world.integration(
        "bamboohr", mappings=without(EMPLOYEES, "status"), missing_people="deactivate"
    )
    sync(integration)
    world.bamboohr.remove(ann)

    run = sync(integration)

    assert removals(run) == []


def test_who_is_listed_under_another_record_is_not_missing(world: World) -> None:
    """M-4, M-10: after a re-hire the old record's absence says nothing of the person."""
    old = world.employ("Ann", employeeNumber="E-1")
    integration = world.integration("bamboohr", missing_people="deactivate")
    sync(integration)
    world.bamboohr.remove(old)
    world.employ("Ann", employeeNumber="E-1")

    first = sync(integration)
    second = sync(integration)

    assert (removals(first), removals(second)) == ([], [])


def test_only_one_integration_may_map_the_status_of_people(world: World) -> None:
    """M-10."""
    from integrations import services
    from integrations.errors import NotReady

    world.integration("bamboohr")
    second = world.integration(
        "aha", launched=False, mappings=[*ACCOUNTS, {"source": "is_enabled", "target": "status"}]
    )

    with pytest.raises(NotReady, match="status of people already"):
        services.launch(second, by="admin", test=False)


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        ("shrink", {"page": 1}),
        ("repeat_page", {"page": 2}),
        ("empty", {"form": "envelope"}),
        ("set_values", {"values": {"pagination.total_records": 99}}),
    ],
)
def test_on_a_listing_that_broke_nobody_is_absent(
    world: World, fault: str, values: dict[str, Any]
) -> None:
    """M-11 a: the run says so, and what came is applied."""
    gone = world.open_account("Gone")
    for name in ("Ann", "Bob", "Cal"):
        world.open_account(name)
    integration = world.integration("aha", overrides={"loads.users.paging.page_size": 2})
    sync(integration)
    world.aha.remove(gone)
    world.aha.fault(fault, path="/users", **values)

    run = run_sync(integration)

    assert run.state in {"partial", "failed"}
    assert not run.listing.get("complete")
    assert removals(run) == []
    world.aha.heal()
    assert removals(sync(integration)) == [("saas_user", "gone@acme.example")]


def test_a_vendor_that_lists_nobody_is_not_believed(world: World) -> None:
    """M-11, M-15."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr", missing_people="deactivate")
    sync(integration)
    world.bamboohr.remove(ann)

    run = run_sync(integration)

    assert (run.state, removals(run)) == ("partial", [])
    assert any("nobody" in warning for warning in run.warnings)


def test_who_is_first_met_as_left_is_created_as_left(world: World) -> None:
    world.employ("Ann", status="Inactive", terminationDate="2025-12-31")

    run = sync(world.integration("bamboohr"))

    assert (person("ann@acme.example").status, removals(run)) == ("deactivated", [])
    assert run.counts["people"]["created"] == 1


def test_whose_status_says_left_is_deactivated_with_the_other_fields(world: World) -> None:
    """M-12, M-18: one event, though the removal comes last."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, status="Inactive", terminationDate="2026-02-28")

    run = sync(integration)
    again = sync(integration)

    assert (removals(run), removals(again)) == ([("person", "ann@acme.example")], [])
    assert person("ann@acme.example").status == "deactivated"
    assert person("ann@acme.example").deactivation_date == dt.date(2026, 2, 28)
    assert again.counts["people"]["updated"] == 0
    event = events_of(run)["person", "ann@acme.example"]
    assert event["kind"] == "archive"
    assert event["changes"].keys() == {"status", "deactivation_date"}


def test_who_is_active_again_is_reactivated_and_the_date_is_cleared(world: World) -> None:
    """BB-48."""
    ann = world.employ("Ann", status="Inactive", terminationDate="2025-12-31")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, status="Active", terminationDate="0000-00-00")

    run = sync(integration)

    found = person("ann@acme.example")
    assert (found.status, found.deactivation_date) == ("active", None)
    assert plan(run) == [("person", "reactivate", "ann@acme.example")]


# M-12.


def test_the_account_status_of_a_vendor_moves_the_saas_user_and_never_the_person(
    world: World,
) -> None:
    """M-12."""
    ann = world.open_account("Ann", roles={"APP": "viewer"})
    integration = world.integration("aha")
    sync(integration)

    world.aha.change(ann, enabled=False)
    run = sync(integration)

    known = account("ann@acme.example")
    assert (known.status, roles_now(known)) == ("deactivated", [])
    assert person("ann@acme.example").status == "active"
    assert plan(run) == [("saas_user", "deactivate", "ann@acme.example")]
    assert run.counts["saas_users"]["deactivated"] == 1
    world.aha.change(ann, enabled=True)
    assert sync(integration).counts["saas_users"]["reactivated"] == 1
    known.refresh_from_db()
    assert (known.status, roles_now(known)) == ("active", [("Viewer", "Mobile App")])


def test_a_disabled_account_does_not_make_a_new_person_who_left(world: World) -> None:
    """M-12: a vendor's account status says nothing of employment."""
    world.open_account("Ann", enabled=False)

    sync(world.integration("aha"))

    assert account("ann@acme.example").status == "deactivated"
    assert person("ann@acme.example").status == "active"


def test_a_field_that_the_answer_leaves_out_is_never_a_blank(world: World) -> None:
    """M-12: BambooHR leaves out what the key may not see."""
    world.employ("Ann", jobTitle="Clerk", terminationDate="2027-01-31")
    integration = world.integration("bamboohr")
    sync(integration)
    before = tables()
    world.bamboohr.set(forbidden_fields=["ssn", "jobTitle", "terminationDate", "lastName"])

    run = sync(integration)

    after = tables()
    assert before["people"] == after["people"]
    assert before["events"] == after["events"]
    assert run.counts["people"]["updated"] == 0


@pytest.mark.parametrize("field", ["enabled", "product_roles", "administrator", "accessed_at"])
def test_status_roles_and_activity_need_their_field_in_the_answer(world: World, field: str) -> None:
    """M-12: what the answer leaves out is left as it is."""
    world.open_account(
        "Ann", roles={"APP": "viewer"}, administrator=True, accessed_at="2026-03-01T10:00:00.000Z"
    )
    world.open_account("Bob", enabled=False)
    integration = world.integration("aha")
    sync(integration)
    before = tables()
    world.aha.fault("omit_field", path="/users", field=field)

    sync(integration)

    after = tables()
    assert (before["users"], before["roles"]) == (after["users"], after["roles"])
    assert before["events"] == after["events"]


def test_a_status_that_is_blank_leaves_the_person_as_they_are(world: World) -> None:
    """BambooHR hides the status of the key's owner from the key."""
    ann = world.employ("Ann")
    integration = world.integration("bamboohr")
    sync(integration)
    world.bamboohr.change(ann, status=None)

    run = sync(integration)

    assert (removals(run), person("ann@acme.example").status) == ([], "active")


def test_a_filter_on_a_field_that_is_not_mapped_works_without_storing_it(world: World) -> None:
    """M-8, M-9: the filter sees the vendor's record."""
    make_custom_field("City")
    world.employ("Ann", city="London")
    world.employ("Bob", city="Paris")
    not_paris = {"all": [{"field": "city", "operator": "not_equals", "value": "Paris"}]}

    sync(world.integration("bamboohr", filters=not_paris))

    assert emails() == ["ann@acme.example"]
    assert "London" not in everything_stored()
