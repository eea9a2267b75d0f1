"""A secret that is looked for wherever it must not be, in every spelling that it may have there."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from urllib.parse import quote, quote_plus

from django.db import connection

from tests.integrations.bad_input.processes import database_url

_PIECE = 10  # characters of a secret that are as bad as all of it


def spellings(secret: str) -> dict[str, bytes]:
    """Name of the spelling -> its bytes."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "url": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(),
        "utf-16": secret.encode("utf-16-le"),
    }
    # Base64 differs by where the secret begins; its ends depend on what is around it.
    for shift in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            text = encode(b"x" * shift + raw).rstrip(b"=")
            found[f"{name} {shift}"] = text[2 if shift else 0 : -2].lstrip(b"x")[2:]
    for start in range(0, len(secret) - _PIECE, _PIECE):
        found[f"piece {start}"] = raw[start : start + _PIECE]
    return found


def find(secret: str, where: bytes) -> list[str]:
    """Names of the spellings of the secret that are in there."""
    return [name for name, spelling in spellings(secret).items() if spelling in where]


def every_cell() -> bytes:
    """All that a `SELECT` gives of every table of the database, one cell a line."""
    cells = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            cells += [_text(cell) for row in cursor.fetchall() for cell in row]
    return b"\n".join(cells)


def _text(cell: object) -> bytes:
    return bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()


def raw_files() -> bytes:
    """The pages of SQLite's file, of its write-ahead log and index, as they lie on the disk."""
    name = str(connection.settings_dict["NAME"])
    files = [Path(f"{name}{suffix}") for suffix in ("", "-wal", "-shm")]
    return b"\n".join(file.read_bytes() for file in files if file.exists())


def dump() -> bytes:
    """What `pg_dump` writes."""
    done = subprocess.run(
        ["pg_dump", "--dbname", database_url()],  # noqa: S607 - whichever is installed
        capture_output=True,
        check=True,
        timeout=600,
    )
    return done.stdout
