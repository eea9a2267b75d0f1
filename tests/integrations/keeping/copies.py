"""What tests of backups need: every row there is, in a form that two databases share."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from integrations.keeping import tables
from tests.integrations.bad_input.processes import environment


def rows_of_all() -> dict[str, list[bytes]]:
    """Every kept row as a line, by table."""
    codec = tables.Codec()
    found = {}
    for model in tables.kept_models():
        table = tables.table_of(model)
        found[table.name] = [codec.line(table, row) for row in tables.read_rows(model)]
    return found


def differing(before: Mapping[str, list[bytes]], after: Mapping[str, list[bytes]]) -> list[str]:
    """Names of the tables that are not the same."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def rewritten(path: Path, to: Path, **members: bytes | None) -> Path:
    """A copy of the archive with members put in; None leaves one out. Keys are file names."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            if info.filename not in members:
                new.writestr(info.filename, old.read(info))
        for name, content in members.items():
            if content is not None:
                new.writestr(name, content)
    return to


def manage(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, on the database of the tests."""
    return subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *command],
        env=environment(**environ),
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def start(*command: str, **environ: str) -> subprocess.Popen[Any]:
    """Start a command in a process of its own; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *command],
        env={**os.environ, **environment(**environ)},
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
