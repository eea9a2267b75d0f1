"""Many rows in one statement, for tables of any app: COPY on PostgreSQL, executemany on SQLite.

Django's `bulk_create` makes an object per row and `bulk_update` a CASE per value; a sync of 100,000
records would spend most of its time there. Values go in as the database takes them: JSON as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from django.db import connection, models
from django.db.backends.utils import CursorWrapper

Row = Sequence[Any]


def insert_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows; `columns` are column names and hold every column without a default.

    One statement. Raises django.db.IntegrityError when a constraint refuses one of them.
    """
    insert_into(model._meta.db_table, columns, rows)


def insert_into(table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """As `insert_rows`, into a table by its name: for a time at which no model fits it."""
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _copy(cursor, f'COPY "{table}" ({names}) FROM STDIN', rows)
        else:
            marks = ", ".join(["%s"] * len(columns))
            sql = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 - our own names
            cursor.executemany(sql, cast("Any", _for_sqlite(rows)))


def _copy(cursor: CursorWrapper, sql: str, rows: Iterable[Row]) -> None:
    copy = cast("Any", cursor).copy
    with connection.wrap_database_errors, copy(sql) as target:
        write = target.write_row
        for row in rows:
            write(row)


def update_rows(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set `columns` of the rows whose id stands first in each of `rows`. One statement.

    A key that one row gives up and another takes in the same call needs `clear_columns` first.
    """
    if not rows:
        return
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(*_update_from_arrays(model, columns, rows))
        else:
            settings = ", ".join(f'"{column}" = %s' for column in columns)
            sql = f'UPDATE "{table}" SET {settings} WHERE "id" = %s'  # noqa: S608 - our own names
            moved = _for_sqlite((*row[1:], row[0]) for row in rows)
            cursor.executemany(sql, cast("Any", moved))


def _update_from_arrays(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]
) -> tuple[str, list[list[Any]]]:
    types = {field.column: field.db_type(connection) or "text" for field in model._meta.fields}
    settings = ", ".join(f'"{column}" = v."{column}"::{types[column]}' for column in columns)
    arrays = ", ".join(f"%s::{_array_type(types[column])}[]" for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    sql = (
        f'UPDATE "{model._meta.db_table}" AS t SET {settings} '  # noqa: S608 - our own names
        f'FROM unnest(%s::bigint[], {arrays}) AS v("id", {names}) WHERE t."id" = v."id"'
    )
    return sql, [list(values) for values in zip(*rows, strict=True)]


def _array_type(db_type: str) -> str:
    return "text" if db_type.startswith(("varchar", "jsonb")) else db_type


def clear_columns(model: type[models.Model], columns: Sequence[str], ids: Sequence[int]) -> None:
    """Set nullable `columns` to NULL, so that keys can change hands. One statement."""
    model._default_manager.filter(pk__among=ids).update(**dict.fromkeys(columns))  # noqa: SLF001 - public


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Take `count` ids out of the table's sequence; nobody else gets them. One or two statements.

    On SQLite inside or outside a transaction; the numbers are used up even if no row follows.
    """
    if count <= 0:
        return []
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [f'"{table}"', count],
            )
            return [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s RETURNING seq",
            [count, table],
        )
        row = cursor.fetchone()
        if row is None:
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, count]
            )
            row = (count,)
        return list(range(row[0] - count + 1, row[0] + 1))


def commit_lazily() -> None:
    """Let this transaction's commit not wait for the disk, on PostgreSQL. One statement.

    Only for rows that are made again when the database fails in the same second, as a run's stage
    and its plan are.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")


def analyse(model: type[models.Model], columns: Sequence[str]) -> None:
    """Tell PostgreSQL's planner what these columns hold now; nothing on SQLite. One statement.

    A table that grew by a hundred thousand rows a moment ago is joined row by row without this.
    """
    if connection.vendor == "postgresql":
        names = ", ".join(f'"{column}"' for column in columns)
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{model._meta.db_table}" ({names})')


def _for_sqlite(rows: Iterable[Row]) -> Iterable[list[Any]]:
    """SQLite keeps moments as text in UTC, as Django writes them."""
    convert: Callable[[Any], Any] = _moment_as_text
    return (
        [convert(value) if isinstance(value, datetime) else value for value in row] for row in rows
    )


def _moment_as_text(moment: datetime) -> str:
    return str(moment.astimezone(UTC).replace(tzinfo=None))
