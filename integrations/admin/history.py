"""The history page of configuration: who changed what when, and nothing to turn back.

Versions are read from the historical tables only. Making an object out of one would read the
columns that history leaves out, secrets among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

_MOST_ENTRIES = 200
_UNTOLD = frozenset(
    {
        "id",
        "created_at",
        "updated_at",
        "uuid",
        "test_state",
        "test_message",
        "tested_at",
        "revision",
        "position",
    }
)
_WORDS = {"+": "Added", "~": "Changed", "-": "Removed"}


@dataclass(frozen=True)
class Change:
    """A field with what it held and holds."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Entry:
    """One version: who made it, when, why, and what it changed."""

    at: datetime
    who: str
    what: str
    why: str
    changes: tuple[Change, ...]


class HistoryPage:
    """For a ModelAdmin of a model with `history`.

    `history_children` are (model, field) of rows that belong to it and are told on the same page.
    """

    history_children: Sequence[tuple[type[Model], str]] = ()

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List the last versions, newest first. A few queries, however many versions there are."""
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if row is None:
            raise Http404
        if not self.has_view_or_change_permission(request, row):  # type: ignore[attr-defined]
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": f"History of {row}",
            "opts": self.model._meta,  # type: ignore[attr-defined]
            "original": row,
            "entries": self._entries(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/configuration_history.html", context)

    def _entries(self, row: Model) -> list[Entry]:
        entries = list(_read(row.history.filter(id=row.pk), ""))  # type: ignore[attr-defined]
        for model, field in self.history_children:
            versions = model.history.filter(**{field: row.pk})  # type: ignore[attr-defined]
            entries.extend(_read(versions, str(model._meta.verbose_name), parent=field))
        return sorted(entries, key=lambda entry: entry.at, reverse=True)[:_MOST_ENTRIES]


def _read(versions: Any, word: str, *, parent: str = "") -> Iterable[Entry]:
    """Compare each version with the one before it. One query, and one per kind of foreign key."""
    rows = list(
        versions.select_related("history_user").order_by("-history_date", "-history_id")[
            : _MOST_ENTRIES + 1
        ]
    )
    names = _names(rows)
    before: dict[int, Any] = {}
    entries = []
    for version in reversed(rows):
        changes = tuple(_compare(before.get(version.id), version, names, parent))
        before[version.id] = version
        what = _WORDS[version.history_type]
        if word:
            what = f"{what}: {word} {_title(version)}"
        if version.history_type == "~" and not changes and not version.history_change_reason:
            continue
        who = str(version.history_user or "the system")
        why = version.history_change_reason or ""
        entries.append(Entry(version.history_date, who, what, why, changes))
    return entries


def _title(version: Any) -> str:
    source = getattr(version, "source", "") or getattr(version, "constant", "")
    return f"{source} → {getattr(version, 'target', '')}"


def _told_fields(version: Any) -> list[Any]:
    return [
        field
        for field in version._meta.fields
        if not field.name.startswith("history_") and field.name not in _UNTOLD
    ]


def _names(rows: Sequence[Any]) -> dict[tuple[str, Any], str]:
    """What the foreign keys of these versions stand for."""
    names: dict[tuple[str, Any], str] = {}
    for field in _told_fields(rows[0]) if rows else []:
        if isinstance(field, ForeignKey) and field.related_model is not None:
            ids = {value for row in rows if (value := getattr(row, field.attname)) is not None}
            found = field.related_model._base_manager.in_bulk(ids)  # noqa: SLF001
            names.update({(field.name, pk): str(found.get(pk, f"#{pk}, deleted")) for pk in ids})
    return names


def _compare(
    old: Any, new: Any, names: dict[tuple[str, Any], str], parent: str
) -> Iterable[Change]:
    if new.history_type == "-" or (old is None and new.history_type == "~"):
        return
    for field in _told_fields(new):
        if field.attname == parent:
            continue
        was = _shown(field, old, names) if old is not None else None
        now = _shown(field, new, names)
        if was != now and (old is not None or now not in (None, "", {}, [])):
            yield Change(str(field.verbose_name), was, now)


def _shown(field: Any, version: Any, names: dict[tuple[str, Any], str]) -> Any:
    value = getattr(version, field.attname)
    if isinstance(field, ForeignKey):
        return names.get((field.name, value))
    if field.name == "hints":
        return [_hint(name, hint) for name, hint in (value or {}).items()]
    if field.choices:
        return dict(field.flatchoices).get(value, value)
    return value


def _hint(name: str, hint: Any) -> str:
    ending = f", ends in …{hint['last4']}" if hint.get("last4") else ""
    return f"{name} set by {hint.get('set_by', '?')} on {hint.get('set_at', '?')}{ending}"
