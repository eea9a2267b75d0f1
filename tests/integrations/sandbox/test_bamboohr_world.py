"""What BambooHR's sandbox knows about people: days, histories, blanks, writes."""

from typing import Any

import pytest

from integrations.sandbox.people import (
    CONTRACTOR,
    FUTURE_HIRE,
    KEY_OWNER,
    LEAVING_LATER,
    LEFT,
    PROMOTED_LATER,
)
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import StateChange

from .conftest import Caller, Clock

HISTORY = ("department", "jobTitle", "supervisor", "employmentHistoryStatus", "status")


def change(sandbox: Sandbox, **values: Any) -> None:
    sandbox.change(StateChange(vendor="bamboohr", **values))


def test_a_future_hire_is_blank_until_the_first_day(
    sandbox: Sandbox, bamboohr: Caller, clock: Clock
) -> None:
    before = bamboohr.rows(*HISTORY)[str(FUTURE_HIRE)]
    ahead = bamboohr.report(*HISTORY, query="?format=json&onlyCurrent=false")["employees"]
    clock.move(days=90)
    after = bamboohr.rows(*HISTORY)[str(FUTURE_HIRE)]

    assert [before[name] for name in HISTORY] == [None, None, None, None, "Inactive"]
    looked_ahead = next(row for row in ahead if row["id"] == str(FUTURE_HIRE))
    assert all(looked_ahead[name] for name in HISTORY[:4])
    assert looked_ahead["status"] == "Inactive"
    assert all(after[name] for name in HISTORY[:4])
    assert after["status"] == "Active"


def test_a_future_termination_shows_on_its_day_and_not_before(
    bamboohr: Caller, clock: Clock
) -> None:
    names = ("status", "employmentHistoryStatus", "terminationDate")

    before = bamboohr.rows(*names)[str(LEAVING_LATER)]
    rows = bamboohr.get(f"/employees/{LEAVING_LATER}/tables/employmentStatus").json()
    clock.move(days=60)
    after = bamboohr.rows(*names)[str(LEAVING_LATER)]

    last = max(rows, key=lambda row: row["date"])
    assert [before[name] for name in names] == ["Active", "Full-Time", "0000-00-00"]
    assert last["employmentStatus"] == "Terminated"
    assert last["date"] > "2026-03-02"
    assert [after[name] for name in names] == ["Inactive", "Terminated", last["date"]]


def test_a_promotion_to_come_is_in_the_table_but_not_in_the_field(bamboohr: Caller) -> None:
    now = bamboohr.rows("jobTitle")[str(PROMOTED_LATER)]["jobTitle"]
    rows = bamboohr.get(f"/employees/{PROMOTED_LATER}/tables/jobInfo").json()

    to_come = max(rows, key=lambda row: row["date"])
    assert len(rows) == 2
    assert to_come["jobTitle"] != now


def test_blank_dates_are_zeros_and_other_blanks_null(bamboohr: Caller) -> None:
    row = bamboohr.rows("terminationDate", "originalHireDate", "employeeNumber")[str(CONTRACTOR)]

    assert row["terminationDate"] == row["originalHireDate"] == "0000-00-00"
    assert row["employeeNumber"] is None


def test_a_supervisor_has_a_name_an_id_and_an_employee_number(bamboohr: Caller) -> None:
    rows = bamboohr.rows(
        "supervisor", "supervisorId", "supervisorEId", "employeeNumber", "displayName"
    )

    led = [row for row in rows.values() if row["supervisorEId"]]
    assert len(led) > 30
    for row in led:
        boss = rows[row["supervisorEId"]]
        assert row["supervisorId"] == boss["employeeNumber"]
        assert row["supervisor"] == boss["displayName"]
        assert row["supervisorId"] != row["supervisorEId"]


def test_a_supervisor_can_be_nobody_that_is_listed(sandbox: Sandbox, bamboohr: Caller) -> None:
    """F-38: a missing manager, and two who lead each other."""
    change(
        sandbox,
        change=[
            {"id": "44", "set": {"supervisorEId": "9999"}},
            {"id": "45", "set": {"supervisorEId": "46"}},
            {"id": "46", "set": {"supervisorEId": "45"}},
        ],
    )

    rows = bamboohr.rows("supervisor", "supervisorId", "supervisorEId")

    assert rows["44"] == {
        "id": "44",
        "supervisor": None,
        "supervisorId": None,
        "supervisorEId": "9999",
    }
    assert (rows["45"]["supervisorEId"], rows["46"]["supervisorEId"]) == ("46", "45")


def test_who_is_deleted_leads_nobody_any_more(sandbox: Sandbox, bamboohr: Caller) -> None:
    before = bamboohr.rows("supervisorEId")
    boss = before["50"]["supervisorEId"]

    change(sandbox, delete=[boss])

    after = bamboohr.rows("supervisorEId")
    assert boss not in after
    assert after["50"]["supervisorEId"] is None


