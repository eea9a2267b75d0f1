"""Hostile answers that spoil the text of a good one; most are no JSON any more."""

import gzip
import random
from collections.abc import Callable

import orjson

from integrations.sandbox.distort import LOGIN_PAGE
from integrations.sandbox.messages import HTML, JSON
from integrations.sandbox.poison import somewhere

NESTED = 100_000

Draw = random.Random
Mutant = tuple[str, bytes]


def bit_flips(draw: Draw, good: bytes) -> Mutant:
    spoiled = bytearray(good)
    for _ in range(draw.randint(1, 8)):
        spoiled[draw.randrange(len(spoiled))] ^= 1 << draw.randrange(8)
    return JSON, bytes(spoiled)


def structure_swapped(draw: Draw, good: bytes) -> Mutant:
    """Another bracket, comma, colon or quote at one place."""
    places = [place for place, letter in enumerate(good) if letter in b'{}[],:"']
    place = draw.choice(places)
    return JSON, good[:place] + bytes([draw.choice(b'{}[],:"')]) + good[place + 1 :]


def truncated(draw: Draw, good: bytes) -> Mutant:
    return JSON, good[: draw.randrange(1, len(good))]


def piece_missing(draw: Draw, good: bytes) -> Mutant:
    start = draw.randrange(len(good))
    return JSON, good[:start] + good[start + draw.randint(1, 200) :]


def piece_twice(draw: Draw, good: bytes) -> Mutant:
    start = draw.randrange(len(good))
    return JSON, good[: start + draw.randint(1, 200)] + good[start:]


def two_documents(draw: Draw, good: bytes) -> Mutant:
    del draw
    return JSON, good + good


def something_behind(draw: Draw, good: bytes) -> Mutant:
    return JSON, good + draw.choice([b"\x00", b"}", b"<!-- x -->", b"\n;alert(1)", b"\xff"])


def html_as_json(draw: Draw, good: bytes) -> Mutant:
    del draw, good
    return JSON, LOGIN_PAGE.encode()


def html(draw: Draw, good: bytes) -> Mutant:
    del draw, good
    return HTML, LOGIN_PAGE.encode()


def another_type(draw: Draw, good: bytes) -> Mutant:
    return draw.choice(["text/plain", "text/xml", "application/octet-stream", "", "x"]), good


def jsonp(draw: Draw, good: bytes) -> Mutant:
    del draw
    return "application/javascript", b"callback(" + good + b");"


def byte_order_mark(draw: Draw, good: bytes) -> Mutant:
    del draw
    return JSON, b"\xef\xbb\xbf" + good


def utf_16(draw: Draw, good: bytes) -> Mutant:
    charset = draw.choice(["utf-16", "utf-16-le", "utf-32"])
    return f"{JSON}; charset={charset}", good.decode().encode(charset)


def wrong_charset(draw: Draw, good: bytes) -> Mutant:
    """Latin-1 bytes under a UTF-8 label, or the reverse."""
    text = good.decode().encode("latin-1", "replace").replace(b"a", b"\xe9", 3)
    return draw.choice([(f"{JSON}; charset=utf-8", text), (f"{JSON}; charset=latin-1", good)])


def broken_utf_8(draw: Draw, good: bytes) -> Mutant:
    bad = draw.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf"])
    place = good.find(b'":"', draw.randrange(len(good))) + 3
    return JSON, good[:place] + bad + good[place:]


def raw_control(draw: Draw, good: bytes) -> Mutant:
    """Control characters that JSON wants escaped."""
    place = good.find(b'":"', draw.randrange(len(good))) + 3
    return JSON, good[:place] + bytes([draw.randrange(32)]) + good[place:]


def compressed_unsaid(draw: Draw, good: bytes) -> Mutant:
    del draw
    return JSON, gzip.compress(good, mtime=0)


def no_number(draw: Draw, good: bytes) -> Mutant:
    """Words that some writers use for numbers that JSON does not have."""
    word = draw.choice([b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"01", b"0x10", b"1."])
    return JSON, _first_value_replaced(draw, good, word)


def very_long_number(draw: Draw, good: bytes) -> Mutant:
    return JSON, _first_value_replaced(draw, good, b"9" * draw.choice([400, 5_000, 100_000]))


def very_deep(draw: Draw, good: bytes) -> Mutant:
    """Nested until a recursive reader falls over; closed or not."""
    opening, closing = draw.choice([(b"[", b"]"), (b'{"a":', b"}")])
    depth = draw.choice([1_000, NESTED])
    inner = b"1" + closing * depth if draw.getrandbits(1) else b""
    return JSON, _first_value_replaced(draw, good, opening * depth + inner)


def _first_value_replaced(draw: Draw, good: bytes, raw: bytes) -> bytes:
    document = orjson.loads(good)
    container, key = somewhere(draw, document)
    container[key] = "@@here@@"
    return orjson.dumps(document).replace(b'"@@here@@"', raw)


def nothing(draw: Draw, good: bytes) -> Mutant:
    del good
    return JSON, draw.choice([b"", b" ", b"\n", b"\x00", b"undefined", b"None", b"OK"])


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


def duplicate_envelope(draw: Draw, good: bytes) -> Mutant:
    """The same key twice at the top, the second one empty."""
    document = orjson.loads(good)
    if not isinstance(document, dict):
        return JSON, b'{"a":' + good + b',"a":[]}'
    key = draw.choice(list(document))
    return JSON, good[:-1] + b"," + orjson.dumps({key: draw.choice([[], {}, None])})[1:-1] + b"}"


ON_TEXT: dict[str, Callable[[Draw, bytes], Mutant]] = {
    maker.__name__: maker
    for maker in (
        bit_flips,
        structure_swapped,
        truncated,
        piece_missing,
        piece_twice,
        two_documents,
        something_behind,
        html_as_json,
        html,
        another_type,
        jsonp,
        byte_order_mark,
        utf_16,
        wrong_charset,
        broken_utf_8,
        raw_control,
        compressed_unsaid,
        no_number,
        very_long_number,
        very_deep,
        nothing,
        other_document,
        duplicate_envelope,
    )
}
