"""Faults: each bad ending that can be asked for, as a client sees it."""

import gzip
import json
import zlib
from datetime import timedelta
from typing import Any

import pytest
import requests

from integrations.sandbox.faults import Kind
from integrations.sandbox.server import Sandbox

from .conftest import Caller, Clock


def deactivate(aha: Caller) -> requests.Response:
    return aha("PUT", f"/users/{other_id(aha)}", json={"user": {"enabled": False}})


def other_id(aha: Caller) -> str:
    users = aha.sandbox.state["aha"].kept()["users"]
    return str(
        next(user["id"] for user in users if "administer_account" not in user["administers"])
    )


def test_a_status_comes_as_often_as_it_was_asked_for(sandbox: Sandbox, aha: Caller) -> None:
    """F-19"""
    number = sandbox.faults.add("status", vendor="aha", status=503, count=2, after=1)

    statuses = [aha.get("/me").status_code for _ in range(5)]

    assert statuses == [200, 503, 503, 200, 200]
    assert sandbox.faults.fired(number) == 2


@pytest.mark.parametrize(
    ("fault", "hit", "spared"),
    [
        ({"path": "/users"}, "/users", "/me"),
        ({"path": r"page=2$"}, "/users?page=2", "/users?page=21"),
        ({"method": "PUT"}, None, "/users"),
        ({"vendor": "bamboohr"}, None, "/users"),
    ],
)
def test_a_fault_hits_only_the_requests_it_is_about(
    sandbox: Sandbox, aha: Caller, fault: dict[str, Any], hit: str | None, spared: str
) -> None:
    sandbox.faults.add("status", status=500, **fault)

    assert aha.get(spared).status_code == 200
    assert hit is None or aha.get(hit).status_code == 500


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_time_to_wait_comes_in_seconds_or_as_a_date(
    sandbox: Sandbox, aha: Caller, clock: Clock, form: str
) -> None:
    """F-18"""
    sandbox.faults.add("status", status=429, retry_after=30, retry_after_as=form, count=1)

    refused = aha.get("/me")
    clock.move(seconds=29)
    aha.get("/me")
    clock.move(seconds=2)
    aha.get("/me")

    wanted = {"seconds": "30", "date": "Mon, 02 Mar 2026 12:00:30 GMT"}
    assert refused.headers["Retry-After"] == wanted[form]
    assert [seen.early for seen in sandbox.log] == [False, True, False]


def test_an_effect_can_be_committed_behind_a_500(sandbox: Sandbox, aha: Caller) -> None:
    """F-20"""
    sandbox.faults.add("status_after", method="PUT", count=1)

    answer = deactivate(aha)

    assert answer.status_code == 500
    assert [effect.op for effect in sandbox.ledger] == ["user.update"]
    assert aha.get(f"/users/{other_id(aha)}").json()["user"]["enabled"] is False


@pytest.mark.parametrize(("commit", "effects"), [(False, 0), (True, 1)])
def test_a_connection_is_reset_before_or_after_the_commit(
    sandbox: Sandbox, aha: Caller, *, commit: bool, effects: int
) -> None:
    """F-20"""
    sandbox.faults.add("reset", method="PUT", count=1, commit=commit)

    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        deactivate(aha)

    assert len(sandbox.ledger) == effects
    assert aha.get("/me").status_code == 200


@pytest.mark.parametrize(("commit", "effects"), [(False, 0), (True, 1)])
def test_a_black_hole_answers_nothing_until_the_client_gives_up(
    sandbox: Sandbox, aha: Caller, *, commit: bool, effects: int
) -> None:
    sandbox.faults.add("blackhole", seconds=60, commit=commit)

    with pytest.raises(requests.ReadTimeout):
        aha("PUT", f"/users/{other_id(aha)}", json={"user": {"enabled": False}}, timeout=(10, 1))

    assert len(sandbox.ledger) == effects


def test_a_login_page_comes_with_200(sandbox: Sandbox, aha: Caller) -> None:
    """F-25"""
    sandbox.faults.add("html")

    answer = aha.get("/users")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<form" in answer.text


