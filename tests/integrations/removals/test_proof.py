"""Nobody is removed whom the vendor does not say is gone, and nobody without a control (M-11)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import approvals
from integrations.sync.prove import Missing, Prover, Verdict
from tests.integrations.sync.worlds import World, issues

from .leavers import Company, codes, gone, kind_of, load, shown, states, sync_to

VENDORS = ["aha", "bamboohr"]
LOOKUPS = {"aha": r"users/\d+$", "bamboohr": r"employees/5\d+\?"}
LISTS = {"aha": r"users\?", "bamboohr": r"reports/custom"}
# What a look-up may answer that is never "gone".
NEVER_GONE: dict[str, tuple[Any, dict[str, Any]]] = {
    "401": ("status", {"status": 401}),
    "403": ("status", {"status": 403}),
    "429": ("status", {"status": 429, "retry_after": 0}),
    "500": ("status", {"status": 500, "retry_after": 0}),
    "HTML with 404": ("html", {"status": 404}),
    "HTML": ("html", {"status": 200}),
    "no connection": ("reset", {}),
    "an empty body": ("body", {"body": b""}),
    "no content": ("empty", {"form": "no_content"}),
    "null": ("body", {"body": b"null"}),
    "an object": ("body", {"body": b"{}"}),
    "another record": ("body", {"body": b'{"id": "1", "user": {"id": "1"}}'}),
    "404 for everybody": ("status", {"status": 404, "body": "{}"}),
}
DAY = date(2026, 3, 1)


@pytest.fixture(params=VENDORS)
def company(request: Any, world: World) -> Company:
    return load(world, request.param, 12)


def test_who_is_gone_at_the_vendor_is_removed_with_its_event(company: Company) -> None:
    """M-11, M-18: 404 for the record, while another is found."""
    company.leave(company.ids[0])

    run = company.sync()

    assert run.state == "done"
    assert gone(kind_of(company)) == 1
    counted = run.counts["people" if company.vendor.key == "bamboohr" else "saas_users"]
    assert counted["deactivated"] == 1


@pytest.mark.parametrize("form", NEVER_GONE)
def test_no_other_answer_means_gone(company: Company, form: str) -> None:
    """M-11: nobody is removed, the run is partial and says so; the next one asks again."""
    company.leave(company.ids[0])
    kind, values = NEVER_GONE[form]
    company.vendor.fault(kind, path=LOOKUPS[company.vendor.key], **values)

    run = company.sync()
    company.vendor.heal()
    left = gone(kind_of(company))
    later = company.sync()

    assert (run.state, codes(run), left) == ("partial", ["not_proven"], 0)
    assert later.state == "done"
    assert gone(kind_of(company)) == 1


def test_who_is_not_listed_but_can_be_looked_up_is_an_issue(company: Company) -> None:
    """M-11: the listing contradicts itself."""
    record = company.ids[0]
    spoiled = {
        "aha": {"users.1.id": "999", "users.1.email": "other@acme.example"},
        "bamboohr": {
            "employees.0.id": "999",
            "employees.0.workEmail": "other@acme.example",
            "employees.0.employeeNumber": "E-999999",
        },
    }[company.vendor.key]
    company.vendor.fault("set_values", path=LISTS[company.vendor.key], values=spoiled)

    run = company.sync()

    assert (record, "listing_contradicts") in issues(run)
    assert gone(kind_of(company)) == 0


def test_who_bamboohr_does_not_name_among_its_deletions_is_an_issue(world: World) -> None:
    """M-11: this key may no longer see the record."""
    company = load(world, "bamboohr", 12)
    company.leave(company.ids[0])
    side: Any = world.sandbox.state["bamboohr"]
    side.book.deleted.clear()

    run = company.sync()

    assert issues(run) == [(company.ids[0], "no_longer_visible")]
    assert gone("person") == 0


@pytest.mark.parametrize("form", ["403", "500", "HTML", "an empty body", "null", "an object"])
def test_without_the_list_of_deletions_nobody_is_removed(world: World, form: str) -> None:
    """M-11: it is part of the proof."""
    company = load(world, "bamboohr", 12)
    company.leave(company.ids[0])
    kind, values = NEVER_GONE[form]
    company.vendor.fault(kind, path="employees/changed", **values)

    run = company.sync()

    assert run.state == "partial"
    assert gone("person") == 0


def test_an_approval_needs_proof_too_and_stays_until_there_is_one(company: Company) -> None:
    """M-11, M-14: the row stays held, and a later sync with the same removals applies it."""
    company.leave(*company.ids[:5])
    held = company.sync()
    approvals.approve(shown(held), by="ann")
    company.vendor.fault("status", path=LOOKUPS[company.vendor.key], status=403)
    run_queued(company)
    before = set(states(held).values()), gone(kind_of(company))
    company.vendor.heal()

    run = sync_to(company.integration)

    assert before == ({"held"}, 0)
    assert run.state == "done"
    assert gone(kind_of(company)) == 5


def run_queued(company: Company) -> Any:
    from integrations.sync import execute

    return execute(company.integration.runs.get(state="queued").pk)


def test_who_comes_back_before_an_approval_is_applied_is_not_removed(world: World) -> None:
    """M-11, M-14: stated leavers are asked for as well."""
    company = load(world, "bamboohr", 12)
    company.vendor.change_all({one: {"status": "Inactive"} for one in company.ids[:5]})
    held = company.sync()
    approvals.approve(shown(held), by="ann")
    company.vendor.change(company.ids[0], status="Active")

    run = run_queued(company)

    assert codes(run) == ["active_again"]
    assert gone("person") == 4


def test_without_a_look_up_two_days_are_needed() -> None:
    """M-11: missing from two complete listings on different days."""

    class Load:
        lookup = None

    prover = Prover(None, Load(), control=None)  # type: ignore[arg-type]
    now = timezone.now()

    proofs = prover.prove(
        {
            "today": Missing(DAY, now),
            "yesterday": Missing(DAY - timedelta(days=1), now),
            "never noted": Missing(None, now),
        },
        today=DAY,
    )

    assert {key: proof.verdict for key, proof in proofs.items()} == {
        "today": Verdict.TOO_NEW,
        "yesterday": Verdict.GONE,
        "never noted": Verdict.TOO_NEW,
    }
