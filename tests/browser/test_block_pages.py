"""The pages of blocks in a real browser: both themes and sizes, by keyboard, with errors shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.makers import make_credentials, make_custom_field, make_variable
from tests.workflows.makers import make_workflow
from workflows.editing import latest_version
from workflows.models import Workflow
from workflows.versions import read_definition

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
WIDE, NARROW = (1280, 900), (390, 844)
READ = {
    "key": "read",
    "kind": "api",
    "name": "Read details",
    "preset": "aha.get_user_details",
    "credentials": "Aha production",
    "settings": {"response": {"positive": [{"from": "{{ response.id }", "to": "title"}]}},
    "exits": {"success": "end", "failure": "end"},
}


@pytest.fixture(params=[(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
def page(
    request: pytest.FixtureRequest,
    chromium: str,
    admin_cookies: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Page]:
    (width, height), theme = request.param
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    problems: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme
        )
        context.add_cookies(admin_cookies)
        opened = context.new_page()
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on(
            "console",
            lambda said: problems.append(said.text) if said.type == "error" else None,
        )
        yield opened
        browser.close()
    assert problems == []  # the policy of contents refuses nothing, and no script fails


@pytest.fixture
def workflow(live_server: LiveServer) -> Workflow:
    make_credentials()
    make_variable()
    make_custom_field("API Response", type="long_text")
    return make_workflow([READ], active=False, name="Onboarding")


def url_of(live_server: LiveServer, workflow: Workflow, path: str) -> str:
    return f"{live_server.url}/admin/workflows/workflow/{workflow.pk}/blocks/{path}"


def test_a_block_is_chosen_configured_and_saved_by_keyboard(
    page: Page, live_server: LiveServer, workflow: Workflow
) -> None:
    """AH-43: the button puts a field where the cursor is, in quotes as JSON wants it."""
    page.goto(url_of(live_server, workflow, "add/api/"))
    page.keyboard.type("aha update")
    _look(page, "choose")
    _press_until(page, "Choose Aha! Update User Details")
    page.keyboard.press("Enter")
    page.locator("#id_name").focus()
    _press_until(page, "Credentials *")
    page.keyboard.type("Aha")
    page.locator("#advanced-section summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Information").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    body = page.locator("#id_request_body")
    body.fill('{"user": {"title": }}')
    body.evaluate("field => field.setSelectionRange(19, 19)")
    page.get_by_role("button", name="Insert a field into Body").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Field to insert into Body").focus()
    page.keyboard.type("Title")
    page.get_by_label("Field to insert into Body").select_option("title")
    page.keyboard.press("Enter")
    _look(page, "body")

    assert '"title": "{{ title }}"' in body.input_value()

    page.get_by_role("button", name="Save and stay here").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/blocks/aha_update_user_details/")
    made = read_definition(latest_version(workflow)).find("aha_update_user_details")
    assert made is not None
    assert made.credentials == "Aha production"
    assert made.settings["request"]["body"]["user"] == {"title": "{{ title }}"}


def test_what_is_wrong_is_shown_where_it_is(
    page: Page, live_server: LiveServer, workflow: Workflow
) -> None:
    """AH-50: the tab with a mistake is open; a refused save leads to the field in its tab."""
    page.goto(url_of(live_server, workflow, "read/"))
    shown = page.get_by_text("is closed by a single }, at character")
    _look(page, "mistake")

    assert shown.is_visible()
    assert page.get_by_role("tab", name="Response (1 to mend)").is_visible()

    page.get_by_role("tab", name="Body").click()
    page.locator("#id_request_body").fill("{nothing")
    page.get_by_role("tab", name="Params").click()
    page.get_by_role("button", name="Save", exact=True).click()
    refused = page.get_by_role("alert")
    refused.wait_for()
    _look(page, "refused")

    assert "Nothing was saved." in refused.inner_text()
    assert refused.evaluate("part => part === document.activeElement")

    page.get_by_role("tab", name="Information").click()
    refused.get_by_role("link", name="Body").click()
    assert page.locator("#id_request_body").is_visible()
    assert page.locator("#id_request_body").input_value() == "{nothing"


def test_rows_are_added_and_the_preset_comes_back(
    page: Page, live_server: LiveServer, workflow: Workflow
) -> None:
    page.goto(url_of(live_server, workflow, "read/"))
    page.get_by_role("tab", name="Params").click()
    page.locator("#id_request_params-0-name").fill("a")
    page.locator("#id_request_params-0-value").fill("1")
    page.get_by_role("button", name="Add a param").click()
    page.locator("#id_request_params-1-name").fill("b")
    page.locator("#id_request_params-1-value").fill("2")
    page.get_by_role("button", name="Save and stay here").click()
    page.get_by_text("is saved.").wait_for()
    block = read_definition(latest_version(workflow)).find("read")
    assert block is not None
    assert block.settings["request"] == {"params": {"a": "1", "b": "2"}}

    page.get_by_role("tab", name="Params").click()
    page.locator("button[name=reset][value=params]").click()
    page.wait_for_load_state()
    assert page.locator("#id_request_params-0-name").input_value() == ""


def test_a_value_of_two_lines_has_room_and_rows_are_added_behind_it(
    page: Page, live_server: LiveServer
) -> None:
    note = {"key": "note", "kind": "update", "settings": {"set": {"title": "Line 1\nLine 2"}}}
    workflow = make_workflow([note], active=False)
    page.goto(url_of(live_server, workflow, "note/"))
    page.locator("#id_name").fill("Note it")
    page.get_by_role("button", name="Add a field").click()
    page.locator("#id_set-2-field").select_option("country")
    page.locator("#id_set-2-value").fill("Ireland")
    _look(page, "lines")
    page.get_by_role("button", name="Save and stay here").click()
    page.get_by_text("is saved.").wait_for()

    block = read_definition(latest_version(workflow)).find("note")
    assert block is not None
    assert (block.name, block.settings["set"]) == (
        "Note it",
        {"title": "Line 1\nLine 2", "country": "Ireland"},
    )


def _press_until(page: Page, label: str) -> None:
    """Press Tab until what has this name has the focus."""
    name = """() => {
        const part = document.activeElement;
        const label = part.labels && part.labels.length ? part.labels[0] : part;
        return label.textContent.replace(/\\s+/g, " ").trim();
    }"""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(name).startswith(label):
            return
    raise AssertionError(label)


def _look(page: Page, name: str) -> None:
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert width <= 0, name
    folder = os.environ.get("PICTURES")
    if folder:
        size = page.viewport_size
        assert size is not None
        page.screenshot(path=f"{folder}/{name}-{size['width']}.png", full_page=True)
