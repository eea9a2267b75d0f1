"""Hostile answers: what a broken or malicious vendor could send instead of a good one.

Every answer is made from a good one of the same path, so that it gets as far as it can.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from integrations.sandbox.messages import JSON
from integrations.sandbox.mutants_structure import ON_STRUCTURE
from integrations.sandbox.mutants_text import ON_TEXT, Draw, Mutant
from integrations.sandbox.poison import POISON, somewhere
from integrations.sandbox.server import Sandbox

PEOPLE = 27
THAT_DAY = datetime(2026, 1, 15, 12, tzinfo=UTC)


def hostile_answers(vendor_path: str, seed: int, count: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield `count` answers as (name, content type, body), the same for the same seed.

    `vendor_path` is a vendor and a path of its API: `aha/users`, `bamboohr/reports/custom`.
    The names are `<kind>-<number>`; every kind comes up before one comes up again.
    A kind that finds nothing to spoil in this path is replaced by `truncated`.
    """
    good = good_body(vendor_path, seed)
    kinds = [*ON_TEXT, *ON_STRUCTURE, *(f"value_{name}" for name in POISON)]
    order = random.Random(f"{seed}:{vendor_path}")  # noqa: S311 - repeatable, no secret
    order.shuffle(kinds)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        draw = random.Random(f"{seed}:{vendor_path}:{number}")  # noqa: S311 - as above
        content_type, body = _made(kind, draw, good)
        if (content_type, body) == (JSON, good):
            kind = "truncated"
            content_type, body = _made(kind, draw, good)
        yield f"{kind}-{number}", content_type, body


def good_body(vendor_path: str, seed: int) -> bytes:
    """The answer that the hostile ones are made from."""
    vendor, _, path = vendor_path.strip("/").partition("/")
    sandbox = Sandbox(people=PEOPLE, seed=seed, now=lambda: THAT_DAY)
    try:
        answer = sandbox.state[vendor].good_answer(path)
    finally:
        sandbox.stop()
    if not answer.body:
        raise ValueError(f"{vendor_path} answers {answer.status} without a body")
    return answer.body


def _made(kind: str, draw: Draw, good: bytes) -> Mutant:
    if kind in ON_TEXT:
        return ON_TEXT[kind](draw, good)
    document = orjson.loads(good)
    if kind in ON_STRUCTURE:
        return JSON, orjson.dumps(ON_STRUCTURE[kind](draw, document))
    container, key = somewhere(draw, document)
    raw = POISON[kind.removeprefix("value_")] or '"first","twice":1,"twice":"second"'
    if isinstance(container, list) and '"twice"' in raw:
        raw = '{"twice":1,"twice":{"twice":2}}'
    container[key] = "@@here@@"
    return JSON, orjson.dumps(document).replace(b'"@@here@@"', raw.encode())
