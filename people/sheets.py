"""Rows for a spreadsheet: fields that somebody may see, and no cell that is a formula (S-15)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import tablib
from django.db.models import QuerySet
from import_export import resources
from import_export.fields import Field
from import_export.formats import base_formats
from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # type: ignore[import-untyped]

from people.history import labels_of
from people.models import CustomField, Person
from people.queries import PERSON_FIELDS
from people.visibility import Sight

_CHUNK = 2_000
_LONGEST_CELL = 32_767  # what a cell of a spreadsheet holds
# A cell that begins with one of these is a formula, or becomes one, in some spreadsheet.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\x00")


def cell(value: Any) -> str:
    """A value as the text of a cell, with an apostrophe before what a spreadsheet would compute."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


class CSV(base_formats.CSV):  # type: ignore[misc]
    """Comma-separated text; with a mark by which spreadsheets see that it is UTF-8."""

    CONTENT_TYPE = "text/csv; charset=utf-8"

    def export_data(self, dataset: tablib.Dataset, **kwargs: Any) -> str:
        return "\ufeff" + str(super().export_data(dataset, **kwargs))


class XLSX(base_formats.XLSX):  # type: ignore[misc]
    """Written row by row, which takes a fifth of the memory of a workbook that is held whole."""

    def export_data(self, dataset: tablib.Dataset, **_kwargs: Any) -> bytes:
        book = Workbook(write_only=True)
        sheet = book.create_sheet(str(dataset.title or "Export")[:31])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            sheet.append(dataset.headers or [])
            for row in dataset:
                sheet.append([_fit(text) for text in row])
            file = BytesIO()
            book.save(file)
        return file.getvalue()


def _fit(text: str) -> str:
    """A cell without characters that the format cannot hold, and no longer than it can be."""
    return str(ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", text))[:_LONGEST_CELL]


class Sheet(resources.Resource):  # type: ignore[misc]
    """Rows of one object. `columns` and `rows` are what a kind of sheet says.

    Reads in pieces of 2,000 rows: a fixed number of queries per piece.
    """

    object = ""
    title = "Export"

    def __init__(self, sight: Sight | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        nothing = Sight(custom=(), hidden=frozenset(), names=frozenset(), everything=False)
        self.sight = sight or nothing
        self.fields = {key: Field(column_name=label) for key, label in self.columns().items()}

    @classmethod
    def get_display_name(cls) -> str:
        """What the export page calls the sheet."""
        return cls.title

    def get_user_visible_fields(self) -> list[Field]:
        """What the export page lists: the columns of this user."""
        return list(self.fields.values())

    def columns(self) -> Mapping[str, str]:
        """{key: heading} of the columns that may be seen, in their order."""
        raise NotImplementedError

    def rows(self, queryset: QuerySet[Any]) -> Iterable[Sequence[Any]]:
        """The values of each row, in the order of the columns."""
        raise NotImplementedError

    def export(self, queryset: QuerySet[Any] | None = None, **_kwargs: Any) -> tablib.Dataset:
        """The whole sheet in memory, every cell as text."""
        dataset = tablib.Dataset(headers=list(self.columns().values()), title=self.title)
        if queryset is not None:
            for row in self.rows(queryset):
                dataset.append([cell(value) for value in row])
        return dataset


class PersonSheet(Sheet):
    """People, by the field names of mappings."""

    object = CustomField.Object.PERSON.value
    title = "People"

    def columns(self) -> dict[str, str]:
        labels = labels_of(self.object, self.sight)
        keys = [*PERSON_FIELDS, *(field.key for field in self.sight.custom)]
        return {key: labels[key] for key in keys if self.sight.shows(key)}

    def rows(self, queryset: QuerySet[Person]) -> Iterable[Sequence[Any]]:
        linked = {
            "department": "department__name",
            "manager": "manager__email",
            "role": "role__name",
        }
        built_in = [linked.get(key, key) for key in self.columns() if key in PERSON_FIELDS]
        custom = [key for key in self.columns() if key not in PERSON_FIELDS]
        found = queryset.values_list(*built_in, "custom")
        for *values, held in found.iterator(chunk_size=_CHUNK):
            yield [*values, *(held.get(key) for key in custom)]
