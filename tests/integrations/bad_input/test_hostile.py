"""Generated hostile answers through whole syncs; `benchmarks/hostile.py` runs as many as one likes."""

from __future__ import annotations

import os

from tests.integrations.bad_input.attack import attack
from tests.integrations.bad_input.world import World, mend

# A release runs HOSTILE_ANSWERS=500 (about a minute for each vendor); 70 kinds come up once each.
ANSWERS = int(os.environ.get("HOSTILE_ANSWERS", "70"))


def test_hostile_answers_never_crash_a_sync_remove_nobody_and_are_mended_by_the_next(
    every_world: World,
) -> None:
    """S-13, F-31, G-07, G-10: each generated answer takes the place of the real one in a sync."""
    world = every_world
    mend(world)
    assert world.sync().state == "done"

    damage = attack(world, answers=ANSWERS)

    assert damage.answers == ANSWERS
    assert not damage.unhandled
    assert not damage.speechless
    assert not damage.removals
    assert not damage.not_mended
    assert damage.states["failed"]  # they were hostile indeed
    assert damage.states["partial"] + damage.states["done"] > ANSWERS / 4  # and got far in
