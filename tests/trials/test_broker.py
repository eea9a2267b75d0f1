"""The short form of the trial about the broker keeps its promises."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from redis import Redis, RedisError

BROKER = os.environ.get("TRIAL_BROKER_URL", "redis://127.0.0.1:6379/5")


def test_work_is_done_once_whatever_becomes_of_messages() -> None:
    """F-10, F-11, F-15, G-04, G-05."""
    try:
        Redis.from_url(BROKER).ping()
    except RedisError:
        if os.environ.get("REQUIRE_ALL"):
            raise
        pytest.skip("needs Redis")

    done = subprocess.run(
        [sys.executable, "-m", "trials.broker", "--short"],
        capture_output=True, text=True, check=False, timeout=1_200,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
