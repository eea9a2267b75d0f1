"""Employees of the BambooHR sandbox, their histories, and what a day sees of them."""

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from integrations.sandbox.names import DEPARTMENTS, EMPLOYMENT_STATUSES, OFFICES
from integrations.sandbox.people import Worker

NO_DATE = "0000-00-00"
TERMINATED = "Terminated"

LISTS = {
    "jobTitle": sorted(
        {"Chief Executive Officer", *(title for team in DEPARTMENTS for title in team.titles)}
    ),
    "department": [team.name for team in DEPARTMENTS],
    "division": sorted({team.division for team in DEPARTMENTS}),
    "location": [office.location for office in OFFICES],
    "employmentHistoryStatus": list(EMPLOYMENT_STATUSES),
}
ARCHIVED = {"employmentHistoryStatus": ("Furloughed",), "department": ("Skunk Works",)}


class FieldType(NamedTuple):
    """A field as `meta/fields` lists it."""

    number: str
    alias: str
    type: str
    name: str


FIELDS = {
    field_type.alias: field_type
    for field_type in (
        FieldType("1", "firstName", "text", "First Name"),
        FieldType("2", "lastName", "text", "Last Name"),
        FieldType("3", "hireDate", "date", "Hire Date"),
        FieldType("4", "department", "list", "Department"),
        FieldType("5", "workEmail", "email", "Work Email"),
        FieldType("6", "id", "employee_number", "EEID"),
        FieldType("7", "employeeNumber", "text", "Employee #"),
        FieldType("8", "city", "text", "City"),
        FieldType("9", "state", "state", "State"),
        FieldType("10", "workPhone", "phone", "Work Phone"),
        FieldType("11", "workPhoneExtension", "text", "Work Ext."),
        FieldType("12", "mobilePhone", "phone", "Mobile Phone"),
        FieldType("13", "homeEmail", "email", "Home Email"),
        FieldType("14", "bestEmail", "email", "Best Email"),
        FieldType("16", "employmentHistoryStatus", "list", "Employment Status"),
        FieldType("17", "jobTitle", "list", "Job Title"),
        FieldType("18", "location", "list", "Location"),
        FieldType("91", "supervisor", "employee", "Reporting to"),
        FieldType("1349", "preferredName", "text", "Preferred Name"),
        FieldType("1350", "displayName", "text", "Display Name"),
        FieldType("1355", "division", "list", "Division"),
        FieldType("1360", "originalHireDate", "date", "Original Hire Date"),
        FieldType("1610", "terminationDate", "date", "Termination Date"),
        FieldType("1936", "status", "status", "Status"),
        FieldType("3991", "country", "country", "Country"),
        FieldType("4100", "supervisorId", "text", "Supervisor Employee #"),
        FieldType("4101", "supervisorEId", "text", "Supervisor EID"),
        FieldType("4314", "lastChanged", "timestamp", "Last changed"),
        FieldType("4340.4", "ssn", "ssn", "SSN"),
        FieldType("4350", "payRate", "currency", "Pay rate"),
    )
}
BY_NUMBER = {field_type.number: field_type for field_type in FIELDS.values()}

# API names of what is kept as one plain value of the employee.
PLAIN = {
    "firstName": "first_name",
    "lastName": "last_name",
    "preferredName": "preferred_name",
    "workEmail": "work_email",
    "homeEmail": "home_email",
    "employeeNumber": "employee_number",
    "hireDate": "hire_date",
    "workPhone": "work_phone",
    "workPhoneExtension": "extension",
    "mobilePhone": "mobile_phone",
    "city": "city",
    "state": "state",
    "country": "country",
}
JOB_FIELDS = {
    "location": "location",
    "department": "department",
    "division": "division",
    "jobTitle": "title",
}


class StatusRow(NamedTuple):
    """A row of the table employmentStatus; in force from `date` until the next row."""

    date: str
    id: int
    status: str
    comment: str | None = None


class JobRow(NamedTuple):
    """A row of the table jobInfo; `reports_to` is an employee id, shown as a name."""

    date: str
    id: int
    location: str | None
    department: str | None
    division: str | None
    title: str | None
    reports_to: str | None

    def without_boss(self, boss: str) -> "JobRow":
        """The row, reporting to nobody if it reported to this one."""
        return self._replace(reports_to=None) if self.reports_to == boss else self


