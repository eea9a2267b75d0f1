"""Reading the event log as the history of a record, without what the reader may not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from people.models import CustomField, Event, Person
from people.queries import PERSON_FIELDS
from people.visibility import SAAS_USER_FIELDS, Sight

PAGE = 50


@dataclass(frozen=True)
class Line:
    """One changed field; `old` and `new` are ready to be shown, empty where there was nothing."""

    key: str
    label: str
    old: str
    new: str


@dataclass(frozen=True)
class Entry:
    """One event as somebody may see it."""

    id: int
    at: datetime
    kind: str
    kind_label: str
    source_label: str
    actor: str
    run_id: int | None
    note: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class HistoryPage:
    """Newest first; `older` is what to pass as `before` for the next page, None on the last."""

    entries: tuple[Entry, ...]
    older: int | None


def history_of(
    object: str,  # noqa: A002 - the word of the model
    object_id: int,
    sight: Sight,
    *,
    before: int | None = None,
    limit: int = PAGE,
) -> HistoryPage:
    """A page of a record's history. One query, by an index, however long the history is."""
    events = Event.objects.filter(object=object, object_id=object_id).order_by("-id")
    if before is not None:
        events = events.filter(pk__lt=before)
    rows = list(events[: limit + 1])
    labels = labels_of(object, sight)
    entries = (read_event(event, sight, labels) for event in rows[:limit])
    return HistoryPage(
        entries=tuple(entry for entry in entries if entry is not None),
        older=rows[limit - 1].pk if len(rows) > limit else None,
    )


def read_event(event: Event, sight: Sight, labels: Mapping[str, str]) -> Entry | None:
    """One event as this reader may see it; None when nothing of an edit is theirs to see."""
    changes = event.changes if isinstance(event.changes, Mapping) else {}
    lines = read_changes(changes, sight, labels)
    if not lines and changes and event.kind == Event.Kind.EDIT:
        return None
    # A sentence about the event may quote any of its fields.
    note = event.note if sight.everything or all(map(sight.shows, changes)) else ""
    return Entry(
        id=event.pk,
        at=event.at,
        kind=event.kind,
        kind_label=event.get_kind_display(),
        source_label=event.get_source_display(),
        actor=event.actor,
        run_id=event.run_id,
        note=note,
        lines=lines,
    )


def read_changes(
    changes: Mapping[str, Any], sight: Sight, labels: Mapping[str, str]
) -> tuple[Line, ...]:
    """The lines of {field: [old, new]} that may be seen, in the order of the fields' labels."""
    lines = []
    for key, pair in changes.items():
        if not sight.shows(key):
            continue
        old, new = pair if isinstance(pair, Sequence) and len(pair) == 2 else (None, pair)  # noqa: PLR2004
        lines.append(Line(key, labels.get(key, key), show_value(old), show_value(new)))
    return tuple(sorted(lines, key=lambda line: line.label.lower()))


def labels_of(object: str, sight: Sight) -> dict[str, str]:  # noqa: A002
    """What each field is called on pages."""
    custom = {field.key: field.label for field in sight.custom}
    if object == CustomField.Object.PERSON:
        return {name: _capital(_column_name(name)) for name in PERSON_FIELDS} | custom
    names = {name: _capital(name.replace("_", " ")) for name in SAAS_USER_FIELDS}
    return names | {"email": "E-mail", "external_id": "ID at the vendor"} | custom


def show_value(value: Any) -> str:
    """A value of an event as text: yes and no, roles with their scope, nothing as nothing."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, Mapping):
        role, scope = value.get("role"), value.get("scope")
        if role is not None:
            return f"{role} ({scope})" if scope else str(role)
        return ", ".join(f"{key}: {show_value(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(show_value(part) for part in value)
    return str(value)


def _column_name(name: str) -> str:
    return str(getattr(Person._meta.get_field(name), "verbose_name", name))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
