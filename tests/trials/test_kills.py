"""The trial of killed syncs keeps its promises, and would see it if they were broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def try_kills(*flags: str) -> tuple[int, dict[str, Any]]:
    """The exit code of the short trial on the database of the suite, and what it printed."""
    environment = dict(os.environ)
    if "DATABASE_URL" in environment:
        environment["TRIALS_DATABASE_URL"] = environment.pop("DATABASE_URL")
    database = f"--database={connection.vendor}"
    done = subprocess.run(
        [sys.executable, "-m", "trials.kills", "--short", "--json", database, *flags],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        timeout=1_200,
        check=False,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_a_sync_that_is_killed_anywhere_leaves_what_an_undisturbed_one_leaves() -> None:
    """F-01, F-02, F-05, F-07, F-08, F-12, G-05: a few of each; `python -m trials.kills` does all."""
    code, told = try_kills()

    assert code == 0, json.dumps(told, indent=1)
    assert told["promises"][-1]["tried"] >= 10
    assert set(told["promises"][-1]["figures"].values()) == {0}


def test_what_is_lost_doubled_or_forbidden_is_found() -> None:
    """The oracle: a batch dropped, a batch applied twice, somebody removed; one in each trial."""
    code, told = try_kills("--sabotage")

    total = told["promises"][-1]
    assert (code, total["tried"]) == (1, 3)
    # Whoever was removed is lost as well: the row that should be there is another one.
    assert [total["figures"][kind] for kind in ("lost", "twice", "forbidden")] == [2, 1, 1], (
        json.dumps(told, indent=1)
    )
