"""Hostile answers: what a broken or malicious vendor could send instead of a good one.

Every answer is made from a good one of the same path, so that it gets as far as it can.
"""

import gzip
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from integrations.sandbox.distort import LOGIN_PAGE
from integrations.sandbox.messages import HTML, JSON
from integrations.sandbox.poison import POISON, main_rows, walk
from integrations.sandbox.server import Sandbox

PEOPLE = 27
THAT_DAY = datetime(2026, 1, 15, 12, tzinfo=UTC)
NESTED = 100_000
MANY = 20_000
OTHER_TYPES = (None, True, 0, -1, 1.5, 2**63, "", "x", [], {}, [[]], {"a": 1})
STRANGE_DATES = (
    "0000-00-00",
    "2026-02-30",
    "9999-12-31",
    "-0001-01-01",
    "1/2/2026",
    "٢٠٢٦-٠١-٠١",
    "now",
)

Draw = random.Random
Mutant = tuple[str, bytes]
ON_BYTES: dict[str, Callable[[Draw, bytes], Mutant]] = {}
ON_DOCUMENT: dict[str, Callable[[Draw, Any], Any]] = {}


def hostile_answers(vendor_path: str, seed: int, count: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield `count` answers as (name, content type, body), the same for the same seed.

    `vendor_path` is a vendor and a path of its API: `aha/users`, `bamboohr/reports/custom`.
    The names are `<kind>-<number>`; every kind comes up before one comes up again.
    """
    good = good_body(vendor_path, seed)
    kinds = [*ON_BYTES, *ON_DOCUMENT, *(f"value_{name}" for name in POISON)]
    order = random.Random(f"{seed}:{vendor_path}")  # noqa: S311 - repeatable, no secret
    order.shuffle(kinds)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        draw = random.Random(f"{seed}:{vendor_path}:{number}")  # noqa: S311 - as above
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
    if kind in ON_BYTES:
        return ON_BYTES[kind](draw, good)
    document = orjson.loads(good)
    if kind in ON_DOCUMENT:
        return JSON, orjson.dumps(ON_DOCUMENT[kind](draw, document))
    container, key = _somewhere(draw, document)
    raw = POISON[kind.removeprefix("value_")] or '"first","twice":1,"twice":"second"'
    if isinstance(container, list) and '"twice"' in raw:
        raw = '{"twice":1,"twice":{"twice":2}}'
    container[key] = "@@here@@"
    return JSON, orjson.dumps(document).replace(b'"@@here@@"', raw.encode())


def _somewhere(draw: Draw, document: Any) -> tuple[Any, Any]:
    """A container of the document and a key in it; inner ones are likelier, they are more."""
    return draw.choice(list(walk(document)))


def on_bytes(maker: Callable[[Draw, bytes], Mutant]) -> Callable[[Draw, bytes], Mutant]:
    """Register a kind that spoils the text."""
    ON_BYTES[maker.__name__] = maker
    return maker


def on_document(maker: Callable[[Draw, Any], Any]) -> Callable[[Draw, Any], Any]:
    """Register a kind that spoils the structure and stays JSON."""
    ON_DOCUMENT[maker.__name__] = maker
    return maker


# The text.


@on_bytes
def bit_flips(draw: Draw, good: bytes) -> Mutant:
    spoiled = bytearray(good)
    for _ in range(draw.randint(1, 8)):
        spoiled[draw.randrange(len(spoiled))] ^= 1 << draw.randrange(8)
    return JSON, bytes(spoiled)


@on_bytes
def structure_swapped(draw: Draw, good: bytes) -> Mutant:
    """Another bracket, comma, colon or quote at one place."""
    places = [place for place, letter in enumerate(good) if letter in b'{}[],:"']
    place = draw.choice(places)
    return JSON, good[:place] + bytes([draw.choice(b'{}[],:"')]) + good[place + 1 :]


@on_bytes
def truncated(draw: Draw, good: bytes) -> Mutant:
    return JSON, good[: draw.randrange(1, len(good))]


@on_bytes
def piece_missing(draw: Draw, good: bytes) -> Mutant:
    start = draw.randrange(len(good))
    return JSON, good[:start] + good[start + draw.randint(1, 200) :]


@on_bytes
def piece_twice(draw: Draw, good: bytes) -> Mutant:
    start = draw.randrange(len(good))
    return JSON, good[: start + draw.randint(1, 200)] + good[start:]


@on_bytes
def two_documents(draw: Draw, good: bytes) -> Mutant:
    del draw
    return JSON, good + good


@on_bytes
def something_behind(draw: Draw, good: bytes) -> Mutant:
    return JSON, good + draw.choice([b"\x00", b"}", b"<!-- x -->", b"\n;alert(1)", b"\xff"])


@on_bytes
def html_as_json(draw: Draw, good: bytes) -> Mutant:
    del draw, good
    return JSON, LOGIN_PAGE.encode()


@on_bytes
def html(draw: Draw, good: bytes) -> Mutant:
    del draw, good
    return HTML, LOGIN_PAGE.encode()


@on_bytes
def another_type(draw: Draw, good: bytes) -> Mutant:
    return draw.choice(["text/plain", "text/xml", "application/octet-stream", "", "x"]), good


@on_bytes
def jsonp(draw: Draw, good: bytes) -> Mutant:
    del draw
    return "application/javascript", b"callback(" + good + b");"


@on_bytes
def byte_order_mark(draw: Draw, good: bytes) -> Mutant:
    del draw
    return JSON, b"\xef\xbb\xbf" + good


@on_bytes
def utf_16(draw: Draw, good: bytes) -> Mutant:
    charset = draw.choice(["utf-16", "utf-16-le", "utf-32"])
    return f"{JSON}; charset={charset}", good.decode().encode(charset)


@on_bytes
def wrong_charset(draw: Draw, good: bytes) -> Mutant:
    """Latin-1 bytes under a UTF-8 label, or the reverse."""
    text = good.decode().encode("latin-1", "replace").replace(b"a", b"\xe9", 3)
    return (
        (f"{JSON}; charset=utf-8", text)
        if draw.random() < 0.5
        else (
            f"{JSON}; charset=latin-1",
            good,
        )
    )


@on_bytes
def broken_utf_8(draw: Draw, good: bytes) -> Mutant:
    bad = draw.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf"])
    place = good.find(b'":"', draw.randrange(len(good))) + 3
    return JSON, good[:place] + bad + good[place:]


@on_bytes
def raw_control(draw: Draw, good: bytes) -> Mutant:
    """Control characters that JSON wants escaped."""
    place = good.find(b'":"', draw.randrange(len(good))) + 3
    return JSON, good[:place] + bytes([draw.randrange(32)]) + good[place:]


@on_bytes
def compressed_unsaid(draw: Draw, good: bytes) -> Mutant:
    del draw
    return JSON, gzip.compress(good, mtime=0)


@on_bytes
def no_number(draw: Draw, good: bytes) -> Mutant:
    """Words that some writers use for numbers that JSON does not have."""
    word = draw.choice([b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"01", b"0x10", b"1."])
    return JSON, _first_value_replaced(draw, good, word)


@on_bytes
def very_long_number(draw: Draw, good: bytes) -> Mutant:
    return JSON, _first_value_replaced(draw, good, b"9" * draw.choice([400, 5_000, 100_000]))


@on_bytes
def very_deep(draw: Draw, good: bytes) -> Mutant:
    """Nested until a recursive reader falls over; closed or not."""
    opening, closing = draw.choice([(b"[", b"]"), (b'{"a":', b"}")])
    depth = draw.choice([1_000, NESTED])
    inner = b"1" + closing * depth if draw.getrandbits(1) else b""
    return JSON, _first_value_replaced(draw, good, opening * depth + inner)


def _first_value_replaced(draw: Draw, good: bytes, raw: bytes) -> bytes:
    document = orjson.loads(good)
    container, key = _somewhere(draw, document)
    container[key] = "@@here@@"
    return orjson.dumps(document).replace(b'"@@here@@"', raw)


@on_bytes
def nothing(draw: Draw, good: bytes) -> Mutant:
    del good
    return JSON, draw.choice([b"", b" ", b"\n", b"\x00", b"undefined", b"None", b"OK"])


@on_bytes
def other_document(draw: Draw, good: bytes) -> Mutant:
    del good
    documents = [
        b"[]",
        b"{}",
        b"null",
        b"true",
        b"0",
        b'""',
        b"[[]]",
        b"[null]",
        b"[{}]",
        b'{"":{}}',
    ]
    return JSON, draw.choice(documents)


@on_bytes
def duplicate_envelope(draw: Draw, good: bytes) -> Mutant:
    """The same key twice at the top, the second one empty."""
    document = orjson.loads(good)
    if not isinstance(document, dict):
        return JSON, b'{"a":' + good + b',"a":[]}'
    key = draw.choice(list(document))
    return JSON, good[:-1] + b"," + orjson.dumps({key: draw.choice([[], {}, None])})[1:-1] + b"}"


# The structure.


@on_document
def error_with_200(draw: Draw, document: Any) -> Any:
    del document
    return draw.choice(
        [
            {"error": "Internal error"},
            {"errors": [{"message": "Forbidden"}]},
            {"error": {"code": 500, "message": None}},
            {"success": False},
        ]
    )


@on_document
def wrong_envelope(draw: Draw, document: Any) -> Any:
    wrappers = [
        {"data": document},
        [document],
        {"result": {"items": document}},
        main_rows(document),
    ]
    return draw.choice(wrappers)


@on_document
def keys_renamed(draw: Draw, document: Any) -> Any:
    change = draw.choice([str.upper, str.title, lambda key: key + "s", lambda key: " " + key])
    return _with_keys(document, change)


def _with_keys(document: Any, change: Callable[[str], str]) -> Any:
    if isinstance(document, dict):
        return {change(key): _with_keys(value, change) for key, value in document.items()}
    if isinstance(document, list):
        return [_with_keys(part, change) for part in document]
    return document


@on_document
def types_swapped(draw: Draw, document: Any) -> Any:
    """Several values become one of another type."""
    for _ in range(draw.randint(1, 10)):
        container, key = _somewhere(draw, document)
        container[key] = draw.choice(
            [None, True, 0, -1, 1.5, 2**63, "", "x", [], {}, [[]], {"a": 1}]
        )
    return document


@on_document
def all_null(draw: Draw, document: Any) -> Any:
    del draw
    for row in main_rows(document):
        for key in row:
            row[key] = None
    return document


@on_document
def rows_are_no_objects(draw: Draw, document: Any) -> Any:
    for container, key in list(walk(document)):
        if isinstance(container[key], list) and container[key]:
            container[key] = [draw.choice([None, 1, "x", [], True]) for _ in container[key]]
    return document


@on_document
def rows_without_ids(draw: Draw, document: Any) -> Any:
    del draw
    for row in main_rows(document):
        row.pop("id", None)
    return document


@on_document
def rows_with_one_id(draw: Draw, document: Any) -> Any:
    del draw
    for row in main_rows(document):
        row["id"] = "1"
    return document


@on_document
def ids_of_other_types(draw: Draw, document: Any) -> Any:
    for row in main_rows(document):
        row["id"] = draw.choice([1, 1.0, True, None, "", " ", "../1", "1\x00", ["1"], {"id": "1"}])
    return document


@on_document
def arrays_are_objects(draw: Draw, document: Any) -> Any:
    """Lists become maps by place, as PHP does it, and maps become lists."""
    del draw
    for container, key in list(walk(document)):
        value = container[key]
        if isinstance(value, list):
            container[key] = {str(place): part for place, part in enumerate(value)}
        elif isinstance(value, dict) and not isinstance(container, list):
            container[key] = list(value.values())
    return document


@on_document
def numbers_lie(draw: Draw, document: Any) -> Any:
    """Every number, so every count and page, is another one."""
    for container, key in list(walk(document)):
        if isinstance(container[key], int) and not isinstance(container[key], bool):
            container[key] = draw.choice([0, -1, 2**31, 2**63, 10**18, 1])
    return document


@on_document
def strange_dates(draw: Draw, document: Any) -> Any:
    dates = [
        "0000-00-00",
        "2026-02-30",
        "9999-12-31",
        "-0001-01-01",
        "1/2/2026",
        "٢٠٢٦-٠١-٠١",
        "now",
    ]
    for container, key in list(walk(document)):
        value = container[key]
        if isinstance(value, str) and value[4:5] == "-" and value[7:8] == "-":
            container[key] = draw.choice(STRANGE_DATES)
    return document


@on_document
def many_keys(draw: Draw, document: Any) -> Any:
    rows = main_rows(document)
    if rows:
        draw.choice(rows).update({f"key{number}": number for number in range(MANY)})
    return document


@on_document
def many_rows(draw: Draw, document: Any) -> Any:
    """The same records over and over."""
    del draw
    for container, key in list(walk(document)):
        value = container[key]
        if isinstance(value, list) and value and isinstance(value[0], dict) and "id" in value[0]:
            container[key] = value * max(1, MANY // len(value))
            return document
    return document


@on_document
def prototype_keys(draw: Draw, document: Any) -> Any:
    names = ["__proto__", "constructor", "__class__", "__init__", "pk", "password", ""]
    for row in main_rows(document):
        row[draw.choice(names)] = {"polluted": True}
    return document
