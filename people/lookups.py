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
        return f"{left} = ANY(%s::{kind}[])", (*parameters, self.rhs)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """`IN` over a JSON list, for SQLite."""
        left, parameters = self.process_lhs(compiler, connection)
        sql = f"{left} IN (SELECT value FROM json_each(%s))"  # noqa: S608 - a column of ours
        return sql, (*parameters, orjson.dumps(self.rhs).decode())


def register() -> None:
    """Make the look-up known to every field."""
    Field.register_lookup(Among)
    ForeignKey.register_lookup(Among)
