"""What the BambooHR sandbox keeps, and what of it a key may see."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.people import KEY_OWNER
from integrations.sandbox.vendor import RefusedError
from integrations.vendors.bamboohr.sandbox_records import (
    BY_NUMBER,
    FIELDS,
    Employee,
    FieldType,
    View,
)

MAX_FIELDS = 400
OWN_STATUS = ("status", "employmentHistoryStatus")


def refused(status: int, message: str) -> RefusedError:
    """What BambooHR refuses: a status, no body, the text in `X-BambooHR-Error-Message`."""
    return RefusedError(Answer.nothing(status, X_BambooHR_Error_Message=message))


@dataclass(slots=True)
class Book:
    """Every employee by id, the deleted ones by id with their time, and the next ids."""

    employees: dict[str, Employee] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    next_id: int = 1
    next_row: int = 10_001

    def find(self, employee_id: str) -> Employee:
        """The employee; 404 when there is none, `0` is the key's owner."""
        wanted = str(KEY_OWNER) if employee_id == "0" else employee_id
        employee = self.employees.get(wanted)
        if employee is None:
            raise refused(404, "The employee does not exist")
        return employee

    def row_id(self) -> int:
        """A row id that no table has."""
        self.next_row += 1
        return self.next_row - 1


@dataclass(frozen=True, slots=True)
class Sight:
    """What the key's access level lets it see of the book on one day."""

    book: Book
    view: View
    settings: Mapping[str, Any]

    def employees(self) -> Iterator[Employee]:
        """The employees that exist for this key."""
        if self.settings["visible"] == "self":
            owner = self.book.employees.get(str(KEY_OWNER))
            return iter([owner] if owner else [])
        hidden = frozenset(self.settings["hidden_ids"])
        if not hidden:
            return iter(self.book.employees.values())
        return (one for one in self.book.employees.values() if one.id not in hidden)

    def find(self, employee_id: str) -> Employee:
        """The employee; 404 when there is none, 403 when this key may not see it."""
        employee = self.book.find(employee_id)
        others_hidden = self.settings["visible"] == "self" and employee.id != str(KEY_OWNER)
        if others_hidden or employee.id in self.settings["hidden_ids"]:
            raise refused(403, "No permission to see this employee")
        return employee

    def values(self, employee: Employee, columns: Mapping[str, FieldType]) -> dict[str, Any]:
        """`id` and these fields; the status of the key's owner as the setting says."""
        everything = self.view.values(employee)
        shown = {"id": everything["id"]}
        for name, column in columns.items():
            shown[name] = everything.get(column.alias)
        if employee.id == str(KEY_OWNER):
            self._hide_own_status(shown, columns)
        return shown

    def _hide_own_status(self, shown: dict[str, Any], columns: Mapping[str, FieldType]) -> None:
        """The quirk that a key may see everybody's employment status but its owner's."""
        quirk = self.settings["own_status"]
        for name, column in columns.items():
            if column.alias in OWN_STATUS and quirk == "omitted":
                del shown[name]
            elif column.alias in OWN_STATUS and quirk == "blank":
                shown[name] = None

    def allowed(self, names: Iterable[str]) -> dict[str, FieldType]:
        """Known fields that the key may see, by the name under which they were asked for."""
        forbidden = frozenset(self.settings["forbidden_fields"])
        custom = self.settings["custom_fields"]
        found: dict[str, FieldType] = {}
        for name in names:
            known = FIELDS.get(name) or BY_NUMBER.get(name)
            if known is None and name in custom:
                known = FieldType(str(5_000 + custom.index(name)), name, "text", name)
            if known is not None and known.alias not in forbidden:
                found[name] = known
        return found


def json_object(request: Request) -> dict[str, Any]:
    """The body as an object; 400 for anything else."""
    try:
        value = request.json()
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise refused(400, "Malformed JSON")
    return value


def checked_fields(names: Any) -> list[str]:
    """Field names of a request; 400 for more than 400 or for something that is no list."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise refused(400, "Invalid fields")
    if len(names) > MAX_FIELDS:
        raise refused(400, f"Too many fields: at most {MAX_FIELDS}")
    return names


def moment(text: str | None) -> datetime:
    """An ISO 8601 time stamp; 400 when it is missing or bad. Without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise refused(400, "Invalid or missing since, an ISO 8601 date is needed") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def is_date(text: Any) -> bool:
    """Whether this is a `YYYY-MM-DD` that a calendar has."""
    try:
        return isinstance(text, str) and text == datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        return False
