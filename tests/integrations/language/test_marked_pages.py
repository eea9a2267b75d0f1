"""Listings whose answers say where the next page is: by a mark, or by a whole address."""

from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.errors import BrokenAnswer
from integrations.listing import Listing
from integrations.registry import Vendor
from tests.integrations.language.conftest import CallVendor
from tests.integrations.language.server import Answering, Reply, Seen, in_turn, json_reply

TODAY = date(2026, 11, 20)
PEOPLE = [{"id": str(number)} for number in range(5)]
CURSOR = {
    "loads": {
        "users": {
            "paging": {
                "kind": "cursor",
                "cursor": "after",
                "next": "meta.next",
                "size": "take",
                "page_size": 2,
                "offset": None,
                "limit": None,
            }
        }
    }
}
NEXT_URL = {
    "loads": {
        "users": {
            "paging": {
                "kind": "next_url",
                "next": ["nextURL", "next"],
                "more": "more",
                "offset": None,
                "limit": None,
                "page_size": None,
            }
        }
    }
}


def parameter(seen: Seen, name: str) -> str | None:
    values = parse_qs(urlsplit(seen.target).query).get(name)
    return values[0] if values else None


def by_cursor(seen: Seen) -> Reply:
    """Two users a page; the mark is the number of the next user."""
    start = int(parameter(seen, "after") or 0)
    mark = str(start + 2) if start + 2 < len(PEOPLE) else None
    return json_reply({"users": PEOPLE[start : start + 2], "meta": {"next": mark}})


def by_address(seen: Seen) -> Reply:
    """Two users a page; the address of the next page is a whole one."""
    start = int(parameter(seen, "from") or 0)
    answer: dict[str, Any] = {"users": PEOPLE[start : start + 2], "more": False}
    if start + 2 < len(PEOPLE):
        host = seen.headers["Host"]
        answer |= {"more": True, "nextURL": f"http://{host}/api/v1/users?from={start + 2}"}
    return json_reply(answer)


@pytest.fixture
def read(
    call_vendor: CallVendor, make_vendor: Callable[..., Vendor]
) -> Callable[..., tuple[list[Any], Listing, list[str]]]:
    """Read a whole load; gives the records, the verdict and what was asked for."""

    def read(changes: dict[str, Any], answer: Answering) -> tuple[list[Any], Listing, list[str]]:
        called = call_vendor(answer, vendor=make_vendor(changes))
        records = [
            one for page in called.client.pages("users", today=TODAY) for one in page.records
        ]
        return records, called.client.listing, called.server.targets

    return read


@pytest.mark.parametrize(
    ("changes", "answer", "second"),
    [
        (CURSOR, by_cursor, "/api/v1/users?take=2&after=2"),
        (NEXT_URL, by_address, "/api/v1/users?from=2"),
    ],
    ids=["cursor", "next_url"],
)
def test_marked_pages_are_followed_to_the_end(
    read: Any, changes: dict[str, Any], answer: Answering, second: str
):
    records, listing, targets = read(changes, answer)

    assert records == PEOPLE
    assert (listing.complete, listing.pages) == (True, 3)
    assert targets[1] == second


def test_an_answer_that_is_a_bare_list_is_all_there_is(read: Any):
    records, listing, _ = read(NEXT_URL, in_turn(json_reply(PEOPLE)))

    assert (records, listing.complete) == (PEOPLE, True)


def test_another_word_for_the_next_address_is_understood(read: Any):
    def answer(seen: Seen) -> Reply:
        if parameter(seen, "from"):
            return json_reply({"users": PEOPLE[2:], "next": None})
        host = seen.headers["Host"]
        return json_reply({"users": PEOPLE[:2], "next": f"http://{host}/api/v1/users?from=2"})

    records, listing, _ = read(NEXT_URL, answer)

    assert (records, listing.complete) == (PEOPLE, True)


@pytest.mark.parametrize(
    "address",
    [
        "http://attacker.example/api/v1/users?from=2",
        "https://{host}/api/v1/users?from=2",
        "http://{host}/other/users?from=2",
        "//attacker.example/api/v1/users",
        "/api/v1/users?from=2",
    ],
)
def test_a_next_address_outside_of_the_base_url_is_never_called(
    call_vendor: CallVendor, make_vendor: Callable[..., Vendor], address: str
):
    """S-11: the credentials would go with it."""

    def answer(seen: Seen) -> Reply:
        there = address.format(host=seen.headers["Host"])
        return json_reply({"users": PEOPLE[:2], "more": True, "nextURL": there})

    called = call_vendor(answer, vendor=make_vendor(NEXT_URL))

    with pytest.raises(BrokenAnswer, match="outside of its own address"):
        list(called.client.pages("users", today=TODAY))

    assert len(called.server.seen) == 1
    assert not called.client.listing.complete


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ({"users": [{"id": "9"}], "more": True}, "announces more, but not where"),
        ({"users": [], "more": True, "nextURL": "{next}"}, "is empty although more was announced"),
    ],
    ids=["no address", "empty page"],
)
def test_a_listing_that_breaks_off_is_not_complete(read: Any, last: dict[str, Any], says: str):
    """F-23."""

    def answer(seen: Seen) -> Reply:
        there = f"http://{seen.headers['Host']}/api/v1/users?from=2"
        if parameter(seen, "from"):
            return json_reply({**last, **({"nextURL": there} if "nextURL" in last else {})})
        return json_reply({"users": PEOPLE[:2], "more": True, "nextURL": there})

    _, listing, _ = read(NEXT_URL, answer)

    assert not listing.complete
    assert says in " ".join(listing.problems)


@pytest.mark.parametrize("changes", [CURSOR, NEXT_URL], ids=["cursor", "next_url"])
def test_a_mark_that_leads_in_a_circle_ends_the_reading(read: Any, changes: dict[str, Any]):
    """F-23: at most two repeats."""

    def answer(seen: Seen) -> Reply:
        there = f"http://{seen.headers['Host']}/api/v1/users?from=2"
        return json_reply(
            {"users": PEOPLE[:2], "more": True, "nextURL": there, "meta": {"next": "2"}}
        )

    records, listing, targets = read(changes, answer)

    assert (records, len(targets)) == (PEOPLE[:2], 3)
    assert not listing.complete
