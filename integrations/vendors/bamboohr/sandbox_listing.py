"""The new employee list of the BambooHR sandbox: filters, sort, cursors."""

import base64
import binascii
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.messages import Answer, Request
from integrations.vendors.bamboohr.sandbox_book import Sight
from integrations.vendors.bamboohr.sandbox_records import NO_DATE, Employee

DEFAULT_LIMIT = 250
MAX_LIMIT = 2_500
BASE = {
    "employeeId": "id",
    "firstName": "firstName",
    "lastName": "lastName",
    "preferredName": "preferredName",
    "photoUrl": None,
    "jobTitleName": "jobTitle",
    "status": "status",
}
OPTIONAL = {
    "workEmail": "workEmail",
    "homeEmail": "homeEmail",
    "bestEmail": "bestEmail",
    "workPhone": "workPhone",
    "workPhoneExtension": "workPhoneExtension",
    "mobilePhone": "mobilePhone",
    "hireDate": "hireDate",
    "divisionName": "division",
    "departmentName": "department",
    "locationName": "location",
    "employmentStatusName": "employmentHistoryStatus",
    "reportsToName": "supervisor",
    "reportsToId": "supervisorEId",
}
SORTABLE = ("employeeId", "firstName", "lastName", "preferredName", "jobTitleName", "status")
FILTERS = {"firstName": "firstName", "lastName": "lastName", "jobTitleName": "jobTitle"}


class BadListError(Exception):
    """A request that the list refuses with 400; `code` is BadRequest or BadPage."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer.of({"error": {"code": code, "message": message}}, status=400)


def list_employees(sight: Sight, request: Request, *, base_url: str) -> Answer:
    """`GET employees`: a page of the employees that match, with cursors."""
    try:
        matching = _sorted(sight, _matching(sight, request), request.parameter("sort"))
        start, end = _window(matching, request)
    except BadListError as error:
        return error.answer
    shown = matching[start:end]
    following = _cursor(shown[-1]) if shown and end < len(matching) else None
    earlier = _cursor(shown[0]) if shown and start > 0 else None
    links = {"self": {"href": base_url}}
    for name, key, cursor in (("next", "after", following), ("prev", "before", earlier)):
        if cursor:
            links[name] = {"href": f"{base_url}?{urlencode({f'page[{key}]': cursor})}"}
    page = {"limit": end - start, "nextCursor": following, "prevCursor": earlier}
    return Answer.of(
        {
            "data": [_record(sight, employee, request) for employee in shown],
            "meta": {"total": len(matching), "page": page},
            "_links": links,
        }
    )


def _matching(sight: Sight, request: Request) -> list[Employee]:
    ids = _ids(request)
    employees = [one for one in sight.employees() if ids is None or one.id in ids]
    status = request.parameter("filter[status]")
    if status is not None:
        if status.lower() not in {"active", "inactive"}:
            raise BadListError("BadRequest", "filter[status] is active or inactive")
        active = status.lower() == "active"
        employees = [one for one in employees if sight.view.is_active(one) is active]
    for name, alias in FILTERS.items():
        part = request.parameter(f"filter[{name}]")
        if part:
            employees = [
                one
                for one in employees
                if part.lower() in str(sight.view.values(one)[alias] or "").lower()
            ]
    return employees


def _ids(request: Request) -> frozenset[str] | None:
    listed = request.query.get("filter[ids][]", [])
    joined = request.parameter("filter[ids]")
    if joined is None and not listed:
        return None
    return frozenset([*listed, *(joined.split(",") if joined else ())])


def _sorted(sight: Sight, employees: list[Employee], sort: str | None) -> list[Employee]:
    employees = sorted(employees, key=lambda one: (len(one.id), one.id))
    for wanted in reversed([part for part in (sort or "").split(",") if part]):
        name = wanted.removeprefix("-")
        if name not in SORTABLE:
            raise BadListError("BadRequest", f"Cannot sort by {name}")
        if name == "employeeId":
            employees.sort(key=lambda one: (len(one.id), one.id), reverse=wanted.startswith("-"))
            continue
        alias = BASE[name] or ""
        employees.sort(
            key=lambda one: str(sight.view.values(one)[alias] or ""),
            reverse=wanted.startswith("-"),
        )
    return employees


def _window(matching: list[Employee], request: Request) -> tuple[int, int]:
    limit = _limit(request.parameter("page[limit]"))
    after, before = request.parameter("page[after]"), request.parameter("page[before]")
    if after and before:
        raise BadListError("BadPage", "Give page[after] or page[before], not both")
    if before:
        end = _place(matching, before)
        return max(0, end - limit), end
    start = _place(matching, after) + 1 if after else 0
    return start, start + limit


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise BadListError("BadRequest", f"page[limit] is 1 to {MAX_LIMIT}")
    return int(text)


def _cursor(employee: Employee) -> str:
    return base64.b64encode(f"a:{employee.id}".encode()).decode()


def _place(matching: list[Employee], cursor: str) -> int:
    try:
        wanted = base64.b64decode(cursor, validate=True).decode().removeprefix("a:")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadListError("BadPage", "The cursor is malformed") from error
    for place, employee in enumerate(matching):
        if employee.id == wanted:
            return place
    raise BadListError("BadPage", "The boundary employee is gone")


def _record(sight: Sight, employee: Employee, request: Request) -> dict[str, Any]:
    asked = [name for name in (request.parameter("fields") or "").split(",") if name in OPTIONAL]
    names = {**BASE, **{name: OPTIONAL[name] for name in asked}}
    values = sight.values(employee, sight.allowed(alias for alias in names.values() if alias))
    record: dict[str, Any] = {
        name: values.get(alias) if alias else None for name, alias in names.items()
    }
    if record.get("hireDate") == NO_DATE:
        record["hireDate"] = None
    record["_restrictedFields"] = [
        name for name, alias in names.items() if alias and alias not in values
    ]
    return record
