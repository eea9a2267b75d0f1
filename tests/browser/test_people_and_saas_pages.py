"""People and software in a real browser: keyboard, both themes and sizes, nothing off the edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from config import groups
from people.models import CustomField, Department, Event, Person
from saas.models import SaaSUser
from tests import makers

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}

Open = Callable[..., Page]


@pytest.fixture
def troubles() -> list[str]:
    """What the browser complained about: errors of scripts, and what the content policy blocked."""
    return []


@pytest.fixture
def open_page(
    chromium: str, live_server: LiveServer, troubles: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    """Open a page as an IT admin or an HR viewer, in one size and theme."""
    # Playwright keeps an event loop in this thread; the tests still read the database themselves.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    clients = {}
    for name, group in (("it", groups.IT_ADMIN), ("hr", groups.HR_VIEWER)):
        user = User.objects.create_user(name, is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        clients[name] = Client()
        clients[name].force_login(user)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def opened(path: str, *, who: str = "it", size: str = "wide", theme: str = "light") -> Page:
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
                    for name, cookie in clients[who].cookies.items()
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


@pytest.fixture
def company() -> tuple[Person, SaaSUser]:
    """A person with long names and a custom field of each kind, an account with many roles."""
    for kind in CustomField.Type:
        makers.make_custom_field(f"A {kind}", key=f"a_{kind}", type=kind)
    person = makers.make_person(
        full_name="Wolfeschlegelsteinhausenbergerdorff Keihanaikukauakahihuliheekahaunaele",
        email="a.very.long.address.of.somebody.who.has.many.names@subsidiary.example.com",
        title="Senior Vice President of Customer Success, Renewals and Everything Else",
        department=Department.objects.create(name="Research and Development", name_key="x"),
        custom={"a_long_text": "word " * 200},
    )
    makers.make_person(manager=person)
    application = makers.make_application()
    account = makers.make_saas_user(application, person=person, name="Ann Lee")
    for rank, scope in enumerate(("Mobile App", "Web", "Data Platform", "Website")):
        makers.make_role(account, "Owner", scope=scope, scope_id=scope, rank=rank)
    Event.objects.create(
        object="person",
        object_id=person.pk,
        kind="edit",
        source="admin",
        actor="it",
        changes={"title": ["Clerk", "x" * 300]},
    )
    return person, account


def test_the_roles_behind_the_primary_one_open_by_keyboard(
    open_page: Open, company: tuple[Person, SaaSUser], troubles: list[str]
) -> None:
    """AH-46, BW-57"""
    page = open_page(f"/admin/saas/saasuser/?application={company[1].application_id}", who="hr")
    behind = page.get_by_text("Owner (Website)", exact=True)
    expect(behind).to_be_hidden()

    page.locator("details.rec-roles summary").focus()
    page.keyboard.press("Enter")

    expect(behind).to_be_visible()
    assert not troubles


def test_a_person_is_edited_deactivated_and_found_in_the_history(
    open_page: Open, company: tuple[Person, SaaSUser], troubles: list[str]
) -> None:
    person = company[0]
    page = open_page(f"/admin/people/person/{person.pk}/change/")
    page.get_by_label("Job title").fill("Head of Tests")
    page.get_by_label("A integer").fill("43")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()

    page.get_by_role("link", name="Deactivate…").click()
    page.get_by_label("Reason").fill("left the company")
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("was deactivated: left the company")).to_be_visible()
    page.get_by_role("link", name="History", exact=True).last.click()

    expect(page.get_by_text("Head of Tests")).to_be_visible()
    expect(page.get_by_text("left the company")).to_be_visible()
    person.refresh_from_db()
    assert (person.status, person.title) == ("deactivated", "Head of Tests")
    assert person.custom["a_integer"] == 43
    assert not troubles


def test_the_question_about_a_selection_comes_before_anything_happens(
    open_page: Open, company: tuple[Person, SaaSUser], troubles: list[str]
) -> None:
    page = open_page("/admin/people/person/")
    page.get_by_label("Select record").first.check()
    page.locator("select[name=action]").select_option(label="Deactivate…")
    page.get_by_role("button", name="Run").click()

    expect(page.get_by_role("heading", name="Deactivate people")).to_be_visible()
    assert not Person.objects.filter(status="deactivated").exists()
    page.get_by_label("Reason").fill("test")
    page.get_by_role("button", name="Deactivate").click()
    page.wait_for_load_state()

    assert Person.objects.filter(status="deactivated").count() == 1
    assert not troubles


PAGES = [
    "/admin/people/person/",
    "/admin/people/person/add/",
    "/admin/people/person/{person}/change/",
    "/admin/people/person/{person}/accounts/",
    "/admin/people/person/{person}/reports/",
    "/admin/people/person/{person}/history/",
    "/admin/people/person/{person}/deactivate/",
    "/admin/people/person/export/",
    "/admin/people/department/",
    "/admin/people/customfield/",
    "/admin/people/customfield/add/",
    "/admin/people/event/",
    "/admin/saas/application/",
    "/admin/saas/saasuser/",
    "/admin/saas/saasuser/{account}/change/",
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_its_window_and_breaks_no_policy(
    open_page: Open, company: tuple[Person, SaaSUser], troubles: list[str], size: str, theme: str
) -> None:
    """S-14: nothing is blocked. Nothing reaches over the edge, however long the names are."""
    person, account = company
    too_wide = []

    page = open_page("/admin/people/person/", size=size, theme=theme)
    for path in PAGES:
        page.goto(path.format(person=person.pk, account=account.pk))
        over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if over > 0:
            too_wide.append((path, over))
    dark = page.evaluate("document.documentElement.classList.contains('dark')")

    assert too_wide == []
    assert troubles == []
    assert dark == (theme == "dark")


def test_every_input_and_table_says_what_it_is(
    open_page: Open, company: tuple[Person, SaaSUser]
) -> None:
    """Labels for inputs, headings for columns, a heading per page."""
    nameless = """() => [...document.querySelectorAll('#content input, #content select, #content textarea')]
        .filter(e => e.type !== 'hidden' && e.offsetParent !== null)
        .filter(e => !e.labels?.length && !e.getAttribute('aria-label')
                     && !e.getAttribute('aria-labelledby') && !e.placeholder && !e.title)
        .map(e => e.outerHTML.slice(0, 120))"""
    headless = "[...document.querySelectorAll('#content table')].filter(t => !t.querySelector('th')).length"
    found = []

    page = open_page("/admin/people/person/")
    for path in PAGES:
        page.goto(path.format(person=company[0].pk, account=company[1].pk))
        found += [(path, name) for name in page.evaluate(nameless)]
        found += [(path, "table")] * page.evaluate(headless)
        found += [] if page.locator("h1").count() == 1 else [(path, "h1")]

    assert found == []
