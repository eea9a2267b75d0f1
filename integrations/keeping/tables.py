"""Which tables a backup holds, and how a value of each column is written in it.

The form is the same for both databases: a line of JSON per row, with moments in ISO, bytes in
base64, and rows that every installation numbers by itself (content types, permissions) by name.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.db.models import ExpressionWrapper, F

from integrations.fields import EncryptedTextField
from people.bulk import Row

# Made anew by every migrate.
_MADE_BY_MIGRATE = frozenset({"contenttypes.contenttype", "auth.permission"})
# True for the living processes only, or for the next minutes.
_OF_THE_MOMENT = frozenset(
    {
        "sessions.session",
        "integrations.stagedrecord",
        "integrations.workingprocess",
        "integrations.pace",
    }
)
_APPS_OF_THE_MOMENT = frozenset({"axes"})
# Filled by a first migrate already: rows in them are no data that somebody could miss.
FILLED_BY_MIGRATE = frozenset(
    {
        "auth_group",
        "auth_group_permissions",
        "people_personrole",
        "integrations_installation",
    }
)
_CHUNK = 2_000
_PLAIN = frozenset(
    {
        "AutoField",
        "BigAutoField",
        "BigIntegerField",
        "BooleanField",
        "CharField",
        "EmailField",
        "FileField",
        "FloatField",
        "IntegerField",
        "PositiveBigIntegerField",
        "PositiveIntegerField",
        "PositiveSmallIntegerField",
        "SlugField",
        "SmallIntegerField",
        "TextField",
        "URLField",
    }
)
_KINDS = {
    "DateField": "day",
    "DateTimeField": "moment",
    "JSONField": "json",
    "UUIDField": "uuid",
    "BinaryField": "bytes",
}
KINDS = frozenset({"plain", "sealed", "content_type", "permission", *_KINDS.values()})


@dataclass(frozen=True)
class Table:
    """A table of the backup: its columns in order, each with the kind of its values."""

    name: str
    columns: Mapping[str, str]


def kept_models() -> list[type[models.Model]]:
    """Every model whose rows a backup holds, those of many-to-many tables too."""
    return [model for model in _all_models() if not _is_left_out(model)]


def emptied_tables() -> list[str]:
    """The tables that a restore empties: those of the backup, and what belonged to the old rows."""
    spared = {*_MADE_BY_MIGRATE, "integrations.workingprocess"}
    return [
        model._meta.db_table for model in _all_models() if model._meta.label_lower not in spared
    ]


def _all_models() -> Iterator[type[models.Model]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model


def _is_left_out(model: type[models.Model]) -> bool:
    label = model._meta.label_lower
    return (
        label in _MADE_BY_MIGRATE
        or label in _OF_THE_MOMENT
        or model._meta.app_label in _APPS_OF_THE_MOMENT
    )


def table_of(model: type[models.Model]) -> Table:
    """Describe a model's table. Raises LookupError for a column of an unknown kind."""
    fields = model._meta.concrete_fields
    return Table(model._meta.db_table, {str(field.column): kind_of(field) for field in fields})


def kind_of(field: Any) -> str:
    """How values of this field are written; a new type of field must be decided about here."""
    if isinstance(field, EncryptedTextField):
        return "sealed"
    if field.remote_field:
        if field.remote_field.model is ContentType:
            return "content_type"
        if field.remote_field.model is Permission:
            return "permission"
        return kind_of(field.target_field)
    kind = field.get_internal_type()
    if kind in _PLAIN:
        return "plain"
    if kind not in _KINDS:
        raise LookupError(f"A backup does not know how to keep {field} ({kind}).")
    return _KINDS[kind]


def read_rows(model: type[models.Model]) -> Iterator[tuple[Any, ...]]:
    """The rows in the order of their ids, a chunk at a time; secrets as they are sealed."""
    columns = [
        ExpressionWrapper(F(field.attname), output_field=models.BinaryField())
        if isinstance(field, EncryptedTextField)
        else field.attname
        for field in model._meta.concrete_fields
    ]
    rows = model._base_manager.order_by("pk").values_list(*columns)  # noqa: SLF001 - public
    yield from rows.iterator(chunk_size=_CHUNK)


