"""Writes of the BambooHR sandbox: create and update an employee, from the API or outside."""

from typing import Any

from integrations.sandbox.vendor import RecordChange
from integrations.vendors.bamboohr.sandbox_book import Book, is_date, refused
from integrations.vendors.bamboohr.sandbox_records import (
    JOB_FIELDS,
    LISTS,
    PLAIN,
    Employee,
    JobRow,
    StatusRow,
)


def check_values(book: Book, values: Any, *, employee_id: str | None) -> dict[str, Any]:
    """Values of an API write that BambooHR takes; 400 when none, 409 for an invalid one."""
    if not isinstance(values, dict):
        raise refused(400, "Malformed JSON")
    known = {
        name: value
        for name, value in values.items()
        if name in PLAIN or name in LISTS or name in {"status", "supervisorEId"}
    }
    if not known:
        raise refused(400, "No known field in the request")
    for name, value in known.items():
        if not (value is None or isinstance(value, str)):
            raise refused(409, f"Invalid value for {name}")
        if value and name in LISTS and value not in LISTS[name]:
            raise refused(409, f"Invalid value for {name}")
        if value and name == "hireDate" and not is_date(value):
            raise refused(409, "Invalid value for hireDate")
        if name == "status" and value not in {"Active", "Inactive"}:
            raise refused(409, "Invalid value for status")
        if value and name == "supervisorEId" and value not in book.employees:
            raise refused(409, "Invalid value for supervisorEId")
    _check_unique_email(book, known.get("workEmail"), employee_id)
    return known


def _check_unique_email(book: Book, email: str | None, employee_id: str | None) -> None:
    if not email:
        return
    wanted = email.casefold()
    for other in book.employees.values():
        if other.id != employee_id and (other.work_email or "").casefold() == wanted:
            raise refused(409, "Duplicate email")


def create(book: Book, values: dict[str, Any], *, day: str, now: str) -> Employee:
    """Add an employee with checked values; the histories begin on the hire date, else today."""
    employee = Employee(id=str(book.next_id), first_name=None, last_name=None, created=now)
    book.next_id += 1
    book.employees[employee.id] = employee
    start = values.get("hireDate") or day
    if "employmentHistoryStatus" not in values:
        employee.statuses = [StatusRow(start, book.row_id(), "Full-Time")]
    set_values(book, employee, values, day=start)
    employee.changed = now
    return employee


def set_values(book: Book, employee: Employee, values: dict[str, Any], *, day: str) -> None:
    """Set values; those that have a history go into the row of that day.

    What is not text, or is no field that BambooHR keeps, is answered as it was given.
    """
    for name, value in values.items():
        as_text = value is None or isinstance(value, str)
        if as_text and name in PLAIN:
            setattr(employee, PLAIN[name], value or None)
            _forget_extra(employee, name)
        elif as_text and name in JOB_FIELDS:
            _set_job(book, employee, {JOB_FIELDS[name]: value or None}, day=day)
        elif as_text and name == "supervisorEId":
            _set_job(book, employee, {"reports_to": value or None}, day=day)
        elif value and as_text and name == "employmentHistoryStatus":
            _set_status(book, employee, value, day=day)
        else:
            employee.extra = {**(employee.extra or {}), name: value}


def _forget_extra(employee: Employee, name: str) -> None:
    if employee.extra:
        employee.extra.pop(name, None)


def _set_job(book: Book, employee: Employee, values: dict[str, Any], *, day: str) -> None:
    before = [row for row in employee.jobs if row.date <= day]
    base = before[-1] if before else JobRow(day, 0, None, None, None, None, None)
    row_id = base.id if base.id and base.date == day else book.row_id()
    row = base._replace(date=day, id=row_id, **values)
    kept = [other for other in employee.jobs if other.id != row.id]
    employee.jobs = sorted([*kept, row], key=lambda one: one[:2])


def _set_status(book: Book, employee: Employee, status: str, *, day: str) -> None:
    kept = [row for row in employee.statuses if row.date != day]
    employee.statuses = sorted([*kept, StatusRow(day, book.row_id(), status)])


def set_tables(book: Book, employee: Employee, change: RecordChange) -> None:
    """Replace whole histories by rows as the API shows them; `reportsTo` is an id here."""
    for table, rows in change.tables.items():
        if table == "employmentStatus":
            employee.statuses = sorted(
                StatusRow(row["date"], book.row_id(), row["employmentStatus"], row.get("comment"))
                for row in rows
            )
        elif table == "jobInfo":
            employee.jobs = sorted(
                (
                    JobRow(
                        row["date"],
                        book.row_id(),
                        row.get("location"),
                        row.get("department"),
                        row.get("division"),
                        row.get("jobTitle"),
                        row.get("reportsTo"),
                    )
                    for row in rows
                ),
                key=lambda one: one[:2],
            )
