"""Calls that change something, disturbed in every way: none lost, none twice (F-03, F-20, G-02).

At two vendors, one of which takes some things twice, with look-ups that see at once or only 30 s
later. The answer is lost or does not come within the read time, before or after the vendor
committed; the vendor fails after it committed; the process that sends is killed, or stopped for
longer than its lease and woken when others have taken over (F-12). Then time passes, and workers
look. What counts is the sandbox's ledger. Time is passed in; kills, stops and time-outs are real.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from trials.database import fork, kill
from trials.effects import CALLS, Effect, Tally, all_effects, judge, let_pass, open_desks, unasked
from trials.report import Promise, progress
from trials.sides import run_on_both
from trials.stopped import try_stopped

if TYPE_CHECKING:
    from integrations.presets.call import PresetCall
    from tests.integrations.operations.calls import Desk

TRIALS = 200
# A kill comes somewhere within this time: before, while and after the call is under way.
LONGEST_BEFORE_KILL = 0.25
LAGS = (0, 30)
# Seconds: how long is waited for an answer, and for how long none comes.
READ, SILENCE = 1, 4
KILLED = "killed"
SILENT = "blackhole"
FAULTS: Mapping[str, Mapping[str, Any]] = {
    KILLED: {},
    "time-out after": {"kind": SILENT, "commit": True, "seconds": SILENCE},
    "reset before": {"kind": "reset"},
    "time-out before": {"kind": SILENT, "seconds": SILENCE},
    "reset after": {"kind": "reset", "commit": True},
    "500 before": {"kind": "status", "status": 500},
    "502 after": {"kind": "status_after", "status": 502},
    "504 after": {"kind": "status_after", "status": 504},
    "web page after": {"kind": "html", "commit": True},
}
SHORT_FAULTS = tuple(FAULTS)[:4]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    return run_on_both(
        "operations", "Calls that are disturbed (F-03, F-12, F-20, G-02)", __doc__, arguments, _try
    )


def _try(options: argparse.Namespace) -> list[Promise]:
    with open_desks() as desks:
        asked: set[str] = set()
        stopped = try_stopped(desks, asked, short=options.short)
        by_effect, by_fault = _try_all(desks, asked, short=options.short)
        forbidden = [text for desk in desks.values() for text in unasked(desk, asked)]
    return [
        *stopped,
        *(_promise(name, tally) for name, tally in by_effect.items()),
        Promise("no effect that nobody asked for", len(asked), forbidden, by_fault),
    ]


def _promise(name: str, tally: Tally) -> Promise:
    return Promise(name, tally.tried, tally.broken, dict(tally.ends))


def _try_all(
    desks: Mapping[str, Desk], asked: set[str], *, short: bool
) -> tuple[dict[str, Tally], dict[str, int]]:
    """Every kind of call with every disturbance in turn: (tallies by kind, trials by disturbance).

    Adds to `asked` what they were about.
    """
    draw = random.Random(1)  # noqa: S311 - repeatable
    effects, faults = all_effects(), SHORT_FAULTS if short else tuple(FAULTS)
    number = len(effects) * len(faults) if short else TRIALS
    tallies = {effect.title: Tally() for effect in effects}
    times = dict.fromkeys(faults, 0)
    for at in range(number):
        effect, fault = effects[at % len(effects)], faults[at // len(effects) % len(faults)]
        lag = LAGS[at % len(LAGS)]
        asked.add(_try_one(desks[effect.vendor], effect, fault, lag, at, draw, tallies))
        times[fault] += 1
        if not short and at % 20 == 0:
            progress(f"{at} of {number}")
    return tallies, times


def _try_one(
    desk: Desk,
    effect: Effect,
    fault: str,
    lag: int,
    number: int,
    draw: random.Random,
    tallies: Mapping[str, Tally],
) -> str:
    """One trial: a call, a disturbance, time that passes, and what the ledger says; about whom."""
    from integrations.models import Operation
    from integrations.operations.advance import note_lost_senders

    call, key = effect.call(desk, number)
    name = f"trial:{number}"
    desk.set(lookup_lag=lag)
    wrong: list[str] = []
    if fault == KILLED:
        _kill(partial(_perform, desk, call, name), draw)
    else:
        wrong += _disturb(desk, call, name, FAULTS[fault])
    note_lost_senders(desk.clock.now + timedelta(hours=1))
    let_pass(desk)
    desk.sandbox.faults.clear()
    row = Operation.objects.filter(key=name).first()
    if row is None:  # killed before the row was committed: whoever asks, asks again
        row = desk.perform(call, name)
        let_pass(desk)
        row.refresh_from_db()
    tally = tallies[effect.title]
    tally.tried += 1
    tally.ends[row.state] += 1
    wrong += judge(desk, effect, key, row)
    tally.broken += [f"{effect.name}, {fault}, lag {lag} s: {sentence}" for sentence in wrong]
    return key


def _perform(desk: Desk, call: PresetCall, name: str) -> None:
    desk.perform(call, name)


def _disturb(desk: Desk, call: PresetCall, name: str, fault: Mapping[str, Any]) -> Iterator[str]:
    """Perform it with a fault in its way; what is wrong with the disturbance itself."""
    armed = desk.sandbox.faults.add(
        **fault, vendor=desk.vendor, method=call.request.method, path=CALLS, count=1
    )
    began = time.monotonic()
    if fault["kind"] == SILENT:
        with _waits(desk, READ):
            _perform(desk, call, name)
        if time.monotonic() - began < READ:
            yield "no trial: nobody waited for an answer"
    else:
        _perform(desk, call, name)
    if desk.sandbox.faults.fired(armed) != 1:
        yield "no trial: the call was not disturbed"


@contextmanager
def _waits(desk: Desk, seconds: float) -> Iterator[None]:
    """Wait only so long for answers, as an admin may say it who knows the vendor better."""
    from integrations.models import Credentials

    ours = Credentials.objects.filter(pk=desk.credentials.pk)
    overrides = ours.get().overrides
    ours.update(overrides={**overrides, "timeouts.read": seconds})
    try:
        yield
    finally:
        ours.update(overrides=overrides)


def _kill(do: Callable[[], object], draw: random.Random) -> None:
    """Do it in a process of its own, which is killed at a moment that nobody chose."""
    child = fork(lambda: _ignore(do()))
    time.sleep(draw.uniform(0.0, LONGEST_BEFORE_KILL))
    kill(child)


def _ignore(_given: object) -> None:
    """A process gives nothing."""


if __name__ == "__main__":
    sys.exit(main())
