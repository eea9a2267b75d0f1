"""Reading a backup back: all of it in one transaction, and then a pause until a person says go."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.core.management import call_command
from django.db import Error, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from integrations.errors import BackupRefused
from integrations.keeping import keycheck, tables
from integrations.keeping.after_restore import Settled, settle
from integrations.keeping.archive import (
    Manifest,
    TableEntry,
    check_table,
    open_archive,
    read_lines,
)
from integrations.keeping.backup import applied_migrations
from integrations.models import WorkingProcess
from integrations.presence import FRESH_SECONDS
from integrations.sync.lease import ago
from people.bulk import insert_into

_NAMED = 5


@dataclass(frozen=True)
class Restored:
    """What was read, and what was done so that nothing starts by itself."""

    manifest: Manifest
    settled: Settled


def restore_backup(
    path: Path, *, replace: bool, by: str, now: datetime, keys_are_lost: bool = False
) -> Restored:
    """Put the data of a backup into this database, which is paused afterwards.

    Everything is checked before the first write, and the rows come in one transaction. Raises
    BackupRefused with what to do; nothing was written then. A few queries per table.
    `keys_are_lost` takes secrets that do not open as they are: they have to be entered again.
    """
    with open_archive(path) as (archive, manifest):
        if not keys_are_lost:
            _check_keys(manifest)
        _check_migrations(manifest)
        for entry in manifest.tables:
            check_table(archive, entry)
        if not keys_are_lost:
            _check_secrets_open(archive, manifest)
        _check_database(replace=replace)
        call_command("migrate", verbosity=0, interactive=False)
        try:
            with _one_transaction():
                _load(archive, manifest)
                when = f"{timezone.localtime(manifest.created_at):%-d %b %Y, %H:%M %Z}"
                settled = settle(f"restored from {path.name}, made on {when}", by=by, now=now)
        except Error as error:
            raise BackupRefused(
                f"The database refused the backup ({type(error).__name__}), so nothing was "
                "written. Was it changed by hand? Take another copy."
            ) from error
    return Restored(manifest, settled)


def _check_keys(manifest: Manifest) -> None:
    known = set(keycheck.check_values(manifest.keys.salt))
    closed = sum(count for value, count in manifest.keys.opened_by.items() if value not in known)
    if closed:
        raise BackupRefused(
            f"The keys in FERNET_KEYS do not open {closed} of the "
            f"{sum(manifest.keys.opened_by.values())} secrets in this backup. Put the keys that "
            "were in use when it was made into FERNET_KEYS, after the new one if there is one, "
            "and try again; if they are lost for good, say --keys-are-lost and enter the secrets "
            "again. Nothing was written."
        )


def _check_migrations(manifest: Manifest) -> None:
    """Refuse what this code does not know."""
    graph = MigrationExecutor(connection).loader.disk_migrations
    unknown = [
        f"{app}.{name}"
        for app, names in manifest.migrations.items()
        for name in names
        if (app, name) not in graph
    ]
    if unknown:
        raise BackupRefused(
            f"The backup was made by Rolecall {manifest.version}, which is newer: this version "
            f"does not know {', '.join(unknown[:_NAMED])}. Update Rolecall, then restore."
        )


def _check_secrets_open(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Open every secret once, so that a backup that lies about its keys is found before a write."""
    openers = keycheck.rings()
    closed = 0
    for entry in manifest.tables:
        sealed = [at for at, kind in enumerate(entry.columns.values()) if kind == "sealed"]
        if not sealed:
            continue
        for row in read_lines(archive, entry):
            for at in sealed:
                text = tables.read_bytes(row[at]) if row[at] else b""
                closed += bool(text) and keycheck.number_of_key(text, openers) is None
    if closed > manifest.keys.unreadable:
        raise BackupRefused(
            f"{closed} secrets in the backup do not open with the keys in FERNET_KEYS, though its "
            "manifest says that they do. It is damaged or was changed; take another copy."
        )


def _check_database(*, replace: bool) -> None:
    """Refuse a database at which somebody works, or whose data would be lost unasked."""
    existing = set(connection.introspection.table_names())
    if WorkingProcess._meta.db_table in existing:
        fresh = WorkingProcess.objects.filter(seen_at__gt=ago(FRESH_SECONDS))
        alive = fresh.values_list("name", flat=True).first()
        if alive is not None:
            raise BackupRefused(
                f"{alive} works on this database now. Stop Rolecall (web, worker and tick), wait "
                f"{FRESH_SECONDS} seconds, then restore."
            )
    if replace:
        return
    filled = [
        name
        for name in tables.emptied_tables()
        if name in existing and name not in tables.FILLED_BY_MIGRATE and _has_rows(name)
    ]
    if filled:
        raise BackupRefused(
            f"This database holds data already ({', '.join(filled[:_NAMED])}). Restore into an "
            "empty one, or say --replace to lose what it holds."
        )


def _has_rows(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608 - our own names
        return cursor.fetchone() is not None


@contextmanager
def _one_transaction() -> Iterator[None]:
    """All or nothing, changes of tables included."""
    # SQLite changes tables within a transaction only when it does not judge foreign keys there;
    # they are judged before the commit.
    if connection.vendor == "sqlite":
        connection.disable_constraint_checking()
    try:
        with transaction.atomic(durable=True):
            yield
            connection.check_constraints()
    finally:
        if connection.vendor == "sqlite":
            connection.enable_constraint_checking()


def _load(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Empty every table, fill those of the backup as they were then, and bring them up to date."""
    _empty(tables.emptied_tables())
    is_older = applied_migrations() != manifest.migrations
    if is_older:
        connection.check_constraints()  # PostgreSQL changes no table while one is to be judged
        _migrate_to(manifest)
        _empty([entry.name for entry in manifest.tables])  # what the way back may have filled
    codec = tables.Codec()
    for entry in manifest.tables:
        _check_columns(entry)
        rows = codec.rows(entry.table, read_lines(archive, entry))
        insert_into(entry.name, list(entry.columns), rows)
        tables.number_on_after(entry.name, entry.last_id)
    if is_older:
        connection.check_constraints()
        executor = MigrationExecutor(connection, _judge_between)
        executor.migrate(executor.loader.graph.leaf_nodes())


def _judge_between(action: str, *_more: object) -> None:
    """After each migration judge what it wrote: the next one may change the same table."""
    if action == "apply_success":
        connection.check_constraints()


def _migrate_to(manifest: Manifest) -> None:
    """Take back the migrations that the backup does not have. The tables are empty."""
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    targets: list[tuple[str, str | None]] = []
    for app in executor.loader.migrated_apps:
        had = {(app, name) for name in manifest.migrations.get(app, [])}
        last = [
            node
            for node in had
            if not any(child.key in had for child in graph.node_map[node].children)
        ]
        targets.extend(sorted(last) if last else [(app, None)])
    executor.migrate(targets)


def _empty(names: list[str]) -> None:
    quote = connection.ops.quote_name
    existing = set(connection.introspection.table_names())
    found = [quote(name) for name in names if name in existing]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(found)}")
            return
        for name in found:
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - our own names


def _check_columns(entry: TableEntry) -> None:
    """Only tables and columns that exist here, by their own names, get to the database."""
    with connection.cursor() as cursor:
        known = set(connection.introspection.table_names(cursor))
        columns = (
            {
                column.name
                for column in connection.introspection.get_table_description(cursor, entry.name)
            }
            if entry.name in known
            else set()
        )
    if columns != set(entry.columns):
        raise BackupRefused(
            f"The table {entry.name} of the backup does not fit this version. Restore it with the "
            "version that made it, then update. Nothing was written."
        )
