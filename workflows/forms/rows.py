"""Rows of small inputs in one form field: names and values, what a field is set to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from integrations.forms.lines import plain_breaks

MOST_ROWS = 100
"""What people may add up to; a file may have given more, and they stay."""
_LONGEST = 100_000
_MOST_LINES = 8

Row = dict[str, str]


@dataclass(frozen=True)
class Column:
    """One input of a row: a select where it has choices, else text with suggestions.

    `template`: fields of the record may be inserted.
    """

    name: str
    label: str
    choices: Sequence[tuple[str, str]] = ()
    suggestions: Sequence[tuple[str, str]] = ()
    template: bool = False
    placeholder: str = ""


class RowsWidget(forms.Widget):
    """Rows with an empty one at the end. `disabled` by the attribute of that name."""

    def __init__(self, columns: Sequence[Column], *, add: str = "Add a row") -> None:
        super().__init__()
        self.columns = columns
        self.add = add
        self.row_errors: dict[int, list[str]] = {}

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[Row]:
        """Read the rows, empty ones too, so that errors stand where they belong."""
        rows: list[Row] = []
        first = self.columns[0].name
        while f"{name}-{len(rows)}-{first}" in data:
            at = f"{name}-{len(rows)}"
            given = {one.name: str(data.get(f"{at}-{one.name}", "")) for one in self.columns}
            rows.append({key: plain_breaks(text) for key, text in given.items()})
        return rows

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Say whether the form that was sent had none of its rows."""
        return f"{name}-0-{self.columns[0].name}" not in data

    def as_sent(self, name: str, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """The reverse of `value_from_datadict`: what a browser would send for these rows."""
        return {
            f"{name}-{number}-{one.name}": row.get(one.name, "")
            for number, row in enumerate([*rows, {}])
            for one in self.columns
        }

    def id_for_label(self, id_: str) -> str:
        """The first input is what the label leads to."""
        return f"{id_}-0-{self.columns[0].name}" if id_ else ""

    def render(
        self,
        name: str,
        value: Any,
        attrs: Mapping[str, Any] | None = None,
        renderer: Any = None,
    ) -> SafeString:
        """Draw the rows, each with its errors, and one to type in."""
        given = list(value or [])
        disabled = bool((attrs or {}).get("disabled"))
        spare: list[Row] = [] if disabled and given else [{}]
        context = {
            "name": name,
            "columns": self.columns,
            "rows": [self._drawn(number, row) for number, row in enumerate([*given, *spare])],
            "add": self.add,
            "disabled": disabled,
            "invalid": (attrs or {}).get("aria-invalid"),
        }
        return render_to_string("admin/workflows/block/rows.html", context)

    def _drawn(self, number: int, row: Mapping[str, str]) -> dict[str, Any]:
        cells = [
            {
                "column": one,
                "value": row.get(one.name, ""),
                "choices": _with(one, row),
                "lines": _lines(row.get(one.name, "")),
            }
            for one in self.columns
        ]
        errors = self.row_errors.get(number, [])
        return {"number": number, "shown": number + 1, "cells": cells, "errors": errors}


class RowsField(forms.Field):
    """Rows of text; `clean` gives those that are not empty, with their numbers."""

    widget: RowsWidget

    def __init__(self, columns: Sequence[Column], *, add: str = "Add a row", **named: Any) -> None:
        named.setdefault("required", False)
        super().__init__(widget=RowsWidget(columns, add=add), **named)

    def clean(self, value: Any) -> list[tuple[int, Row]]:
        """Raises ValidationError for more, or longer ones, than are kept: nothing is cut."""
        kept = [(number, row) for number, row in enumerate(value or []) if any(row.values())]
        shown = self.initial or []
        if len(kept) > max(MOST_ROWS, len(shown)):
            raise forms.ValidationError(
                f"There are {len(kept)} rows; at most {MOST_ROWS} are taken."
            )
        for number, row in kept:
            if any(len(text) > _LONGEST for text in row.values()) and row not in shown:
                self.put(number, f"A value has at most {_LONGEST:,} characters.")
        self.fail()
        return kept

    def put(self, number: int, message: str) -> None:
        """Put a sentence on a row."""
        errors = self.widget.row_errors.setdefault(number, [])
        if message not in errors:
            errors.append(message)

    def fail(self) -> None:
        """Raises ValidationError when a row has a sentence on it."""
        if self.widget.row_errors:
            raise forms.ValidationError("Some rows cannot be kept; each says why.")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what the rows say, without the empty ones."""
        return [r for r in initial or [] if any(r.values())] != [
            r for r in data or [] if any(r.values())
        ]


def _lines(value: str) -> int:
    """How many lines a value is drawn with; none for one of an input, which holds no break."""
    return min(value.count("\n") + 1, _MOST_LINES) if "\n" in value else 0


def _with(column: Column, row: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """The choices, and what is stored though it is none any more: saving keeps it."""
    value = row.get(column.name, "")
    if not column.choices or not value or any(key == value for key, _label in column.choices):
        return column.choices
    return [*column.choices, (value, f"{value} (no longer there)")]
