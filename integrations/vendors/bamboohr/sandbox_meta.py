"""Metadata of the BambooHR sandbox: lists, fields, tables, users."""

from typing import Any

from integrations.vendors.bamboohr.sandbox_book import Sight
from integrations.vendors.bamboohr.sandbox_records import ARCHIVED, FIELDS, LISTS

FIRST_USER_ID = 2_000
TABLES = {
    "jobInfo": ("date", "location", "department", "division", "jobTitle", "reportsTo"),
    "employmentStatus": ("date", "employmentStatus", "comment"),
}


def lists() -> list[dict[str, Any]]:
    """`GET meta/lists`: options in use and archived ones."""
    return [
        {
            "fieldId": FIELDS[alias].number,
            "manageable": "no" if alias == "jobTitle" else "yes",
            "multiple": "no",
            "name": FIELDS[alias].name,
            "alias": alias,
            "options": [
                _option(int(FIELDS[alias].number) * 100 + place, name, archived=archived)
                for place, (name, archived) in enumerate(
                    [(name, False) for name in names]
                    + [(name, True) for name in ARCHIVED.get(alias, ())]
                )
            ],
        }
        for alias, names in LISTS.items()
    ]


def _option(option_id: int, name: str, *, archived: bool) -> dict[str, Any]:
    return {
        "id": option_id,
        "archived": "yes" if archived else "no",
        "createdDate": "2019-01-01T00:00:00+00:00",
        "archivedDate": "2021-06-30T00:00:00+00:00" if archived else None,
        "name": name,
    }


def fields(custom: list[str]) -> list[dict[str, Any]]:
    """`GET meta/fields`: ids are numbers, or text where they are dotted; aliases may miss."""
    listed: list[dict[str, Any]] = [
        {
            "id": known.number if "." in known.number else int(known.number),
            "name": known.name,
            "type": known.type,
            "alias": known.alias,
        }
        for known in FIELDS.values()
    ]
    listed.append({"id": 4047, "name": "T-shirt size", "type": "list"})
    listed.append({"id": 4048, "name": "Fax", "type": "phone", "alias": "fax", "deprecated": True})
    listed.extend(
        {"id": 5_000 + place, "name": alias, "type": "text", "alias": alias}
        for place, alias in enumerate(custom)
    )
    return listed


def tables() -> list[dict[str, Any]]:
    """`GET meta/tables`: the tables that the sandbox keeps."""
    return [
        {
            "alias": alias,
            "fields": [
                {
                    "id": 4_400 + 20 * place + column_place,
                    "name": column,
                    "alias": column,
                    "type": "date" if column == "date" else "text",
                }
                for column_place, column in enumerate(columns)
            ],
        }
        for place, (alias, columns) in enumerate(TABLES.items())
    ]


def users(sight: Sight, statuses: str | None) -> dict[str, dict[str, Any]]:
    """`GET meta/users`: an object by user id; `lastLogin` misses for who never signed in."""
    wanted = {"enabled", "disabled"} & set((statuses or "").split(",")) or {"enabled", "disabled"}
    found = {}
    for employee in sight.employees():
        status = "enabled" if sight.view.is_active(employee) else "disabled"
        if status not in wanted or not employee.id.isdigit():
            continue
        user_id = FIRST_USER_ID + int(employee.id)
        user = {
            "id": user_id,
            "employeeId": int(employee.id),
            "firstName": employee.first_name or "",
            "lastName": employee.last_name or "",
            "email": employee.work_email or employee.home_email or "",
            "status": status,
        }
        if user_id % 9:
            user["lastLogin"] = employee.changed
        found[str(user_id)] = user
    return found
