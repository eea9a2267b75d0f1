"""Credentials that expire are told of once for each date."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from integrations.models import Credentials, Installation, Notification
from integrations.notices import queue_expiry_notices
from tests.makers import make_credentials, make_integration

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_key_is_told_of_once_for_each_date(db: None) -> None:
    key = make_credentials(expires_on=date(2026, 12, 5))
    make_integration(credentials=key, notify=["owner@example.com"])

    numbers = [queue_expiry_notices(NOW), queue_expiry_notices(NOW)]
    Credentials.objects.update(expires_on=date(2026, 11, 20))
    numbers.append(queue_expiry_notices(NOW))

    first, second = Notification.objects.order_by("pk")
    assert numbers == [1, 0, 1]
    assert first.recipients == ["owner@example.com"]
    assert "expire on 5 Dec 2026" in first.subject
    assert "expired on 20 Nov 2026" in second.subject


def test_how_long_before_is_a_setting(db: None) -> None:
    make_credentials(expires_on=date(2026, 12, 6))

    before = queue_expiry_notices(NOW)
    Installation.objects.update_or_create(pk=1, defaults={"warn_before_expiry_days": 15})

    assert (before, queue_expiry_notices(NOW)) == (0, 1)


def test_nothing_due_costs_one_query(db: None, django_assert_num_queries: Any) -> None:
    make_credentials(expires_on=date(2030, 1, 1))

    with django_assert_num_queries(1):
        queue_expiry_notices(NOW)
