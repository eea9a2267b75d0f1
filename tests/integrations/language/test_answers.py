"""Bodies: decoded strictly, capped, and taken apart without decoding all at once (S-13, F-31)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations import answers
from integrations.answers import RawAnswer, is_deeper_than
from integrations.errors import BrokenAnswer

DEPTH = 32
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
NASTY_TEXT = st.text(alphabet='{}[],":\\ab\u00e9\u65e5 \n', max_size=25)
RECORDS = st.lists(
    st.dictionaries(st.sampled_from(["id", "employees", "x"]), NASTY_TEXT | JSON_VALUES)
    | st.none()
    | st.lists(NASTY_TEXT, max_size=2),
    max_size=30,
)


def raw(body: bytes, content_type: str = "application/json", status: int = 200) -> RawAnswer:
    return RawAnswer(status, {}, content_type, bytearray(body))


def code_of(body: bytes, content_type: str = "application/json") -> str:
    with pytest.raises(BrokenAnswer) as caught:
        raw(body, content_type).decode(DEPTH)
    assert caught.value.__context__ is None  # a JSON error would carry the body with it
    return caught.value.code


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "text/html", "html"),
        (b"<html>captcha</html>", "application/json", "html"),
        (b"  <!doctype html>\n<html lang=en>", "", "html"),
        (b"<?xml version='1.0'?><employees/>", "text/xml", "wrong_type"),
        (b"<?xml version='1.0'?><employees/>", "application/json", "wrong_type"),
        (b"id,name\n1,Ann", "text/csv", "wrong_type"),
        (b"%PDF-1.4", "application/pdf", "wrong_type"),
        (b'{"users": []}', "text/plain", "wrong_type"),
        (b'{"users": [{"id": "1", "na', "application/json", "truncated"),
        (b'{"users": [{"id": "1"}', "application/json", "not_json"),
        (b'{"users": [1,]}', "application/json", "not_json"),
        (b"{'users': []}", "application/json", "not_json"),
        (b'{"n": NaN}', "application/json", "not_json"),
        (b'{"n": Infinity}', "application/json", "not_json"),
        (b'{"a": 1} {"b": 2}', "application/json", "not_json"),
        (b"\x00\x01\x02", "application/json", "truncated"),
        (b"[" * 100_000, "application/json", "too_deep"),
        (b"[" * 900 + b"]" * 900, "application/json", "too_deep"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "application/json", "too_deep"),
        (b'{"n": ' + b"9" * 5000 + b"}", "application/json", "not_json"),
    ],
)
def test_what_is_no_json_is_named_by_what_it_is(body: bytes, content_type: str, code: str):
    """F-25, S-13."""
    if body.startswith(b'{"n": 999'):  # a number beyond all bounds is read as infinity, or refused
        with pytest.raises(BrokenAnswer):
            raw(body, content_type).decode(DEPTH)
        return

    assert code_of(body, content_type) == code


def test_a_message_holds_status_type_and_length_but_no_body():
    """M-8."""
    with pytest.raises(BrokenAnswer) as caught:
        raw(b"<html>secret words</html>", "text/html").decode(DEPTH)

    assert "(status 200, text/html, 25 bytes)" in caught.value.message
    assert "secret" not in caught.value.message


def test_a_byte_order_mark_is_passed_over():
    assert raw(b'\xef\xbb\xbf{"a": 1}').decode(DEPTH) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb'[{"id": "1", "n": "a\u0000b"}, {"id": "2"}]', "a\x00b"),
        (rb'[{"id": "1", "n": "a\ud800b"}, {"id": "2"}]', "a\ud800b"),
        (b'[{"id": "1", "n": "a\xffb"}, {"id": "2"}]', "a\udcffb"),
        (b'[{"id": "1", "n": "a\x01b"}, {"id": "2"}]', "a\x01b"),
        (b'[{"id": "1", "n": "x", "n": "y"}, {"id": "2"}]', "y"),
    ],
)
def test_one_poisoned_record_does_not_spoil_the_others(body: bytes, expected: str):
    """F-31, R8: the value stays as it is, and the mapping reports its record."""
    first, second = raw(body).decode(DEPTH)

    assert first["n"] == expected
    assert second == {"id": "2"}


def test_an_id_of_19_digits_keeps_every_digit():
    assert raw(b'{"id": 6776757454431877834}').decode(DEPTH) == {"id": 6776757454431877834}


def test_an_id_longer_than_64_bits_keeps_every_digit_also_in_a_large_answer():
    """Such numbers become fractions in fast decoders."""
    number = 53002345678901234567890123
    few = b'{"list": [{"id": %d}, {"id": -%d}]}' % (number, number)
    many = b'{"list": [' + b", ".join([b'{"id": %d, "pad": "%s"}' % (number, b"x" * 500)] * 4000)

    whole = raw(few).decode(DEPTH)
    pieces = raw(many + b"]}").records("list", DEPTH)[1]

    assert [one["id"] for one in whole["list"]] == [number, -number]
    assert {one["id"] for piece in pieces for one in piece} == {number}


@given(JSON_VALUES, st.integers(1, 6))
def test_depth_is_counted_as_json_nests(value: Any, limit: int):
    def depth(tree: Any) -> int:
        if isinstance(tree, dict):
            return 1 + max((depth(child) for child in tree.values()), default=0)
        if isinstance(tree, list):
            return 1 + max((depth(child) for child in tree), default=0)
        return 0

    assert is_deeper_than(value, limit) is (depth(value) > limit)


@pytest.mark.parametrize("indent", [None, 1])
@given(records=RECORDS, before=JSON_VALUES, after=JSON_VALUES)
def test_a_large_answer_taken_apart_gives_what_decoding_it_whole_gives(
    indent: int | None, records: list[Any], before: Any, after: Any
):
    """Pieces of a few bytes, texts full of braces, keys of the same name inside: no difference."""
    tree = {"fields": before, "employees": records, "after": after}
    body = json.dumps(tree, indent=indent).encode()
    small_pieces(body, "employees", expected=records, around=tree)


@given(records=RECORDS)
def test_a_list_alone_is_taken_apart_too(records: list[Any]):
    body = json.dumps(records, ensure_ascii=False).encode()

    small_pieces(body, None, expected=records, around=None)


def small_pieces(body: bytes, path: str | None, *, expected: list[Any], around: Any) -> None:
    opened = answers._open(bytearray(body), path)
    if opened is None:
        return
    envelope, start, end = opened
    if around is not None:
        assert envelope.get("employees") == []
    for window in (7, 40, 200):
        answer = raw(body)
        given_: list[Any] = []
        at, size = start, window
        while at < end:
            piece, after = answers._next_piece(answer.body, at, end, size)
            if piece is None and at + size < end:
                size *= 4
                continue
            if piece is None:  # the guess of the list's end was wrong: decoded whole instead
                return
            given_.extend(piece)
            at, size = after, window
        assert given_ == expected


def big(count: int, *, tail: str = "", **poison: Any) -> bytes:
    rows = [{"id": str(number), "text": '},{"id": ' + "x" * 400} for number in range(count)]
    for number, value in poison.items():
        rows[int(number.removeprefix("at_"))] = value
    listed = json.dumps(rows)
    return f'{{"title": "t", "fields": [{{"id": "status"}}], "employees": {listed}{tail}}}'.encode()


def test_an_answer_of_megabytes_comes_in_pieces():
    body = big(8000)

    envelope, pieces = raw(body).records("employees", DEPTH)
    sizes = [len(piece) for piece in pieces]

    assert envelope["fields"] == [{"id": "status"}]
    assert sum(sizes) == 8000
    assert len(sizes) > 5


def test_pieces_survive_a_poisoned_record_in_their_midst():
    body = big(8000, at_4000={"id": "p", "n": "MARK"}).replace(b"MARK", rb"\ud800")

    _, pieces = raw(body).records("employees", DEPTH)
    rows = [row for piece in pieces for row in piece]

    assert len(rows) == 8000
    assert rows[4000] == {"id": "p", "n": "\ud800"}


@pytest.mark.parametrize("count", [3, 8000])
def test_a_record_that_is_nested_too_deep_does_not_spoil_the_others(count: int):
    """R8: the mapping reports that record only."""
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    body = big(count, at_1={"id": "1", "text": deep}, at_2=deep)

    _, pieces = raw(body).records("employees", DEPTH)
    rows = [row for piece in pieces for row in piece]

    assert rows[1] == {"id": "1", "text": answers.TOO_DEEP}
    assert rows[2] == answers.TOO_DEEP
    assert len(rows) == count


def test_what_stands_behind_the_list_is_understood_too():
    body = big(8000, tail=', "more": [{"id": 1}]')

    _, pieces = raw(body).records("employees", DEPTH)

    assert sum(len(piece) for piece in pieces) == 8000


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda body: body[:-30], "truncated"),
        (lambda body: body.replace(b'"3999"', b"3999x"), "not_json"),
        (lambda body: body.replace(b'"employees"', b'"people"'), "contradiction"),
        (lambda body: body.replace(b'"3999"', b"[" * 2000 + b"]" * 2000), "too_deep"),
    ],
)
def test_a_large_answer_that_is_broken_ends_as_such(spoil: Any, code: str):
    answer = raw(spoil(big(8000)))

    with pytest.raises(BrokenAnswer) as caught:
        list(answer.records("employees", DEPTH)[1])

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"{}", "contradiction"),
        (b"[]", "contradiction"),
        (b"null", "empty"),
        (b'""', "contradiction"),
        (b'{"employees": null}', "contradiction"),
        (b'{"employees": {}}', "contradiction"),
        (b'{"error": {"code": 500}}', "contradiction"),
    ],
)
def test_an_answer_without_the_list_is_no_empty_list(body: bytes, code: str):
    """F-24: it must never look like "nobody is there"."""
    with pytest.raises(BrokenAnswer) as caught:
        raw(body).records("employees", DEPTH)

    assert caught.value.code == code
