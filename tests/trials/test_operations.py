"""The short form of the trial about calls that change something keeps its promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
KINDS = 9


def test_no_call_is_lost_or_done_twice() -> None:
    """F-03, F-20, G-01, G-02: each kind of call, killed, cut off, never answered before and after.

    F-12 too on PostgreSQL: stopped for longer than a lease, which is short there.
    """
    database = f"--database={connection.vendor}"
    done = subprocess.run(
        [sys.executable, "-m", "trials.operations", "--short", "--json", database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=1_200,
        check=False,
    )

    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, json.dumps(told, indent=1)
    *_others, unasked = told["promises"]
    assert set(unasked["figures"].values()) == {KINDS}, json.dumps(told, indent=1)
    assert {"killed", "time-out before", "time-out after"} < set(unasked["figures"]), json.dumps(
        told, indent=1
    )
    stopped = [one["tried"] for one in told["promises"] if one["name"].startswith("stopped")]
    assert min(stopped, default=0) > 0 or connection.vendor == "sqlite", json.dumps(told, indent=1)
