"""Calls that end badly: the run says what to do and where, keeps no body and no secret."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from integrations.models import Credentials, SyncRun
from integrations.sandbox.distort import LOGIN_PAGE
from integrations.secrets import seal
from integrations.worker import cancel
from tests.integrations.bad_input.world import CANARY, SOONER, OpenWorld, World, mend, snapshot

TRIES = 5
WHERE = "Look at Configuration > Security > Credentials > "


def stored_text(run: SyncRun) -> str:
    """Everything that a run keeps in words."""
    issues = " ".join(f"{one.reason} {one.detail}" for one in run.issues.all())
    return f"{run.error_message} {run.listing} {run.warnings} {issues}"


def assert_tells_where(world: World, run: SyncRun) -> None:
    """The message names the credentials, which an admin can then look at."""
    assert f'{WHERE}"{world.credentials.name}".' in run.error_message


# What the fault is, the code of the run, a piece of its message.
BAD_ENDINGS: list[tuple[str, dict[str, Any], str, str]] = [
    ("html", {}, "html", "web page, such as a sign-in page"),
    ("truncate", {}, "truncated", "ends in the middle"),
    (
        "wrong_type",
        {"content_type": "text/plain"},
        "wrong_type",
        "not JSON (status 200, text/plain",
    ),
    ("redirect", {}, "redirect", "sends the call elsewhere, which is not followed"),
    ("redirect", {"location": "http://169.254.169.254/latest/"}, "redirect", "not followed"),
    ("gzip_bomb", {"size": 10 * 1024**3}, "too_large", "it was not read"),
    ("status", {"status": 403}, "forbidden", "does not allow this to the credentials"),
    ("status", {"status": 404}, "not_found", "Check the sub-domain"),
    ("status", {"status": 418, "body": "teapot"}, "refused", "refused the request (status 418"),
    ("status", {"status": 500, "headers": SOONER}, "server_error", "has a fault of its own"),
    ("status", {"status": 503, "headers": SOONER}, "server_error", "(status 503"),
    (
        "body",
        {"body": b"\x1f\x8bno gzip", "headers": {"Content-Encoding": "gzip"}},
        "not_json",
        "cannot be decompressed",
    ),
    (
        "body",
        {"body": gzip.compress(b"{}"), "headers": {"Content-Encoding": "br"}},
        "wrong_type",
        "a compression that was not asked for",
    ),
]


def test_every_bad_ending_has_its_message_changes_nothing_and_is_mended_by_the_next_run(
    world: World,
) -> None:
    """F-19, F-24, F-25, S-11, S-13, M-8: one after the other, each followed by a healthy run."""
    mend(world)
    world.sync()
    before = snapshot()

    for kind, values, code, said in BAD_ENDINGS:
        world.fault(kind, **values)
        run = world.sync()
        after = snapshot()
        world.heal()
        healthy = world.sync()

        assert (run.state, run.error_code) == ("failed", code), (kind, values, run.error_message)
        assert said in run.error_message, (kind, values, run.error_message)
        assert_tells_where(world, run)
        assert LOGIN_PAGE[:20] not in stored_text(run)
        assert "teapot" not in stored_text(run)
        assert after == before
        assert (healthy.state, healthy.counts["issues"]) == ("done", 0)
        assert snapshot() == before


def test_a_pause_of_a_day_parks_the_run_which_changes_nothing(world: World) -> None:
    """F-18: it is no failure, says until when and why, and may be cancelled."""
    mend(world)
    world.sync()
    before = snapshot()
    world.fault("status", status=429, retry_after=86_400)

    run = world.sync()

    assert (run.state, run.error_code, run.attempts) == ("queued", "rate_limited", 0)
    assert "The run waits until" in run.error_message
    assert "It asks for a pause of 1,440 minutes." in run.error_message
    assert run.due_at is not None
    assert snapshot() == before
    assert cancel(run.pk, by="it-admin")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_asked_for_once_only(world: World, status: int) -> None:
    """F-19: repeated failed sign-ins would lock the key's owner out."""
    world.fault("status", path=".", status=status, headers=SOONER)

    run = world.sync()

    assert run.state == "failed"
    assert len(world.requests()) == 1


def test_a_wrong_key_is_told_at_the_credentials_and_shown_nowhere(open_vendor: OpenWorld) -> None:
    """F-19, S-05: 401 of both vendors."""
    for vendor in ("bamboohr", "aha"):
        world = open_vendor(vendor, secret=CANARY)

        run = world.sync()

        assert (run.state, run.error_code) == ("failed", "unauthorized")
        assert "did not accept the credentials" in run.error_message
        assert "key is wrong or was" in run.error_message
        assert_tells_where(world, run)
        assert CANARY not in stored_text(run)
        assert len(world.requests()) == 1


