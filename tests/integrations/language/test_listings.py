"""Listings page by page: what is complete, and what never is (F-23, F-24)."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.answers import RawAnswer
from integrations.errors import BrokenAnswer, VendorError
from integrations.listing import Listing
from integrations.registry import Vendor
from tests.integrations.language.conftest import CallVendor
from tests.integrations.language.server import Answering, Reply, Seen, json_reply

TODAY = date(2026, 11, 20)
SIZE = 200


def person(number: int) -> dict[str, Any]:
    return {"id": str(number), "name": f"User {number}"}


PEOPLE = [person(number) for number in range(450)]


def parameters(seen: Seen) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(seen.target).query).items()}


def pages(
    people: list[Any] = PEOPLE,
    *,
    size: int | None = None,
    change: Callable[[int, dict[str, Any]], None] = lambda _page, _answer: None,
) -> Answering:
    """Answer as Aha! pages its users; `change` may spoil what page n answers."""

    def answer(seen: Seen) -> Reply:
        asked = parameters(seen)
        page, take = int(asked["page"]), size or int(asked["per_page"])
        body = {
            "users": people[(page - 1) * take : page * take],
            "pagination": {
                "total_records": len(people),
                "total_pages": -(-len(people) // take),
                "current_page": page,
            },
        }
        change(page, body)
        return json_reply(body)

    return answer


def read(called: Any, load: str = "users", **options: Any) -> tuple[list[Any], Listing]:
    records = [
        record
        for page in called.client.pages(load, today=TODAY, **options)
        for record in page.records
    ]
    return records, called.client.listing


def test_an_unbroken_listing_is_complete(call_vendor: CallVendor):
    called = call_vendor(pages())

    records, listing = read(called)

    assert records == PEOPLE
    assert listing == Listing(True, [], 3, 450, 450, 3)
    assert [parameters(seen)["page"] for seen in called.server.seen] == ["1", "2", "3"]


def test_all_pages_go_over_one_connection(call_vendor: CallVendor):
    called = call_vendor(pages())

    read(called)

    assert called.server.connections == 1


def test_a_vendor_that_gives_fewer_per_page_than_asked_is_read_to_the_end(call_vendor: CallVendor):
    records, listing = read(call_vendor(pages(size=100)))

    assert len(records) == 450
    assert listing.complete


def test_nobody_at_all_is_a_complete_listing_that_is_empty(call_vendor: CallVendor):
    records, listing = read(call_vendor(pages([])))

    assert records == []
    assert listing == Listing(True, [], 1, 0, 0, 1)


def spoil_total(page: int, answer: dict[str, Any]) -> None:
    if page > 1:
        answer["pagination"]["total_records"] += 1


def shrink(page: int, answer: dict[str, Any]) -> None:
    if page == 2:
        del answer["users"][50:]


def repeat(page: int, answer: dict[str, Any]) -> None:
    if page == 2:
        answer["users"] = PEOPLE[:SIZE]


def stuck(_page: int, answer: dict[str, Any]) -> None:
    answer["users"] = PEOPLE[:SIZE]
    answer["pagination"]["total_pages"] = 1_000_000


def shift(page: int, answer: dict[str, Any]) -> None:
    if page == 2:
        answer["users"] = PEOPLE[SIZE - 1 : 2 * SIZE - 1]


def empty_middle(page: int, answer: dict[str, Any]) -> None:
    if page == 2:
        answer["users"] = []


def no_totals(_page: int, answer: dict[str, Any]) -> None:
    del answer["pagination"]


def wrong_total(_page: int, answer: dict[str, Any]) -> None:
    answer["pagination"]["total_records"] = 9000


def fewer_pages(page: int, answer: dict[str, Any]) -> None:
    answer["pagination"]["total_pages"] = 3 if page == 1 else 2


@pytest.mark.parametrize(
    ("change", "says", "kept", "requests"),
    [
        (spoil_total, "changed from 450 to 451", 450, 3),
        (shrink, "Page 2 has 50 records, earlier pages 200", 300, 3),
        (repeat, "Page 2 repeats", 250, 3),
        (stuck, "again and again", 200, 3),
        (shift, "1 records came twice (the first has the id 199)", 449, 3),
        (empty_middle, "Page 2 is empty although more was announced", 200, 2),
        (no_totals, "does not say how many records", 450, 3),
        (wrong_total, "9000 records were announced and 450 came", 450, 3),
        (fewer_pages, "number of pages changed from 3 to 2", 400, 2),
    ],
)
def test_a_listing_that_contradicts_itself_is_kept_but_not_complete(
    call_vendor: CallVendor,
    change: Callable[[int, dict[str, Any]], None],
    says: str,
    kept: int,
    requests: int,
):
    """F-23: removals forbidden, loops found within two repeats, what was read is kept."""
    called = call_vendor(pages(change=change))

    records, listing = read(called)

    assert not listing.complete
    assert any(says in problem for problem in listing.problems), listing.problems
    assert len(records) == listing.records == kept
    assert len({record["id"] for record in records}) == kept
    assert len(called.server.seen) == listing.requests == requests


def test_a_vendor_that_never_ends_is_stopped(
    call_vendor: CallVendor, make_vendor: Callable[..., Vendor]
):
    vendor = make_vendor({"loads": {"users": {"paging": {"max_pages": 5}}}})

    def answer(seen: Seen) -> Reply:
        skip = int(parameters(seen)["skip"])
        return json_reply({"users": [person(skip + number) for number in range(3)]})

    records, listing = read(call_vendor(answer, vendor=vendor))

    assert len(records) == 15
    assert listing.problems == [
        "There was no end after 5 pages, so reading was stopped.",
        "The listing was not read to its end.",
    ]


@pytest.mark.parametrize(
    ("total", "count"), [(None, 0), (None, 2), (None, 3), (None, 7), ("total", 6), ("total", 0)]
)
def test_offset_paging_reads_all(
    call_vendor: CallVendor, make_vendor: Callable[..., Vendor], total: str | None, count: int
):
    vendor = make_vendor({"loads": {"users": {"paging": {"total": total}}}})
    people = [person(number) for number in range(count)]

    def answer(seen: Seen) -> Reply:
        asked = parameters(seen)
        skip = int(asked["skip"])
        return json_reply({"users": people[skip : skip + int(asked["take"])], "total": count})

    records, listing = read(call_vendor(answer, vendor=vendor))

    assert records == people
    assert listing.complete
    assert listing.total == (count if total else None)


def test_positions_can_be_sent_in_the_body(
    call_vendor: CallVendor, make_vendor: Callable[..., Vendor]
):
    load = {
        "request": {"method": "POST", "json": {"sub": "{{ subdomain }}"}, "safe_to_repeat": True},
        "paging": {"sent_in": "json"},
    }
    called = call_vendor(
        lambda _seen: json_reply({"users": []}), vendor=make_vendor({"loads": {"users": load}})
    )

    read(called)

    assert called.server.seen[0].body == b'{"sub":"acme","skip":0,"take":3}'
    assert called.server.seen[0].headers["Content-Type"] == "application/json"


def test_records_that_are_no_objects_or_have_no_id_are_passed_on(call_vendor: CallVendor):
    """Their issue is the mapping's to tell."""
    odd: list[Any] = [None, 5, "text", [1], {}, {"id": None}, {"id": ""}, {"id": True}, person(1)]

    records, listing = read(call_vendor(pages(odd)))

    assert records == odd
    assert listing.complete


