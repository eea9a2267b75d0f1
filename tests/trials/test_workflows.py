"""The short forms of the trials of workflows keep their promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def run_short(name: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a short trial on the kind of database of the suite, and what it printed."""
    database = f"--database={connection.vendor}"
    done = subprocess.run(
        [sys.executable, "-m", f"trials.{name}", "--short", "--json", database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=1_200,
        check=False,
    )
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else {}


def test_each_block_has_its_effect_once_and_in_order_whatever_happens_to_workers() -> None:
    """F-01, F-06, F-11, F-12, F-40, S-21: a few of each; `python -m trials.workflows` does all."""
    code, told = run_short("workflows")

    assert code == 0, told
    tried, *_others = told["promises"]
    assert tried["tried"] >= 8, told
    assert len(tried["figures"]) >= 5, told
    edits = next(one for one in told["promises"] if "F-40" in one["name"])
    assert set(edits["figures"].values()) == {1}, told


def test_a_preview_is_what_happens() -> None:
    """G-09: four random worlds; `python -m trials.simulate` tries fifty."""
    code, told = run_short("simulate")

    assert code == 0, told
    assert {one["name"]: one["tried"] for one in told["promises"]}["worlds"] == 4
