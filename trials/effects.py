"""What the trials of operations do at vendors, how time passes for it, and what counts as wrong.

Two vendors, one of which takes some things twice. What is right, the sandbox's ledger says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from integrations.models import Operation
    from integrations.presets.call import PresetCall
    from tests.integrations.operations.calls import Desk

CALLS = "users|departments|licenses"  # not where tokens come from
LONGEST = 4000


@dataclass(frozen=True)
class Effect:
    """A kind of call: how it is made for the n-th time, and what the ledger says when it was."""

    name: str
    vendor: str
    op: str
    call: Callable[[Desk, int], tuple[PresetCall, str]]
    # Setting the same value again is no second effect.
    may_repeat: bool = False
    # The vendor is asked whether it has it already, before it is sent.
    asks_first: bool = False

    @property
    def title(self) -> str:
        """The effect with its vendor, as the table shows it."""
        return f"{self.vendor}: {self.name}"


@dataclass
class Tally:
    """What became of the trials of one kind."""

    tried: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def all_effects() -> list[Effect]:
    """Every kind of call that changes something."""
    return [
        Effect("create, refused twice", "betterworks", "user.create", _create),
        Effect(
            "create, taken twice", "betterworks", "department.create", _department, asks_first=True
        ),
        Effect("update", "betterworks", "user.update", _update, may_repeat=True),
        Effect("deactivate", "betterworks", "user.deactivate", _deactivate, may_repeat=True),
        Effect("create, asked first", "goto", "user.create", _named("user"), asks_first=True),
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
def open_desks() -> Iterator[dict[str, Desk]]:
    """Connected accounts at the sandbox's vendors, by vendor; one clock for all."""
    from django.conf import settings
    from django.utils import timezone

    from integrations.sandbox.server import Sandbox
    from tests.integrations.operations.calls import NO_LIMIT, Clock, Desk
    from tests.integrations.operations.goto_calls import GotoDesk

    clock = Clock(timezone.now())
    limits = dict.fromkeys(sorted({effect.vendor for effect in all_effects()}), NO_LIMIT)
    with Sandbox(people=3, seed=1, settings=limits, now=clock) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield {"betterworks": Desk(sandbox, clock), "goto": GotoDesk(sandbox, clock)}


def let_pass(desk: Desk) -> None:
    """Time passes to each next step that is due, as workers would see it."""
    from integrations.models import Operation
    from integrations.operations.advance import advance_one

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


def judge(desk: Desk, effect: Effect, key: str, row: Operation) -> Iterator[str]:
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


def unasked(desk: Desk, asked: set[str]) -> Iterator[str]:
    """Effects at the vendor on what no trial was about."""
    for one in desk.effects():
        if one.vendor == desk.vendor and not one.op.startswith("token.") and one.key not in asked:
            yield f"{one.op} of {one.key}"
