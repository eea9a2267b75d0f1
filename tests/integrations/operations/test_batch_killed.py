"""A process that is killed in the middle of a batch: none lost, none twice (F-03, G-01)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from integrations.models import Operation
from integrations.operations.advance import advance_one, note_lost_senders
from integrations.operations.batch import Asked
from integrations.sandbox.server import Sandbox

from .calls import NO_LIMIT, Clock, Desk
from .goto_calls import GotoDesk
from .test_batch import ID, perform_all

State = Operation.State
NUMBER = 24
HOUR = 3600
_LONGEST = 60  # seconds


def killed_at(sandbox: Sandbox, number: int, do: Callable[[], object]) -> None:
    """Do something in a process of its own, killed with -9 once so many requests have come."""
    connections.close_all()
    seen = len(sandbox.log)
    child = os.fork()
    if child == 0:
        try:
            do()
        finally:
            os._exit(0)
    end = time.monotonic() + _LONGEST
    while len(sandbox.log) < seen + number and time.monotonic() < end:
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(sandbox.log) >= seen + number


def let_pass(desk: Desk) -> None:
    """Time passes: who fell silent is noted, and what is due is done."""
    note_lost_senders(desk.clock.go_on(HOUR))
    for _round in range(30):
        while advance_one(desk.clock.go_on(1)):
            pass
        desk.clock.go_on(30)


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    """Its clock shows the present: heartbeats are by the clock of the database."""
    shared_desk.clock.now = timezone.now()
    return shared_desk


@pytest.mark.parametrize("requests", [1, 4, 12, 20])
def test_what_was_under_way_is_looked_up_and_mapped(desk: Desk, requests: int) -> None:
    """Whoever asked asks again with the same keys, and finds every row ended."""
    asked = [
        Asked(desk.create(f"new{at}@acme.example"), f"item:{at}", guarded=False, maps=ID)
        for at in range(NUMBER)
    ]
    desk.fault("delay", seconds=0.2)

    killed_at(desk.sandbox, requests, lambda: perform_all(desk, asked))
    desk.sandbox.faults.clear()
    let_pass(desk)
    rows = perform_all(desk, asked)

    assert {row.state for row in rows} == {State.DONE}
    ids = sorted(one.id for one in desk.effects())
    assert len(ids) == NUMBER
    assert sorted(str(row.mapped["betterworks_user_id"]) for row in rows) == ids
    assert sorted(str(row.values["betterworks_user_id"]) for row in rows) == ids


def test_what_must_not_be_repeated_asks_for_no_more_than_was_under_way(
    transactional_db: None, settings: Any, clock: Clock
) -> None:
    """M-26: a welcome mail that nobody can look up is marked right before it is sent."""
    threads = settings.SENDING_THREADS = 3
    clock.now = timezone.now()
    with Sandbox(people=3, seed=1, settings={"goto": NO_LIMIT}, now=clock) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        desk = GotoDesk(sandbox, clock)
        made = [desk.mail(at)[0] for at in range(NUMBER)]
        asked = [Asked(one, f"item:{at}", guarded=False) for at, one in enumerate(made)]
        desk.fault("delay", seconds=0.3)

        killed_at(sandbox, NUMBER // 2, lambda: perform_all(desk, asked))
        desk.sandbox.faults.clear()
        let_pass(desk)
        rows = perform_all(desk, asked)

        states = [row.state for row in rows]
        assert set(states) <= {State.DONE, State.ASKS}
        assert 0 < states.count(State.ASKS) <= threads
        mails = [one for one in desk.effects() if "welcome" in one.op or "mail" in one.op]
        assert len({one.key for one in mails}) == len(mails)
        assert len(mails) >= states.count(State.DONE)
