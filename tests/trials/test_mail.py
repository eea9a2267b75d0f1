"""The short form of the trial about mails keeps its promises."""

from __future__ import annotations

import subprocess
import sys


def test_no_mail_is_sent_twice_or_lost() -> None:
    """F-22."""
    done = subprocess.run(
        [sys.executable, "-m", "trials.mail", "--short"],
        capture_output=True, text=True, check=False, timeout=1_200,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
