"""Held removals in a real browser: some are approved, the run ends, the others stay (M-14)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from integrations.models import PlannedChange
from integrations.sandbox.server import Sandbox
from integrations.worker import Worker
from tests.browser.test_configuration_pages import NO_LIMIT, Open, open_page, troubles
from tests.integrations.removals.holding import Holding
from tests.integrations.sync.conftest import sandbox
from tests.integrations.sync.worlds import World, emails
from tests.makers import make_change, make_integration, make_run

__all__ = ["NO_LIMIT", "open_page", "sandbox", "troubles"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


def test_two_of_four_are_approved_by_clicks(
    open_page: Open, sandbox: Sandbox, troubles: list[str]
) -> None:
    """M-14, G-08: what was ticked is removed, nobody else."""
    page = open_page("/admin/")
    holding = Holding(World(sandbox))

    page.goto(f"/admin/integrations/syncrun/{holding.run.pk}/change/")
    page.get_by_role("link", name="Look and decide").click()
    page.get_by_label("Select ann@acme.example").check()
    page.get_by_label("Select bob@acme.example").check()
    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("heading", name="Approve 2 removals")).to_be_visible()
    page.get_by_role("button", name="Approve 2").click()
    expect(page.get_by_text("2 removals are approved.")).to_be_visible()
    page.get_by_role("link", name=re.compile(r"^run \d+$")).first.click()
    Worker().do_due()
    page.reload()

    expect(page.get_by_text("Done", exact=True).first).to_be_visible()
    assert emails(status="deactivated") == ["ann@acme.example", "bob@acme.example"]
    assert holding.states() == {"Ann": "applied", "Bob": "applied", "Cyd": "held", "Dan": "held"}
    assert not troubles


@pytest.mark.parametrize("size", ["wide", "narrow"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("rows", [3, 2_000])
def test_held_pages_fit_their_window(
    open_page: Open, troubles: list[str], size: str, theme: str, rows: int
) -> None:
    """stack.md: no page scrolls sideways."""
    page = open_page("/admin/", size=size, theme=theme)
    run = make_run(make_integration(state="active"), state="held", held_because="Too many at once.")
    PlannedChange.objects.bulk_create(
        PlannedChange(
            run=run,
            object="person",
            action="deactivate",
            state="held",
            key=f"somebody.with.a.long.name.{number}@acme.example",
            external_id=str(number),
            target_id=number,
            reason="BambooHR no longer lists it.",
            changes={
                "status": ["active", "deactivated"],
                "deactivation_date": [None, "2026-11-21"],
            },
        )
        for number in range(rows - 1)
    )
    make_change(run, action="deactivate", state="held", decided_by="second-admin")

    for name in ("change/", "plan/?state=held"):
        page.goto(f"/admin/integrations/syncrun/{run.pk}/{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("Select all").check()
    page.get_by_role("button", name="Approve…").click()
    expect(page.get_by_role("heading", name="Approve")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not troubles
