"""The short form of the trial about ends of runs keeps its promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trials.sequences import Standing, expected


def test_the_error_state_is_as_specified_for_short_sequences() -> None:
    """M-32, G-19."""
    done = subprocess.run(
        [sys.executable, "-m", "trials.sequences", "--short"],
        capture_output=True, text=True, check=False, timeout=1_200,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("sequence", "standing"),
    [
        ("FF", Standing(2, in_error=False, mails=0)),
        ("FFF", Standing(3, in_error=True, mails=1)),
        ("FFFF", Standing(4, in_error=True, mails=1)),
        ("FFSFFF", Standing(3, in_error=True, mails=1)),
        ("FPF", Standing(1, in_error=False, mails=0)),
        ("FFFSFFF", Standing(3, in_error=True, mails=2)),
    ],
)
def test_the_oracle_knows_the_examples_of_the_specification(
    sequence: str, standing: Standing
) -> None:
    """F-21."""
    assert expected(sequence) == standing
