"""`manage.py run_due`: everything that is queued, once or for ever."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, exit_of, worst
from integrations.models import SyncRun
from integrations.reports import write_runs
from integrations.worker import Worker, ends_on_signals


class Command(BaseCommand):
    """From a plain cron it makes a worker unnecessary; with `--loop` it is the worker."""

    help = "Do everything that is due or waiting; with --loop go on until SIGTERM."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", action="store_true", help="look again every second")
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")

    def run(self, options: dict[str, Any]) -> Exit:
        if options["loop"]:
            worker = Worker(on_end=self._print_line if options["json"] else None)
            with ends_on_signals(worker):
                worker.loop()
            return Exit.DONE
        worker = Worker()
        with ends_on_signals(worker):
            runs = worker.do_due()
        if options["json"]:
            write_runs(self.write_piece, runs)
        else:
            for run in runs:
                self.stdout.write(f"{run}: {run.get_state_display().lower()}")
            if not runs:
                self.say("Nothing is due.")
        return worst(exit_of(run) for run in runs)

    def _print_line(self, run: SyncRun) -> None:
        write_runs(self.write_piece, [run])
        self.stdout.flush()
