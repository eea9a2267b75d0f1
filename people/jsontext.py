"""A JSON column that is written and read whole, and never searched."""

from __future__ import annotations

import json
from typing import Any

from django.db import models


class WholeJSONField(models.JSONField):
    """JSON kept as it was written: `json` on PostgreSQL, which neither parses nor sorts it.

    Plans and events of 100,000 records are written and read back in one go; `jsonb` would take
    each apart twice. Look-ups by key are not offered.
    """

    def db_type(self, connection: Any) -> str | None:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value
