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
# One transaction after another, through the product's own settings.
WRITES_WITHOUT_PAUSE = """
import time, django
django.setup()
from django.db import transaction
from people.models import Department
print("begins", flush=True)
while True:
    with transaction.atomic():
        Department.objects.update(name_key="busy")
        time.sleep(0.02)
"""
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="is about SQLite"),
]


@pytest.fixture
def busy_writers() -> Iterator[None]:
    connection.ensure_connection()
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}"}
    others = [
        subprocess.Popen(
            [sys.executable, "-c", WRITES_WITHOUT_PAUSE],
            cwd=Path(__file__).resolve().parents[2],
            env=environment,
            stdout=subprocess.PIPE,
        )
        for _one in range(WRITERS)
    ]
    for other in others:
        assert other.stdout is not None
        other.stdout.readline()
    yield
    for other in others:
        other.kill()
        other.communicate()


def test_a_write_comes_in_between_those_of_writers_who_never_pause(busy_writers: None) -> None:
    """F-09: waiting as SQLite does by itself, some of these would wait for many seconds."""
    longest = 0.0
    for number in range(WRITES):
        began = time.monotonic()
        Department.objects.create(name=f"D{number}", name_key=f"d{number}")
        longest = max(longest, time.monotonic() - began)

    assert Department.objects.count() == WRITES
    assert longest < 3


def test_reading_and_writing_in_a_transaction_take_no_turn() -> None:
    """A transaction has the lock; whoever reads needs none."""
    turn = Path(f"{connection.settings_dict['NAME']}-turn")
    Department.objects.create(name="Sales", name_key="sales")

    assert turn.stat().st_size == 0
    assert Department.objects.filter(name="Sales").exists()
