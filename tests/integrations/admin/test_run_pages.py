"""Runs in the admin: progress, outcome, plan, error log; the same work for any size."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.models import PlannedChange, RecordIssue, SyncRun
from tests.integrations.admin.pages import text_of
from tests.makers import (
    make_change,
    make_counts,
    make_integration,
    make_issue,
    make_person,
    make_run,
)

pytestmark = pytest.mark.django_db
LIST = "/admin/integrations/syncrun/"


def page_of(run: SyncRun, name: str = "change") -> str:
    return f"{LIST}{run.pk}/{name}/"


def test_a_run_shows_its_counts_and_that_the_listing_was_complete(admin_page: Client) -> None:
    counts = make_counts(created=3, updated=2, unchanged=195) | {"seen": 200}
    run = make_run(make_integration(), counts=counts, listing={"complete": True, "records": 200})

    page = text_of(admin_page.get(page_of(run)))

    assert "Records listed 200" in page
    assert "3 created, 2 updated; 195 unchanged" in page
    assert "The listing was complete: 200 records" in page
    assert "UTC" in page


def test_an_incomplete_listing_says_why(admin_page: Client) -> None:
    run = make_run(
        make_integration(),
        state="partial",
        listing={"complete": False, "problems": ["Page 2 repeats page 1."]},
    )

    page = text_of(admin_page.get(page_of(run)))

    assert "The listing was not complete" in page
    assert "Page 2 repeats page 1." in page


def test_a_failed_run_says_who_can_mend_it_and_where(admin_page: Client) -> None:
    integration = make_integration()
    run = make_run(
        integration,
        state="failed",
        error_code="unauthorized",
        error_message="Aha! said 401.",
        counts={},
    )

    page = admin_page.get(page_of(run))

    link = f"/admin/integrations/credentials/{integration.credentials_id}/change/"
    assert "Aha! said 401." in text_of(page)
    assert "enters the key again" in text_of(page)
    assert link in page.content.decode()


def test_the_progress_of_a_run_is_there_for_scripts_and_without(admin_page: Client) -> None:
    run = make_run(
        make_integration(),
        state="running",
        step="stage",
        progress_done=1200,
        progress_total=5000,
        started_at=timezone.now(),
    )

    page = text_of(admin_page.get(page_of(run)))
    answer = admin_page.get(page_of(run, "progress"))

    assert "1,200 of 5,000" in page
    assert answer.json() | {"took": ""} == {
        "ended": False,
        "state": "Running",
        "step": "Reading the vendor's listing",
        "done": 1200,
        "total": 5000,
        "amount": "1,200 of 5,000",
        "took": "",
    }


def test_progress_of_an_ended_run_says_so(admin_page: Client) -> None:
    run = make_run(make_integration())

    assert admin_page.get(page_of(run, "progress")).json()["ended"] is True


def test_a_preview_says_that_nothing_was_changed_and_offers_to_run(admin_page: Client) -> None:
    integration = make_integration(state="active")
    run = make_run(integration, kind="preview")

    pages = [admin_page.get(page_of(run, name)) for name in ("change", "plan")]

    for page in pages:
        assert "Nothing was changed." in text_of(page)
    assert f"/admin/integrations/integration/{integration.pk}/run/" in pages[0].content.decode()


def test_a_run_that_applied_its_plan_does_not_say_that_nothing_was_changed(
    admin_page: Client,
) -> None:
    run = make_run(make_integration())

    assert "Nothing was changed" not in text_of(admin_page.get(page_of(run)))


def test_the_plan_shows_old_and_new_with_labels_and_the_reason(admin_page: Client) -> None:
    """M-13, AH-20."""
    run = make_run(make_integration())
    person = make_person()
    make_change(run, key=person.email, target_id=person.pk, reason="Matched by email.")
    make_change(
        run,
        action="skip",
        state="skipped",
        key="new@example.com",
        changes={},
        reason="Update only: there is no person for this record.",
    )
    roles = [{"role": "Owner", "scope_id": "1", "scope": "Mobile"}]
    make_change(run, object="saas_user", key="b@example.com", changes={"roles": [[], roles]})

    page = admin_page.get(page_of(run, "plan"))

    text = text_of(page)
    assert "Job title Clerk → Head of Clerks" in text
    assert "Matched by email." in text
    assert "Roles – → Owner (Mobile)" in text
    assert "there is no person for this record" in text
    assert f"/admin/people/person/{person.pk}/change/" in page.content.decode()


def test_a_planned_value_is_text_whatever_it_holds(admin_page: Client) -> None:
    run = make_run(make_integration())
    make_change(run, changes={"title": [None, "<script>alert(1)</script>"]}, reason="<b>x</b>")

    body = admin_page.get(page_of(run, "plan")).content.decode()

    assert "<script>alert(1)" not in body
    assert "<b>x</b>" not in body


def test_the_plan_is_filtered_by_action_object_and_search(admin_page: Client) -> None:
    run = make_run(make_integration())
    make_change(run, action="create", key="ann@example.com")
    make_change(run, action="update", key="bob@example.com")
    make_change(run, object="saas_user", action="update", key="cat@example.com")

    def keys(query: str) -> list[str]:
        rows = admin_page.get(f"{page_of(run, 'plan')}?{query}").context["page"].rows
        return [shown.row.key for shown in rows]

    assert keys("action=create") == ["ann@example.com"]
    assert keys("object=saas_user") == ["cat@example.com"]
    assert keys("q=BOB") == ["bob@example.com"]
    assert keys("action=update&object=person") == ["bob@example.com"]
    assert keys("action=create&q=bob") == []


def test_a_long_plan_is_paged_without_leaving_a_row_out(admin_page: Client) -> None:
    run = make_run(make_integration())
    PlannedChange.objects.bulk_create(
        PlannedChange(
            run=run, object="person", action="create", key=f"{n}@example.com", external_id=str(n)
        )
        for n in range(250)
    )
    seen: list[str] = []
    query = ""

    for _ in range(3):
        page = admin_page.get(f"{page_of(run, 'plan')}?{query}").context["page"]
        seen += [shown.row.external_id for shown in page.rows]
        query = page.next_query

    assert seen == [str(n) for n in range(250)]
    assert query == ""


@pytest.mark.parametrize(
    "query",
    [
        "after=abc",
        "after=99999999999999999999999999999",
        "after=-1",
        "after=²",
        "action=nonsense&object=x&state=y",
        "q=%00",
        f"q={'a' * 5000}",
        "after=&after=1",
    ],
)
def test_nonsense_in_the_address_shows_a_page(admin_page: Client, query: str) -> None:
    """G-11."""
    run = make_run(make_integration())
    make_change(run)

    for name in ("plan", "log"):
        address = query.replace("after", "issue") if name == "log" else query
        assert admin_page.get(f"{page_of(run, name)}?{address}").status_code == 200


@pytest.mark.parametrize("pk", ["0", "abc", "99999999999999999999999", "-1", "%00"])
def test_a_run_that_is_not_there_is_not_found(admin_page: Client, pk: str) -> None:
    """G-11."""
    for name in ("change", "plan", "log", "progress"):
        assert admin_page.get(f"{LIST}{pk}/{name}/").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "pk__in=99999999999999999999",
        "state__exact=x",
        "of=99999999999999999999999",
        "p=zzz",
        "o=99",
        "fence=1",
        "error_message__contains=a",
        "integration__credentials__sealed__contains=a",
    ],
)
def test_no_look_up_breaks_the_list(admin_page: Client, query: str) -> None:
    """G-11, S-07."""
    make_run(make_integration())

    assert admin_page.get(f"{LIST}?{query}").status_code in {200, 302}


def test_the_error_log_holds_issues_and_what_was_left_out(admin_page: Client) -> None:
    """AH-20, BB-32."""
    run = make_run(make_integration())
    make_issue(run, key="two@example.com", reason="Several people have the same e-mail.")
    make_issue(
        run, key="warned@example.com", severity="warning", reason="The supervisor is unknown."
    )
    make_change(
        run,
        action="skip",
        state="skipped",
        key="left@example.com",
        reason="Update only.",
        changes={},
    )

    page = text_of(admin_page.get(page_of(run, "log")))

    for text in (
        "two@example.com",
        "Several people",
        "warned@example.com",
        "Warning",
        "left@example.com",
        "Update only.",
    ):
        assert text in page


def test_removals_of_a_preview_are_listed_and_said_to_be_judged_later(admin_page: Client) -> None:
    run = make_run(make_integration(), kind="preview")
    make_change(
        run,
        action="deactivate",
        state="removal",
        key="gone@example.com",
        reason="Aha! no longer lists it.",
        changes={"status": ["active", "deactivated"]},
    )

    page = text_of(admin_page.get(page_of(run)))

    assert "Removals that a run would judge 1" in page
    assert "A run looks each of them up before it removes anybody" in page
    assert "gone@example.com" in page


def test_pages_ask_as_much_for_a_large_run_as_for_a_small_one(
    admin_page: Client, django_assert_num_queries: Any
) -> None:
    run = make_run(make_integration())
    PlannedChange.objects.bulk_create(
        PlannedChange(
            run=run, object="person", action=action, key=f"{n}@x.example", external_id=str(n)
        )
        for n in range(1_000)
        for action in ("update", "skip")
    )
    RecordIssue.objects.bulk_create(
        RecordIssue(run=run, key=f"{n}@x.example", code="x", reason="x") for n in range(1_000)
    )
    for _ in range(60):
        make_run(run.integration)  # type: ignore[arg-type]
    admin_page.get(LIST)

    with django_assert_num_queries(11):
        admin_page.get(LIST)
    with django_assert_num_queries(16):
        admin_page.get(page_of(run))
    with django_assert_num_queries(12):
        admin_page.get(page_of(run, "plan"))
    with django_assert_num_queries(11):
        admin_page.get(page_of(run, "log"))
    with django_assert_num_queries(5):
        admin_page.get(page_of(run, "progress"))


def test_an_auditor_reads_runs_and_changes_none(open_as: Any, auditor: User) -> None:
    """M-36."""
    run = make_run(make_integration())
    make_change(run)
    client = open_as(auditor)

    opened = {
        client.get(page_of(run, name)).status_code for name in ("change", "plan", "log", "progress")
    }
    listed = client.get(LIST)
    preview = make_run(make_integration("Another load", state="active"), kind="preview")
    offered = client.get(page_of(preview))

    assert opened == {200}
    assert listed.status_code == 200
    assert "Run now" not in text_of(offered)


def test_others_see_no_run(open_as: Any, hr_viewer: User, workflow_editor: User) -> None:
    """M-36: nothing of a plan reaches who may not see integrations."""
    run = make_run(make_integration())
    make_change(run)

    for user in (hr_viewer, workflow_editor):
        client = open_as(user)
        names = ("change", "plan", "log", "progress", "delete", "history")
        assert {client.get(page_of(run, name)).status_code for name in names} == {403}
        assert client.get(LIST).status_code == 403


def test_nobody_adds_changes_or_deletes_a_run(admin_page: Client) -> None:
    run = make_run(make_integration())

    assert admin_page.get(f"{LIST}add/").status_code == 403
    assert admin_page.post(page_of(run, "delete"), {"post": "yes"}).status_code == 403
    admin_page.post(page_of(run), {"state": "queued"})
    run.refresh_from_db()
    assert run.state == "done"