def test_an_id_that_comes_twice_on_one_page_comes_once(call_vendor: CallVendor):
    records, listing = read(call_vendor(pages([person(1), {**person(1), "name": "Other"}])))

    assert records == [person(1)]
    assert not listing.complete


def test_a_page_that_fails_leaves_the_listing_incomplete(call_vendor: CallVendor):
    good = pages()

    def answer(seen: Seen) -> Reply:
        return good(seen) if parameters(seen)["page"] != "3" else json_reply({}, 403)

    called = call_vendor(answer)
    with pytest.raises(VendorError) as caught:
        read(called)

    assert caught.value.code == "forbidden"
    assert not called.client.listing.complete
    assert called.client.listing.records == 400


# F-24: what must never be taken for "nobody is there".
EMPTY_FORMS: list[tuple[Reply, str]] = [
    (Reply(200, b"[]"), "contradiction"),
    (Reply(200, b"{}"), "contradiction"),
    (Reply(200, b"null"), "empty"),
    (Reply(200, b'""'), "contradiction"),
    (Reply(200, b""), "empty"),
    (Reply(204, b"", content_type=None), "empty"),
    (Reply(200, b'{"users": null}'), "contradiction"),
    (Reply(200, b'{"users": {}}'), "contradiction"),
    (Reply(200, b'{"error": "no rights"}'), "contradiction"),
    (Reply(200, b'{"errors": ["x"], "users": "none"}'), "contradiction"),
    (Reply(200, b"<html>sign in</html>", content_type="text/html"), "html"),
    (Reply(200, b"<users></users>", content_type="text/xml"), "wrong_type"),
]


@pytest.mark.parametrize(("reply", "code"), EMPTY_FORMS)
def test_an_empty_form_is_never_an_empty_listing(call_vendor: CallVendor, reply: Reply, code: str):
    called = call_vendor(lambda _seen: reply)

    with pytest.raises(BrokenAnswer) as caught:
        read(called)

    assert caught.value.code == code
    assert not called.client.listing.complete


REPORT = {
    "title": "Rolecall",
    "fields": [
        {"id": name, "type": "text", "name": name}
        for name in ("status", "employmentHistoryStatus", "workEmail")
    ],
    "employees": [{"id": "1", "status": "Active"}, {"id": "2", "status": "Inactive"}],
}
FUTURE = [
    {"id": "1", "employeeId": "1", "date": "2027-01-01", "employmentStatus": "Later"},
    {"id": "2", "employeeId": "1", "date": "2026-12-01", "employmentStatus": "Contractor"},
    {"id": "3", "employeeId": "1", "date": "2026-11-20", "employmentStatus": "Full-Time"},
    {"id": "5", "employeeId": 1, "date": "2026-12-01", "employmentStatus": "Terminated"},
    {"id": "4", "employeeId": "1", "date": "2026-12-01", "employmentStatus": "Intern"},
    {"id": "6", "employeeId": "2", "date": "0000-00-00", "employmentStatus": "X"},
    {"id": "7", "employeeId": "2", "date": "2027-1-1", "employmentStatus": "X"},
    {"id": "8", "employeeId": "2", "date": None, "employmentStatus": "X"},
    None,
    "row",
]


