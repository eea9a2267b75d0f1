"""Accounts that the vendor does not know any more: in the list, on their page, in a filter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from saas.services import note_found
from tests.config import admin_site
from tests.makers import make_application, make_saas_user

SINCE = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
def hr(hr_viewer: User) -> Client:
    return admin_site.client_for(hr_viewer)


def test_the_users_page_says_since_when_an_account_is_not_found(hr: Client):
    """GT-36: marked "not found" with the time, and still listed as active."""
    application = make_application()
    lost = make_saas_user(application, name="Lost Ann", not_found_at=SINCE)
    make_saas_user(application, name="Known Bob")
    page = reverse("admin:saas_saasuser_changelist")

    everybody = hr.get(page).content.decode()
    only = hr.get(page, {"found": "no"}).content.decode()
    own = hr.get(reverse("admin:saas_saasuser_change", args=[lost.pk])).content.decode()

    assert "Lost Ann" in everybody
    assert "Known Bob" in everybody
    assert f'datetime="{SINCE.isoformat()}"' in everybody
    assert "Lost Ann" in only
    assert "Known Bob" not in only
    assert "ot found since" in own
    assert f'datetime="{SINCE.isoformat()}"' in own


def test_the_page_of_a_known_account_says_nothing_of_it(hr: Client):
    user = make_saas_user(make_application())

    own = hr.get(reverse("admin:saas_saasuser_change", args=[user.pk])).content.decode()

    assert "ot found since" not in own


def test_the_first_time_stays_until_it_is_found(db: None):
    user = make_saas_user(make_application(), not_found_at=SINCE)

    note_found([], [user.pk], now=datetime(2026, 11, 21, tzinfo=UTC))
    user.refresh_from_db()
    assert user.not_found_at == SINCE

    note_found([user.pk], [], now=datetime(2026, 11, 21, tzinfo=UTC))
    user.refresh_from_db()
    assert user.not_found_at is None
