"""What nobody uses for a week is renewed, and somebody is told before a connection ends unused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.doctor import examine
from integrations.installation import pause_installation
from integrations.models import Credentials, Notification
from integrations.oauth.keeping import refresh_one, waiting_refreshes
from integrations.oauth.telling import queue_idle_notices
from tests.integrations.oauth.conftest import TokenWorld, tokens_of

pytestmark = pytest.mark.django_db(transaction=True)


def aged(world: TokenWorld, days: float) -> Credentials:
    """Connected credentials whose token was last renewed so many days ago."""
    row = world.connected()
    tokens_of(row).current()
    Credentials.objects.update(refreshed_at=timezone.now() - timedelta(days=days))
    return row


def test_a_connection_is_renewed_after_a_week_without_use(world: TokenWorld):
    aged(world, 7.1)
    now = timezone.now()
    assert waiting_refreshes(now)[0] == 1

    assert refresh_one(now) is True

    assert world.count("token.refresh") == 2
    assert refresh_one(now) is False
    assert waiting_refreshes(now) == (0, None)


def test_one_that_was_used_within_the_week_is_left_alone(
    world: TokenWorld, django_assert_num_queries: Any
):
    aged(world, 6.9)

    with django_assert_num_queries(1):
        assert refresh_one(timezone.now()) is False

    assert world.count("token.refresh") == 1


def test_a_renewal_that_fails_is_tried_again_after_an_hour(world: TokenWorld):
    row = aged(world, 8)
    good = row.settings
    listed = {"token_url": good["token_url"].replace("/oauth/token", "/oauth/none")}
    Credentials.objects.update(settings=listed)
    now = timezone.now()

    assert refresh_one(now) is True
    assert refresh_one(now) is False
    failed = Credentials.objects.get()
    assert failed.test_message.startswith("The weekly renewal failed.")
    Credentials.objects.update(settings=good)

    assert refresh_one(now + timedelta(minutes=61)) is True
    assert Credentials.objects.get().test_state == "untested"


def test_a_paused_installation_renews_nothing(world: TokenWorld):
    """F-43: what it holds may be older than what the vendor gave."""
    aged(world, 8)
    pause_installation("it was restored", by="me", now=timezone.now())

    assert refresh_one(timezone.now()) is False


def test_a_grant_that_is_gone_is_not_tried_every_tick(world: TokenWorld):
    """F-30."""
    aged(world, 8)
    world.oauth.revoke_grants()

    assert refresh_one(timezone.now()) is True
    assert refresh_one(timezone.now() + timedelta(days=1)) is False
    assert Notification.objects.filter(kind=Notification.Kind.RECONNECT).count() == 1
    assert not Credentials.objects.get().test_message.startswith("The weekly")


def test_somebody_is_told_a_week_before_a_connection_ends_unused(world: TokenWorld):
    aged(world, 24)
    now = timezone.now()

    assert queue_idle_notices(now) == 1
    assert queue_idle_notices(now) == 0

    mail = Notification.objects.get()
    assert mail.kind == Notification.Kind.EXPIRES
    assert "GoTo production" in mail.subject


def test_nobody_is_told_while_it_is_renewed_in_time(world: TokenWorld):
    aged(world, 7)

    assert queue_idle_notices(timezone.now()) == 0


def test_the_doctor_names_what_has_to_be_connected_again(world: TokenWorld):
    row = world.connected()
    Credentials.objects.filter(pk=row.pk).update(reconnect_since=timezone.now())

    found = [one for one in examine(timezone.now()) if one.check == "connections"]

    assert [one.state for one in found] == ["bad"]
    assert '"GoTo production" has to be connected again' in found[0].sentence
