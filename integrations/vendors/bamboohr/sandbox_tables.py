"""Histories of the BambooHR sandbox: the tables employmentStatus and jobInfo."""

from collections.abc import Iterator
from typing import Any

from integrations.sandbox.people import KEY_OWNER
from integrations.vendors.bamboohr.sandbox_book import Book, Sight, is_date, refused
from integrations.vendors.bamboohr.sandbox_records import (
    LISTS,
    TERMINATED,
    Employee,
    JobRow,
    StatusRow,
)

# A stride that shares no factor with most table sizes, so that rows come in no useful order.
STRIDE = 7_919


def rows_of(sight: Sight, employee: Employee, table: str) -> list[dict[str, Any]]:
    """All rows of one employee, past and future, in no order; 404 for an unknown table."""
    if table == "employmentStatus":
        rows = [_status_row(sight, employee, row) for row in employee.statuses]
    elif table == "jobInfo":
        rows = [_job_row(sight, employee, row) for row in employee.jobs]
    else:
        raise refused(404, "The table does not exist")
    forbidden = sight.settings["forbidden_fields"]
    for row in rows:
        for name in forbidden:
            row.pop(name, None)
    return rows[::-1] if len(employee.id) % 2 else rows


def all_rows(sight: Sight, table: str) -> Iterator[dict[str, Any]]:
    """The rows of every employee that the key may see, in no order."""
    employees = list(sight.employees())
    count = len(employees)
    stride = STRIDE if count % STRIDE else STRIDE + 1
    for place in range(count):
        yield from rows_of(sight, employees[place * stride % count], table)
    if not count:
        rows_of(sight, Employee(id="", first_name="", last_name=""), table)


def _status_row(sight: Sight, employee: Employee, row: StatusRow) -> dict[str, Any]:
    ended = row.status == TERMINATED
    shown = {
        "id": str(row.id),
        "employeeId": employee.id,
        "date": row.date,
        "employmentStatus": row.status,
        "comment": row.comment,
        "terminationTypeId": "Resignation (Voluntary)" if ended else None,
    }
    if "employmentHistoryStatus" in sight.settings["forbidden_fields"]:
        del shown["employmentStatus"]
    if employee.id == str(KEY_OWNER) and sight.settings["own_status"] != "visible":
        shown.pop("employmentStatus", None)
    return shown


def _job_row(sight: Sight, employee: Employee, row: JobRow) -> dict[str, Any]:
    boss = sight.book.employees.get(row.reports_to or "")
    return {
        "id": str(row.id),
        "employeeId": employee.id,
        "date": row.date,
        "location": row.location,
        "department": row.department,
        "division": row.division,
        "jobTitle": row.title,
        "reportsTo": boss.display_name() if boss else None,
    }


def put_row(book: Book, employee: Employee, table: str, *, values: Any, row_id: int | None) -> int:
    """Add a row, or change the one with this id; the id of the row.

    400 without a date, 404 for an unknown table or row, 406 for values that are in no list.
    """
    if not isinstance(values, dict) or not values:
        raise refused(400, "Malformed JSON, an object of table fields is needed")
    if table == "employmentStatus":
        return _put_status(book, employee, values, row_id)
    if table == "jobInfo":
        return _put_job(book, employee, values, row_id)
    raise refused(404, "The table does not exist")


def _put_status(book: Book, employee: Employee, values: dict[str, Any], row_id: int | None) -> int:
    old = next((row for row in employee.statuses if row.id == row_id), None)
    row = StatusRow(
        date=_date(values, old.date if old else None, missing=row_id is not None and old is None),
        id=old.id if old else book.row_id(),
        status=_listed(
            "employmentHistoryStatus", values.get("employmentStatus"), old and old.status
        ),
        comment=values.get("comment", old.comment if old else None),
    )
    employee.statuses = sorted([*(kept for kept in employee.statuses if kept.id != row.id), row])
    return row.id


def _put_job(book: Book, employee: Employee, values: dict[str, Any], row_id: int | None) -> int:
    old = next((row for row in employee.jobs if row.id == row_id), None)
    on = _date(values, old.date if old else None, missing=row_id is not None and old is None)
    base = old or JobRow(on, 0, None, None, None, None, None)
    row = JobRow(
        date=on,
        id=old.id if old else book.row_id(),
        location=_optional("location", values, base.location),
        department=_optional("department", values, base.department),
        division=_optional("division", values, base.division),
        title=_optional("jobTitle", values, base.title),
        reports_to=_boss(book, values, base.reports_to),
    )
    kept = [other for other in employee.jobs if other.id != row.id]
    employee.jobs = sorted([*kept, row], key=lambda one: one[:2])
    return row.id


def _date(values: dict[str, Any], old: str | None, *, missing: bool) -> str:
    if missing:
        raise refused(404, "The row does not exist")
    given = values.get("date", old)
    if given is None:
        raise refused(400, "date is required")
    if not is_date(given):
        raise refused(406, "Invalid date")
    return str(given)


def _listed(alias: str, value: Any, old: str | None) -> str:
    if value is None and old is not None:
        return old
    if value not in LISTS[alias]:
        raise refused(406, f"Invalid value for {alias}")
    return str(value)


def _optional(alias: str, values: dict[str, Any], old: str | None) -> str | None:
    if alias not in values:
        return old
    return None if values[alias] in {None, ""} else _listed(alias, values[alias], None)


def _boss(book: Book, values: dict[str, Any], old: str | None) -> str | None:
    """An id or a display name; 406 when nobody, or more than one, answers to it."""
    if "reportsTo" not in values:
        return old
    given = values["reportsTo"]
    if given in {None, ""}:
        return None
    if str(given) in book.employees:
        return str(given)
    named = [one.id for one in book.employees.values() if one.display_name() == given]
    if len(named) != 1:
        raise refused(406, "Invalid value for reportsTo")
    return named[0]
