"""A pause that the vendor asked one call for is kept by all calls with the same credentials."""

from __future__ import annotations

import time

from integrations.models import Operation

from .calls import Desk

State = Operation.State


def test_no_other_call_is_sent_before_the_vendors_time(desk: Desk) -> None:
    """F-18: not one request in the forbidden window."""
    desk.fault("status", status=429, retry_after=2, count=1)
    began = time.monotonic()
    first = desk.perform(desk.create("first@acme.example"))

    second = desk.perform(desk.create("second@acme.example"))

    assert (first.state, second.state) == (State.PLANNED, State.DONE)
    assert time.monotonic() - began >= 2
