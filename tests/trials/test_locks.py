"""Writers on SQLite wait for each other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="is about SQLite")
def test_no_lock_surfaces_and_no_write_is_lost() -> None:
    """F-09: four writers, two syncs, pages that are read; `python -m trials.locks` does more."""
    done = subprocess.run(
        [sys.executable, "-m", "trials.locks", "--short", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=1_200,
        check=False,
    )

    told = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, [one["broken"] for one in told["promises"]]) == (0, [[]] * 4), (
        json.dumps(told, indent=1)
    )
