"""The pages of vendor calls in a real browser: both themes and sizes, nothing off the edge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.makers import make_operation

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
WIDE, NARROW = (1280, 900), (390, 844)


@pytest.fixture(params=[(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
def page(
    request: pytest.FixtureRequest,
    chromium: str,
    live_server: LiveServer,
    admin_cookies: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Page]:
    (width, height), theme = request.param
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme
        )
        context.add_cookies(admin_cookies)
        yield context.new_page()
        browser.close()


def test_a_call_that_asks_is_found_and_settled(page: Page, live_server: LiveServer) -> None:
    """From the list to the question, and nothing is wider than the screen."""
    row = make_operation(
        state="asks",
        record="somebody.with.a.long.name@subsidiary.acme.example",
        note="Nobody knows whether it went through: 4 look-ups did not find it.",
        answer={"message": "x" * 300},
    )

    page.goto(f"{live_server.url}/admin/integrations/operation/")
    _look(page, "list")
    page.goto(f"{live_server.url}/admin/integrations/operation/{row.pk}/change/")
    _look(page, "page")
    page.get_by_role("button", name="Settle as done").click()
    page.get_by_role("button", name="Yes, it went through").wait_for()
    _look(page, "question")
    page.get_by_role("button", name="Yes, it went through").click()
    page.wait_for_url("**/change/")

    row.refresh_from_db()
    assert row.state == "done"


def _look(page: Page, name: str) -> None:
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0, name
    folder = os.environ.get("PICTURES")
    if folder:
        size = page.viewport_size
        assert size is not None
        page.screenshot(path=f"{folder}/{name}-{size['width']}.png", full_page=True)
