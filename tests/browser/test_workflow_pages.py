"""Workflows in a real browser: made from nothing by keyboard, run, and every page of their runs."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.worker import Worker
from tests.browser.test_configuration_pages import Open, open_page, troubles
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run, make_workflow
from workflows.models import BlockRun, RunItem, WorkflowRun

__all__ = ["open_page", "troubles"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
TELL = {
    "key": "tell",
    "kind": "notification",
    "name": "Tell IT",
    "settings": {"recipients": ["it@example.com"], "subject": "Hi", "message": "Hello"},
    "exits": {"success": "end", "failure": "end"},
}
ASK = {
    "key": "ask",
    "kind": "approval",
    "name": "Ask HR",
    "settings": {"approvers": ["admin"], "message": "May it?", "deadline_days": 3},
    "exits": {"approved": "tell", "rejected": "end", "expired": "end"},
}


def picture(page: Page, name: str) -> None:
    """For who looks at the pages by eye: pictures, where a folder for them is named."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def press(page: Page, name: str, role: str = "button") -> None:
    """By the keyboard alone."""
    found = page.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]
    found.focus()
    page.keyboard.press("Enter")


def make_long_run(number: int) -> WorkflowRun:
    """A run with records in every state and long names."""
    run = make_run(make_workflow([ASK, TELL], name="Leavers of all offices"))
    now = timezone.now()
    states = ["ready", "failed", "done", "waiting", "held", "cancelled"]
    person = make_person(email="somebody.with.a.rather.long.name@acme.example")
    for place in range(number):
        state = states[place % len(states)]
        waits = {"waits_for": "approval", "due_at": now + timedelta(days=3)}
        RunItem.objects.create(
            run=run,
            workflow=run.workflow,
            version=run.version,
            record_id=person.pk + place,
            label=f"somebody.with.a.rather.long.name.{place}@acme.example",
            block="ask",
            state=state,
            note="" if state != "failed" else "The vendor refused it (403): ask for the right.",
            context={"approval": {"asked_at": now.isoformat(), "message": "May it go?"}},
            **(waits if state == "waiting" else {"due_at": now}),
        )
    item = run.items.get(record_id=person.pk)
    BlockRun.objects.create(
        item=item,
        version=item.version,
        block="tell",
        kind="notification",
        name="Tell IT",
        exit="failure",
        request={"to": "https://acme.example/" + "a" * 300},
        note="It was refused by a host with a very long name: " + "x" * 120,
        status=403,
        started_at=now,
        ended_at=now,
    )
    return run


def test_a_workflow_is_made_activated_run_and_read_by_keyboard(
    open_page: Open, troubles: list[str]
) -> None:
    """C-09..C-11: from nothing to the way of a record."""
    page = open_page("/admin/workflows/workflow/add/")
    make_person(email="maria@example.com")
    press(page, "Choose People", role="link")
    page.get_by_label("Name").first.fill("Greetings")
    picture(page, "story-1-add")
    press(page, "Create draft")
    page.get_by_label("Manual: somebody starts it").focus()
    page.keyboard.press("Space")
    picture(page, "story-2-sheet")
    press(page, "Notification")
    page.get_by_label("Recipients").first.fill("it@example.com")
    page.get_by_label("Subject").first.fill("New person")
    page.get_by_label("Message").first.fill("{{ email }} is here.")
    picture(page, "story-3-block")
    press(page, "Save")
    press(page, "Validate", role="link")
    expect(page.get_by_role("heading", name="To mend")).to_have_count(0)
    picture(page, "story-4-validate")
    press(page, "Activate", role="link")
    press(page, "Activate")
    press(page, "Run now", role="link")
    expect(page.get_by_text("Matches 1 record now").first).to_be_visible()
    press(page, "Run now")
    expect(page.get_by_text("was started: run")).to_be_visible()
    Worker().do_due()
    page.reload()
    expect(page.get_by_text("Done", exact=True).first).to_be_visible()
    page.get_by_role("link", name="maria@example.com").click()
    expect(page.get_by_text("1. ")).to_be_visible()
    picture(page, "story-5-way")

    assert WorkflowRun.objects.get().state == "done"
    assert not troubles


def test_an_approval_is_given_by_clicks(open_page: Open, troubles: list[str]) -> None:
    page = open_page("/admin/")
    run = make_run(make_workflow([ASK, TELL]))
    item = make_item(run, make_person())
    Worker().do_due()

    page.goto("/admin/workflows/runitem/")
    page.get_by_label(f"Select {item.label}").check()
    page.get_by_role("button", name="Approve selected").click()
    expect(page.get_by_text("1 record is approved.")).to_be_visible()
    Worker().do_due()

    item.refresh_from_db()
    assert item.state == "done"
    assert not troubles


@pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("narrow", "dark")])
@pytest.mark.parametrize("rows", [6, 600])
def test_the_pages_of_runs_fit_their_window(
    open_page: Open, troubles: list[str], size: str, theme: str, rows: int
) -> None:
    """stack.md: no page scrolls sideways."""
    page = open_page("/admin/", size=size, theme=theme)
    run = make_long_run(rows)
    first = run.items.order_by("pk")[0]
    here = "/admin/workflows"

    paths = {
        "runs": f"{here}/workflowrun/",
        "run": f"{here}/workflowrun/{run.pk}/change/",
        "held": f"{here}/workflowrun/{run.pk}/held/",
        "cancel": f"{here}/workflowrun/{run.pk}/cancel/",
        "retry": f"{here}/workflowrun/{run.pk}/retry/",
        "item": f"{here}/runitem/{first.pk}/change/",
        "approvals": f"{here}/runitem/",
        "start": f"{here}/workflow/{run.workflow_id}/run/",
        "choose": f"{here}/workflow/start/?person={first.record_id}",
        "confirm": f"{here}/workflow/start/?person={first.record_id}&workflow={run.workflow_id}",
        "passed-over": f"{here}/workflow/{run.workflow_id}/passed-over/",
        "panel": f"/admin/people/person/{first.record_id}/workflows/",
        "dashboard": "/admin/",
    }
    wide = []
    for name, path in paths.items():
        page.goto(path)
        picture(page, f"{name}-{size}-{theme}-{rows}")
        if not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
            wide.append(name)

    assert wide == []
    assert not troubles
