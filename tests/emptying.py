"""What a test that commits leaves behind is deleted: from the tables that hold rows, and no others.

Django's own way empties all tables and then makes each permission and group anew, which takes
longer than most tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase

# Made by `migrate`, and the same for every test.
KEPT = (
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "django_migrations",
)
_kept: dict[str, Sequence[Any]] = {}


def empty_after_tests_that_commit() -> None:
    """Take the place of Django's flush in this process; call it when the tables are there."""
    TransactionTestCase._fixture_teardown = _empty_tables  # type: ignore[attr-defined]
    _kept.update(_read_kept())


def _empty_tables(_case: TransactionTestCase) -> None:
    if _read_kept() != _kept:
        # The test changed what all share: it is made anew.
        call_command("flush", verbosity=0, interactive=False, allow_cascade=True)
        _kept.update(_read_kept())
        return
    with transaction.atomic(), connection.cursor() as cursor:  # foreign keys are judged at its end
        for table in _tables_with_rows():
            cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own names


def _read_kept() -> dict[str, Sequence[Any]]:
    with connection.cursor() as cursor:
        found = {}
        for table in KEPT:
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY id')  # noqa: S608 - our own names
            found[table] = cursor.fetchall()
    return found


def _tables_with_rows() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    asked = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")"  # noqa: S608 - our own names
        for name in sorted(set(names) - set(KEPT))
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        return [row[0] for row in cursor.fetchall()]
