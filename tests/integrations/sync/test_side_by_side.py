"""Batches of one run side by side: each once, errors told, one at a time where it must be."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from integrations.sync.side_by_side import do_batches
from people.models import Department


@pytest.mark.django_db(transaction=True)
def test_every_batch_is_done_once_and_committed():
    def make(number: int) -> None:
        with transaction.atomic():
            Department.objects.create(name=f"D{number}", name_key=f"d{number}")

    do_batches(iter(range(20)), make)

    names = Department.objects.filter(name__startswith="D").values_list("name", flat=True)
    assert sorted(names) == sorted(f"D{number}" for number in range(20))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_batches_are_under_way_at_once_on_postgresql():
    together = threading.Barrier(2, timeout=60)

    do_batches(iter(range(2)), lambda _batch: _meet(together))

    assert not together.broken


@pytest.mark.django_db
def test_inside_a_transaction_the_caller_does_it_all():
    """No other connection would see rows that are not committed."""
    threads = set()

    do_batches(iter(range(4)), lambda _batch: threads.add(threading.current_thread().name))

    assert connection.in_atomic_block
    assert threads == {threading.current_thread().name}


@pytest.mark.django_db(transaction=True)
def test_the_first_error_ends_it_and_is_told():
    begun = []

    def fail_at_two(number: int) -> None:
        begun.append(number)
        if number == 2:
            raise ValueError(number)

    with pytest.raises(ValueError, match="2"):
        do_batches(iter(range(100)), fail_at_two)

    assert len(begun) <= 5


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait()
