"""The schedule, own limits, protected people and mails on an integration's page and in the list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.drafts import make_draft
from integrations.models import DueSlot, Integration
from integrations.slots import owner_of
from tests.integrations.admin.pages import read_form, save, text_of
from tests.makers import make_application, make_integration, make_run

pytestmark = pytest.mark.django_db
FORM = "integration_form"
LIST = reverse("admin:integrations_integration_changelist")


def page_of(integration: Integration) -> str:
    return reverse("admin:integrations_integration_change", args=(integration.pk,))


def active(**fields: Any) -> Integration:
    values = {"state": "active", "application": make_application(), **fields}
    return make_integration(**values)


def test_a_new_integration_runs_once_every_day(it_admin: User, admin_page: Client):
    """AH-32."""
    draft = make_draft("aha", "users", by=it_admin)

    shown = read_form(admin_page.get(page_of(draft)), FORM)

    assert draft.schedule == {"every": "day", "at": "03:00", "timezone": "UTC"}
    assert (shown["schedule-kind"], shown["schedule-at"]) == ("day", "03:00")


def test_interval_and_time_can_be_changed_and_the_next_run_is_shown(admin_page: Client):
    """AH-33, AH-36, BB-24."""
    integration = active()
    before = timezone.now()

    answer = save(
        admin_page,
        page_of(integration),
        FORM,
        **{
            "schedule-kind": "day",
            "schedule-at": "03:00",
            "schedule-timezone": "America/Los_Angeles",
        },
    )

    assert answer.status_code == 302
    integration.refresh_from_db()
    assert integration.schedule == {
        "every": "day",
        "at": "03:00",
        "timezone": "America/Los_Angeles",
    }
    assert integration.schedule_since
    assert integration.schedule_since >= before
    page = text_of(admin_page.get(page_of(integration)))
    assert "every day at 03:00 America/Los_Angeles" in page
    assert page.count("03:00 America/Los_Angeles") >= 4  # the words, and three runs
    assert "03:00 America/Los_Angeles" in text_of(admin_page.get(LIST))


def test_saving_something_else_moves_no_slot(admin_page: Client):
    """M-32."""
    since = timezone.now() - timedelta(days=2)
    schedule = {"every": "week", "on": ["monday"], "at": "06:00", "timezone": "Europe/London"}
    integration = active(schedule=schedule, schedule_since=since)

    save(admin_page, page_of(integration), FORM, priority="40")

    integration.refresh_from_db()
    assert integration.priority == 40
    assert (integration.schedule, integration.schedule_since) == (schedule, since)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"schedule-kind": "week", "schedule-days": []}, "It needs at least one day"),
        ({"schedule-kind": "day", "schedule-at": ""}, "It must be a time of the day"),
        (
            {"schedule-kind": "day", "schedule-at": "06:00", "schedule-timezone": "Europe/Lodon"},
            "Did you mean &quot;Europe/London&quot;?",
        ),
        ({"schedule-kind": "month", "schedule-day": "32"}, "It must be at most 31."),
        ({"schedule-kind": "hour", "schedule-minute": "x"}, "It must be a whole number."),
        ({"schedule-kind": "once", "schedule-once": "soon"}, "It must be a date with a time"),
        ({"schedule-kind": "cron", "schedule-cron": "0 6"}, "It has five fields"),
        ({"schedule-kind": "fortnight"}, "It must be hour, day, week or month."),
        ({"notify": "it@example.com\nnobody"}, "&quot;nobody&quot; is not an e-mail address."),
        ({"removals_percent": "11"}, "which is 10 %."),
    ],
)
def test_a_mistake_stands_at_its_part_and_nothing_is_saved(
    admin_page: Client, changed: dict[str, Any], says: str
):
    """AH-33, M-15."""
    integration = active()

    answer = save(admin_page, page_of(integration), FORM, **changed)

    assert answer.status_code == 200
    assert says in answer.content.decode()
    integration.refresh_from_db()
    assert (integration.schedule, integration.notify) == ({}, [])


def test_limits_protected_people_and_addresses_are_kept(admin_page: Client):
    """M-15, M-32."""
    integration = active()

    save(
        admin_page,
        page_of(integration),
        FORM,
        removals_percent="5",
        removals_count="2",
        protected="ceo@example.com\n\n12345\n",
        notify="it@example.com",
    )

    integration.refresh_from_db()
    assert (integration.removals_percent, integration.removals_count) == (5, 2)
    assert integration.protected == ["ceo@example.com", "12345"]
    assert integration.notify == ["it@example.com"]
    assert "at most 2 in 24 hours" in text_of(admin_page.get(page_of(integration)))


def test_the_page_says_what_became_of_the_last_slots(admin_page: Client):
    """F-16, F-17, AH-33."""
    integration = active(
        schedule={"every": "day", "at": "06:00", "timezone": "Europe/London"},
        schedule_since=timezone.now(),
    )
    run = make_run(integration)
    now = timezone.now()
    slots: list[dict[str, Any]] = [
        {"state": "started", "run": run, "catch_up": True},
        {"state": "skipped", "note": "The run before was still running."},
    ]
    for days, values in enumerate(slots, start=1):
        at = now - timedelta(days=days)
        DueSlot.objects.create(
            owner=owner_of(integration), local_date=at.date(), instant=at, **values
        )

    page = text_of(admin_page.get(page_of(integration)))

    assert f"Run {run.pk} Done catch-up" in page
    assert "Skipped: The run before was still running." in page


def test_readers_see_the_schedule_in_words(auditor: User):
    """M-36."""
    integration = active(
        schedule={"every": "hour", "minute": 5, "timezone": "UTC"},
        schedule_since=timezone.now(),
        protected=["ceo@example.com"],
    )
    client = Client()
    client.force_login(auditor)

    page = text_of(client.get(page_of(integration)))

    assert "Every hour at minute 05 UTC" in page
    assert "ceo@example.com" in page
    assert '{"every"' not in page
