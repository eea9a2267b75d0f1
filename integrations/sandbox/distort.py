"""What faults make of an answer."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

import orjson

from integrations.sandbox.faults import Fault
from integrations.sandbox.messages import HTML, Answer
from integrations.sandbox.poison import main_rows, poisoned, without_field

LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body>"
    '<form method="post" action="/login"><input name="email"><input name="password">'
    "</form><script>window.captcha=1</script></body></html>"
)
EMPTY_FORMS = {"list": b"[]", "object": b"{}", "null": b"null", "text": b'""', "nothing": b""}
BOMB_MEMBER = 16 * 1024**2


def replacement(fault: Fault, now: datetime) -> Answer:
    """The answer of a fault that takes the vendor's place."""
    return STAND_INS[fault.kind](fault, now)


def _status(fault: Fault, now: datetime) -> Answer:
    content_type = None if fault.body is None else fault.content_type
    answer = Answer(fault.status, fault.raw_body(), content_type, fault.headers)
    return _with_retry_after(answer, fault, now)


def _html(fault: Fault, now: datetime) -> Answer:
    del fault, now
    return Answer(200, LOGIN_PAGE.encode(), HTML)


def _empty(fault: Fault, now: datetime) -> Answer:
    del now
    if fault.form == "no_content":
        return Answer.nothing(204)
    return Answer(200, EMPTY_FORMS[fault.form], fault.content_type)


def _redirect(fault: Fault, now: datetime) -> Answer:
    del now
    return Answer.nothing(302, Location=fault.location or "")


def _gzip_bomb(fault: Fault, now: datetime) -> Answer:
    del now
    headers = {"Content-Encoding": "gzip"}
    return Answer(200, b"".join(bomb(fault.size)), fault.content_type, headers)


def _body(fault: Fault, now: datetime) -> Answer:
    del now
    return Answer(200, fault.raw_body(), fault.content_type, fault.headers)


STAND_INS: dict[str, Callable[[Fault, datetime], Answer]] = {
    "status": _status,
    "status_after": _status,
    "html": _html,
    "empty": _empty,
    "redirect": _redirect,
    "gzip_bomb": _gzip_bomb,
    "body": _body,
}


def _with_retry_after(answer: Answer, fault: Fault, now: datetime) -> Answer:
    if fault.retry_after is None:
        return answer
    value = str(fault.retry_after)
    if fault.retry_after_as == "date":
        value = format_datetime(now + timedelta(seconds=fault.retry_after), usegmt=True)
    return answer.with_headers(Retry_After=value)


def bomb(size: int) -> Iterator[bytes]:
    """Gzip members that unpack to a JSON list of `size` blanks; 1 byte for about 1,000."""
    yield _member(b"[")
    whole, rest = divmod(size, BOMB_MEMBER)
    if whole:
        member = _member(b" " * BOMB_MEMBER)
        for _ in range(whole):
            yield member
    yield _member(b" " * rest + b"]")


def _member(text: bytes) -> bytes:
    packer = zlib.compressobj(level=9, wbits=31)
    return packer.compress(text) + packer.flush()


def distorted(
    fault: Fault, answer: Answer, *, page: int | None, ask_page: Callable[[int], Answer]
) -> tuple[Answer, str]:
    """The answer as this fault spoils it, and a note for the log.

    `page` is the number of the page that was asked for, None where the vendor has no pages;
    `ask_page` gives another page. An error answer, or one that is no JSON, stays as it is.
    """
    if fault.kind == "wrong_type":
        return replace(answer, content_type=fault.content_type), ""
    if fault.kind == "truncate":
        return replace(answer, body=answer.body[: len(answer.body) // 2]), ""
    if answer.status != HTTPStatus.OK or not answer.body:
        return answer, ""
    if fault.kind == "poison":
        body, touched = poisoned(
            answer.body, seed=fault.seed, rate=fault.rate, only=fault.only, fields=fault.fields
        )
        return replace(answer, body=body), "poisoned " + " ".join(touched)
    document = orjson.loads(answer.body)
    changed = _changed(fault, document, page=page, ask_page=ask_page)
    return replace(answer, body=orjson.dumps(changed)), ""


def _changed(
    fault: Fault, document: Any, *, page: int | None, ask_page: Callable[[int], Answer]
) -> Any:
    if fault.kind == "omit_field" and fault.field:
        return without_field(document, fault.field)
    if fault.kind == "set_values":
        for path, value in fault.values.items():
            set_path(document, path, value)
    elif fault.kind == "empty":
        swap_rows(document, [])
    elif fault.kind == "shrink" and (page is None or page >= fault.page):
        rows = main_rows(document)
        swap_rows(document, rows[: len(rows) // 2])
    elif fault.kind == "repeat_page" and page is not None and page == fault.page and page > 1:
        swap_rows(document, main_rows(orjson.loads(ask_page(page - 1).body)))
    elif fault.kind == "stuck" and page is not None:
        return orjson.loads(ask_page(1).body)
    return document


def swap_rows(document: Any, rows: list[dict[str, Any]]) -> None:
    """Put other records into the answer's envelope."""
    if isinstance(document, list):
        document[:] = rows
        return
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        swap_rows(document["data"], rows)
        return
    for key, value in reversed(document.items() if isinstance(document, dict) else ()):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            document[key] = rows
            return


def set_path(document: Any, path: str, value: Any) -> None:
    """Set `pagination.total_records` or `users.0.email`; paths that lead nowhere do nothing."""
    *parents, last = path.split(".")
    for part in parents:
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
    if isinstance(document, dict):
        document[last] = value
    elif isinstance(document, list) and last.isdecimal() and int(last) < len(document):
        document[int(last)] = value
