"""Whoever waits for SQLite's writer comes in, however busy the others are."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from people.models import Department

WRITERS = 3
WRITES = 20
MOST_BEFORE = 130  # writes of others while one waits: three seconds of them on a machine at rest
# One transaction after another, through the product's own settings.
WRITES_WITHOUT_PAUSE = """
import time, django
django.setup()
from django.db import transaction
from people.models import Department
while True:
    with transaction.atomic():
        Department.objects.update(name_key="busy")
        time.sleep(0.02)
    print(end="w", flush=True)
"""
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="is about SQLite"),
]


@pytest.fixture
def busy_writers(tmp_path: Path) -> Iterator[list[Path]]:
    """Files that grow by a letter with each write of one of them."""
    connection.ensure_connection()
    files = [tmp_path / f"writer-{number}" for number in range(WRITERS)]
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}"}
    others = []
    for file in files:
        with file.open("wb") as output:
            others.append(
                subprocess.Popen(
                    [sys.executable, "-c", WRITES_WITHOUT_PAUSE],
                    cwd=Path(__file__).resolve().parents[2],
                    env=environment,
                    stdout=output,
                )
            )
    while not all(file.stat().st_size for file in files):
        assert all(other.poll() is None for other in others)
        time.sleep(0.05)
    yield files
    for other in others:
        other.kill()
        other.wait()


def writes_of(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def test_a_write_comes_in_between_those_of_writers_who_never_pause(
    busy_writers: list[Path],
) -> None:
    """F-09: waiting as SQLite does by itself, some of these would wait for hundreds of others."""
    most = 0
    for number in range(WRITES):
        before = writes_of(busy_writers)
        Department.objects.create(name=f"D{number}", name_key=f"d{number}")
        most = max(most, writes_of(busy_writers) - before)

    assert Department.objects.count() == WRITES
    assert most < MOST_BEFORE


def test_reading_and_writing_in_a_transaction_take_no_turn() -> None:
    """A transaction has the lock; whoever reads needs none."""
    turn = Path(f"{connection.settings_dict['NAME']}-turn")
    Department.objects.create(name="Sales", name_key="sales")

    assert turn.stat().st_size == 0
    assert Department.objects.filter(name="Sales").exists()
