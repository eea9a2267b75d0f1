"""Configuration in a real browser: the main job clicked through, in both themes and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from integrations.models import Credentials, GlobalVariable, Integration, SyncRun
from integrations.sandbox.server import Sandbox
from integrations.worker import Worker
from people.models import CustomField, Person
from tests.makers import (
    make_change,
    make_credentials,
    make_integration,
    make_issue,
    make_person,
    make_run,
    make_user,
    make_variable,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
NO_LIMIT = {"per_minute": None, "per_second": None}

Open = Callable[..., Page]


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(people=12, seed=1, settings={"aha": NO_LIMIT, "bamboohr": NO_LIMIT}) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        yield running


@pytest.fixture
def troubles() -> list[str]:
    """What the browser complained of: scripts that fail, files that miss, what CSP refused."""
    return []


@pytest.fixture
def open_page(
    chromium: str, live_server: LiveServer, troubles: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Open a page as a superuser, in one size and theme."""
    # Playwright keeps an event loop in this thread; the tests still read the database themselves.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    client = Client()
    client.force_login(make_user("admin"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def opened(path: str, *, size: str = "wide", theme: str = "light") -> Page:
            width, height = SIZES[size]
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if theme == "dark" else "light",
                base_url=live_server.url,
            )
            context.set_default_timeout(15_000)
            context.add_cookies(
                [
                    {"name": name, "value": cookie.value, "url": live_server.url}
                    for name, cookie in client.cookies.items()
                ]
            )
            page = context.new_page()
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on(
                "console",
                lambda said: troubles.append(said.text) if said.type == "error" else None,
            )
            page.goto(path)
            return page

        yield opened
        browser.close()


def test_from_credentials_to_people_by_clicks_alone(
    open_page: Open, sandbox: Sandbox, troubles: list[str]
) -> None:
    """AH-04..08, AH-11..15, AH-24, AH-27, AH-35: the story of the document."""
    page = open_page("/admin/integrations/globalvariable/add/")
    page.get_by_label("Key").fill("Aha.Subdomain")
    page.get_by_label("Value").fill("https://acme.aha.io/")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text('only "acme" is needed')).to_be_visible()

    _add_credentials(page, sandbox)
    _add_integration(page)
    _launch_and_run(page)

    assert GlobalVariable.objects.get().value == "acme"
    assert Credentials.objects.get().test_state == "connected"
    assert CustomField.objects.get().key == "aha_user_id"
    assert Person.objects.filter(custom__aha_user_id__isnull=False).exists()
    assert SyncRun.objects.filter(kind="sync").get().state in {"done", "partial"}
    assert not troubles


def _add_credentials(page: Page, sandbox: Sandbox) -> None:
    key = sandbox.credentials("aha")["secrets"]["value"].removeprefix("Bearer ")
    page.goto("/admin/integrations/credentials/add/")
    page.get_by_label("Search vendors").fill("aha")
    expect(page.get_by_text("BambooHR", exact=True)).to_be_hidden()
    page.get_by_role("link", name="API key for Aha!").click()
    page.get_by_label("Name", exact=False).first.fill("Aha production")
    expect(page.locator("#lint-note")).to_be_hidden()
    page.locator("#id_value").fill(key)
    expect(page.locator("#lint-note")).to_be_visible()
    page.locator("#id_value").fill(f"Bearer {key}")
    expect(page.locator("#lint-note")).to_be_hidden()
    page.get_by_label("Base URL").fill(sandbox.base_url("aha"))
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("Connected to Aha!").first).to_be_visible()
    assert page.locator("#id_value").input_value() == ""


def _add_integration(page: Page) -> None:
    page.goto("/admin/integrations/integration/add/")
    page.get_by_role("button", name="Apply Aha! User Load").click()
    expect(page.get_by_text("Nothing is missing.")).to_be_visible()
    expect(page.get_by_label("Subdomain")).to_have_value("acme")
    page.get_by_role("link", name="Add new people field").click()
    page.get_by_label("Source field").select_option("id")
    page.get_by_label("Name of the new field").fill("Aha User Id")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("was made and is mapped")).to_be_visible()
    page.get_by_role("button", name="Add rule").click()
    page.locator("#id_filters-1-field").select_option("email")
    page.locator("#id_filters-1-operator").select_option("is_not_empty")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("1 Rule", exact=True)).to_be_visible()


