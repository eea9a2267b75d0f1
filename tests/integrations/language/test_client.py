"""Calls that end badly: each says what happened and what to do, and is repeated where that helps."""

import gzip
import logging
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.client import VendorClient
from integrations.errors import AskPerson, BrokenAnswer, TryLater, VendorError
from integrations.registry import Vendor
from tests.integrations.language.conftest import SECRET, Called, CallVendor
from tests.integrations.language.server import Reply, Seen, in_turn, json_reply
from tests.integrations.language.tls import self_signed

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GOOD = json_reply({"user": {"id": "77"}})
MakeVendor = Callable[..., Vendor]


def fails(called: Called, method: str = "GET", **options: Any) -> VendorError:
    with pytest.raises(VendorError) as caught:
        called.client.call(method, "me", **options)
    error = caught.value
    assert SECRET not in "".join(traceback.format_exception(error))
    assert error.__context__ is None
    return error


def test_the_test_call_names_the_account_and_the_owner_of_the_key(call_vendor: CallVendor):
    called = call_vendor(lambda _seen: GOOD)

    connection = called.client.test()

    assert (connection.tenant, connection.owner_id) == ("acme", "77")
    assert connection.text == (
        'Connected to Aha!, account "acme". The credentials belong to the record 77.'
    )
    assert called.client.owner_id() == "77"


def test_a_vendor_that_does_not_wrap_its_answer_is_understood(call_vendor: CallVendor):
    assert call_vendor(lambda _seen: json_reply({"id": 78})).client.test().owner_id == "78"


def test_a_test_call_that_answers_something_else_is_no_connection(call_vendor: CallVendor):
    with pytest.raises(AskPerson) as caught:
        call_vendor(lambda _seen: json_reply(["hello"])).client.test()

    assert caught.value.code == "contradiction"


@pytest.mark.parametrize(
    ("status", "code", "is_connection_failure", "says"),
    [
        (400, "refused", False, "refused the request"),
        (401, "unauthorized", True, "revoked"),
        (403, "forbidden", True, "account administrator"),
        (404, "not_found", False, "sub-domain"),
        (406, "refused", False, "refused the request"),
        (409, "refused", False, "refused the request"),
        (301, "redirect", False, "not followed"),
        (418, "refused", False, "refused the request"),
    ],
)
def test_a_status_that_stays_is_not_tried_again(
    call_vendor: CallVendor,
    status: int,
    code: str,
    is_connection_failure: bool,  # noqa: FBT001 - what is expected
    says: str,
):
    """F-19: 401, 403 and 404 are never repeated."""
    called = call_vendor(lambda _seen: json_reply({"error": "secret words"}, status))

    error = fails(called)

    assert (error.code, error.status) == (code, status)
    assert error.is_connection_failure is is_connection_failure
    assert says in error.message
    assert f"status {status}, application/json, 25 bytes" in error.message
    assert 'Configuration > Security > Credentials > "Production"' in error.message
    assert "secret words" not in error.message
    assert len(called.server.seen) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 598])
def test_a_status_that_passes_is_tried_five_times(call_vendor: CallVendor, status: int):
    """F-19: at most five tries, further and further apart, never the same."""
    called = call_vendor(lambda _seen: json_reply({}, status), now=lambda: NOW)

    error = fails(called)

    assert isinstance(error, TryLater)
    assert len(called.server.seen) == 5
    told = [
        seconds for seconds, why in called.told if "asks" in why or "fault" in why or "took" in why
    ]
    assert len(told) == 4
    for wait, most in zip(told, (1, 2, 4, 8), strict=True):
        assert most / 2 <= wait <= most


@pytest.mark.parametrize(
    ("replies", "tries"),
    [
        ([json_reply({}, 500), GOOD], 2),
        ([json_reply({}, 429, Retry_After="1"), json_reply({}, 503), GOOD], 3),
        ([Reply(raw=iter([b""])), GOOD], 2),
        ([Reply(raw=iter([b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])), GOOD], 2),
    ],
)
def test_a_call_that_fails_once_succeeds(call_vendor: CallVendor, replies: list[Reply], tries: int):
    called = call_vendor(in_turn(*replies), now=lambda: NOW)

    assert called.client.call("GET", "me").json == {"user": {"id": "77"}}
    assert len(called.server.seen) == tries


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_call_that_may_change_something_is_sent_once(call_vendor: CallVendor, method: str):
    """R2: never a blind repeat."""
    called = call_vendor(lambda _seen: json_reply({}, 503))

    fails(called, method, json={"a": 1})

    assert len(called.server.seen) == 1


