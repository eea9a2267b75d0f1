"""The short form of the trial about calls that change something keeps its promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def test_no_call_is_lost_or_done_twice() -> None:
    """F-03, F-20, G-01, G-02: every kind of call, killed once and cut off once."""
    database = f"--database={connection.vendor}"
    done = subprocess.run(
        [sys.executable, "-m", "trials.operations", "--short", "--json", database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=600,
        check=False,
    )

    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, told
    assert sum(one["tried"] for one in told["promises"][:-1]) >= 18, told
