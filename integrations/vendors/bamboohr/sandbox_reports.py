"""Listings of the BambooHR sandbox: the custom report, the directory, what changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.people import iso_moment
from integrations.vendors.bamboohr.sandbox_book import (
    Sight,
    checked_fields,
    json_object,
    moment,
    refused,
)
from integrations.vendors.bamboohr.sandbox_formats import REPORT_TYPES, report_in
from integrations.vendors.bamboohr.sandbox_records import Employee, FieldType
from integrations.vendors.bamboohr.sandbox_tables import rows_of

CHUNK = 2_000
CHANGE_TYPES = ("inserted", "updated", "deleted", "all")
DIRECTORY_FIELDS = (
    "displayName",
    "firstName",
    "lastName",
    "preferredName",
    "jobTitle",
    "workPhone",
    "mobilePhone",
    "workEmail",
    "department",
    "location",
    "division",
    "supervisor",
)


@dataclass(frozen=True, slots=True)
class Report:
    """A custom report that was asked for rightly. `kind` is a key of `REPORT_TYPES`."""

    sight: Sight
    kind: str
    title: str
    columns: dict[str, FieldType]
    filters: dict[str, Any]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row for each employee that the filters leave; unknown filters do nothing."""
        ids = self.filters.get("employeeIds")
        wanted = None if ids is None else {str(one) for one in ids}
        changed = self.filters.get("lastChanged") or {}
        since = moment(changed["value"]) if "value" in changed else None
        for employee in self.sight.employees():
            if wanted is not None and employee.id not in wanted:
                continue
            if since is None or moment(employee.changed) >= since:
                yield self.sight.values(employee, self.columns)

    def json(self) -> bytes:
        """The report with its columns; what was left out of `fields` was not allowed."""
        head = {"title": self.title, "fields": _described(self.columns)}
        return orjson.dumps(head)[:-1] + b',"employees":[' + json_rows(self.rows()) + b"]}"

    def in_another_format(self) -> Answer:
        """The report as XML, CSV, and so on."""
        body = report_in(self.kind, self.title, list(self.columns), list(self.rows()))
        return Answer(body=body, content_type=REPORT_TYPES[self.kind])


def read_report(request: Request, sight: Sight) -> Report:
    """What is asked for. Refuses another content type, format, body or number of fields.

    Fields that are unknown or forbidden are left out, without a word.
    """
    kind = _kind(request)
    if request.header("content-type") != JSON:
        raise refused(400, "Malformed XML")
    wanted = json_object(request)
    filters = wanted.get("filters") or {}
    if not isinstance(filters, dict):
        raise refused(400, "Invalid filters")
    return Report(
        sight=sight,
        kind=kind,
        title=str(wanted.get("title") or ""),
        columns=sight.allowed(checked_fields(wanted.get("fields"))),
        filters=filters,
    )


def _kind(request: Request) -> str:
    """The format; 404 when neither `format` nor Accept names one exactly."""
    kind = request.parameter("format")
    if kind is not None and kind.lower() in REPORT_TYPES:
        return kind.lower()
    if kind is None:
        for name, content_type in REPORT_TYPES.items():
            if request.header("accept") == content_type:
                return name
    raise refused(404, "Report format not found")


def json_rows(rows: Iterator[dict[str, Any]]) -> bytes:
    """Rows joined by commas, rendered in chunks so that never all are in memory as objects."""
    chunks = []
    while chunk := list(islice(rows, CHUNK)):
        chunks.append(orjson.dumps(chunk)[1:-1])
    return b",".join(chunks)


def _described(columns: dict[str, FieldType]) -> list[dict[str, str]]:
    return [
        {"id": name, "type": column.type, "name": column.name} for name, column in columns.items()
    ]


def directory(sight: Sight) -> dict[str, Any]:
    """Active employees with the few fields that the company shares."""
    columns = sight.allowed(DIRECTORY_FIELDS)
    photo = {
        "photoUploaded": False,
        "photoUrl": "https://images.example/initials.png",
        "canUploadPhoto": 0,
    }
    rows = [
        {**sight.values(one, columns), **photo}
        for one in sight.employees()
        if sight.view.is_active(one)
    ]
    return {"fields": _described(columns), "employees": rows}


def changes(sight: Sight, request: Request) -> dict[str, Any]:
    """Who changed since; an empty map is written `[]`, as PHP does. 400 for a bad `since`."""
    since = moment(request.parameter("since"))
    kind = request.parameter("type") or "all"
    if kind not in CHANGE_TYPES:
        raise refused(400, "Invalid type")
    found: dict[str, dict[str, str]] = {}
    for one in _changed_since(sight, request):
        action = "Inserted" if moment(one.created) >= since else "Updated"
        found[one.id] = {"id": one.id, "action": action, "lastChanged": one.changed}
    for gone, when in sight.book.deleted.items():
        if moment(when) >= since:
            found[gone] = {"id": gone, "action": "Deleted", "lastChanged": when}
    if kind != "all":
        found = {key: row for key, row in found.items() if row["action"].lower() == kind}
    latest = max((row["lastChanged"] for row in found.values()), default=iso_moment(since))
    return {"latest": latest, "employees": found or []}


def changed_rows(sight: Sight, request: Request, *, table: str) -> dict[str, Any]:
    """All rows of every employee who changed since. 404 for an unknown table."""
    changed = list(_changed_since(sight, request))
    rows_of(sight, Employee(id="", first_name=None, last_name=None), table)
    found = {
        one.id: {"lastChanged": one.changed, "rows": rows_of(sight, one, table)} for one in changed
    }
    return {"table": table, "employees": found or []}


def _changed_since(sight: Sight, request: Request) -> Iterator[Employee]:
    since = moment(request.parameter("since"))
    return (one for one in sight.employees() if moment(one.changed) >= since)