def test_a_post_that_only_lists_is_repeated(call_vendor: CallVendor):
    called = call_vendor(in_turn(json_reply({}, 503), GOOD))

    called.client.call("POST", "me", json={}, safe_to_repeat=True)

    assert len(called.server.seen) == 2


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_retry_after_is_honoured_in_both_forms(
    call_vendor: CallVendor, header: str, expected: float | None
):
    """F-18: as seconds and as a date; what is no wait is a back-off of our own."""
    called = call_vendor(in_turn(json_reply({}, 429, Retry_After=header), GOOD), now=lambda: NOW)

    called.client.call("GET", "me")

    wait = called.told[0][0]
    if expected is None:
        assert 0.5 <= wait <= 1
    else:
        assert expected <= wait <= expected * 1.1
    assert max(called.waits) >= wait * 0.9


def test_the_moment_at_which_a_limit_ends_is_honoured(call_vendor: CallVendor):
    reset = str(int(NOW.timestamp()) + 42)
    called = call_vendor(
        in_turn(json_reply({}, 429, X_Ratelimit_Reset=reset), GOOD), now=lambda: NOW
    )

    called.client.call("GET", "me")

    assert 42 <= called.told[0][0] <= 47


@pytest.mark.parametrize("header", ["86400", format_datetime(NOW + timedelta(days=1), usegmt=True)])
def test_a_wait_of_a_day_is_not_waited(call_vendor: CallVendor, header: str):
    """F-18: longer than 15 minutes ends the call and says how long."""
    called = call_vendor(lambda _seen: json_reply({}, 429, Retry_After=header), now=lambda: NOW)

    error = fails(called)

    assert error.code == "rate_limited"
    assert error.retry_after == 86400
    assert len(called.server.seen) == 1
    assert called.waits == []


def test_one_client_told_to_wait_holds_back_the_others(call_vendor: CallVendor):
    """F-18: requests in the forbidden window: none."""
    called = call_vendor(in_turn(json_reply({}, 429, Retry_After="30"), GOOD), now=lambda: NOW)
    other: list[float] = []

    called.client.call("GET", "me")
    called.client._limiter.take(other.append)

    assert other
    assert other[0] > 25


def test_a_limit_told_inside_a_good_answer_is_seen(call_vendor: CallVendor):
    inside = json_reply({"error": {"code": 429, "message": "Over rate limit"}})
    called = call_vendor(in_turn(inside, json_reply({"id": "40"})), vendor="bamboohr")

    assert called.client.test().owner_id == "40"
    assert len(called.server.seen) == 2


def test_a_condition_on_a_header_chooses_the_rule(call_vendor: CallVendor, make_vendor: MakeVendor):
    rules = [
        {
            "status": 403,
            "when": {"header": "X-Error", "contains": "throttled"},
            "then": "retry",
            "code": "rate_limited",
            "hint": "Slow down.",
        },
        {"status": 403, "then": "ask", "hint": "No rights."},
    ]
    vendor = make_vendor({"errors": rules})
    throttled = call_vendor(
        in_turn(json_reply({}, 403, X_Error="You are THROTTLED"), GOOD), vendor=vendor
    )
    plain = call_vendor(lambda _seen: json_reply({}, 403, X_Error="no"), vendor=vendor)

    throttled.client.call("GET", "me")

    assert len(throttled.server.seen) == 2
    assert "No rights." in fails(plain).message


def test_nobody_listening_is_no_connection(call_vendor: CallVendor):
    called = call_vendor(lambda _seen: GOOD)
    called.server.stop()

    error = fails(called)

    assert error.code == "connection"
    assert error.is_connection_failure
    assert len(called.waits) >= 4


IMPATIENT = {"timeouts": {"connect": 10, "read": 0.3, "total": 1.0}}


