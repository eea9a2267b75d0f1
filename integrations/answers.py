"""Answers of vendors: decoded strictly, and taken apart without decoding all at once."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

from integrations.errors import BrokenAnswer
from integrations.paths import parse_path, walk

_BOM = b"\xef\xbb\xbf"
_SPLIT_FROM = 1024 * 1024  # smaller answers are decoded as a whole
_PIECE = 512 * 1024
# What is decoded at once, so that a hostile answer costs some 150 MB at worst (S-13): each value
# takes up to 200 bytes, each letter up to four, and decoding leniently holds the text twice.
_AT_ONCE = 20 * 1024 * 1024
_LENIENTLY = 8 * 1024 * 1024
_VALUES = 400_000
_SOMETHING = re.compile(rb"\S")
# A whole number longer than 64 bits can hold: orjson makes a fraction of it, which loses digits.
_LONG_NUMBER = re.compile(rb"[\[:,\s]-?[0-9]{20,1000}[\s,\]}]")
_TRIES = 24
_FEW_TRIES = 4  # for what costs more: larger windows, and decoding leniently
_AROUND = 8  # what may lie around the list of records
TOO_DEEP = {"left out": "nested too deep"}
_JSON_TYPES = frozenset({"application/json", "text/json", "application/problem+json"})


@dataclass(frozen=True)
class Answer:
    """A good answer, decoded; `json` is None where the body is empty."""

    status: int
    headers: Mapping[str, str]
    json: Any = field(repr=False)
    content_type: str
    size: int


@dataclass(frozen=True)
class RawAnswer:
    """An answer whose body was read within the caps and not decoded yet."""

    status: int
    headers: Mapping[str, str]
    content_type: str
    body: bytearray = field(repr=False)
    advice: str = ""

    @property
    def size(self) -> int:
        """Bytes of the body, decompressed."""
        return len(self.body)

    @property
    def facts(self) -> str:
        """Status, content type and length: all of a bad answer that is ever kept (M-8)."""
        return f"status {self.status}, {self.content_type or 'no content type'}, {self.size} bytes"

    def starts_with(self, sign: bytes) -> bool:
        """Whether the body begins so, blanks and a byte order mark left out."""
        return bytes(self.body[:64]).removeprefix(_BOM).lstrip().startswith(sign)

    def failure(self, code: str, what: str) -> BrokenAnswer:
        """Make the error that says what is wrong, with the facts of this answer."""
        message = f"{what} ({self.facts}). {self.advice}".rstrip()
        return BrokenAnswer(code, message, status=self.status)

    def check_type(self) -> None:
        """Raise BrokenAnswer (`html`, `wrong_type`) unless this can be JSON."""
        if not self.body:
            return
        kind = self.content_type
        if kind in _JSON_TYPES or kind.endswith("+json"):
            start = bytes(self.body[:64]).removeprefix(_BOM).lstrip()[:1]
            if start != b"<":
                return
        if "html" in kind or b"<html" in bytes(self.body[:1024]).lower():
            raise self.failure("html", "The answer is a web page, such as a sign-in page, not data")
        if kind or bytes(self.body[:64]).lstrip()[:1] not in (b"{", b"["):
            raise self.failure("wrong_type", "The answer is not JSON")

    def decode(self, max_depth: int) -> Any:
        """Decode the body; None when it is empty. Raises BrokenAnswer."""
        value = self._decode_all()
        self._check_depth(value, max_depth)
        return value

    def decode_page(self, path: str | None, max_depth: int) -> tuple[Any, list[Any]]:
        """Decode a page; give all of it and the list at `path`. Raises BrokenAnswer.

        One record that is nested too deep does not spoil the page: see `prune`.
        """
        value = self._decode_all()
        records = self._list_at(value, path)
        prune(records, max_depth)
        self._check_depth(value, max_depth + _AROUND)
        return value, records

    def _decode_all(self) -> Any:
        self.check_type()
        if _SOMETHING.search(self.body) is None:
            return None
        if len(self.body) > _AT_ONCE or _holds_too_much(self.body):
            raise self.failure("too_large", "The answer is too large to be taken apart")
        has_mark = self.body.startswith(_BOM)
        return self._decode_bytes(self.body.removeprefix(_BOM) if has_mark else self.body)

    def _check_depth(self, value: Any, limit: int) -> None:
        if is_deeper_than(value, limit):
            raise self.failure("too_deep", f"The answer is nested more than {limit} deep")

    def _decode_bytes(self, body: bytes | bytearray) -> Any:
        """Decode; errors are raised outside of `except`, for a JSON error carries the body."""
        try:
            return _decode_exactly(body)
        except orjson.JSONDecodeError as problem:
            is_too_deep = "depth" in str(problem)
        if not is_too_deep and len(body) <= _LENIENTLY:
            try:
                return decode_leniently(body)
            except RecursionError:
                is_too_deep = True
            except ValueError:
                pass
        if is_too_deep:
            raise self.failure("too_deep", "The answer is nested too deep")
        if bytes(body[-64:]).rstrip()[-1:] in (b"}", b"]"):
            raise self.failure("not_json", "The answer is no valid JSON")
        raise self.failure("truncated", "The answer ends in the middle")

    def records(self, path: str | None, max_depth: int) -> tuple[Any, Iterator[list[Any]]]:
        """Give what surrounds the list at `path`, and the list piece by piece.

        A large answer is decoded in pieces, so that memory holds its bytes and one piece. Raises
        BrokenAnswer, while iterating too: `contradiction` where there is no list.
        """
        self.check_type()
        if len(self.body) >= _SPLIT_FROM:
            opened = _open(self.body, path)
            if opened is not None:
                envelope, start, end = opened
                return envelope, self._pieces(path, start, end, max_depth)
        value, whole = self.decode_page(path, max_depth)
        return value, iter([whole])

    def _list_at(self, value: Any, path: str | None) -> list[Any]:
        found = walk(value, parse_path(path)) if path else value
        if isinstance(found, list):
            return found
        where = f'under "{path}" ' if path else ""
        if value is None:
            raise self.failure("empty", "The answer is empty")
        raise self.failure("contradiction", f"The answer holds no list {where}of records")

    def _pieces(self, path: str | None, start: int, end: int, depth: int) -> Iterator[list[Any]]:
        given, at, window = 0, start, _PIECE
        while at < end:
            piece, after = _next_piece(self.body, at, end, window)
            if piece is None and at + window < end:
                window *= 4
                if window > _AT_ONCE:
                    raise self.failure("too_large", "A record of the answer is too large")
                continue
            if piece is None:  # it does not come apart like this: decode it whole, skip what went
                yield self.decode_page(path, depth)[1][given:]
                return
            prune(piece, depth)
            given += len(piece)
            at, window = after, _PIECE
            yield piece


def _decode_exactly(body: bytes | bytearray) -> Any:
    """Decode with the digits of every whole number kept. Raises orjson.JSONDecodeError."""
    value = orjson.loads(body)
    if len(body) <= _LENIENTLY and _LONG_NUMBER.search(body):
        with suppress(ValueError, RecursionError):
            return json.loads(body, parse_constant=_no_constant)
    return value


def decode_leniently(body: bytes | bytearray) -> Any:
    """Decode what orjson refuses as a whole for the sake of one record.

    Lone surrogates, bytes that are no UTF-8 (as surrogates) and control characters inside of a
    text stay in that text; the mapping reports its record. Raises ValueError, RecursionError.
    """
    return json.loads(
        body.decode("utf-8", "surrogateescape"), strict=False, parse_constant=_no_constant
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def is_deeper_than(value: Any, limit: int) -> bool:
    """Say whether lists and objects are nested more than `limit` deep."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if parent.__class__ is dict else parent)
            if child.__class__ is dict or child.__class__ is list
        ]
        if not level:
            return False
    return True


