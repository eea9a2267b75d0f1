"""Listings that are empty, short, repeat themselves or contradict themselves: nobody goes by them."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.manifest_load import NextUrl
from integrations.models import Integration, PlannedChange, SyncRun
from integrations.registry import get_vendor
from people.models import Person
from saas.models import SaaSUser
from tests.integrations.bad_input.world import World, mend, snapshot

# The answer in the place of the listing; the code of the run, blank where it is partial.
EMPTY: list[tuple[str, bytes, str]] = [
    ("a list", b"[]", "contradiction"),
    ("an object", b"{}", "contradiction"),
    ("null", b"null", "empty"),
    ("a blank text", b'""', "contradiction"),
    ("nothing", b"", "empty"),
    ("a blank", b" ", "empty"),
    ("an error", b'{"error": "Something went wrong"}', "contradiction"),
    ("errors", b'{"errors": []}', "contradiction"),
    (
        "null in the envelope",
        b'{"users": null, "employees": null, "results": null, "data": {"users": null}}',
        "contradiction",
    ),
    (
        "an object in the envelope",
        b'{"users": {}, "employees": {}, "results": {}, "data": {"users": {}}}',
        "contradiction",
    ),
    ("a list in a list", b"[[]]", "contradiction"),
]


def planned_removals(run: SyncRun) -> int:
    return PlannedChange.objects.filter(run=run, action=PlannedChange.Action.DEACTIVATE).count()


def takes_a_bare_list(world: World) -> bool:
    """Whether a list without an envelope is an answer, too; an empty one then lists nobody."""
    return isinstance(get_vendor(world.vendor).load(world.integration.load).paging, NextUrl)


@pytest.fixture
def synced(every_world: World) -> World:
    """A vendor that was synced once; its integration may take everybody away who is missing."""
    mend(every_world)
    assert every_world.sync().state == "done"
    Integration.objects.filter(pk=every_world.integration.pk).update(
        missing_users="deactivate", missing_people="deactivate"
    )
    return every_world


def test_no_form_of_an_empty_answer_is_a_reason_to_remove_anybody(synced: World) -> None:
    """F-24, G-07: failed, with a message; nobody is removed or listed as removed."""
    before = snapshot()

    for name, body, code in EMPTY:
        synced.fault("body", body=body)
        run = synced.sync()
        synced.heal()

        if body.startswith(b"[") and takes_a_bare_list(synced):
            assert run.state == "partial", name
            assert not run.listing["complete"], name
        else:
            assert (run.state, run.error_code) == ("failed", code), name
            assert "Credentials > " in run.error_message, name
        assert planned_removals(run) == 0, name
        assert snapshot() == before, name
    assert synced.sync().state == "done"


def test_an_answer_without_content_is_no_reason_either(synced: World) -> None:
    """F-24: 204."""
    before = snapshot()
    synced.fault("empty", form="no_content")

    run = synced.sync()

    assert (run.state, run.error_code) == ("failed", "empty")
    assert "status 204" in run.error_message
    assert snapshot() == before


def test_an_empty_listing_in_the_right_envelope_is_never_taken_as_a_fact(synced: World) -> None:
    """F-24: partial, with a warning; the vendor may really have said so, so it is no failure."""
    before = snapshot()
    synced.fault("empty", form="envelope")

    run = synced.sync()
    synced.heal()
    healthy = synced.sync()

    assert (run.state, run.counts["seen"]) == ("partial", 0)
    assert not run.listing["complete"]
    assert any("listed nobody. That is never taken as a fact" in one for one in run.warnings)
    assert planned_removals(run) == 0
    assert snapshot() == before
    assert healthy.state == "done"


def test_a_key_that_sees_only_its_owner_removes_nobody(bamboohr: World) -> None:
    """F-24: lost permissions look like a company of one; removals are listed, never applied."""
    mend(bamboohr)
    bamboohr.sync()
    before = snapshot()
    bamboohr.sandbox.state["bamboohr"].settings["visible"] = "self"

    run = bamboohr.sync()

    assert run.counts["seen"] == 1
    assert run.counts["people"]["deactivated"] == 0
    assert run.counts["saas_users"]["deactivated"] == 0
    assert snapshot() == before


# Faults of a listing in pages, and what the run says about it.
CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("shrink", {"page": 2}, "Page 2 has 5 records, earlier pages 10, although more follow."),
    ("shrink", {"page": 3}, "21 records were announced and 20 came."),
    ("repeat_page", {"page": 2}, "Page 2 repeats records of earlier pages only."),
    ("stuck", {}, "The same records came again and again, so reading was stopped."),
    ("set_values", {"values": {"pagination.total_records": 99}}, "99 records were announced"),
    ("set_values", {"values": {"pagination.total_records": 20}}, "20 records were announced"),
    (
        "set_values",
        {"values": {"pagination.total_records": 30}, "count": 1},
        "The number of records changed from 30 to 21 while it was read.",
    ),
    (
        "set_values",
        {"values": {"pagination.total_pages": 4}, "count": 1},
        "The number of pages changed from 4 to 3.",
    ),
    ("set_values", {"values": {"pagination": None}}, "does not say how many records there are"),
    (
        "set_values",
        {"values": {"pagination.total_records": 2**63}},
        "does not say how many records there are",
    ),
    (
        "set_values",
        {"values": {"pagination.total_records": "99999999999"}},
        "does not say how many records there are",
    ),
    (
        "set_values",
        {"values": {"pagination.total_pages": -1}},
        "does not say how many pages there are",
    ),
    (
        "set_values",
        {"values": {"users.0.id": "6776757454431877834"}, "path": "page=2"},
        "1 records came twice (the first has the id 6776757454431877834)",
    ),
    (
        "empty",
        {"form": "envelope", "path": "page=2"},
        "Page 2 is empty although more was announced",
    ),
]


def test_every_contradiction_of_a_listing_is_told_and_forbids_removals(aha: World) -> None:
    """F-23, M-11 a: what came is applied, the run is partial, the next one mends everything."""
    mend(aha)
    aha.sync()
    before = snapshot()

    for kind, values, said in CONTRADICTIONS:
        aha.fault(kind, **values)
        run = aha.sync()
        aha.heal()
        after = snapshot()
        healthy = aha.sync()

        assert (run.state, run.error_code) == ("partial", ""), (kind, values)
        assert not run.listing["complete"], (kind, values)
        assert any(said in one for one in run.listing["problems"]), run.listing["problems"]
        assert run.warnings[: len(run.listing["problems"])] == run.listing["problems"]
        assert planned_removals(run) == 0
        assert after == before
        assert healthy.state == "done"
        assert snapshot() == before


def test_a_page_that_comes_for_ever_is_asked_for_twice_more_at_most(aha: World) -> None:
    """F-23: a loop is found within two repeats."""
    mend(aha)
    aha.fault("stuck")

    run = aha.sync()

    assert run.listing["pages"] == 3
    assert run.counts["people"]["created"] == 10


def test_new_people_of_an_incomplete_listing_are_there_afterwards(aha: World) -> None:
    """F-23: upserts are kept."""
    mend(aha)
    aha.fault("shrink", page=2)

    run = aha.sync()

    assert run.state == "partial"
    assert run.counts["seen"] == 15
    assert Person.objects.count() == SaaSUser.objects.count() == 15


def test_the_removals_of_a_report_that_shrinks_to_half_are_held(bamboohr: World) -> None:
    """F-23, F-24, F-26: one answer without totals looks whole; nobody goes without approval."""
    mend(bamboohr)
    bamboohr.sync()
    before = snapshot()
    bamboohr.fault("shrink")

    run = bamboohr.sync()
    bamboohr.heal()
    healthy = bamboohr.sync()

    assert (run.state, run.counts["held"]) == ("held", planned_removals(run))
    assert "Under 80 %" in run.held_because
    assert snapshot() == before
    assert (healthy.state, healthy.counts["held"]) == ("done", 0)
    assert not PlannedChange.objects.filter(state=PlannedChange.State.HELD).exists()