@dataclass(slots=True)
class Employee:
    """One employee record. Rows are sorted by date and id; `extra` wins over every value."""

    id: str
    first_name: str | None
    last_name: str | None
    preferred_name: str | None = None
    work_email: str | None = None
    home_email: str | None = None
    employee_number: str | None = None
    hire_date: str | None = None
    work_phone: str | None = None
    extension: str | None = None
    mobile_phone: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    created: str = ""
    changed: str = ""
    statuses: list[StatusRow] = field(default_factory=list)
    jobs: list[JobRow] = field(default_factory=list)
    extra: dict[str, Any] | None = None

    def display_name(self) -> str:
        """`Preferred Last`, as BambooHR shows people to each other."""
        return f"{self.preferred_name or self.first_name} {self.last_name}"

    def kept(self) -> dict[str, Any]:
        """The record as JSON types; by hand, because `asdict` copies ten times slower."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in EMPLOYEE_VALUES}
        kept["statuses"] = [list(row) for row in self.statuses]
        kept["jobs"] = [list(row) for row in self.jobs]
        return kept

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "Employee":
        """The record that `kept` was made of."""
        employee = cls(**kept)
        employee.statuses = [StatusRow(*row) for row in kept["statuses"]]
        employee.jobs = [JobRow(*row) for row in kept["jobs"]]
        return employee


EMPLOYEE_VALUES = tuple(one.name for one in fields(Employee))


def employee_of(worker: Worker, *, status_ids: int, job_ids: int) -> Employee:
    """The record of a worker; row ids count up from the two given ones (three are enough)."""
    statuses = [StatusRow(worker.hired, status_ids, worker.contract)]
    if worker.contract == "Leave of Absence":
        statuses = [
            StatusRow(worker.hired, status_ids, "Full-Time"),
            StatusRow(worker.changed[:10], status_ids + 1, worker.contract),
        ]
    if worker.left:
        statuses.append(StatusRow(worker.left, status_ids + 2, TERMINATED, "Left the company"))
    team = worker.department
    manager = None if worker.manager is None else str(worker.manager)
    first = JobRow(
        worker.hired,
        job_ids,
        worker.office.location,
        team.name,
        team.division,
        worker.title,
        manager,
    )
    jobs = [first]
    if worker.move:
        jobs.append(first._replace(date=worker.move.on, id=job_ids + 1, title=worker.move.title))
    return Employee(
        id=str(worker.number),
        first_name=worker.first_name,
        last_name=worker.last_name,
        preferred_name=worker.preferred_name,
        work_email=worker.email,
        home_email=worker.home_email,
        employee_number=worker.employee_number,
        hire_date=worker.hired,
        work_phone=worker.work_phone,
        extension=worker.extension,
        mobile_phone=worker.mobile_phone,
        city=worker.office.city,
        state=worker.office.state,
        country=worker.office.country,
        created=f"{min(worker.hired, worker.changed[:10])}T00:00:00+00:00",
        changed=worker.changed,
        statuses=sorted(statuses),
        jobs=sorted(jobs, key=lambda row: row[:2]),
    )


@dataclass(frozen=True, slots=True)
class View:
    """What one day shows: only rows in force, or with `only_current=False` the last row."""

    employees: dict[str, Employee]
    day: str
    only_current: bool = True

    def values(self, employee: Employee) -> dict[str, Any]:
        """Every field by API name, blanks as the vendor writes them."""
        status = self._status_row(employee)
        ended = status is not None and status.status == TERMINATED
        blank_date = NO_DATE
        values: dict[str, Any] = {
            "id": employee.id,
            "firstName": employee.first_name,
            "lastName": employee.last_name,
            "preferredName": employee.preferred_name,
            "displayName": employee.display_name(),
            "workEmail": employee.work_email,
            "homeEmail": employee.home_email,
            "bestEmail": employee.work_email or employee.home_email,
            "employeeNumber": employee.employee_number,
            "workPhone": employee.work_phone,
            "workPhoneExtension": employee.extension,
            "mobilePhone": employee.mobile_phone,
            "city": employee.city,
            "state": employee.state,
            "country": employee.country,
            "hireDate": employee.hire_date or blank_date,
            "originalHireDate": blank_date,
            "terminationDate": status.date if status is not None and ended else blank_date,
            "status": "Active" if self._works(employee) else "Inactive",
            "employmentHistoryStatus": None if status is None else status.status,
            "lastChanged": employee.changed,
            "ssn": None,
            "payRate": None,
            **self._job(employee),
        }
        if employee.extra:
            values.update(employee.extra)
        return values

    def is_active(self, employee: Employee) -> bool:
        """Whether `status` reads Active; cheaper than `values`."""
        if employee.extra and "status" in employee.extra:
            return bool(employee.extra["status"] == "Active")
        return self._works(employee)

    def _job(self, employee: Employee) -> dict[str, str | None]:
        row = next(
            (
                row
                for row in reversed(employee.jobs)
                if not self.only_current or row.date <= self.day
            ),
            None,
        )
        if row is None:
            names = (*JOB_FIELDS, "supervisor", "supervisorId", "supervisorEId")
            return dict.fromkeys(names)
        boss = None if row.reports_to is None else self.employees.get(row.reports_to)
        return {
            "location": row.location,
            "department": row.department,
            "division": row.division,
            "jobTitle": row.title,
            "supervisor": boss.display_name() if boss else None,
            "supervisorId": boss.employee_number if boss else None,
            "supervisorEId": row.reports_to,
        }

    def _status_row(self, employee: Employee) -> StatusRow | None:
        for row in reversed(employee.statuses):
            if not self.only_current or row.date <= self.day:
                return row
        return None

    def _works(self, employee: Employee) -> bool:
        """The record's own status never looks ahead, whatever `only_current` says."""
        for row in reversed(employee.statuses):
            if row.date <= self.day:
                return row.status != TERMINATED
        return False
