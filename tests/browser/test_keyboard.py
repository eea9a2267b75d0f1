"""What somebody without a mouse, or with a screen reader, meets on every page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_configuration_pages import Open, open_page, troubles

__all__ = ["open_page", "troubles"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
LIST = "/admin/workflows/workflow/"


def test_the_first_tab_skips_the_side_bar(open_page: Open, troubles: list[str]) -> None:
    page = open_page(LIST)

    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.closest('#content') !== null")
    assert not troubles


def test_the_menu_of_a_phone_opens_and_closes_by_keyboard(
    open_page: Open, troubles: list[str]
) -> None:
    page = open_page(LIST, size="narrow", theme="dark")
    runs = page.get_by_role("link", name="Workflow runs", exact=True)
    expect(runs).not_to_be_visible()

    page.get_by_role("button", name="Menu", exact=True).focus()
    page.keyboard.press("Enter")
    expect(runs).to_be_visible()
    expect(page.get_by_role("button", name="Close the menu")).to_be_focused()
    page.keyboard.press("Space")
    expect(runs).not_to_be_visible()

    expect(page.get_by_role("button", name="Menu", exact=True)).to_be_focused()
    assert not troubles


def test_icons_are_no_part_of_names(open_page: Open) -> None:
    """The theme's icons are words of a font, such as how_to_reg."""
    page = open_page(LIST)

    read_aloud = page.locator("body").aria_snapshot()
    named = re.findall(r'link "([^"]*)"', read_aloud)

    assert [name for name in named if "_" in name] == []
    assert {"Dashboard", "Workflows", "Workflow runs"} <= set(named)