def test_a_right_key_after_a_wrong_one_is_all_that_it_takes(world: World) -> None:
    mend(world)
    credentials = Credentials.objects.get(pk=world.credentials.pk)
    right = world.sandbox.credentials(world.vendor)["secrets"]["value"]
    seal(credentials, {"value": CANARY}, by="admin")
    credentials.save()
    refused = world.sync()

    seal(credentials, {"value": right}, by="admin")
    credentials.save()
    accepted = world.sync()

    assert (refused.state, accepted.state) == ("failed", "done")


def test_a_wrong_account_in_the_base_url_fails_with_advice_on_the_sub_domain(world: World) -> None:
    """F-24: another company's sub-domain answers 401, 404 or a web page, each vendor its own."""
    mend(world)
    world.sync()
    before = snapshot()
    url = world.credentials.base_url.replace("/acme/", "/acmee/")
    Credentials.objects.filter(pk=world.credentials.pk).update(base_url=url)

    run = world.sync()

    assert run.state == "failed"
    assert run.error_code in {"unauthorized", "not_found", "html"}
    assert "sub-domain" in run.error_message
    assert_tells_where(world, run)
    assert snapshot() == before


@pytest.mark.parametrize("written_as", ["seconds", "date"])
def test_a_pause_that_the_vendor_asks_for_is_kept(world: World, written_as: str) -> None:
    """F-18: no request comes before the time that Retry-After names; the run is `done`."""
    mend(world)
    world.fault("status", status=429, retry_after=1, retry_after_as=written_as, count=1)

    run = world.sync()

    assert run.state == "done"
    assert not [seen for seen in world.requests() if seen.early]
    assert run.listing["requests"] == run.listing["pages"] + (
        2 if world.vendor == "bamboohr" else 1
    )


def test_a_fault_of_the_vendor_is_tried_five_times_and_no_more(world: World) -> None:
    """F-19: four failures are got over, the fifth ends the run."""
    mend(world)
    fault = world.fault("status", status=502, headers=SOONER, count=TRIES - 1)
    got_over = world.sync()
    tried = world.sandbox.faults.fired(fault)
    world.heal()
    for_ever = world.fault("status", status=502, headers=SOONER)

    given_up = world.sync()

    assert (got_over.state, tried) == ("done", TRIES - 1)
    assert (given_up.state, given_up.error_code) == ("failed", "server_error")
    assert world.sandbox.faults.fired(for_ever) == TRIES


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_a_connection_that_breaks_once_in_the_middle_of_the_listing_is_got_over(
    world: World, kind: str
) -> None:
    """F-19, R4: reset before the answer, and after half of it."""
    mend(world)
    pages = {"aha": r"/users\?page=2\b", "bamboohr": "reports/custom"}
    world.fault(kind, path=pages[world.vendor], count=1)

    run = world.sync()

    assert run.state == "done"
    assert run.listing["complete"]


def test_a_slow_answer_is_read_to_its_end(world: World) -> None:
    mend(world)
    world.fault("slow_drip", seconds=0.5, count=1)

    run = world.sync()

    assert run.state == "done"


def test_pages_that_came_before_a_page_fails_are_applied_and_nobody_is_removed(aha: World) -> None:
    """F-23, M-11 a: the run is partial, says why, and the next one brings the rest."""
    mend(aha)
    aha.fault("status", path=r"/users\?page=3\b", status=500, headers=SOONER)

    run = aha.sync()
    aha.heal()
    healthy = aha.sync()

    assert (run.state, run.error_code) == ("partial", "")
    assert run.counts["seen"] == run.counts["people"]["created"] == 20
    assert run.counts["people"]["deactivated"] == 0
    assert not run.listing["complete"]
    broke_off = next(one for one in run.listing["problems"] if "broke off" in one)
    assert "after 20 records" in broke_off
    assert "has a fault of its own" in broke_off
    assert WHERE in broke_off
    assert healthy.state == "done"
    assert healthy.counts["people"]["created"] == healthy.counts["seen"] - 20


def test_known_people_on_pages_that_did_not_come_are_left_as_they_are(aha: World) -> None:
    """F-23, M-11 a: an unread page proves nothing about anybody."""
    mend(aha)
    aha.sync()
    before = snapshot()
    aha.fault("status", path=r"/users\?page=2\b", status=403)

    run = aha.sync()

    assert run.state == "partial"
    assert run.counts["people"]["deactivated"] == 0
    assert snapshot() == before