def bamboohr(report: Any = REPORT, table: Any = FUTURE) -> Answering:
    def answer(seen: Seen) -> Reply:
        if "employmentStatus" in seen.target and seen.method == "GET":
            return json_reply(table) if not isinstance(table, Reply) else table
        return json_reply(report)

    return answer


def test_the_bamboohr_report_asks_as_bamboohr_wants_it(call_vendor: CallVendor):
    called = call_vendor(bamboohr(), vendor="bamboohr")

    read(called, "employees", extra_fields=["division"])

    sent = called.server.seen[-1]
    assert (sent.method, sent.target) == ("POST", "/api/v1/reports/custom?format=json")
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["Accept"] == "application/json"
    body = json.loads(sent.body)
    assert {"status", "employmentHistoryStatus", "supervisorEId", "division"} <= set(body["fields"])
    assert body["filterDuplicates"] == "no"


def test_the_next_employment_status_is_the_earliest_later_row(call_vendor: CallVendor):
    """BB-38: a row that lies in the future is seen as such; of one day's rows the last counts."""
    records, listing = read(call_vendor(bamboohr(), vendor="bamboohr"), "employees")

    assert [
        (row["rolecallNextEmploymentStatus"], row["rolecallNextEmploymentStatusDate"])
        for row in records
    ] == [("Terminated", "2026-12-01"), (None, None)]
    assert listing.complete
    assert listing.requests == 2


@pytest.mark.parametrize("lost", ["status", "employmentHistoryStatus"])
def test_a_report_without_a_status_field_fails_loudly(call_vendor: CallVendor, lost: str):
    """A field that the key may not read is left out without an error."""
    report = {**REPORT, "fields": [one for one in REPORT["fields"] if one["id"] != lost]}  # type: ignore[index]
    called = call_vendor(bamboohr(report), vendor="bamboohr")

    with pytest.raises(BrokenAnswer) as caught:
        read(called, "employees")

    assert caught.value.code == "contradiction"
    assert f"leaves out {lost}" in caught.value.message


def test_other_fields_that_are_left_out_are_named(call_vendor: CallVendor):
    records, listing = read(call_vendor(bamboohr(), vendor="bamboohr"), "employees")

    assert listing.complete
    assert "jobTitle" in listing.undeclared
    assert "workEmail" not in listing.undeclared
    assert "jobTitle" not in records[0]


def test_a_report_that_does_not_say_what_it_holds_fails(call_vendor: CallVendor):
    report = {"employees": REPORT["employees"]}

    with pytest.raises(BrokenAnswer, match="does not say which fields"):
        read(call_vendor(bamboohr(report), vendor="bamboohr"), "employees")


def test_a_status_table_that_may_not_be_read_stops_the_load(call_vendor: CallVendor):
    """Without it a blank status could not be told from one that lies in the future."""
    called = call_vendor(bamboohr(table=json_reply({}, 403)), vendor="bamboohr")

    with pytest.raises(VendorError) as caught:
        read(called, "employees")

    assert caught.value.code == "forbidden"
    assert not called.client.listing.complete


def test_a_report_comes_in_pages_of_a_thousand(call_vendor: CallVendor):
    people = [{"id": str(number), "status": "Active", "x": "y" * 700} for number in range(2500)]
    called = call_vendor(bamboohr({**REPORT, "employees": people}, []), vendor="bamboohr")

    sizes = [len(page.records) for page in called.client.pages("employees", today=TODAY)]

    assert sizes == [1000, 1000, 500]
    assert called.client.listing.complete


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 12), max_size=4),
            st.none() | st.integers(0, 12),
            st.none() | st.integers(0, 4),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_pages_hold_reading_ends_and_each_id_comes_once(script: list[Any]):
    from integrations.listing import Watch
    from integrations.pagination import read_pages
    from integrations.registry import get_vendor

    load = get_vendor("aha").load("users")
    sent = 0

    def send(_position: Any) -> RawAnswer:
        nonlocal sent
        ids, total, count = script[min(sent, len(script) - 1)]
        sent += 1
        body = {
            "users": [person(number) for number in ids],
            "pagination": {"total_records": total, "total_pages": count},
        }
        return RawAnswer(200, {}, "application/json", bytearray(orjson.dumps(body)))

    watch = Watch(load)
    assert load.paging.kind == "page_number"
    rows = [
        row for page in read_pages(watch, load.paging, send, max_depth=9) for row in page.records
    ]

    assert sent <= len(script) + 5
    assert len({row["id"] for row in rows}) == len(rows)
    if watch.listing().complete:
        assert watch.total == len(rows)