def slowly(ended: threading.Event, *pieces: bytes, pause: float) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        ended.wait(pause)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"", b"", 60), id="no answer"),
        pytest.param((HEAD, b"{", 60), id="no body"),
        pytest.param((*[b"H"] * 600, 0.1), id="a byte of the head at a time"),
        pytest.param((HEAD, *[b" "] * 600, 0.1), id="a byte at a time"),
    ],
)
def test_a_vendor_that_does_not_come_to_an_end_is_left(
    call_vendor: CallVendor, make_vendor: MakeVendor, pieces: tuple[Any, ...]
):
    """S-13: a pause of 0.3 s, or 1 s in all, however the bytes are spread; they last a minute."""
    *sent, pause = pieces
    ended = threading.Event()
    called = call_vendor(
        lambda _seen: Reply(raw=slowly(ended, *sent, pause=pause)), vendor=make_vendor(IMPATIENT)
    )
    begin = time.monotonic()

    error = fails(called, "POST")
    took = time.monotonic() - begin
    ended.set()

    assert error.code == "timeout"
    assert error.is_connection_failure
    assert took < 30


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD, b'{"user"'],
        [
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
            b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"use\r\n',
        ],
    ],
    ids=["length", "chunked"],
)
def test_an_answer_that_breaks_off_is_tried_again_and_told(
    call_vendor: CallVendor, pieces: list[bytes]
):
    called = call_vendor(lambda _seen: Reply(raw=iter(pieces)))

    error = fails(called)

    assert error.code == "truncated"
    assert len(called.server.seen) == 5


@pytest.mark.parametrize(
    "pieces",
    [
        [b"nonsense\r\n\r\n"],
        [b"HTTP/1.1 999999 X\r\n\r\n"],
        [b"HTTP/1.1 abc X\r\n\r\n"],
        [b"\x00" * 100],
        [b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nContent-Type: application/json\r\n\r\n{"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5, 9\r\nContent-Type: application/json\r\n\r\n{}"],
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n",
            b"\r\nzz\r\n{}",
        ],
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n\r\nno"],
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Type: application/json\r\n\r\nno"],
        [b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n"],
        [b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n"],
        [b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 99999999999\r\n\r\n"],
    ],
)
def test_an_answer_that_is_hardly_http_ends_as_a_vendor_error(
    call_vendor: CallVendor, make_vendor: MakeVendor, pieces: list[bytes]
):
    """S-13: 0 unhandled."""
    called = call_vendor(lambda _seen: Reply(raw=iter(pieces)), vendor=make_vendor())

    assert fails(called, "POST").message


def bomb(wbits: int) -> bytes:
    """100 MB of spaces in 100 kB."""
    maker = zlib.compressobj(9, wbits=wbits)
    chunk = b" " * 1024 * 1024
    return b"".join([*(maker.compress(chunk) for _ in range(100)), maker.flush()])


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", lambda: bomb(31)),
        ("deflate", lambda: bomb(15)),
        ("gzip, gzip", lambda: gzip.compress(bomb(31))),
    ],
)
def test_a_decompression_bomb_is_refused_before_it_grows(
    call_vendor: CallVendor,
    make_vendor: MakeVendor,
    encoding: str,
    body: Callable[[], bytes],
):
    """S-13: memory stays near the cap of 4 MB, however much would come."""
    reply = Reply(200, body(), headers={"Content-Encoding": encoding})
    called = call_vendor(lambda _seen: reply, vendor=make_vendor())
    tracemalloc.start()

    error = fails(called)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert error.code in {"too_large", "wrong_type"}
    assert peak < 24_000_000


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b" " * 5_000_000),
        Reply(
            raw=iter(
                [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", *[b" " * 65536] * 80]
            )
        ),
        Reply(200, b"{}", headers={"Content-Length": "999999999999999999999999"}),
    ],
    ids=["length", "endless", "announced"],
)
def test_an_answer_above_the_cap_is_not_read(
    call_vendor: CallVendor, make_vendor: MakeVendor, reply: Reply
):
    error = fails(call_vendor(lambda _seen: reply, vendor=make_vendor()))

    assert error.code == "too_large"
    assert "4,000,000 bytes" in error.message


