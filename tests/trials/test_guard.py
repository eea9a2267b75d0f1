"""The short form of the trial about the guard keeps its promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def test_the_guard_holds_what_the_model_says() -> None:
    """F-26, F-27, S-25, G-08: with processes that are killed while approved ones go."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "trials.guard",
            "--short",
            "--json",
            f"--database={connection.vendor}",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=1_200,
        check=False,
    )

    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, json.dumps(told, indent=1)