def test_nobody_leads_himself_at_any_distance(bamboohr: Caller) -> None:
    bosses = {key: row["supervisorEId"] for key, row in bamboohr.rows("supervisorEId").items()}

    for start in bosses:
        seen = set()
        at: str | None = start
        while at:
            assert at not in seen
            seen.add(at)
            at = bosses[at]


def test_a_report_has_who_left_and_the_directory_has_not(bamboohr: Caller) -> None:
    statuses = {key: row["status"] for key, row in bamboohr.rows("status").items()}
    directory = bamboohr.get("/employees/directory").json()["employees"]

    listed = {row["id"] for row in directory}
    assert statuses[str(LEFT)] == "Inactive"
    assert len(statuses) == 50
    assert str(LEFT) not in listed
    assert {key for key, status in statuses.items() if status == "Active"} <= listed


@pytest.mark.parametrize(
    ("quirk", "shown"),
    [("visible", {"status": "Active"}), ("blank", {"status": None}), ("omitted", {})],
)
def test_the_key_may_not_see_its_owners_own_status(
    sandbox: Sandbox, bamboohr: Caller, quirk: str, shown: dict[str, Any]
) -> None:
    change(sandbox, settings={"own_status": quirk})

    own = bamboohr.get("/employees/0?fields=status").json()
    row = bamboohr.rows("status")[str(KEY_OWNER)]
    history = bamboohr.get("/employees/0/tables/employmentStatus").json()

    assert own == row == {"id": str(KEY_OWNER), **shown}
    assert ("employmentStatus" in history[0]) is (quirk == "visible")


def test_the_table_of_all_is_whole_and_in_no_order(bamboohr: Caller) -> None:
    rows = bamboohr.get("/employees/all/tables/employmentStatus").json()

    ids = [int(row["employeeId"]) for row in rows]
    assert set(ids) == set(range(1, 51))
    assert ids != sorted(ids)
    assert len({row["id"] for row in rows}) == len(rows)


def test_an_empty_company_answers_empty_shapes(clock: Clock) -> None:
    with Sandbox(people=0, now=clock.now) as sandbox:
        bamboohr = Caller(sandbox, "bamboohr")

        report = bamboohr.report("status")
        table = bamboohr.get("/employees/all/tables/employmentStatus").json()
        changed = bamboohr.get("/employees/changed?since=2026-01-01T00:00:00Z").json()
        statuses = [
            bamboohr.get(path).status_code for path in ("/employees/0", "/employees/directory")
        ]

    assert report["employees"] == []
    assert table == []
    assert changed["employees"] == []
    assert statuses == [404, 404]


def test_changes_name_what_was_added_changed_and_deleted(
    sandbox: Sandbox, bamboohr: Caller, clock: Clock
) -> None:
    since = "2026-03-02T12:00:30Z"
    nothing = bamboohr.get(f"/employees/changed?since={since}").json()["employees"]
    clock.move(minutes=1)
    change(
        sandbox,
        change=[{"id": "45", "set": {"lastName": "New"}}],
        delete=["46"],
        add=[{"firstName": "Ada", "lastName": "New"}],
    )

    every = bamboohr.get(f"/employees/changed?since={since}").json()
    deleted = bamboohr.get(f"/employees/changed?since={since}&type=deleted").json()

    assert nothing == []
    actions = {key: row["action"] for key, row in every["employees"].items()}
    assert actions == {"45": "Updated", "46": "Deleted", "51": "Inserted"}
    assert every["latest"] == "2026-03-02T12:01:00+00:00"
    assert list(deleted["employees"]) == ["46"]
    assert bamboohr.get("/employees/46").status_code == 404


def test_report_filters_leave_the_named_and_the_newly_changed(
    sandbox: Sandbox, bamboohr: Caller, clock: Clock
) -> None:
    clock.move(minutes=1)
    change(sandbox, change=[{"id": "45", "set": {"lastName": "New"}}])

    named = bamboohr.rows("lastName", filters={"employeeIds": [45, 46]})
    changed = bamboohr.rows("lastName", filters={"lastChanged": {"value": "2026-03-02T12:01:00Z"}})

    assert list(named) == ["45", "46"]
    assert changed == {"45": {"id": "45", "lastName": "New"}}


def test_creating_answers_201_with_the_id_in_the_location(
    sandbox: Sandbox, bamboohr: Caller
) -> None:
    values = {"firstName": "Ada", "lastName": "Núñez", "workEmail": "ada@acme.example"}

    answer = bamboohr("POST", "/employees", json=values)

    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["Location"].endswith("id=51")
    assert bamboohr.get("/employees/51?fields=workEmail").json()["workEmail"] == "ada@acme.example"
    (effect,) = sandbox.ledger
    assert (effect.op, effect.key, effect.id) == ("employee.create", "ada@acme.example", "51")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"firstName": "Ada"}, 400),
        ({"shoeSize": 40}, 400),
        ({"firstName": "A", "lastName": "B", "department": "Alchemy"}, 409),
        ({"firstName": "A", "lastName": "B", "hireDate": "2026-02-30"}, 409),
        ({"firstName": "A", "lastName": 7}, 409),
    ],
)
def test_a_bad_employee_is_not_created(
    sandbox: Sandbox, bamboohr: Caller, body: dict[str, Any], status: int
) -> None:
    answer = bamboohr("POST", "/employees", json=body)

    assert answer.status_code == status
    assert answer.headers["X-BambooHR-Error-Message"]
    assert len(sandbox.ledger) == 0


