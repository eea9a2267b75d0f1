"""Calls that change something, disturbed in every way: none lost, none twice (F-03, F-20, G-02).

At two vendors, one of which takes some things twice, with look-ups that see at once or only 30 s
later. The answer is lost before or after the vendor committed, the vendor fails after it committed,
or the process that sends is killed. Then time passes, and workers look. What counts is the
sandbox's ledger. Time is passed in; the kills are real.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from trials.database import fork, kill
from trials.report import Promise, progress
from trials.sides import run_on_both

if TYPE_CHECKING:
    from integrations.models import Operation
    from integrations.presets.call import PresetCall
    from tests.integrations.operations.calls import Desk

TRIALS, SHORT_TRIALS = 200, 18
LAGS = (0, 30)
# A kill comes somewhere within this time: before, while and after the call is under way.
LONGEST_BEFORE_KILL = 0.25
LONGEST = 4000
KILLED = "killed"
_CALLS = "users|departments|licenses"  # not where tokens come from
FAULTS: Mapping[str, Mapping[str, Any]] = {
    KILLED: {},
    "reset before": {"kind": "reset"},
    "reset after": {"kind": "reset", "commit": True},
    "500 before": {"kind": "status", "status": 500},
    "502 after": {"kind": "status_after", "status": 502},
    "504 after": {"kind": "status_after", "status": 504},
    "web page after": {"kind": "html", "commit": True},
}


@dataclass(frozen=True)
class Effect:
    """A kind of call: how it is made for the n-th time, and what the ledger says when it was."""

    name: str
    vendor: str
    op: str
    call: Callable[[Desk, int], tuple[PresetCall, str]]
    # Setting the same value again is no second effect.
    may_repeat: bool = False


@dataclass
class Tally:
    """What became of the trials of one kind."""

    tried: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    return run_on_both(
        "operations", "Calls that are disturbed (F-03, F-20, G-02)", __doc__, arguments, _try_all
    )


def _try_all(options: argparse.Namespace) -> list[Promise]:
    draw = random.Random(1)  # noqa: S311 - repeatable
    number = SHORT_TRIALS if options.short else TRIALS
    tallies: dict[str, Tally] = {}
    asked: set[str] = set()
    effects = _effects()
    plan = [
        (effects[at % len(effects)], list(FAULTS)[at // len(effects) % len(FAULTS)])
        for at in range(number)
    ]
    with _desks() as desks:
        for at, (effect, fault) in enumerate(plan):
            desk = desks[effect.vendor]
            lag = LAGS[at % len(LAGS)] if not effect.may_repeat else 0
            tally = tallies.setdefault(f"{effect.vendor}: {effect.name}", Tally())
            asked.add(_try(desk, effect, fault, lag, at, draw, tally))
            if not options.short and at % 20 == 0:
                progress(f"{at} of {number}")
        forbidden = [text for desk in desks.values() for text in _unasked(desk, asked)]
    promises = [
        Promise(name, tally.tried, tally.broken, dict(tally.ends))
        for name, tally in tallies.items()
    ]
    return [*promises, Promise("no effect that nobody asked for", number, forbidden)]


def _effects() -> list[Effect]:
    return [
        Effect("create, refused twice", "betterworks", "user.create", _create),
        Effect("create, taken twice", "betterworks", "department.create", _department),
        Effect("update", "betterworks", "user.update", _update, may_repeat=True),
        Effect("deactivate", "betterworks", "user.deactivate", _deactivate, may_repeat=True),
        Effect("create, asked first", "goto", "user.create", _named("user")),
        Effect("delete", "goto", "user.delete", _named("removal"), may_repeat=True),
        Effect("give a licence", "goto", "license.assign", _named("assignment"), may_repeat=True),
        Effect(
            "take a licence", "goto", "license.unassign", _named("unassignment"), may_repeat=True
        ),
        Effect("welcome mail", "goto", "mail.welcome", _named("mail")),
    ]


def _named(method: str) -> Callable[[Any, int], tuple[PresetCall, str]]:
    return lambda desk, number: getattr(desk, method)(number)


def _create(desk: Desk, number: int) -> tuple[PresetCall, str]:
    email = f"new{number}@acme.example"
    return desk.create(email), email


def _department(desk: Desk, number: int) -> tuple[PresetCall, str]:
    name = f"Department {number}"
    return desk.department(name), name


def _update(desk: Desk, number: int) -> tuple[PresetCall, str]:
    email = f"old{number}@acme.example"
    desk.add(email)
    return desk.update(email, title=f"Title {number}"), email


def _deactivate(desk: Desk, number: int) -> tuple[PresetCall, str]:
    email = f"leaver{number}@acme.example"
    return desk.deactivate(desk.add(email)), email


@contextmanager
def _desks() -> Iterator[dict[str, Desk]]:
    from django.conf import settings
    from django.utils import timezone

    from integrations.sandbox.server import Sandbox
    from tests.integrations.operations.calls import NO_LIMIT, Clock, Desk
    from tests.integrations.operations.goto_calls import GotoDesk

    clock = Clock(timezone.now())
    vendors = sorted({effect.vendor for effect in _effects()})
    limits = dict.fromkeys(vendors, NO_LIMIT)
    with Sandbox(people=3, seed=1, settings=limits, now=clock) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield {"betterworks": Desk(sandbox, clock), "goto": GotoDesk(sandbox, clock)}


def _try(
    desk: Desk,
    effect: Effect,
    fault: str,
    lag: int,
    number: int,
    draw: random.Random,
    tally: Tally,
) -> str:
    """One trial: a call, a disturbance, time that passes, and what the ledger says; about whom."""
    from integrations.models import Operation

    call, key = effect.call(desk, number)
    name = f"trial:{number}"
    desk.set(lookup_lag=lag)
    if fault == KILLED:
        _kill(partial(_perform, desk, call, name), draw)
    else:
        arming = dict(FAULTS[fault])
        arming |= {"method": call.request.method, "path": _CALLS, "count": 1}
        desk.fault(arming.pop("kind"), **arming)
        _perform(desk, call, name)
    _let_pass(desk)
    desk.sandbox.faults.clear()
    row = Operation.objects.filter(key=name).first()
    if row is None:  # killed before the row was committed: whoever asks, asks again
        row = desk.perform(call, name)
        _let_pass(desk)
        row.refresh_from_db()
    tally.tried += 1
    tally.ends[row.state] += 1
    what = f"{effect.name}, {fault}, lag {lag} s"
    tally.broken += [f"{what}: {sentence}" for sentence in _judge(desk, effect, key, row)]
    return key


def _perform(desk: Desk, call: PresetCall, name: str) -> None:
    desk.perform(call, name)


def _kill(do: Callable[[], object], draw: random.Random) -> None:
    """Do it in a process of its own, which is killed at a moment that nobody chose."""
    child = fork(lambda: _ignore(do()))
    time.sleep(draw.uniform(0.0, LONGEST_BEFORE_KILL))
    kill(child)


def _ignore(_given: object) -> None:
    """A process gives nothing."""


def _let_pass(desk: Desk) -> None:
    """Let lost senders be noticed; then time passes to each next step, as workers would see it."""
    from integrations.models import Operation
    from integrations.operations.advance import advance_one, note_lost_senders

    note_lost_senders(desk.clock.now + timedelta(hours=1))
    Operation.objects.filter(
        state="unknown", due_at__gt=desk.clock.now + timedelta(minutes=30)
    ).update(due_at=desk.clock.now + timedelta(seconds=5), heartbeat_at=desk.clock.now)
    began = desk.clock.now
    while (desk.clock.now - began).total_seconds() < LONGEST:
        due = (
            Operation.objects.filter(state__in=Operation.ACTIVE_STATES, due_at__isnull=False)
            .order_by("due_at")
            .values_list("due_at", flat=True)
            .first()
        )
        if due is None:
            return
        desk.clock.now = max(desk.clock.now, due)
        advance_one(desk.clock.now)


def _judge(desk: Desk, effect: Effect, key: str, row: Operation) -> Iterator[str]:
    """What is wrong with the end of one call, by the ledger."""
    ops = Counter(one.op for one in desk.effects() if (one.vendor, one.key) == (desk.vendor, key))
    times, most = ops[effect.op], max(ops.values(), default=0)
    if row.state not in {"done", "asks"}:
        yield f"lost: it ended {row.state} ({row.code}: {row.note})"
    if row.state == "done" and times == 0:
        yield "lost: it counts as done and never was"
    if most > 1 and not effect.may_repeat:  # the welcome mail of a new account, too
        yield f"twice: the vendor did {dict(ops)}"
    if row.state == "asks" and effect.may_repeat:
        yield "it asks a person, though it may be repeated"


def _unasked(desk: Desk, asked: set[str]) -> Iterator[str]:
    """Effects at the vendor on what no trial was about."""
    for one in desk.effects():
        if one.vendor == desk.vendor and not one.op.startswith("token.") and one.key not in asked:
            yield f"{one.op} of {one.key}"


if __name__ == "__main__":
    sys.exit(main())
