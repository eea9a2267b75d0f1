"""Rows of a command on standard output: a table, CSV or JSON, written as they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, islice
from typing import Any

import orjson

from people.models import CustomField, Person
from people.queries import PERSON_FIELDS
from people.sheets import cell

Write = Callable[[str], object]
Row = Mapping[str, Any]
FORMATS = ("table", "csv", "json")
CHUNK = 2_000
_WIDEST = 40
# The widths of a table are those of its first rows: it is not held until the last is known.
_LOOKED_AT = 200
_LINKED = {
    "department": "department__name",
    "manager": "manager__email",
    "role": "role__name",
}


def custom_keys(object: str) -> list[str]:  # noqa: A002 - the model's own word
    """The keys of the custom fields of people or SaaS users, in order. One query."""
    fields = CustomField.objects.filter(object=object)
    return list(fields.order_by("key").values_list("key", flat=True))


def person_rows(custom: Sequence[str]) -> Iterator[Row]:
    """Everybody with every field, keys as in mappings, by id. One query, read in chunks."""
    columns = [_LINKED.get(name, name) for name in PERSON_FIELDS]
    people = Person.objects.order_by("pk").values_list("pk", *columns, "custom")
    for pk, *values, held in people.iterator(chunk_size=CHUNK):
        row = {"id": pk, **dict(zip(PERSON_FIELDS, values, strict=True))}
        row |= {key: held.get(key) for key in custom}
        yield {key: plain(value) for key, value in row.items()}


def plain(value: Any) -> Any:
    """Dates and moments as ISO text, the latter in UTC; anything else as it is."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def write_rows(format: str, columns: Sequence[str], rows: Iterable[Row], write: Write) -> int:  # noqa: A002
    """Write all rows in one of FORMATS and give how many there were; holds few at a time."""
    writers = {"json": _write_json, "csv": _write_csv, "table": _write_table}
    return writers[format](columns, rows, write)


def _write_json(_columns: Sequence[str], rows: Iterable[Row], write: Write) -> int:
    count = 0
    write("[")
    for count, row in enumerate(rows, start=1):
        write("\n" if count == 1 else ",\n")
        write(orjson.dumps(row).decode())
    write("\n]\n" if count else "]\n")
    return count


def _write_csv(columns: Sequence[str], rows: Iterable[Row], write: Write) -> int:
    count = 0
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for count, row in enumerate(rows, start=1):
        writer.writerow([cell(_text(row[column])) for column in columns])
        if count % CHUNK == 0:
            write(buffer.getvalue())
            buffer.seek(0)
            buffer.truncate()
    write(buffer.getvalue())
    return count


def _write_table(columns: Sequence[str], rows: Iterable[Row], write: Write) -> int:
    count = 0
    remaining = iter(rows)
    first = [_cells(columns, row) for row in islice(remaining, _LOOKED_AT)]
    if not first:
        return 0
    widths = [
        min(_WIDEST, max(len(text) for text in column))
        for column in zip(columns, *first, strict=True)
    ]
    write(_line(columns, widths))
    write(_line(["-" * width for width in widths], widths))
    others = (_cells(columns, row) for row in remaining)
    for cells in chain(first, others):
        count += 1
        write(_line(cells, widths))
    return count


def _cells(columns: Sequence[str], row: Row) -> list[str]:
    return [_for_terminal(_text(row[column])) for column in columns]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        f"{text[: width - 1]}…" if len(text) > width else text.ljust(width)
        for text, width in zip(cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip() + "\n"


def _for_terminal(text: str) -> str:
    """A name must not be able to move the cursor or forge a line."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        scope = value.get("scope") or value.get("scope_id")
        return f"{value.get('role')} ({scope})" if scope else str(value.get("role"))
    return str(value)