@pytest.mark.parametrize(
    ("form", "status", "body"),
    [
        ("list", 200, b"[]"),
        ("object", 200, b"{}"),
        ("null", 200, b"null"),
        ("text", 200, b'""'),
        ("nothing", 200, b""),
        ("no_content", 204, b""),
    ],
)
def test_an_answer_can_be_empty_in_many_forms(
    sandbox: Sandbox, aha: Caller, form: str, status: int, body: bytes
) -> None:
    """F-24"""
    sandbox.faults.add("empty", form=form)

    answer = aha.get("/users")

    assert (answer.status_code, answer.content) == (status, body)


def test_an_empty_listing_can_keep_its_envelope(
    sandbox: Sandbox, aha: Caller, bamboohr: Caller
) -> None:
    """F-24"""
    sandbox.faults.add("empty", form="envelope")

    users = aha.get("/users").json()
    report = bamboohr.report("status")

    assert users["users"] == []
    assert users["pagination"]["total_records"] > 0
    assert report["employees"] == []
    assert [field["id"] for field in report["fields"]] == ["status"]


def test_an_answer_is_truncated_or_cut_off(sandbox: Sandbox, aha: Caller) -> None:
    whole = aha.get("/users").content
    sandbox.faults.add("truncate", count=1)
    sandbox.faults.add("cut", after=1, count=1)

    half = aha.get("/users")

    assert half.content == whole[: len(whole) // 2]
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        aha.get("/users")


def test_later_pages_shrink_while_the_total_stays(sandbox: Sandbox, aha: Caller) -> None:
    """F-23"""
    sandbox.faults.add("shrink")

    pages = [aha.get(f"/users?per_page=10&page={page}").json() for page in (1, 2)]

    assert [len(page["users"]) for page in pages] == [10, 5]
    assert pages[0]["pagination"]["total_records"] == pages[1]["pagination"]["total_records"]


def test_a_page_is_repeated_in_the_next_ones_place(sandbox: Sandbox, aha: Caller) -> None:
    """F-23"""
    sandbox.faults.add("repeat_page", page=2)

    first, second, third = (aha.get(f"/users?per_page=7&page={page}").json() for page in (1, 2, 3))

    assert second["users"] == first["users"]
    assert second["pagination"]["current_page"] == 2
    assert third["users"] != first["users"]


def test_the_same_page_can_come_for_ever(sandbox: Sandbox, aha: Caller) -> None:
    """F-23"""
    sandbox.faults.add("stuck")

    pages = [aha.get(f"/users?per_page=7&page={page}").json() for page in (1, 2, 9)]

    assert pages[0] == pages[1] == pages[2]


def test_counts_can_lie(sandbox: Sandbox, aha: Caller) -> None:
    """F-23"""
    sandbox.faults.add(
        "set_values", values={"pagination.total_records": 3, "users.0.email": None, "a.b": 1}
    )

    document = aha.get("/users").json()

    assert document["pagination"]["total_records"] == 3
    assert document["users"][0]["email"] is None
    assert document["users"][1]["email"]


def test_a_field_is_left_out_everywhere(sandbox: Sandbox, bamboohr: Caller) -> None:
    sandbox.faults.add("omit_field", field="status")

    report = bamboohr.report("workEmail", "status")

    assert [field["id"] for field in report["fields"]] == ["workEmail"]
    assert all(set(row) == {"id", "workEmail"} for row in report["employees"])


def test_answers_drip_or_are_late(sandbox: Sandbox, aha: Caller) -> None:
    whole = aha.get("/users").content
    sandbox.faults.add("slow_drip", seconds=0.3)
    sandbox.faults.add("delay", seconds=0.2)

    answer = aha.get("/users")

    assert answer.content == whole
    assert answer.elapsed >= timedelta(seconds=0.2)


def test_a_bomb_unpacks_to_a_thousand_times_its_size(sandbox: Sandbox, aha: Caller) -> None:
    """S-13; the default is 10 GB, this one is small enough to unpack."""
    sandbox.faults.add("gzip_bomb", size=40_000_000)

    answer = aha.get("/users", stream=True)
    packed = answer.raw.read(decode_content=False)

    unpacked = gzip.decompress(packed)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(unpacked) == []
    assert len(unpacked) == 40_000_002
    assert len(packed) < len(unpacked) / 900
    assert zlib.decompressobj(wbits=31).decompress(packed) == b"["


def test_a_good_body_comes_under_a_wrong_type(sandbox: Sandbox, aha: Caller) -> None:
    sandbox.faults.add("wrong_type", content_type="text/plain")

    answer = aha.get("/users")

    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json()["users"]


def test_who_follows_a_redirect_is_seen_elsewhere(sandbox: Sandbox, aha: Caller) -> None:
    """S-10, S-11: credentials that follow a redirect would be in this log."""
    sandbox.faults.add("redirect", vendor="aha")

    stayed = aha.get("/users")
    aha.get("/users", allow_redirects=True)

    assert stayed.status_code == 302
    assert [seen.vendor for seen in sandbox.log] == ["aha", "aha", "elsewhere"]
    assert list(sandbox.log)[-1].auth.startswith("Bearer (")


def test_any_body_can_be_sent(sandbox: Sandbox, aha: Caller) -> None:
    sandbox.faults.add("body", body=b"\xff\x00[", content_type="application/json")

    assert aha.get("/users").content == b"\xff\x00["


def test_poison_spoils_the_same_records_each_time_and_names_them(
    sandbox: Sandbox, aha: Caller
) -> None:
    """F-31: a test can tell which records are bad and that all others were taken."""
    clean = {user["id"]: user for user in aha.get("/users?per_page=200").json()["users"]}
    sandbox.faults.add("poison", rate=0.3, seed=7)

    first = aha.get("/users?per_page=200")
    second = aha.get("/users?per_page=200")

    spoiled = {
        user["id"]
        for user in json.loads(first.content.decode("utf-8", "surrogatepass"))["users"]
        if user != clean[user["id"]]
    }
    note = list(sandbox.log)[-1].note
    assert first.content == second.content
    assert 0 < len(spoiled) < len(clean)
    assert set(note.partition("poisoned ")[2].split()) >= spoiled


@pytest.mark.parametrize(
    ("poison", "raw"),
    [
        ("nul", rb'"A\u0000B"'),
        ("surrogate", rb'"A\ud800B"'),
        ("duplicate_key", b'"name":"first","name":"second"'),
        ("deep", b"[" * 900),
        ("megabyte", b"x" * 1_000_000),
        ("list", b'"name":[]'),
    ],
)
def test_a_chosen_poison_comes_as_it_was_chosen(
    sandbox: Sandbox, aha: Caller, poison: str, raw: bytes
) -> None:
    sandbox.faults.add("poison", rate=1, only=[poison], fields=["name"])

    assert raw in aha.get("/users?per_page=1").content


def test_faults_are_armed_listed_and_cleared_over_http(sandbox: Sandbox, aha: Caller) -> None:
    url = f"{sandbox.url}/__faults"
    faults = [{"kind": "status", "vendor": "aha", "status": 418}, {"kind": "delay", "seconds": 0}]

    armed = requests.post(url, json=faults, timeout=10).json()
    status = aha.get("/me").status_code
    listed = requests.get(url, timeout=10).json()["faults"]
    requests.delete(url, timeout=10)

    assert armed == {"numbers": [1, 2]}
    assert status == 418
    assert [(fault["number"], fault["fired"]) for fault in listed] == [(1, 1), (2, 1)]
    assert aha.get("/me").status_code == 200


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"kind": "explode"}, "kind"),
        ({"kind": "status", "statos": 500}, "statos"),
        ({"kind": "status", "path": "("}, "path"),
        ({"kind": "poison", "only": ["arsenic"]}, "arsenic"),
        ({}, "kind"),
    ],
)
def test_an_unknown_fault_is_refused_by_name(
    sandbox: Sandbox, fault: dict[str, Any], named: str
) -> None:
    answer = requests.post(f"{sandbox.url}/__faults", json=[fault], timeout=10)

    assert answer.status_code == 400
    assert named in answer.json()["error"]


@pytest.mark.parametrize("kind", ["blackhole", "slow_drip", "delay"])
def test_a_sandbox_stops_at_once_whatever_hangs(clock: Clock, kind: Kind) -> None:
    with Sandbox(people=3, now=clock.now) as sandbox:
        sandbox.faults.add(kind, seconds=3_600)
        aha = Caller(sandbox, "aha")
        with pytest.raises(requests.RequestException):
            aha.get("/users", timeout=0.1)

    assert sandbox.stopping.is_set()