def prune(records: list[Any], limit: int) -> None:
    """Put a mark in place of each field of a record that is nested more than `limit` deep.

    The mark is an object: a mapping that expects anything else reports that record only.
    """
    if not is_deeper_than(records, limit + 1):
        return
    for number, record in enumerate(records):
        if isinstance(record, dict):
            for name, value in record.items():
                if is_deeper_than(value, limit - 1):
                    record[name] = dict(TOO_DEEP)
        elif is_deeper_than(record, limit):
            records[number] = dict(TOO_DEEP)


def _holds_too_much(body: bytes | bytearray) -> bool:
    """Whether there may be more values than fit into memory; signs inside of text count too."""
    return sum(body.count(sign) for sign in b",[{") > _VALUES


def _open(body: bytearray, path: str | None) -> tuple[Any, int, int] | None:
    """Find where the list begins and ends; None where that cannot be told without decoding all.

    The guess is proved: with the list taken out, the rest must be JSON with an empty list there.
    """
    if path is None:
        start = body.find(b"[", 0, _PIECE)
        begins = bytes(body[:start]).strip() == b""
        end = body.rfind(b"]")
        return ([], start + 1, end) if begins and end > start else None
    key = orjson.dumps(str(parse_path(path)[-1]))
    at = body.find(key)
    colon = body.find(b":", at + len(key)) if at >= 0 else -1
    start = body.find(b"[", colon, colon + _PIECE) if colon >= 0 else -1
    end = body.rfind(b"]")
    if start < 0 or end <= start or bytes(body[colon + 1 : start]).strip():
        return None
    if start + len(body) - end > _PIECE:  # more around the list than an envelope ever is
        return None
    try:
        envelope = orjson.loads(body[: start + 1] + body[end:])
    except orjson.JSONDecodeError:
        return None
    return (envelope, start + 1, end) if walk(envelope, parse_path(path)) == [] else None


def _next_piece(body: bytearray, at: int, end: int, window: int) -> tuple[list[Any] | None, int]:
    """Decode whole records from `at` on; give them and where the next one begins.

    A cut after `}` is right exactly when what lies before it is a list's content: inside of a
    text or of an inner object it would not be.
    """
    if at + window >= end:
        return _decode_piece(body, at, end), end
    cuts: list[int] = []
    tries = _TRIES if window <= _PIECE else _FEW_TRIES
    cut = body.rfind(b"},", at, at + window)
    while cut >= 0 and len(cuts) < tries:
        cuts.append(cut)
        cut = body.rfind(b"},", at, cut)
    for cut in cuts:
        piece = _decode_piece(body, at, cut + 1, lenient=False)
        if piece is not None:
            return piece, cut + 2
    for cut in cuts[:_FEW_TRIES]:
        piece = _decode_piece(body, at, cut + 1)
        if piece is not None:
            return piece, cut + 2
    return None, at


def _decode_piece(body: bytearray, at: int, end: int, *, lenient: bool = True) -> list[Any] | None:
    content = b"[" + body[at:end] + b"]"
    if _holds_too_much(content):
        return None
    try:
        decoded: list[Any] = _decode_exactly(content)
    except orjson.JSONDecodeError:
        if not lenient or len(content) > _LENIENTLY:
            return None
        try:
            decoded = decode_leniently(content)
        except (ValueError, RecursionError):
            return None
    return decoded
