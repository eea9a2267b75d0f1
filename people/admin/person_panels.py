"""Tabs of a person's page: who reports to them, and what happened to them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from people.admin.common import Panel, moment, run_url, sight_for
from people.history import Entry, history_of
from people.models import CustomField, Person

_MOST_REPORTS = 200
_LONGEST_ID = 18


def reports(_request: HttpRequest, person: Person) -> dict[str, Any]:
    """Whose manager this person is. One query; the first 200."""
    rows = list(
        person.reports.select_related("department").order_by("full_name", "id")[: _MOST_REPORTS + 1]
    )
    return {"reports": rows[:_MOST_REPORTS], "more": len(rows) > _MOST_REPORTS}


def history(request: HttpRequest, person: Person) -> dict[str, Any]:
    """What happened to this person, newest first. Two queries."""
    return history_content(request, CustomField.Object.PERSON, person.pk)


def history_content(
    request: HttpRequest,
    object: str,  # noqa: A002 - the word of the model
    object_id: int,
) -> dict[str, Any]:
    """A page of a record's history as the template takes it; `?before=` continues it."""
    before = request.GET.get("before", "")
    known = before.isdecimal() and len(before) <= _LONGEST_ID
    page = history_of(
        object, object_id, sight_for(request, object), before=int(before) if known else None
    )
    return {
        "entries": [shown_entry(request, entry) for entry in page.entries],
        "older": page.older,
        "is_first": not known,
    }


def shown_entry(request: HttpRequest, entry: Entry) -> dict[str, Any]:
    """An entry with its moment in the zone and the address of its run."""
    return {"entry": entry, "moment": moment(entry.at), "run_url": run_url(request, entry.run_id)}


PERSON_PANELS = (
    Panel("reports", "Reports", "people.view_person", "people/panel_reports.html", reports),
    Panel("history", "History", "people.view_event", "people/panel_history.html", history),
)
