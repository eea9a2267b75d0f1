"""The first page, the side bar and the palette: for each user what that user may open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.models import Credentials
from people.bulk import insert_rows
from saas.models import SaaSUser
from tests.integrations.admin.pages import text_of
from tests.makers import (
    make_application,
    make_change,
    make_credentials,
    make_integration,
    make_issue,
    make_person,
    make_run,
    make_saas_user,
)

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def entries(client: Client) -> dict[str, list[str]]:
    """The side bar as the page's context has it: titles by section."""
    sections = client.get("/admin/").context["sidebar_navigation"]
    return {
        section["title"]: [
            str(item["title"]).replace('<span class="rc-nav-path">', "").replace("</span>", "")
            for item in section["items"]
        ]
        for section in sections
    }


def test_the_side_bar_of_an_it_admin_has_every_section(it_admin: User) -> None:
    """C-01, C-02, C-03, C-05, C-06."""
    shown = entries(signed_in(it_admin))

    assert list(shown) == ["Overview", "People", "Software", "Configuration", "Access"]
    assert shown["Configuration"] == [
        "Security › Credentials",
        "General › Global Settings",
        "Global Settings › Limits and notices",
        "Integrations",
        "Workflows",
        "Workflow runs",
        "Approvals",
        "Runs",
        "Issues",
        "Operations",
        "Notifications",
    ]
    assert shown["Access"] == ["Users", "Groups"]
    assert "SaaS" in shown["Software"]


def test_the_side_bar_hides_what_a_user_may_not_open(hr_viewer: User, auditor: User) -> None:
    """M-36."""
    hr, audits = entries(signed_in(hr_viewer)), entries(signed_in(auditor))

    assert "Configuration" not in hr
    assert "Access" not in hr
    assert audits["Configuration"] == [
        "Global Settings › Limits and notices",
        "Integrations",
        "Workflows",
        "Workflow runs",
        "Runs",
        "Issues",
        "Operations",
        "Notifications",
    ]


def test_each_entry_of_the_side_bar_opens(it_admin: User, hr_viewer: User, auditor: User) -> None:
    for user in (it_admin, hr_viewer, auditor):
        client = signed_in(user)
        for section in client.get("/admin/").context["sidebar_navigation"]:
            for item in section["items"]:
                assert client.get(item["link"]).status_code == 200, (user, item["link"])


def test_open_issues_stand_on_the_badge(it_admin: User) -> None:
    run = make_run(make_integration())
    make_issue(run)
    make_issue(run, settled_at=timezone.now(), settled_as="same_person")

    sections = signed_in(it_admin).get("/admin/").context["sidebar_navigation"]

    items = [item for section in sections for item in section["items"]]
    assert [item["badge"] for item in items if item["title"] == "Issues"] == ["1"]


def test_the_first_page_counts_people_and_accounts(hr_viewer: User) -> None:
    make_person()
    make_person(status="deactivated")
    make_saas_user(make_application())

    page = text_of(signed_in(hr_viewer).get("/admin/"))

    assert "Active people 1 1 deactivated" in page
    assert "Aha! 1 active SaaS users" in page


def test_the_first_page_says_more_than_where_it_stops_counting(hr_viewer: User) -> None:
    application = make_application()
    make_application("Nobody uses it", tenant="empty")
    columns = ("application_id", "external_id", "email", "name", "status", "custom", "created_at")
    of = ("", "", "active", "{}", timezone.now(), timezone.now())
    accounts = ((application.pk, str(number), *of) for number in range(10_001))
    insert_rows(SaaSUser, (*columns, "updated_at"), accounts)
    make_saas_user(application, status="suspended")
    make_saas_user(application, status="deactivated")

    page = text_of(signed_in(hr_viewer).get("/admin/"))

    assert "Aha! more than 10,000 active SaaS users; 2 others" in page
    assert "Nobody uses it" not in page


def test_an_hr_viewer_sees_nothing_of_configuration(hr_viewer: User) -> None:
    """M-36: neither runs nor what needs attention there."""
    integration = make_integration("Secret load")
    make_run(integration, state="failed", error_message="Broken")

    page = text_of(signed_in(hr_viewer).get("/admin/"))

    assert "Secret load" not in page
    assert "Needs attention" not in page


