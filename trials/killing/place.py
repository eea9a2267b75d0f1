"""The databases of a trial: one that is made once, and a copy of it for each attempt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

SERVER = os.environ.get("TRIALS_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
_number = count(1)


def prepare_django(engine: str, folder: Path) -> None:
    """Set up Django in this process, with a database, keys and data of its own in `folder`."""
    os.environ |= environment(engine, folder, database_name(engine, folder, "start"))
    import django

    django.setup()


def server_port() -> int:
    """Where PostgreSQL listens."""
    return urlsplit(SERVER).port or 5432


def environment(engine: str, folder: Path, database: str) -> dict[str, str]:
    """The variables with which a process of ours works on this database."""
    if engine == "postgresql":
        url = urlsplit(SERVER)._replace(path=f"/{database}").geturl()
    else:
        url = f"sqlite:///{database}"
    return {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder / "data"),
        "SECRETS_FILE": str(folder / "secrets.env"),
        "ROLECALL_IGNORE_ENV_FILE": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "LOG_LEVEL": "WARNING",
    }


def database_name(engine: str, folder: Path, name: str) -> str:
    """A database on the server, or a file in the folder."""
    if engine == "postgresql":
        return f"rolecall_trial_{os.getpid()}_{name}"
    return str(folder / f"{name}.sqlite3")


class Place:
    """Where the databases are made; the first one is the template of the others."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.template = database_name(engine, folder, "start")

    def make_template(self) -> None:
        """An empty database, to be filled through Django's default connection."""
        from django.core.management import call_command

        if self.engine == "postgresql":
            self._on_server(f'CREATE DATABASE "{self.template}"')
        call_command("migrate", verbosity=0)

    def close_template(self) -> None:
        """End our own connections to it: then it can be copied."""
        from django.db import connections

        if self.engine == "sqlite":
            with connections["default"].cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connections.close_all()

    @contextmanager
    def copy(self) -> Iterator[str]:
        """A fresh copy of the template: its name, which is a Django alias as well."""
        name = database_name(self.engine, self.folder, f"t{next(_number)}")
        if self.engine == "postgresql":
            self._on_server(f'CREATE DATABASE "{name}" TEMPLATE "{self.template}"')
        else:
            shutil.copyfile(self.template, name)
        _add_alias(name)
        try:
            yield name
        finally:
            _remove_alias(name)
            self.drop(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        if self.engine == "postgresql":
            self._on_server(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        else:
            for file in Path(name).parent.glob(f"{Path(name).name}*"):
                file.unlink(missing_ok=True)

    def end_connections(self, name: str) -> None:
        """End every connection to a database, as a server that restarts does."""
        self._on_server(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
            name,
        )

    def _on_server(self, sql: str, *values: str) -> None:
        import psycopg

        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(sql.encode(), values or None)


def _add_alias(name: str) -> None:
    from django.db import connections

    connections.databases[name] = {**connections.databases["default"], "NAME": name}


def _remove_alias(name: str) -> None:
    from django.db import connections

    connections[name].close()
    del connections[name]
    del connections.databases[name]
