"""BambooHR's next employment status: a table of all employees, joined to the report."""

import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from integrations.manifest_parts import Request

if TYPE_CHECKING:
    from integrations.client import VendorClient

STATUS_TABLE = Request(path="employees/all/tables/employmentStatus")
STATUS = "rolecallNextEmploymentStatus"
STATUS_DATE = "rolecallNextEmploymentStatusDate"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ID_DIGITS = 18


def join_next_employment_status(
    client: "VendorClient", today: date
) -> Callable[[dict[str, Any]], None]:
    """Read the status table once; give the function that adds the next status to a record.

    The table is unsorted and holds past and future rows (BambooHR's OpenAPI file). Next is the
    earliest row later than `today`; of two on one day the one entered last, by its id. Every
    record gets both fields, blank where nothing is to come. Raises VendorError.
    """
    soonest: dict[str, tuple[str, int, Any]] = {}
    now = today.isoformat()
    for rows in client.stream(STATUS_TABLE):
        for row in rows:
            _note(row, now, soonest)

    def add(record: dict[str, Any]) -> None:
        day, _, status = soonest.get(str(record.get("id")), (None, 0, None))
        record[STATUS] = status
        record[STATUS_DATE] = day

    return add


def _note(row: Any, now: str, soonest: dict[str, tuple[str, int, Any]]) -> None:
    if not isinstance(row, dict):
        return
    day = row.get("date")
    if not isinstance(day, str) or day <= now or not _DAY.fullmatch(day):
        return
    employee = str(row.get("employeeId"))
    number = str(row.get("id") or "")
    entered = (
        int(number) if number.isascii() and number.isdigit() and len(number) <= _ID_DIGITS else 0
    )
    known = soonest.get(employee)
    if known is None or day < known[0] or (day == known[0] and entered > known[1]):
        soonest[employee] = (day, entered, row.get("employmentStatus"))
