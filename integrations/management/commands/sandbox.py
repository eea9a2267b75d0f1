"""`manage.py sandbox`: the vendors' side on loopback."""

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from integrations.sandbox.server import Sandbox


class Command(BaseCommand):
    """Serve until SIGTERM or SIGINT; one JSON line on standard output says when it is ready."""

    help = "Serve every vendor's sandbox on loopback; print base URLs and credentials as JSON."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8100, help="0 takes any free port")
        parser.add_argument("--people", type=int, default=500, help="size of the company")
        parser.add_argument("--seed", type=int, default=1, help="another seed, other people")
        parser.add_argument("--ledger", type=Path, help="file that gets a line for each effect")
        parser.add_argument("--state", type=Path, help="file that keeps the world over restarts")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        stop = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
        sandbox = Sandbox(
            people=options["people"],
            seed=options["seed"],
            port=options["port"],
            ledger_file=options["ledger"],
            state_file=options["state"],
        )
        try:
            sandbox.start()
        except OSError as error:
            raise CommandError(f"Port {options['port']} cannot be used: {error}") from error
        try:
            self.stdout.write(orjson.dumps(sandbox.describe()).decode())
            self.stdout.flush()
            stop.wait()
        finally:
            sandbox.stop()
