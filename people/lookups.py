"""`field__among=[...]`: one of thousands of values, sent as one parameter.

`__in` sends a parameter per value, and building and parsing those costs more than the look-up.
"""

from __future__ import annotations

from typing import Any

import orjson
from django.db.models import Field, ForeignKey, Lookup


class Among(Lookup):
    """True where the column equals one of the values; none of them is null."""

    lookup_name = "among"
    prepare_rhs = False

    def get_prep_lookup(self) -> list[Any]:
        return list(self.rhs)

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """`= ANY(array)`, which can use the column's index."""
        left, parameters = self.process_lhs(compiler, connection)
        output = self.lhs.output_field
        db_type = (output.target_field if output.is_relation else output).db_type(connection)
        kind = "bigint" if db_type in {"bigint", "integer"} else "text"
        return f"{left} = ANY(%s::{kind}[])", (*parameters, _array(self.rhs))

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """`IN` over a JSON list, for SQLite."""
        left, parameters = self.process_lhs(compiler, connection)
        sql = f"{left} IN (SELECT value FROM json_each(%s))"  # noqa: S608 - a column of ours
        return sql, (*parameters, orjson.dumps(self.rhs).decode())


def _array(values: list[Any]) -> str | list[Any]:
    """The values as PostgreSQL writes an array; the driver quotes one by one, much slower.

    JSON and array literals quote alike but for control characters, which the driver then handles.
    """
    if all(isinstance(value, int) or value.isprintable() for value in values):
        return f"{{{orjson.dumps(values).decode()[1:-1]}}}"
    return values


def register() -> None:
    """Make the look-up known to every field."""
    Field.register_lookup(Among)
    ForeignKey.register_lookup(Among)