def test_two_employees_cannot_have_one_work_email(bamboohr: Caller) -> None:
    taken = bamboohr.get("/employees/45?fields=workEmail").json()["workEmail"]

    answer = bamboohr("POST", "/employees/44", json={"workEmail": taken.upper()})

    assert answer.status_code == 409


def test_a_full_company_refuses_with_429_and_no_time_to_wait(
    sandbox: Sandbox, bamboohr: Caller
) -> None:
    change(sandbox, settings={"employee_limit": 50})

    answer = bamboohr("POST", "/employees", json={"firstName": "A", "lastName": "B"})

    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers


def test_an_update_is_partial_and_answers_nothing(sandbox: Sandbox, bamboohr: Caller) -> None:
    before = bamboohr.get("/employees/45?fields=firstName,lastName").json()

    answer = bamboohr("POST", "/employees/45", json={"lastName": "Other"})

    after = bamboohr.get("/employees/45?fields=firstName,lastName").json()
    assert (answer.status_code, answer.content) == (200, b"")
    assert after == {**before, "lastName": "Other"}
    assert [(effect.op, effect.id) for effect in sandbox.ledger] == [("employee.update", "45")]


def test_a_row_terminates_from_its_date_on(
    sandbox: Sandbox, bamboohr: Caller, clock: Clock
) -> None:
    row = {"date": "2026-03-05", "employmentStatus": "Terminated"}

    answer = bamboohr("POST", "/employees/44/tables/employmentStatus", json=row)

    assert answer.status_code == 200
    assert bamboohr.rows("status")["44"]["status"] == "Active"
    clock.move(days=3)
    assert bamboohr.rows("status")["44"]["status"] == "Inactive"
    assert [effect.op for effect in sandbox.ledger] == ["employmentStatus.row.create"]


@pytest.mark.parametrize(
    ("path", "row", "status"),
    [
        ("/employees/44/tables/employmentStatus", {"employmentStatus": "Terminated"}, 400),
        (
            "/employees/44/tables/employmentStatus",
            {"date": "soon", "employmentStatus": "Intern"},
            406,
        ),
        (
            "/employees/44/tables/employmentStatus",
            {"date": "2026-01-01", "employmentStatus": "X"},
            406,
        ),
        ("/employees/44/tables/jobInfo", {"date": "2026-01-01", "reportsTo": "Nobody"}, 406),
        ("/employees/44/tables/jobInfo/1", {"department": "Legal"}, 404),
        ("/employees/44/tables/shoes", {"date": "2026-01-01"}, 404),
        ("/employees/999/tables/jobInfo", {"date": "2026-01-01"}, 404),
    ],
)
def test_a_bad_row_is_refused(
    sandbox: Sandbox, bamboohr: Caller, path: str, row: dict[str, Any], status: int
) -> None:
    answer = bamboohr("POST", path, json=row)

    assert answer.status_code == status
    assert len(sandbox.ledger) == 0


def test_a_row_can_be_changed(bamboohr: Caller) -> None:
    (row,) = bamboohr.get("/employees/45/tables/jobInfo").json()

    answer = bamboohr(
        "POST", f"/employees/45/tables/jobInfo/{row['id']}", json={"department": "Legal"}
    )

    assert answer.status_code == 200
    assert bamboohr.get("/employees/45/tables/jobInfo").json() == [{**row, "department": "Legal"}]


def test_any_value_can_be_put_into_the_world_from_outside(
    sandbox: Sandbox, bamboohr: Caller
) -> None:
    """What the API refuses exists in real companies all the same."""
    taken = bamboohr.get("/employees/44?fields=workEmail").json()["workEmail"]
    change(
        sandbox,
        settings={"custom_fields": ["shirt"]},
        change=[
            {"id": "45", "set": {"workEmail": taken, "shirt": "L", "lastName": {"a": [1]}}},
            {"id": "43", "set": {"status": "Dormant", "employmentHistoryStatus": "Verstorben"}},
        ],
    )

    rows = bamboohr.rows("workEmail", "shirt", "lastName", "status", "employmentHistoryStatus")

    assert rows["45"]["workEmail"] == taken
    assert (rows["45"]["shirt"], rows["45"]["lastName"]) == ("L", {"a": [1]})
    assert (rows["43"]["status"], rows["43"]["employmentHistoryStatus"]) == (
        "Dormant",
        "Verstorben",
    )
