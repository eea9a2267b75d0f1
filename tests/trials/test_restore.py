"""The short form of the trial about backups keeps its promises."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_is_lost_or_done_twice_by_a_restore() -> None:
    """F-41, F-43, S-03, G-22."""
    done = subprocess.run(
        [sys.executable, "-m", "trials.restore", "--short"],
        capture_output=True, text=True, check=False, timeout=1_200,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
