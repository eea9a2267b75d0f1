"""`manage.py doctor`: is everything well, and who mends what is not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit
from integrations.doctor import examine
from integrations.doctor_host import BAD


class Command(BaseCommand):
    """Changes nothing. Ends with 1 when something needs a person."""

    help = "Check the installation; exit 1 when something needs a person."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")

    def run(self, options: dict[str, Any]) -> Exit:
        found = examine(timezone.now())
        needs_person = any(one.state == BAD for one in found)
        if options["json"]:
            rows = [asdict(one) for one in found]
            self.stdout.write(json.dumps({"needs_person": needs_person, "checks": rows}))
        else:
            for one in found:
                self.stdout.write(f"{one.state:<4}  {one.check:<12}  {one.sentence}")
        return Exit.ISSUES if needs_person else Exit.DONE
