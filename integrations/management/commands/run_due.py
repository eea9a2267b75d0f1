"""`manage.py run_due`: everything that is due or waiting, once; with `--loop` the tick."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, exit_of, worst
from integrations.reports import write_runs
from integrations.tick import Tick, make_due
from integrations.worker import Worker, ends_on_signals


class Command(BaseCommand):
    """From a plain cron it makes tick and workers unnecessary."""

    help = "Do everything that is due or waiting; with --loop wake workers until SIGTERM."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--loop", action="store_true", help="look every 5 s and let workers do it"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")

    def run(self, options: dict[str, Any]) -> Exit:
        if options["loop"]:
            tick = Tick()
            with ends_on_signals(tick):
                tick.loop()
            return Exit.DONE
        worker = Worker()
        with ends_on_signals(worker):
            make_due(timezone.now())
            runs = worker.do_due()
        if options["json"]:
            write_runs(self.write_piece, runs)
        else:
            for run in runs:
                self.stdout.write(f"{run}: {run.get_state_display().lower()}")
            if not runs:
                self.say("Nothing is due.")
        return worst(exit_of(run) for run in runs)
