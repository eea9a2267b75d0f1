"""Whether a record still matches Begin: after a wait, and before a call that changes something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from integrations.errors import IntegrationsError
from integrations.models import Operation
from people.models import Event
from workflows.definition import Definition
from workflows.models import RunItem, Workflow
from workflows.records import Record, read_records
from workflows.rules import judge_of
from workflows.versions import definition_of

# As `operation_key` writes it; what a person had sent again is what that person wants.
_OF_AN_ITEM = re.compile(r"item:(\d+):([^:]+):(\d+)")


Events = Mapping[int, tuple[str, Mapping[str, Any]]]
"""(kind, changes) of the events that started items, by id."""


def find_events(ids: Iterable[int | None]) -> Events:
    """Of these ids. One query, or none."""
    known = [one for one in ids if one is not None]
    if not known:
        return {}
    events = Event.objects.filter(pk__among=known)
    return {
        pk: (kind, changes) for pk, kind, changes in events.values_list("pk", "kind", "changes")
    }


def find_unwanted(
    workflow: Workflow,
    definition: Definition,
    rows: Iterable[Mapping[str, Any]],
    records: Mapping[int, Record],
    events: Events,
    now: datetime,
) -> set[int]:
    """The items, of these rows with their records, that match Begin's rules no longer (M-23).

    Raises IntegrationsError where the rules cannot be read.
    """
    zone = timezone.get_default_timezone()
    judge = judge_of(workflow, definition.begin, now=now, zone=zone)
    found = set()
    for row in rows:
        kind, changes = events.get(row["event_id"] or 0, ("", None))
        if not judge.matches(
            records[row["record_id"]],
            changes=changes,
            by_archive=kind == Event.Kind.ARCHIVE,
            written=row["context"].get("written") or {},
        ):
            found.add(row["pk"])
    return found


def is_still_wanted(call: Operation, now: datetime, *, is_old: bool) -> bool:
    """Whether the item that planned a call would plan it now: it is at that block, and may go on.

    Of an old one the rules are judged as well. One query, and about four more where it is old.
    """
    named = _OF_AN_ITEM.fullmatch(call.key)
    items = RunItem.objects.select_related("workflow__application", "version")
    item = items.filter(pk=int(named[1])).first() if named else None
    if item is None or named is None:
        return True
    is_open = item.state in RunItem.OPEN_STATES
    is_active = item.workflow.state == Workflow.State.ACTIVE
    if not (is_open and is_active and (item.block, str(item.retry)) == (named[2], named[3])):
        return False
    if not is_old:
        return True
    records = read_records(item.workflow, [item.record_id])
    row = {
        "pk": item.pk,
        "record_id": item.record_id,
        "event_id": item.event_id,
        "context": item.context,
    }
    try:
        return bool(records) and not find_unwanted(
            item.workflow,
            definition_of(item.version),
            [row],
            records,
            find_events([item.event_id]),
            now,
        )
    except IntegrationsError:
        return False  # the item says so when it asks anew
