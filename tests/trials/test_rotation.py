"""The short form of the trial about keys keeps its promises."""

from __future__ import annotations

import subprocess
import sys


def test_no_secret_is_lost_while_keys_are_rotated() -> None:
    """S-23, G-15."""
    done = subprocess.run(
        [sys.executable, "-m", "trials.rotation", "--short"],
        capture_output=True, text=True, check=False, timeout=1_200,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
