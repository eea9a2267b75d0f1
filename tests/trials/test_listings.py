"""The short form of the trial about listings keeps its promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def test_no_listing_that_proves_nothing_removes_anybody() -> None:
    """F-24, F-25, G-07: fifteen forms at each vendor; honest leavers go afterwards."""
    database = f"--database={connection.vendor}"
    done = subprocess.run(
        [sys.executable, "-m", "trials.listings", "--short", "--json", database],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=1_200,
        check=False,
    )

    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, json.dumps(told, indent=1)
    assert (told["promises"][-1]["tried"], told["promises"][-1]["figures"]) == (75, {"removals": 0})
