"""`manage.py restore FILE`: the data of a backup, in a database that is paused then."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.commands import COMMAND_LINE, Exit
from integrations.commands import Command as BaseCommand
from integrations.keeping.restore import Restored, restore_backup


class Command(BaseCommand):
    """All or nothing; SQLite to PostgreSQL and back are restores like any other."""

    help = "Put the data of a backup into this database. Stop everything else first."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="lose what the database holds now"
        )
        parser.add_argument(
            "--keys-are-lost", action="store_true", help="the secrets have to be entered again"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")

    def run(self, options: dict[str, Any]) -> Exit:
        done = restore_backup(
            options["file"],
            replace=options["replace"],
            keys_are_lost=options["keys_are_lost"],
            by=COMMAND_LINE,
            now=timezone.now(),
        )
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(done)))
            return Exit.DONE
        settled = done.settled
        self.stdout.write(
            f"{done.manifest.rows:,} rows of {timezone.localtime(done.manifest.created_at)} are "
            f"restored. {settled.cancelled_runs} runs that were under way are cancelled, "
            f"{settled.void_approvals} approvals are void, {settled.mails_kept_back} mails are "
            f"kept back. {settled.calls_to_look_up} calls to vendors are looked up, "
            f"{settled.calls_that_ask} ask for a person; {settled.cancelled_records} records that "
            "were under way in workflows are stopped, to be retried by name."
        )
        self.say(
            "Rolecall is paused. Start it, preview the "
            f"{settled.integrations_to_preview} launched integrations, look at what they would do, "
            "then say go on the page that the banner opens, or with `manage.py resume --as USER`."
        )
        return Exit.DONE


def _as_json(done: Restored) -> dict[str, Any]:
    return {
        "version": done.manifest.version,
        "created_at": done.manifest.created_at.isoformat(),
        "rows": done.manifest.rows,
        "tables": {entry.name: entry.rows for entry in done.manifest.tables},
        "settled": asdict(done.settled),
        "paused": True,
    }
