"""Running a trial on SQLite and on PostgreSQL, each in a process of its own, side by side."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trials.database import own_database
from trials.report import Promise, finish, make_parser

if TYPE_CHECKING:
    from tests.integrations.sync.worlds import World

SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
ENGINES = ("sqlite", "postgresql")


def run_on_both(
    name: str,
    title: str,
    about: str | None,
    arguments: Sequence[str] | None,
    try_all: Callable[[argparse.Namespace], list[Promise]],
) -> int:
    """Run `python -m trials.<name>` on the databases that are asked for; the exit code."""
    parser = make_parser(about)
    parser.add_argument("--database", choices=[*ENGINES, "both"], default="both")
    options = parser.parse_args(arguments)
    if options.database == "both":
        flags = ["--short"] if options.short else []
        return finish(title, _on_both(name, flags), as_json=options.json)
    if options.database == "postgresql":
        os.environ["DATABASE_URL"] = os.environ.get("TRIALS_DATABASE_URL", SERVER)
    else:
        os.environ.pop("DATABASE_URL", None)
    with own_database(name):
        promises = try_all(options)
    return finish(f"{title}, {options.database}", promises, as_json=options.json)


def _on_both(name: str, flags: Sequence[str]) -> list[Promise]:
    command = [sys.executable, "-m", f"trials.{name}", "--json", *flags]
    children = {
        engine: subprocess.Popen([*command, f"--database={engine}"], stdout=subprocess.PIPE)
        for engine in ENGINES
    }
    promises = []
    for engine, child in children.items():
        lines = child.communicate()[0].splitlines()
        told: dict[str, Any] = json.loads(lines[-1]) if lines else {"promises": []}
        promises += [
            Promise(f"{engine}: {one['name']}", one["tried"], one["broken"], one["figures"])
            for one in told["promises"]
        ] or [Promise(f"{engine}: the trials ended", 0)]
    return promises


@contextmanager
def fresh_world() -> Iterator[World]:
    """An empty database, and an empty company at vendors that slow nobody down."""
    from django.conf import settings
    from django.core.management import call_command

    from integrations.sandbox.server import Sandbox
    from tests.integrations.sync.worlds import NO_LIMIT, World

    call_command("flush", interactive=False, verbosity=0)
    with Sandbox(people=0, seed=1, settings={"aha": NO_LIMIT, "bamboohr": NO_LIMIT}) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield World(sandbox)
