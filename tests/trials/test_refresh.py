"""The short form of the trial about tokens keeps its promises."""

from __future__ import annotations

import subprocess
import sys


def test_tokens_are_refreshed_once_and_no_grant_is_lost() -> None:
    """F-29, F-30, G-16."""
    done = subprocess.run(
        [sys.executable, "-m", "trials.refresh", "--short", "--database", "sqlite"],
        capture_output=True, text=True, check=False, timeout=1_200,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
