"""Hostile answers through whole syncs, and what they must never do (S-13, G-10)."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from integrations.filters import as_text
from integrations.models import SyncRun
from integrations.paths import compile_path
from integrations.registry import Vendor, get_vendor
from integrations.sandbox.hostile import hostile_answers
from integrations.templates import render_url
from tests.integrations.bad_input.world import Rows, World, load_of, removed, snapshot


@dataclass(frozen=True)
class Target:
    """Requests that hostile answers stand in for, the sample that they are made of."""

    paths: tuple[str, ...]
    sample: str
    share: float


# Vendors of which more than the one listing is read, or which page by number.
_SPECIAL = {
    "bamboohr": (
        Target((r"reports/custom",), "bamboohr/reports/custom", 0.8),
        Target((r"employmentStatus",), "bamboohr/employees/all/tables/employmentStatus", 0.2),
    ),
    "aha": (Target((r"/users\?", r"/users\?page=2\b"), "aha/users", 1.0),),
}
SHORTEST_MESSAGE = 20


@dataclass
class Damage:
    """What a series of hostile answers did; the lists name the answers, and are to be empty."""

    answers: int = 0
    states: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    unhandled: list[str] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    not_mended: list[str] = field(default_factory=list)
    speechless: list[str] = field(default_factory=list)
    seconds: float = 0.0
    slowest: float = 0.0


def attack(world: World, *, answers: int, seed: int = 1) -> Damage:
    """Send hostile answers, each in a sync of its own followed by a healthy one.

    The world must have been synced once and be `done`.
    """
    damage = Damage()
    good = snapshot()
    began = time.monotonic()
    for targets in targets_of(world):
        number = round(answers * targets.share)
        for place, answer in enumerate(hostile_answers(targets.sample, seed, number)):
            path = targets.paths[place % len(targets.paths)]
            _one(world, damage, good, path=path, answer=answer)
    damage.seconds = time.monotonic() - began
    return damage


def _one(
    world: World, damage: Damage, good: Rows, *, path: str, answer: tuple[str, str, bytes]
) -> None:
    name, content_type, body = answer
    world.fault("body", path=path, body=body, content_type=content_type)
    began = time.monotonic()
    run = world.sync()
    damage.slowest = max(damage.slowest, time.monotonic() - began)
    world.heal()
    damage.answers += 1
    damage.states[run.state] += 1
    damage.codes[run.error_code] += 1
    if run.error_code == "internal":
        damage.unhandled.append(name)
    if run.state == SyncRun.State.FAILED and len(run.error_message) < SHORTEST_MESSAGE:
        damage.speechless.append(name)
    stated = said_to_have_left(get_vendor(world.vendor), body)
    gone = [one for one in removed(good, snapshot()) if one.partition("/")[2] not in stated]
    if gone:
        damage.removals.append(f"{name}: {', '.join(gone)}")
    healed = world.sync()
    # Held: accounts that only the hostile answer named would go again, more than the limit.
    if healed.state not in {SyncRun.State.DONE, SyncRun.State.HELD} or not holds(snapshot(), good):
        damage.not_mended.append(f"{name}: {healed.state} {healed.error_code}")


def targets_of(world: World) -> tuple[Target, ...]:
    """The listing, unless the vendor is a special one."""
    if world.vendor in _SPECIAL:
        return _SPECIAL[world.vendor]
    side = world.sandbox.state[world.vendor]
    request = get_vendor(world.vendor).load(load_of(world.vendor)).request
    path = "users" if "users" in side.samples else render_url(request.path, side.inputs())
    return (Target((world.listing,), f"{world.vendor}/{path}", 1.0),)


def said_to_have_left(vendor: Vendor, body: bytes) -> set[str]:
    """Ids of records that the answer itself calls deactivated; M-12 lets them be."""
    load = vendor.load(load_of(vendor.key))
    assert load.status is not None
    field = load.fields[load.status.field]
    words = {"false", "0", "no", *(as_text(one).casefold() for one in load.status.deactivated)}
    words |= {as_text(one).casefold() for one in field.no_if}
    try:
        document = json.loads(body.decode("utf-8", "replace"))
        rows = compile_path(load.records)(document) if load.records else document
        return {
            as_text(compile_path(load.id)(row))
            for row in rows
            if isinstance(row, dict)
            and as_text(compile_path(field.path or "")(row)).casefold() in words
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


def holds(after: Rows, good: Rows) -> bool:
    """Whether everything that was good is as it was; rows may have been added.

    Somebody who had left, and whom an answer called active, stays active: a removal by
    the healthy sync may be held.
    """
    kept = all(
        {**after[kind].get(key, {}), **_left(row)} == row
        for kind in ("people", "users")
        for key, row in good[kind].items()
    )
    return kept and all(after["roles"].get(key) == number for key, number in good["roles"].items())


def _left(row: dict[str, Any]) -> dict[str, Any]:
    return {"status": row["status"]} if row["status"] != "active" else {}
