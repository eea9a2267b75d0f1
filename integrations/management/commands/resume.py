"""`manage.py resume --as USER`: let a paused installation go on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as
from integrations.installation import RESUME, drift, find_pause, resume_installation


class Command(BaseCommand):
    """Names a user always: somebody has looked at the previews."""

    help = "Say go after a restore: runs begin again. Previews come first."

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_as(parser)

    def run(self, options: dict[str, Any]) -> Exit:
        if options["user"] is None:
            raise self.wrong("Say who has looked at the previews: --as USER.")
        by = acting(options["user"], [RESUME])
        pause = find_pause()
        if pause is None:
            self.say("Rolecall is not paused.")
            return Exit.DONE
        for one in drift(pause):
            self.stdout.write(f"{one.name}: {one.in_words}")
        resume_installation(by=by)
        self.stdout.write("Rolecall goes on. What was not previewed is previewed first.")
        return Exit.DONE
