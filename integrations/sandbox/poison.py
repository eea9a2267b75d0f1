"""Hostile values, as raw JSON text, and how they get into the records of an answer."""

import random
from collections.abc import Iterator
from typing import Any

import orjson

DEEP = 900
LONG = 100_000
MEGABYTE = 1_000_000

# Each is the raw text of one JSON value. Valid for a strict reader, unless named in UNREADABLE.
POISON = {
    "nul": r'"A\u0000B"',
    "control": r'"A\u0001\u001b[31m\u007f"',
    "surrogate": r'"A\ud800B"',
    "bidi": r'"\u202egnp.exe"',
    "zero_width": r'"M\u200bi\ufeffa"',
    "html": '"<script>alert(1)</script><img src=x onerror=alert(1)>"',
    "formula": '"=HYPERLINK(\\"http://127.0.0.1/\\",\\"x\\")"',
    "template": '"{{ variables.secret }}{% debug %}"',
    "sql": '"Robert\'); DROP TABLE people;--"',
    "hundred_thousand": f'"{"n" * LONG}"',
    "megabyte": f'"{"x" * MEGABYTE}"',
    "empty": '""',
    "blank": '"   "',
    "null": "null",
    "null_word": '"null"',
    "no_date": '"0000-00-00"',
    "bad_date": '"2026-13-45"',
    "true": "true",
    "zero": "0",
    "negative": "-1",
    "fraction": "1.5",
    "huge": "123456789012345678901234567890",
    "list": "[]",
    "nested_list": '[["a"],{"b":[null]}]',
    "object": '{"a":{"b":1}}',
    "deep": "[" * DEEP + "]" * DEEP,
    "duplicate_key": None,
}
# A strict reader refuses the whole document, so a client must clean the text first.
UNREADABLE = frozenset({"surrogate"})


def main_rows(document: Any) -> list[dict[str, Any]]:
    """The records of an answer: the last list of objects, else the object that is wrapped."""
    if isinstance(document, list):
        return [row for row in document if isinstance(row, dict)]
    if not isinstance(document, dict):
        return []
    if isinstance(document.get("data"), dict):  # GraphQL's envelope
        return main_rows(document["data"])
    for value in reversed(document.values()):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return [row for row in value if isinstance(row, dict)]
    if len(document) == 1:
        (value,) = document.values()
        return [value] if isinstance(value, dict) else []
    return [document]


def poisoned(
    body: bytes, *, seed: int, rate: float, only: tuple[str, ...], fields: tuple[str, ...]
) -> tuple[bytes, list[str]]:
    """The answer with about `rate` of its records spoiled in one field, and their ids.

    The same seed spoils the same records in the same way, whichever page they come on. Ids are
    spared unless `fields` names them. `only` limits the values to these names of `POISON`.
    """
    document = orjson.loads(body)
    marks: dict[bytes, bytes] = {}
    touched = []
    for place, row in enumerate(main_rows(document)):
        name = str(row.get("id", place))
        draw = random.Random(f"{seed}:{name}")  # noqa: S311 - repeatable faults, no secret
        targets = [key for key in row if (key in fields if fields else key != "id")]
        if not targets or draw.random() >= rate:
            continue
        key = draw.choice(targets)
        poison = draw.choice(only or tuple(POISON))
        mark = f"@@poison-{place}@@"
        marks[f'"{mark}"'.encode()] = _raw(poison, key)
        row[key] = mark
        touched.append(name)
    spoiled = orjson.dumps(document)
    for wanted, raw in marks.items():
        spoiled = spoiled.replace(wanted, raw)
    return spoiled, touched


def _raw(poison: str, key: str) -> bytes:
    raw = POISON[poison]
    if raw is None:
        raw = f'"first",{orjson.dumps(key).decode()}:"second"'
    return raw.encode()


def without_field(document: Any, name: str) -> Any:
    """The document without this key, at any depth, and without columns that are called so."""
    if isinstance(document, dict):
        return {key: without_field(value, name) for key, value in document.items() if key != name}
    if isinstance(document, list):
        return [without_field(part, name) for part in document if not _is_column(part, name)]
    return document


def _is_column(part: Any, name: str) -> bool:
    return isinstance(part, dict) and part.get("id") == name and "type" in part


def walk(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document with each of its keys or places, outside first."""
    keys: list[Any] = []
    if isinstance(document, dict):
        keys = list(document)
    elif isinstance(document, list):
        keys = list(range(len(document)))
    for key in keys:
        yield document, key
        yield from walk(document[key])


def somewhere(draw: random.Random, document: Any) -> tuple[Any, Any]:
    """A container of the document and a key in it; inner ones are likelier, they are more."""
    return draw.choice(list(walk(document)))