def test_a_compressed_answer_is_read(call_vendor: CallVendor):
    packed = gzip.compress(b'{"user": {"id": "77"}}')
    called = call_vendor(lambda _seen: Reply(200, packed, headers={"Content-Encoding": "gzip"}))

    assert called.client.test().owner_id == "77"
    assert called.server.seen[0].headers["Accept-Encoding"] == "gzip, deflate"


def test_an_answer_without_a_body_is_good_for_a_call_that_changes(call_vendor: CallVendor):
    called = call_vendor(
        lambda _seen: Reply(201, b"", content_type=None, headers={"Location": "/7"})
    )

    answer = called.client.call("POST", "employees", json={"a": 1})

    assert (answer.status, answer.json, answer.headers["location"]) == (201, None, "/7")


def test_parameters_are_encoded_as_vendors_want_them(call_vendor: CallVendor):
    called = call_vendor(lambda _seen: GOOD)

    called.client.call(
        "GET", "me", params={"q": "a b+c/ü&d", "none": None, "many": [1, "x"], "yes": True}
    )

    assert called.server.targets == ["/api/v1/me?q=a%20b%2Bc%2F%C3%BC%26d&many=1&many=x&yes=true"]


def test_a_client_names_itself_and_asks_for_json(call_vendor: CallVendor):
    called = call_vendor(lambda _seen: GOOD)

    called.client.test()

    headers = called.server.seen[0].headers
    assert headers["User-Agent"].startswith("Rolecall")
    assert headers["Accept"] == "application/json"


def test_cookies_of_a_vendor_are_not_sent_back(call_vendor: CallVendor):
    called = call_vendor(lambda _seen: json_reply({"id": 1}, Set_Cookie="a=b; Path=/"))

    called.client.test()
    called.client.test()

    assert "Cookie" not in called.server.seen[1].headers


def test_a_body_that_is_no_json_is_not_sent(call_vendor: CallVendor):
    called = call_vendor(lambda _seen: GOOD)

    with pytest.raises(AskPerson):
        called.client.call("POST", "me", json={"a": object()})

    assert not called.server.seen


def test_a_self_signed_vendor_is_refused_and_sees_no_key(
    call_vendor: CallVendor, tmp_path: Path, settings: Any
):
    """S-18: TLS is always verified; and it is not tried again."""
    model = call_vendor(lambda _seen: GOOD).client
    with self_signed(tmp_path) as listener:
        settings.EGRESS_EXTRA_HOSTS = [listener.origin]
        client = VendorClient(
            model.vendor,
            replace(model.access, base_url=f"https://{listener.origin}/api"),
            inputs={"subdomain": "acme"},
        )

        with pytest.raises(AskPerson) as caught:
            client.call("GET", "me")

    assert caught.value.code == "tls"
    assert caught.value.is_connection_failure
    assert listener.connections == 1
    assert listener.read == b""


def test_no_log_line_holds_a_key_that_is_a_url_parameter(
    call_vendor: CallVendor, caplog: pytest.LogCaptureFixture
):
    """S-05: with everything at DEBUG level."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    called = call_vendor(
        in_turn(GOOD, json_reply({}, 500)), settings={"token_name": "key", "add_to": "url"}
    )

    called.client.call("GET", "me")
    fails(called)
    called.server.stop()
    fails(called)

    assert SECRET in called.server.targets[0]
    assert SECRET not in caplog.text


def test_threads_may_share_a_client(call_vendor: CallVendor):
    def echo(seen: Seen) -> Reply:
        return json_reply({"target": seen.target})

    called = call_vendor(echo)
    answers: dict[int, Any] = {}

    def work(number: int) -> None:
        answers[number] = called.client.call("GET", f"users/{number}").json["target"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {number: f"/api/v1/users/{number}" for number in range(40)}


def test_a_listing_says_nothing_before_it_was_read(call_vendor: CallVendor):
    client = call_vendor(lambda _seen: GOOD).client

    assert not client.listing.complete
    with pytest.raises(BrokenAnswer):
        list(client.pages("users", today=date(2026, 11, 20)))
