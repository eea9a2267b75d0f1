"""The pages of workflows judged by axe: WCAG 2.2 A and AA, in both themes."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.test_configuration_pages import Open, open_page, troubles
from tests.browser.test_workflow_editing_pages import make_hostile
from tests.browser.test_workflow_pages import make_long_run
from tests.makers import make_person
from tests.workflows.makers import make_item, make_run

__all__ = ["open_page", "troubles"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HELD = "Would be called (DELETE https://api.example.com/v1/accounts/" + "3573452345454601007/" * 9
BOTH = pytest.mark.parametrize(("size", "theme"), [("wide", "light"), ("narrow", "dark")])


PATIENCE_MS = 60_000  # axe takes the processor for itself for a while


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it stands: rule, place, and what to do."""
    found: Any = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]})
    return [
        f"{page.url}: {one['id']}: {node['target']}: {node['failureSummary']}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


@BOTH
def test_the_pages_on_which_workflows_are_edited(
    size: str, theme: str, open_page: Open, troubles: list[str]
) -> None:
    """With mistakes on them: what is wrong has to be readable as well."""
    workflow, _run = make_hostile()
    start = f"/admin/workflows/workflow/{workflow.pk}"
    page = open_page("/admin/workflows/workflow/", size=size, theme=theme)
    page.set_default_timeout(PATIENCE_MS)
    wrong = violations(page)

    names = ["change", "validate", "preview", "activate", "versions", "history"]
    for name in [*names, "blocks/check", "blocks/tell", "blocks/add/api", "blocks/add/update"]:
        page.goto(f"{start}/{name}/")
        wrong += violations(page)
    page.goto(f"{start}/blocks/call/")
    page.locator("summary", has_text="Advanced Mode").click()
    for tab in page.get_by_role("tab").all():
        tab.click()
        wrong += violations(page)

    assert wrong == []
    assert not troubles


@BOTH
def test_the_pages_on_which_runs_are_read_and_decided(
    size: str, theme: str, open_page: Open, troubles: list[str]
) -> None:
    page = open_page("/admin/workflows/workflow/add/", size=size, theme=theme)
    page.set_default_timeout(PATIENCE_MS)
    run = make_long_run(120)
    first = run.items.order_by("pk")[0]
    held = make_item(make_run(run.workflow), make_person(), state="held", note=HELD)
    here = "/admin/workflows"
    wrong = violations(page)

    of_run = [f"workflowrun/{run.pk}/{name}/" for name in ("change", "held", "cancel", "retry")]
    items = [f"runitem/{one.pk}/change/" for one in (first, held)]
    for path in ["workflowrun/", *of_run, "runitem/", *items, f"workflow/{run.workflow_id}/run/"]:
        page.goto(f"{here}/{path}")
        wrong += violations(page)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wrong.append(f"{page.url}: it scrolls sideways")

    assert wrong == []
    assert not troubles
