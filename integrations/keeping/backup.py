"""Writing a backup: every row of one moment, and none of the keys."""

from __future__ import annotations

import secrets
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from integrations.keeping import keycheck, tables
from integrations.keeping.archive import (
    FORMAT,
    KeyEntry,
    Manifest,
    TableEntry,
    new_archive,
    product_version,
    write_manifest,
    write_table,
)


@dataclass(frozen=True)
class Backup:
    """What was written; `unreadable` are secrets that none of the present keys opens."""

    file: Path
    size: int
    manifest: Manifest

    @property
    def unreadable(self) -> int:
        return self.manifest.keys.unreadable


def write_backup(path: Path, *, now: datetime) -> Backup:
    """Write all data to `path`, from one snapshot, while work goes on.

    Raises BackupRefused when the file cannot be written. A few queries per table; memory holds
    some thousand rows.
    """
    with new_archive(path) as archive, one_snapshot():
        keys = _KeyCount()
        codec = tables.Codec()
        entries = [_write_model(archive, model, codec, keys) for model in tables.kept_models()]
        manifest = Manifest(
            format=FORMAT,
            version=product_version(),
            created_at=timezone.localtime(now),
            database=connection.vendor,
            migrations=applied_migrations(),
            keys=keys.entry(),
            tables=entries,
        )
        write_manifest(archive, manifest)
    return Backup(path, path.stat().st_size, manifest)


def _write_model(
    archive: zipfile.ZipFile, model: type[models.Model], codec: tables.Codec, keys: _KeyCount
) -> TableEntry:
    table = tables.table_of(model)
    sealed = [at for at, kind in enumerate(table.columns.values()) if kind == "sealed"]

    def lines() -> Iterator[bytes]:
        for row in tables.read_rows(model):
            keys.count(row, sealed)
            yield codec.line(table, row)

    return write_table(archive, table, lines(), last_id=tables.last_id(table.name))


class _KeyCount:
    """Counts the secrets by the key that opens them."""

    def __init__(self) -> None:
        self._openers = keycheck.rings()
        self._opened: Counter[int | None] = Counter()

    def count(self, row: Sequence[Any], columns: Sequence[int]) -> None:
        for at in columns:
            if row[at]:
                self._opened[keycheck.number_of_key(bytes(row[at]), self._openers)] += 1

    def entry(self) -> KeyEntry:
        salt = secrets.token_hex(16)
        values = keycheck.check_values(salt)
        opened_by = {
            values[number]: count for number, count in self._opened.items() if number is not None
        }
        return KeyEntry(salt=salt, opened_by=opened_by, unreadable=self._opened[None])


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Every query sees the database of one moment, and nobody who writes has to wait."""
    if connection.vendor == "postgresql":
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    # A transaction that only reads must not take SQLite's one place for a writer.
    connection.ensure_connection()
    usual = connection.transaction_mode  # type: ignore[attr-defined]
    connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
    try:
        with transaction.atomic(durable=True):
            connection.transaction_mode = usual  # type: ignore[attr-defined]
            yield
    finally:
        connection.transaction_mode = usual  # type: ignore[attr-defined]


def applied_migrations() -> dict[str, list[str]]:
    """The migrations that this database has, by app. One query."""
    applied: dict[str, list[str]] = {}
    for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
        applied.setdefault(app, []).append(name)
    return applied