class Codec:
    """Turns rows into lines and back; knows the names of content types and permissions here.

    Three queries when it is made.
    """

    def __init__(self) -> None:
        types: dict[int, str] = {
            row.pk: f"{row.app_label}.{row.model}" for row in ContentType.objects.all()
        }
        permissions = {
            row.pk: f"{types[row.content_type_id]}.{row.codename}"
            for row in Permission.objects.all()
        }
        self._names = {"content_type": types, "permission": permissions}
        self._ids = {
            kind: dict(zip(names.values(), names, strict=True))
            for kind, names in self._names.items()
        }

    def line(self, table: Table, row: Sequence[Any]) -> bytes:
        """One row as a line of JSON."""
        values = [
            self._names[kind].get(value) if kind in self._names else value
            for kind, value in zip(table.columns.values(), row, strict=True)
        ]
        return json.dumps(values, default=_as_text, separators=(",", ":")).encode() + b"\n"

    def rows(self, table: Table, lines: Iterator[list[Any]]) -> Iterator[Row]:
        """Rows as this database takes them.

        A permission that is not known here any more goes, and its row with it.
        """
        readers = [self._reader(kind) for kind in table.columns.values()]
        needed = [at for at, kind in enumerate(table.columns.values()) if kind == "permission"]
        for line in lines:
            row = [
                None if value is None else read(value)
                for read, value in zip(readers, line, strict=True)
            ]
            if all(row[at] is not None for at in needed):
                yield row

    def _reader(self, kind: str) -> Callable[[Any], Any]:
        if kind in self._ids:
            return self._ids[kind].get
        readers: dict[str, Callable[[Any], Any]] = {
            "day": str,
            "moment": _read_moment,
            "json": json.dumps,
            "uuid": _read_uuid,
            "bytes": read_bytes,
            "sealed": read_bytes,
        }
        return readers.get(kind, _unchanged)


def _as_text(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _unchanged(value: Any) -> Any:
    return value


def _read_moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _read_uuid(value: str) -> str:
    return value if connection.vendor == "postgresql" else uuid.UUID(value).hex


def read_bytes(value: str) -> bytes:
    """Bytes, or a secret as it is sealed, from what a line holds."""
    return base64.b64decode(value)


def last_id(table: str) -> int:
    """The highest id that the table ever gave, also to a row that is gone. Two queries."""
    with connection.cursor() as cursor:
        for sequence in _sequences(cursor, table):
            cursor.execute(_LAST_ID.get(connection.vendor, _LAST_ID["sqlite"]), [sequence])
            row = cursor.fetchone()
            return int(row[0]) if row and row[0] else 0
    return 0


def number_on_after(table: str, number: int) -> None:
    """Let the table's next id be higher than `number`. At most three queries.

    An id that was given once never comes back: history, plans and mails name rows by it.
    """
    with connection.cursor() as cursor:
        for sequence in _sequences(cursor, table):
            if connection.vendor == "postgresql":
                cursor.execute("SELECT setval(%s::regclass, %s, %s)", [sequence, *_at(number)])
                continue
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [sequence])
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [sequence, number]
            )


_LAST_ID = {
    "postgresql": "SELECT pg_sequence_last_value(%s::regclass)",
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = %s",
}


def _at(number: int) -> tuple[int, bool]:
    """Value of a sequence that gave `number` last, and whether it was given."""
    return (number, True) if number > 0 else (1, False)


def _sequences(cursor: Any, table: str) -> list[str]:
    """What numbers the rows: a sequence on PostgreSQL, the table's own name on SQLite."""
    if connection.vendor != "postgresql":
        return [table]
    found = connection.introspection.get_sequences(cursor, table)
    return [f'"{one["name"]}"' for one in found]
