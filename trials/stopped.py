"""Senders that are stopped in the midst of a call for longer than their lease, then go on (F-12).

Another process takes their calls over meanwhile. When they wake up, the fence refuses what they
write, and nothing is done twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING, Any

from trials.database import fork, kill
from trials.effects import CALLS, Effect, Tally, all_effects, judge, let_pass
from trials.report import Promise, progress

if TYPE_CHECKING:
    from integrations.models import Operation
    from integrations.presets.call import PresetCall
    from tests.integrations.operations.calls import Desk

FIRST_NUMBER = 10_000
# Seconds: for a process to come to its call, to be found silent, and to end once it was woken.
LONGEST = 30.0
# When it is stopped: what becomes meanwhile of the request that is under way.
BEFORE, AFTER, ASKING = "before the vendor did it", "after the vendor did it", "as it asks first"
MOMENTS: Mapping[str, Mapping[str, Any]] = {
    BEFORE: {"kind": "delay", "seconds": 1},
    AFTER: {"kind": "blackhole", "commit": True, "seconds": 2},
    ASKING: {"kind": "delay", "seconds": 1, "method": "GET"},
}


@dataclass(frozen=True)
class Sender:
    """A process that performs one call, and what the call is about."""

    pid: int
    name: str
    moment: str
    effect: Effect
    desk: Desk
    key: str


def try_stopped(desks: Mapping[str, Desk], asked: set[str], *, short: bool) -> list[Promise]:
    """Stop senders of every kind of call at every moment; adds to `asked` what they were about.

    All of them sleep for the same lease: 15 s on PostgreSQL and 45 s on SQLite, where the short
    form has none. To be tried before other trials move the clock ahead of the database's.
    """
    from django.db import connection

    if short and connection.vendor == "sqlite":
        return []
    tally = Tally()
    senders: list[Sender] = []
    try:
        for moment in (AFTER, ASKING) if short else MOMENTS:
            for effect in all_effects():
                if moment != ASKING or effect.asks_first:
                    number = FIRST_NUMBER + len(senders)
                    senders.append(_begin(desks[effect.vendor], effect, moment, number))
                    tally.broken += _stop(senders[-1])
        tally.broken += _take_over(senders)
        before = _rows()
        late = _wake(senders)
        late += [f"{row['key']} was changed" for pk, row in _rows().items() if before[pk] != row]
    finally:
        for sender in senders:
            kill(sender.pid)
    for sender in senders:
        asked.add(sender.key)
        _count(sender, tally)
    return [
        Promise(
            "stopped past its lease: neither lost nor twice", tally.tried, tally.broken, tally.ends
        ),
        Promise("stopped past its lease: writes nothing more", len(senders), late),
    ]


def _begin(desk: Desk, effect: Effect, moment: str, number: int) -> Sender:
    """Begin a call in a process of its own; gives it when the vendor has the request."""
    call, key = effect.call(desk, number)
    name = f"stopped:{number}"
    fault = {"method": call.request.method, **MOMENTS[moment]}
    armed = desk.sandbox.faults.add(**fault, vendor=desk.vendor, path=CALLS, count=1)
    pid = fork(partial(_perform, desk, call, name))
    until = time.monotonic() + LONGEST
    while not desk.sandbox.faults.fired(armed) and time.monotonic() < until:
        time.sleep(0.005)
    return Sender(pid, name, moment, effect, desk, key)


def _perform(desk: Desk, call: PresetCall, name: str) -> None:
    desk.perform(call, name)


def _stop(sender: Sender) -> Iterator[str]:
    """Stop it; what is wrong with the moment."""
    os.kill(sender.pid, SIGSTOP)
    row = _row(sender)
    if row is None or row.state != "sending":
        yield f"no trial: {_told(sender)} was not under way"
    elif (row.sent_at is None) != (sender.moment == ASKING):
        yield f"no trial: {_told(sender)} was stopped too early or too late"


def _take_over(senders: Sequence[Sender]) -> Iterator[str]:
    """Wait until their leases have ended, and do what they left; what is wrong with that."""
    from integrations.operations.advance import note_lost_senders
    from integrations.sync.lease import lease_seconds

    progress(f"{len(senders)} senders are stopped for {lease_seconds()} s")
    taken, until = 0, time.monotonic() + lease_seconds() + LONGEST
    while taken < len(senders) and time.monotonic() < until:
        taken += note_lost_senders()
        time.sleep(0.5)
    if taken != len(senders):
        yield f"no trial: {taken} of {len(senders)} senders counted as lost"
    let_pass(senders[0].desk)


def _wake(senders: Sequence[Sender]) -> list[str]:
    """Let them go on until they end; which of them did not."""
    for sender in senders:
        os.kill(sender.pid, SIGCONT)
    until = time.monotonic() + LONGEST
    still = list(senders)
    while still and time.monotonic() < until:
        still = [sender for sender in still if os.waitpid(sender.pid, os.WNOHANG)[0] == 0]
        time.sleep(0.05)
    return [f"{_told(sender)} never ended" for sender in still]


def _rows() -> dict[int, dict[str, Any]]:
    from integrations.models import Operation

    return {row["id"]: dict(row) for row in Operation.objects.values()}


def _row(sender: Sender) -> Operation | None:
    from integrations.models import Operation

    return Operation.objects.filter(key=sender.name).first()


def _count(sender: Sender, tally: Tally) -> None:
    """Count how it ended, and what is wrong with that."""
    row = _row(sender)
    tally.tried += 1
    if row is None:
        tally.broken.append(f"lost: {_told(sender)} has no row")
        return
    tally.ends[row.state] += 1
    wrong = judge(sender.desk, sender.effect, sender.key, row)
    tally.broken += [f"{_told(sender)}: {sentence}" for sentence in wrong]


def _told(sender: Sender) -> str:
    return f"{sender.effect.title}, stopped {sender.moment}"
