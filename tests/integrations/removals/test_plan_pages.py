"""Held removals are decided on row by row, as they were shown (M-14, M-17, S-17, G-08)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

from integrations.admin.reauth import CONFIRMED_AT
from integrations.models import PlannedChange, SyncRun
from integrations.sync import execute
from people.by_hand import save_person
from tests.conftest import make_user
from tests.integrations.admin.pages import messages_of, read_form, text_of
from tests.integrations.sync.worlds import World, emails, person, run_sync
from tests.makers import make_change, make_integration, make_run

from .holding import GONE, Holding, email

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"


@pytest.fixture
def holding(world: World) -> Holding:
    return Holding(world)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def page(it_admin: User) -> Client:
    """An IT admin, signed in just now."""
    return client_of(it_admin)


def url(run: SyncRun, name: str = "decide") -> str:
    return f"/admin/integrations/syncrun/{run.pk}/{name}/"


def decide(client: Client, holding: Holding, verdict: str, *names: str, **more: Any) -> Any:
    """Tick rows and send the page that asks once more."""
    ticked = {"verdict": verdict, "row": [holding.token(name) for name in names]}
    asked = client.post(url(holding.run), ticked)
    return client.post(url(holding.run), {**read_form(asked, "decide-form"), **more})


def test_a_held_run_says_how_many_and_why_and_leads_to_the_rows(
    page: Client, holding: Holding
) -> None:
    """M-14."""
    run = page.get(url(holding.run, "change"))
    plan = page.get(url(holding.run, "plan") + "?state=held")

    assert "4 removals are held. 4 removals of people are more than the limit of 3" in text_of(run)
    assert "Look and decide" in text_of(run)
    for name in GONE:
        assert email(name) in text_of(plan)
        assert holding.token(name) in plan.content.decode()
    assert "Waits for a decision" in text_of(plan)
    assert "checked" not in plan.content.decode().split("<main")[-1]


def test_some_rows_are_approved_and_the_others_stay_held(page: Client, holding: Holding) -> None:
    """M-14, M-15: who was approved by name is not counted."""
    answer = decide(page, holding, "approve", "Ann", "Bob")
    said = messages_of(page, answer)
    run = SyncRun.objects.get(kind="removals")
    execute(run.pk)

    assert f"run {run.pk}" in said[0]
    assert said[0].startswith("2 removals are approved.")
    assert holding.states() == {"Ann": "applied", "Bob": "applied", "Cyd": "held", "Dan": "held"}
    assert holding.row("Ann").decided_by == "it-admin"
    assert emails(status="deactivated") == [email("Ann"), email("Bob")]
    plan = text_of(page.get(url(holding.run, "plan") + "?state=applied"))
    assert f"Approved by it-admin Applied in run {run.pk}" in plan


def test_all_rows_of_all_pages_need_their_number_typed(page: Client, holding: Holding) -> None:
    """M-14, M-15."""
    asked = page.post(url(holding.run), {"verdict": "approve", "every": "1"})
    form = read_form(asked, "decide-form")
    wrong = page.post(url(holding.run), {**form, "typed": "3"})
    untouched = holding.states()
    page.post(url(holding.run), {**form, "typed": "4"})

    assert "more than the limit of 3 removals of people" in text_of(asked)
    assert "Type 4 to confirm" in text_of(asked)
    assert "These are 4 removals: type that number." in text_of(wrong)
    assert set(untouched.values()) == {"held"}
    assert {holding.row(name).decided_by for name in GONE} == {"it-admin"}
    assert SyncRun.objects.filter(kind="removals", state="queued").count() == 1


def test_within_the_limit_no_number_is_asked_for(page: Client, holding: Holding) -> None:
    """M-15."""
    asked = page.post(url(holding.run), {"verdict": "approve", "row": holding.token("Ann")})

    assert "to confirm" not in text_of(asked)


def test_a_row_that_changed_since_it_was_shown_is_refused_by_name(
    page: Client, holding: Holding
) -> None:
    """M-14, F-26."""
    ticked = {"verdict": "approve", "row": [holding.token("Ann"), holding.token("Bob")]}
    form = read_form(page.post(url(holding.run), ticked), "decide-form")
    row = holding.row("Ann")
    PlannedChange.objects.filter(pk=row.pk).update(
        changes={**row.changes, "title": ["Clerk", None]}
    )
    said = messages_of(page, page.post(url(holding.run), form))

    assert said[0].startswith("1 removal is approved.")
    assert f"{email('Ann')}: It changed since it was shown; look again." in said[1]
    assert holding.row("Ann").decided_by == ""
    assert holding.row("Bob").decided_by == "it-admin"


def test_approving_twice_removes_once(page: Client, holding: Holding) -> None:
    """M-14: a form that is sent again is refused by name once its rows are applied."""
    decide(page, holding, "approve", "Ann")
    form = {"verdict": "approve", "row": holding.token("Ann"), "confirmed": "1"}
    execute(SyncRun.objects.get(kind="removals").pk)
    said = messages_of(page, page.post(url(holding.run), form))

    assert "It is not held any more (applied)." in said[-1]
    assert SyncRun.objects.filter(kind="removals").count() == 1


def test_rejected_rows_stay_as_they_are_and_are_not_asked_about_again(
    page: Client, holding: Holding
) -> None:
    """M-14."""
    said = messages_of(page, decide(page, holding, "reject", *GONE))
    again = run_sync(holding.integration)

    assert said[0].startswith("4 removals are rejected")
    assert set(holding.states().values()) == {"rejected"}
    assert again.state == "done"
    assert emails(status="deactivated") == []
    assert "Rejected by it-admin" in text_of(page.get(url(again, "plan")))


def test_what_a_later_run_took_over_is_found_from_the_earlier_one(
    page: Client, holding: Holding
) -> None:
    """M-14: the row keeps its place."""
    later = run_sync(holding.integration)

    earlier = page.get(url(holding.run, "change"))

    assert later.state == "held"
    assert f"in the plan of Employees, run {later.pk} now" in text_of(earlier)
    assert url(later, "change") in earlier.content.decode()


def test_the_password_is_asked_again_when_it_was_not_given_lately(
    page: Client, holding: Holding, it_admin: User
) -> None:
    """S-17: and the selection is not lost by it."""
    it_admin.set_password(PASSWORD)
    it_admin.save()
    page.force_login(it_admin)
    session = page.session
    session[CONFIRMED_AT] = 0
    session.save()

    wrong = decide(page, holding, "approve", "Ann", password="guessed")
    untouched = holding.row("Ann").decided_by
    decide(page, holding, "approve", "Ann", password=PASSWORD)

    assert "This is not your password." in text_of(wrong)
    assert "guessed" not in wrong.content.decode()
    assert untouched == ""
    assert holding.row("Ann").decided_by == "it-admin"


def test_with_a_second_person_nobody_is_both(
    page: Client, holding: Holding, settings: Settings
) -> None:
    """M-17."""
    settings.SECOND_PERSON = True
    first = messages_of(page, decide(page, holding, "approve", "Ann"))
    again = messages_of(page, decide(page, holding, "approve", "Ann"))
    waiting = text_of(page.get(url(holding.run, "plan") + "?state=held"))
    before = SyncRun.objects.filter(kind="removals").count()
    other = client_of(make_user("second-admin", "IT admin"))
    decide(other, holding, "approve", "Ann")
    execute(SyncRun.objects.get(kind="removals").pk)

    assert "a second person has to approve them too" in first[0]
    assert "a second person has to approve them too" in again[0]
    assert "Approved by it-admin" in waiting
    assert "waits for a second person" in waiting
    assert before == 0
    assert holding.row("Ann").state == "applied"
    assert person(email("Ann")).status == "deactivated"


def test_an_auditor_reads_and_cannot_decide(auditor: User, holding: Holding) -> None:
    """M-36."""
    client = client_of(auditor)
    plan = client.get(url(holding.run, "plan") + "?state=held")
    tried = client.post(url(holding.run), {"verdict": "approve", "row": holding.token("Ann")})

    assert email("Ann") in text_of(plan)
    assert "An IT admin decides" in text_of(plan)
    assert 'name="row"' not in plan.content.decode()
    assert tried.status_code == 403


@pytest.mark.parametrize("name", ["decide", "plan", "change"])
def test_hr_sees_nothing_of_it(hr_viewer: User, name: str) -> None:
    """M-36."""
    run = make_run(make_integration(state="active"), state="held")

    assert client_of(hr_viewer).get(url(run, name)).status_code == 403


def test_reading_runs_alone_is_no_permission_to_decide() -> None:
    """M-36: approving has a permission of its own."""
    run = make_run(make_integration(state="active"), state="held")
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_syncrun"))

    answer = client_of(reader).post(url(run), {"verdict": "approve", "every": "1"})

    assert answer.status_code == 403


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"verdict": "approve"},
        {"verdict": "approve", "row": "nonsense"},
        {"verdict": "burn", "every": "1"},
        {"verdict": "approve", "row": "9" * 30 + ":" + "0" * 32},
    ],
)
def test_nothing_selected_or_nonsense_decides_nothing(page: Client, sent: dict[str, str]) -> None:
    """M-14."""
    run = make_run(make_integration(state="active"), state="held")
    row = make_change(run, action="deactivate", state="held")

    answer = page.post(url(run), sent)
    row.refresh_from_db()

    assert answer.status_code == 302
    assert row.state == "held"
    assert row.decided_by == ""


def test_a_decision_about_thousands_asks_as_much_as_about_three(
    page: Client, django_assert_max_num_queries: Any
) -> None:
    """G-08: the confirmation lists the first fifty."""
    run = make_run(make_integration(state="active"), state="held", held_because="Too many.")
    PlannedChange.objects.bulk_create(
        PlannedChange(
            run=run,
            object="person",
            action="deactivate",
            state="held",
            key=f"p{n}@x.example",
            external_id=str(n),
            target_id=n,
            changes={"status": ["active", "deactivated"]},
        )
        for n in range(2_000)
    )

    with django_assert_max_num_queries(22):
        asked = page.post(url(run), {"verdict": "approve", "every": "1"})
    form = read_form(asked, "decide-form")
    with django_assert_max_num_queries(32):
        page.post(url(run), {**form, "typed": "2000"})

    assert "and 1,950 more" in text_of(asked)
    assert PlannedChange.objects.filter(decided_by="it-admin").count() == 2_000


def test_the_side_bar_and_the_dashboard_count_what_is_held(page: Client) -> None:
    """M-14."""
    run = make_run(make_integration(state="active"), state="held")
    for _ in range(3):
        make_change(run, action="deactivate", state="held")

    dashboard = page.get("/admin/")

    assert "3 removals are held" in text_of(dashboard)
    assert "/admin/integrations/syncrun/?state__exact=held" in dashboard.content.decode()
    items = [
        item for section in dashboard.context["sidebar_navigation"] for item in section["items"]
    ]
    assert [item.get("badge") for item in items if item["title"] == "Runs"] == ["3"]


def test_a_person_who_was_changed_by_hand_meanwhile_is_left_and_listed(
    page: Client, holding: Holding
) -> None:
    """M-14: what moved since it was shown is not written."""
    decide(page, holding, "approve", "Ann", "Bob")
    save_person(person(email("Ann")), {"status": "deactivated"}, actor="admin")
    execute(SyncRun.objects.get(kind="removals").pk)

    assert holding.row("Ann").state == "moved"
    assert holding.row("Bob").state == "applied"
