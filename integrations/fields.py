"""The encrypted column, safe to use with every way that Django writes a row."""

from __future__ import annotations

from typing import Any

import fernet_fields


class EncryptedTextField(fernet_fields.EncryptedTextField):  # type: ignore[misc]  # untyped library
    """Encrypts with the first of FERNET_KEYS, opens with any of them.

    `bulk_update` and conditional updates hand an SQL expression to the field; the library would
    encrypt the text of that expression, so expressions pass through here.
    """

    def value_to_string(self, obj: Any) -> str:
        """Nothing: `dumpdata` and other serialisers never get the secret (M-34)."""
        return ""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return super().get_db_prep_save(value, connection)
