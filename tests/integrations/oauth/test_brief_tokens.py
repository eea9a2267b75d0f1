"""Tokens that end at once, that come again as they were, and clocks that disagree (F-28, M-33)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from integrations.models import Credentials
from tests.integrations.language.server import Reply, json_reply, serving
from tests.integrations.oauth.conftest import TokenWorld, tokens_of

pytestmark = pytest.mark.django_db(transaction=True)
_ENOUGH = 4  # requests; whoever asks more often than this would ask for ever


def endpoint(answers: list[dict[str, Any]]) -> Any:
    """A token endpoint that gives these answers in turn, the last of them again and again."""
    asked: list[int] = []

    def answer(_seen: Any) -> Reply:
        asked.append(1)
        if len(asked) > _ENOUGH:
            return json_reply({"error": "invalid_grant"}, 400)
        return json_reply(answers[min(len(asked), len(answers)) - 1])

    return serving(answer)


def send_to(row: Credentials, origin: str) -> None:
    django_settings.EGRESS_EXTRA_HOSTS = [*django_settings.EGRESS_EXTRA_HOSTS, origin]
    Credentials.objects.filter(pk=row.pk).update(settings={"token_url": f"http://{origin}/token"})


@pytest.mark.parametrize("lifetime", [1, 30, 60, 61])
def test_a_token_that_ends_within_a_minute_is_asked_for_once_and_used(
    world: TokenWorld, lifetime: int
):
    row = world.connected()

    with endpoint([{"access_token": "brief-token-1", "expires_in": lifetime}]) as server:
        send_to(row, server.origin)
        token = tokens_of(row).current()

    assert token == "brief-token-1"
    assert len(server.seen) == 1


def test_a_token_of_half_a_minute_serves_more_than_one_request(world: TokenWorld):
    row = world.connected()

    with endpoint([{"access_token": "brief-token-1", "expires_in": 30}]) as server:
        send_to(row, server.origin)
        tokens = tokens_of(row)
        given = {tokens.current() for _request in range(10)} | {tokens_of(row).current()}

    assert given == {"brief-token-1"}
    assert len(server.seen) == 1


def test_a_vendor_that_gives_the_refused_token_again_is_asked_once(world: TokenWorld):
    """F-28: refreshed once, whatever comes of it."""
    row = world.connected()

    with endpoint([{"access_token": "same-token-1", "expires_in": 3600}]) as server:
        send_to(row, server.origin)
        tokens = tokens_of(row)
        refused = tokens.current()
        again = tokens.renew(refused)

    assert again == refused
    assert len(server.seen) == 2


def test_a_clock_that_is_a_day_ahead_of_the_database_asks_for_one_token(world: TokenWorld):
    """`connect` means "since now", which for the database is tomorrow."""
    row = world.connected()

    with endpoint([{"access_token": "token-1", "expires_in": 3600}]) as server:
        send_to(row, server.origin)
        tokens_of(row).refresh(unless_since=timezone.now() + timedelta(days=1))

    assert len(server.seen) == 1
    assert Credentials.objects.get().reconnect_since is None
