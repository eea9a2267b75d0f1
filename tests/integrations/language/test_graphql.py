"""GraphQL in the vendor language: queries from files, errors in good answers, waits in bodies."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from integrations.errors import AskPerson, BrokenAnswer, ManifestInvalid, TryLater
from integrations.registry import Vendor, read_vendor
from tests.integrations.language.conftest import MANIFEST, CallVendor, merge
from tests.integrations.language.server import Answering, Reply, Seen, in_turn, json_reply

TODAY = date(2026, 11, 20)
QUERY = "query Users($page: Int!, $take: Int!) { users(page: $page, limit: $take) { id } }\n"
CHANGES: dict[str, Any] = {
    "errors": [
        {
            "status": 200,
            "when": {"path": "errors[0].extensions.code", "one_of": ["BUDGET_EXHAUSTED"]},
            "then": "retry",
            "wait": ["errors[0].extensions.retry_in_seconds", "errors[0].message"],
            "wait_otherwise": 7,
        },
        {"status": 200, "when": {"path": "errors"}, "then": "ask", "hint": "Read the message."},
    ],
    "loads": {
        "users": {
            "request": {
                "method": "POST",
                "path": "graphql",
                "query": "users",
                "variables": {"page": 1},
                "safe_to_repeat": True,
            },
            "paging": {
                "kind": "page_number",
                "page": "page",
                "size": "take",
                "page_size": 2,
                "sent_in": "variables",
                "offset": None,
                "limit": None,
            },
            "records": "data.users",
        }
    },
}


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    folder = tmp_path / "tiny"
    (folder / "queries").mkdir(parents=True)
    (folder / "queries" / "users.graphql").write_text(QUERY)
    (folder / "vendor.yaml").write_text(yaml.safe_dump(merge(MANIFEST, CHANGES)))
    return read_vendor(folder)


def users(*ids: str, **more: Any) -> Reply:
    return json_reply({"data": {"users": [{"id": one} for one in ids]}, **more})


def failed(code: str, **extensions: Any) -> Reply:
    error = {"message": "Refused", "extensions": {"code": code, **extensions}}
    return json_reply({"data": {"users": None}, "errors": [error]})


def read(called: Any) -> list[str]:
    return [one["id"] for page in called.client.pages("users", today=TODAY) for one in page.records]


def test_a_query_is_posted_from_its_file_with_the_page_among_the_variables(
    call_vendor: CallVendor, vendor: Vendor
):
    called = call_vendor(in_turn(users("1", "2"), users("3")), vendor=vendor)

    ids = read(called)

    bodies = [json.loads(seen.body) for seen in called.server.seen]
    assert ids == ["1", "2", "3"]
    assert [body["variables"] for body in bodies] == [
        {"page": 1, "take": 2},
        {"page": 2, "take": 2},
    ]
    assert {body["query"] for body in bodies} == {QUERY}
    assert {seen.method for seen in called.server.seen} == {"POST"}


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda: users("1", "2", errors=[{"message": "one field could not be read"}]),
        lambda: users("1", "2", errors=["Not Authenticated"]),
        lambda: users(*(str(number) for number in range(20_000)), errors=[{"message": "late"}]),
        lambda: json_reply({"data": {"users": None}}),
        lambda: json_reply({"data": None}),
        lambda: json_reply({"account_id": 5}),
    ],
    ids=["partial", "text errors", "large", "null list", "null data", "no data"],
)
def test_a_good_status_with_errors_or_without_its_list_is_a_failure(
    call_vendor: CallVendor, vendor: Vendor, spoilt: Callable[[], Reply]
):
    """MO-28, F-24: never "no users"."""
    called = call_vendor(in_turn(spoilt()), vendor=vendor)

    with pytest.raises((AskPerson, BrokenAnswer)):
        read(called)

    assert not called.client.listing.complete


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (lambda: failed("budget_exhausted", retry_in_seconds=17), 17),
        (lambda: failed("BUDGET_EXHAUSTED"), 7),
        (
            lambda: json_reply(
                {
                    "errors": [
                        {
                            "message": "Budget 30001 of 19986 exhausted, reset in 3 seconds",
                            "extensions": {"code": "BUDGET_EXHAUSTED"},
                        }
                    ]
                }
            ),
            3,
        ),
    ],
    ids=["a number", "the folder's own", "in the words"],
)
def test_a_wait_that_the_body_asks_for_is_kept(
    call_vendor: CallVendor, vendor: Vendor, refusal: Callable[[], Reply], seconds: float
):
    """F-18: codes are compared without case."""
    called = call_vendor(in_turn(refusal(), users("1")), vendor=vendor)

    ids = read(called)

    assert ids == ["1"]
    assert any(seconds <= wait <= seconds + 5 for wait in called.waits)


def test_a_change_that_failed_for_the_rate_is_told_as_such(call_vendor: CallVendor, vendor: Vendor):
    called = call_vendor(in_turn(failed("BUDGET_EXHAUSTED", retry_in_seconds=2)), vendor=vendor)

    with pytest.raises(TryLater) as caught:
        called.client.call("POST", "graphql", json={"query": "mutation { x }"})

    assert (caught.value.code, len(called.server.seen)) == ("rate_limited", 1)


def answering_wrongly(_seen: Seen) -> Reply:
    return json_reply({"errors": [{"message": "y" * 5000}]})


ANSWERS: list[Answering] = [answering_wrongly]


@pytest.mark.parametrize("answer", ANSWERS)
def test_words_of_the_vendor_are_not_repeated_in_the_error(
    call_vendor: CallVendor, vendor: Vendor, answer: Answering
):
    """M-8: of a bad answer status, content type and length are kept."""
    called = call_vendor(answer, vendor=vendor)

    with pytest.raises(AskPerson) as caught:
        read(called)

    assert "yyy" not in str(caught.value)
    assert "Read the message." in str(caught.value)


def test_a_query_without_its_file_is_a_mistake_of_the_folder(tmp_path: Path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "vendor.yaml").write_text(yaml.safe_dump(merge(MANIFEST, CHANGES)))

    with pytest.raises(ManifestInvalid, match=r"there is no queries/users\.graphql"):
        read_vendor(folder)
