"""`manage.py backup FILE`: all data of one moment, without the keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit
from integrations.keeping.backup import Backup, write_backup


class Command(BaseCommand):
    """May run while everything else does; a file of that name is replaced once the new is whole."""

    help = "Write all data, without the keys, to FILE."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")

    def run(self, options: dict[str, Any]) -> Exit:
        made = write_backup(options["file"], now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(made)))
        else:
            self.stdout.write(
                f"{made.file}: {made.manifest.rows:,} rows of {len(made.manifest.tables)} tables, "
                f"{made.size:,} bytes. Keep FERNET_KEYS and SECRET_KEY elsewhere: they are not in "
                "it, and without FERNET_KEYS it is not restored."
            )
        if made.unreadable:
            self.stderr.write(
                f"{made.unreadable} secrets open with none of the keys in FERNET_KEYS; they are in "
                "the backup as they are. `manage.py doctor` names them."
            )
            return Exit.ISSUES
        return Exit.DONE


def _as_json(made: Backup) -> dict[str, Any]:
    manifest = made.manifest
    return {
        "file": str(made.file),
        "bytes": made.size,
        "version": manifest.version,
        "created_at": manifest.created_at.isoformat(),
        "rows": manifest.rows,
        "tables": {entry.name: entry.rows for entry in manifest.tables},
        "unreadable_secrets": made.unreadable,
    }