def test_what_needs_attention_is_named(it_admin: User) -> None:
    today = timezone.localdate()
    make_credentials("Old key", expires_on=today + timedelta(days=12))
    make_credentials("Bad key", test_state=Credentials.Test.FAILED, test_message="401")
    make_credentials("Good key", expires_on=today + timedelta(days=300))
    draft = make_integration("Half done", credentials=None)
    failing = make_integration("Failing load", state="active")
    run = make_run(draft)
    make_issue(run)
    make_change(run, action="deactivate", state="held")
    make_run(failing, state="failed", error_message="Aha! said 401.")
    make_run(failing, state="running", started_at=timezone.now())

    page = text_of(signed_in(it_admin).get("/admin/"))

    for text in (
        '"Old key" expires on',
        '"Bad key" did not connect',
        '"Half done" is not launched',
        "Next: Choose credentials",
        'The last run of "Failing load" failed',
        "Aha! said 401.",
        "1 issue is open",
        "1 removal is held",
    ):
        assert text in page
    assert '"Good key"' not in page


def test_an_auditor_sees_runs_but_no_credentials(auditor: User) -> None:
    """M-36."""
    make_credentials("Bad key", test_state=Credentials.Test.FAILED)
    make_run(make_integration("Half done"), state="failed", error_message="Broken")

    page = text_of(signed_in(auditor).get("/admin/"))

    assert 'The last run of "Half done" failed' in page
    assert "Bad key" not in page


def test_a_run_that_failed_is_told_while_the_next_one_is_under_way(it_admin: User) -> None:
    integration = make_integration("Aha! User Load")
    make_run(integration)
    make_run(integration, state="failed", error_message="Broken")
    make_run(integration, state="running")
    make_run(make_integration("Never ended"), state="queued")

    page = text_of(signed_in(it_admin).get("/admin/"))

    assert 'The last run of "Aha! User Load" failed' in page
    assert 'The last run of "Never ended"' not in page


def test_an_empty_installation_shows_the_first_steps(it_admin: User) -> None:
    page = text_of(signed_in(it_admin).get("/admin/"))

    assert "First steps" in page
    assert "Add credentials of a vendor" in page
    assert "All is well" in page


def test_the_first_steps_go_when_a_run_is_done(it_admin: User) -> None:
    make_run(make_integration(state="active"))

    assert "First steps" not in text_of(signed_in(it_admin).get("/admin/"))


def test_the_first_page_asks_as_much_for_a_large_company_as_for_a_small_one(
    it_admin: User, django_assert_num_queries: Any
) -> None:
    client = signed_in(it_admin)
    credentials = make_credentials()
    for number in range(20):
        application = make_application(f"App {number}", tenant=f"t{number}")
        make_saas_user(application)
        run = make_run(make_integration(f"Load {number}", credentials=credentials))
        make_issue(run)
        make_person()
    client.get("/admin/")

    with django_assert_num_queries(21):
        client.get("/admin/")


def test_the_palette_finds_pages_integrations_and_people(it_admin: User) -> None:
    make_integration("Aha! User Load")
    make_person(email="aha-fan@example.com", full_name="Anna Fan")

    found = text_of(signed_in(it_admin).get("/admin/search/?s=aha&extended=1"))

    assert "Aha! User Load" in found
    assert "Anna Fan" in found


def test_the_palette_finds_only_what_the_user_may_open(hr_viewer: User) -> None:
    """M-36."""
    make_integration("Aha! User Load")
    make_credentials("Aha production")

    found = text_of(signed_in(hr_viewer).get("/admin/search/?s=aha&extended=1"))

    assert "Aha! User Load" not in found
    assert "Aha production" not in found


@pytest.mark.parametrize(
    "query", ["s=a&page=abc", "s=a&page=999", "s=%00&extended=1", "page=1", f"s={'a' * 3000}"]
)
def test_nonsense_breaks_no_search(it_admin: User, query: str) -> None:
    """G-11."""
    assert signed_in(it_admin).get(f"/admin/search/?{query}").status_code == 200


def test_no_page_has_a_script_or_style_of_its_own(it_admin: User) -> None:
    """S-14: scripts come from files; the theme's colours are the one style element."""
    integration = make_integration()
    run = make_run(integration)
    pages = [
        "/admin/",
        "/admin/integrations/credentials/add/",
        f"/admin/integrations/credentials/{integration.credentials_id}/change/",
        f"/admin/integrations/integration/{integration.pk}/change/",
        "/admin/integrations/integration/add/",
        f"/admin/integrations/syncrun/{run.pk}/change/",
        f"/admin/integrations/syncrun/{run.pk}/plan/",
        f"/admin/integrations/syncrun/{run.pk}/log/",
    ]
    client = signed_in(it_admin)

    for page in pages:
        body = client.get(page).content.decode()
        scripts = body.split("<script")[1:]
        assert all("src=" in script.split(">", 1)[0] for script in scripts), page
        assert "onclick=" not in body
        assert body.count("<style") == body.count('<style id="unfold-theme-colors"'), page