def _launch_and_run(page: Page) -> None:
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("The preview is queued")).to_be_visible()
    Worker().do_due()
    expect(page.get_by_text("Nothing was changed.")).to_be_visible()  # the page follows by itself
    assert not Person.objects.exists()
    page.get_by_role("link", name="Plan", exact=True).click()
    expect(page.get_by_role("cell", name="Create").first).to_be_visible()
    page.goto(f"/admin/integrations/integration/{Integration.objects.get().pk}/change/")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_text("is active")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    Worker().do_due()
    expect(page.get_by_text("People changed")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_every_page_fits_its_window_and_fails_nothing(
    open_page: Open, troubles: list[str], size: str, theme: str
) -> None:
    """No page scrolls sideways; nothing inline is refused (S-14); each has a heading and labels."""
    make_variable()
    integration = make_integration(state="active")
    run = make_run(integration, state="partial", warnings=["Look at this."])
    make_change(run, key="a-very-long-address-of-somebody-with-a-long-name@department.example.com")
    make_change(run, action="deactivate", state="removal")
    issue = make_issue(run, code="possible_rehire", candidates=[make_person().pk])
    page = open_page("/admin/", size=size, theme=theme)

    for path in (
        "/admin/",
        "/admin/integrations/credentials/",
        "/admin/integrations/credentials/add/",
        "/admin/integrations/credentials/add/?vendor=aha&type=api_key",
        f"/admin/integrations/credentials/{integration.credentials_id}/change/",
        f"/admin/integrations/credentials/{integration.credentials_id}/history/",
        "/admin/integrations/globalvariable/",
        "/admin/integrations/integration/",
        "/admin/integrations/integration/add/",
        f"/admin/integrations/integration/{integration.pk}/change/",
        f"/admin/integrations/integration/{integration.pk}/add-field/",
        f"/admin/integrations/integration/{integration.pk}/delete/",
        f"/admin/integrations/integration/{integration.pk}/history/",
        "/admin/integrations/syncrun/",
        f"/admin/integrations/syncrun/{run.pk}/change/",
        f"/admin/integrations/syncrun/{run.pk}/plan/",
        f"/admin/integrations/syncrun/{run.pk}/log/",
        "/admin/integrations/recordissue/",
        f"/admin/integrations/recordissue/{issue.pk}/change/",
        "/admin/auth/user/",
        "/admin/auth/group/",
    ):
        page.goto(path)
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        unlabelled = page.evaluate(_UNLABELLED)

        assert wider <= 0, f"{path} is {wider} px too wide"
        assert not unlabelled, f"{path}: {unlabelled}"
        assert page.locator("h1").count() == 1, path
    assert not troubles


# Fields of our own pages that no label, and nothing else, gives a name to.
_UNLABELLED = """
() => [...document.querySelectorAll("#content input, #content select, #content textarea")]
    .filter((field) => field.type !== "hidden" && field.offsetParent !== null)
    .filter((field) => !field.labels?.length && !field.ariaLabel
        && !field.getAttribute("aria-labelledby") && !field.title && !field.placeholder)
    .filter((field) => !field.closest(".inline-related, .inline-group, thead, #changelist"))
    .map((field) => field.name)
"""


def test_a_dark_page_is_dark_and_its_words_stand_out(open_page: Open) -> None:
    """Contrast of our own colours, measured: 4.5 to 1 for text (WCAG AA)."""
    integration = make_integration(state="active")
    make_run(integration, state="partial", warnings=["Look at this."])
    run = make_run(integration, kind="preview")
    for theme in ("light", "dark"):
        page = open_page(f"/admin/integrations/syncrun/{run.pk}/change/", theme=theme)

        poor = page.evaluate(_POOR_CONTRAST)

        assert not poor, (theme, poor)


_POOR_CONTRAST = """
() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (text) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = text;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
    const light = (c) => {
        const [r, g, b] = c.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const backOf = (node) => {
        const layers = [];
        for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
    };
    return [...document.querySelectorAll("#content *")]
        .filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()))
        .filter((node) => node.offsetParent !== null && !node.closest("[aria-hidden=true]"))
        .map((node) => {
            const back = backOf(node);
            const text = over(rgba(getComputedStyle(node).color), back);
            const [a, b] = [light(text), light(back)].sort((x, y) => y - x);
            return [node.textContent.trim().slice(0, 30), Math.round((a + 0.05) / (b + 0.05) * 100) / 100];
        })
        .filter(([, contrast]) => contrast < 4.5);
}
"""


def test_the_form_of_an_integration_is_filled_with_the_keyboard_alone(open_page: Open) -> None:
    integration = make_integration(credentials=make_credentials())
    page = open_page(f"/admin/integrations/integration/{integration.pk}/change/")

    page.locator("#id_name").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "user_selection"
    page.keyboard.type("User only")
    page.locator("#id_name").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    integration.refresh_from_db()
    assert (integration.name, integration.user_selection) == ("By keyboard", "user_only")
