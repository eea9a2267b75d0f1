"""One refresher at a time, new tokens committed before use, and a grant that is gone (M-33)."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone

from integrations import services
from integrations.client import VendorClient
from integrations.errors import AskPerson, TryLater
from integrations.models import Credentials, Notification
from integrations.oauth.endpoint import Granted
from integrations.oauth.lease import take_lease
from integrations.oauth.tokens import store_tokens
from integrations.registry import get_vendor
from integrations.sealing import Edit, lock_row, write_edit
from integrations.secrets import open_sealed, seal
from tests.integrations.language.server import Reply, json_reply, serving
from tests.integrations.oauth.conftest import TokenWorld, tokens_of

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(row: Credentials) -> Credentials:
    return Credentials.objects.get(pk=row.pk)


def test_a_token_is_fetched_once_and_used_until_a_minute_before_its_end(world: TokenWorld):
    row = world.connected()

    first = tokens_of(row).current()
    again = tokens_of(row).current()

    assert first == again
    assert world.count("token.refresh") == 1
    Credentials.objects.update(
        token_expires_at=timezone.now() + timedelta(seconds=59),
        refreshed_at=timezone.now() - timedelta(hours=1),
    )
    assert tokens_of(row).current() != first
    assert world.count("token.refresh") == 2


def test_a_token_in_memory_costs_no_query(world: TokenWorld, django_assert_num_queries: Any):
    tokens = tokens_of(world.connected())
    tokens.current()

    with django_assert_num_queries(0):
        tokens.current()


def test_the_rotated_refresh_token_is_stored_and_the_spent_one_is_gone(world: TokenWorld):
    row = world.connected()
    before = open_sealed(fresh(row))["refresh_token"]

    tokens_of(row).current()

    after = open_sealed(fresh(row))
    assert after["refresh_token"] != before
    assert world.oauth.store.grant_of(after["refresh_token"])[1] is False


def test_an_answer_without_a_refresh_token_keeps_the_old_one(world: TokenWorld):
    """GoTo normally gives none."""
    world.change(rotate=False)
    row = world.connected()
    before = open_sealed(fresh(row))["refresh_token"]

    tokens_of(row).current()

    assert open_sealed(fresh(row))["refresh_token"] == before
    assert fresh(row).refreshed_at is not None


def test_eight_that_race_refresh_once(world: TokenWorld):
    """F-29, G-16."""
    row = world.connected()
    found: list[str] = []
    begin = threading.Barrier(8)

    def ask() -> None:
        tokens = tokens_of(row)
        begin.wait()
        try:
            found.append(tokens.current())
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1
    assert world.count("token.refresh") == 1
    assert world.count("token.family_revoked") == 0


def test_a_token_that_the_vendor_refuses_is_replaced_once_and_the_call_goes_on(world: TokenWorld):
    """F-28."""
    row = world.connected()
    access = services.access_for(fresh(row))
    inputs = {"account_key": world.sandbox.state["goto"].inputs()["account_key"]}
    with VendorClient(get_vendor("goto"), access, inputs=inputs) as client:
        client.test()
        world.oauth.expire_access_tokens()

        client.test()

    assert world.count("token.refresh") == 2


def test_another_token_in_the_row_is_taken_in_the_place_of_a_refused_one(world: TokenWorld):
    row = world.connected()
    first, second = tokens_of(row), tokens_of(row)
    refused = first.current()
    second.current()
    replaced = second.renew(refused)

    assert first.renew(refused) == replaced
    assert world.count("token.refresh") == 2


def test_a_grant_that_is_gone_is_told_once_and_asked_for_no_more(world: TokenWorld):
    """F-30: no retry storm, one notification, and who mends it where."""
    row = world.connected()
    world.oauth.revoke_grants()
    asked = len(world.sandbox.log.as_json()["requests"])

    for _ in range(5):
        with pytest.raises(AskPerson) as refused:
            tokens_of(row).current()

    assert refused.value.code == "refresh_refused"
    assert "presses Connect" in refused.value.message
    assert "Configuration > Security > Credentials" in refused.value.message
    assert len(world.sandbox.log.as_json()["requests"]) == asked + 1
    assert fresh(row).reconnect_since is not None
    mail = Notification.objects.get(kind=Notification.Kind.RECONNECT)
    assert f"/admin/integrations/credentials/{row.pk}/change/" in mail.body


def test_a_refresher_that_was_killed_is_followed_when_its_lease_ran_out(world: TokenWorld):
    """F-29, M-33: nobody waits for ever, and nobody refreshes beside a living one."""
    row = world.connected()
    lease = take_lease(row.pk, fence=fresh(row).token_fence)
    assert lease is not None
    waited: list[float] = []

    def pass_time(seconds: float) -> None:
        waited.append(seconds)
        assert world.count("token.refresh") == 0
        if len(waited) == 3:
            Credentials.objects.update(token_lease_until=timezone.now() - timedelta(seconds=1))

    token = tokens_of(row, sleep=pass_time).current()

    assert len(waited) == 3
    assert world.oauth.is_good(token)


def test_what_a_late_refresher_brings_is_not_written(world: TokenWorld):
    """F-12: the fence of who took over keeps it out."""
    row = world.connected()
    late = take_lease(row.pk, fence=fresh(row).token_fence)
    assert late is not None
    Credentials.objects.update(token_lease_until=timezone.now() - timedelta(seconds=1))
    good = tokens_of(row).current()

    written = store_tokens(late, Granted("stale-access-token", "stale-refresh-token", 60))

    assert written is False
    assert open_sealed(fresh(row))["access_token"] == good


def test_a_process_killed_after_the_rotation_costs_one_more_request(world: TokenWorld):
    """F-30: the vendor has rotated, we know nothing of it."""
    row = world.connected()
    spent = open_sealed(fresh(row))["refresh_token"]
    grant, _ = world.oauth.store.grant_of(spent)
    world.oauth.store.rotate(grant, timezone.now().timestamp())

    for _ in range(3):
        with pytest.raises(AskPerson):
            tokens_of(row).current()

    assert len(world.sandbox.log.as_json()["requests"]) == 1
    assert Notification.objects.filter(kind=Notification.Kind.RECONNECT).count() == 1


def test_a_refresh_token_that_came_meanwhile_is_used_before_anybody_is_called(world: TokenWorld):
    """Another may have rotated, or connected again: the row is read again first."""
    row = world.connected()
    good = open_sealed(fresh(row))["refresh_token"]
    stale = fresh(row)
    write_edit(stale, Edit(by="maker", secrets={"refresh_token": "spent-long-ago-1234"}))
    asked: list[int] = []

    def answer(_seen: Any) -> Reply:
        asked.append(1)
        if len(asked) == 1:
            with transaction.atomic():
                another = fresh(row)
                lock_row(another)
                seal(another, {"refresh_token": good}, by="maker")
                another.save(update_fields=["sealed"])
            connection.close()
            return json_reply({"error": "invalid_grant"}, 400)
        return json_reply({"access_token": "token-after-all", "expires_in": 3600})

    with serving(answer) as server:
        _send_to(row, server.origin)
        token = tokens_of(row).current()

    assert token == "token-after-all"
    assert fresh(row).reconnect_since is None


def _send_to(row: Credentials, origin: str) -> None:
    """Another token endpoint, which the operator has listed; `world` puts the list back."""
    django_settings.EGRESS_EXTRA_HOSTS = [*django_settings.EGRESS_EXTRA_HOSTS, origin]
    Credentials.objects.filter(pk=row.pk).update(settings={"token_url": f"http://{origin}/token"})


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"error": "invalid_grant", "error_description": "canary-of-a-body"}, 400),
        json_reply({"error": "invalid_client"}, 401),
        json_reply({"error": "canary-of-a-body"}, 400),
    ],
)
def test_a_refusal_tells_at_most_its_code_of_the_rfc(world: TokenWorld, reply: Reply):
    row = world.connected()

    with serving(lambda _seen: reply) as server:
        _send_to(row, server.origin)
        with pytest.raises(AskPerson) as refused:
            tokens_of(row).current()

    assert refused.value.code == "refresh_refused"
    stored = json.dumps([str(value) for value in Credentials.objects.values_list().get()])
    mails = "".join(Notification.objects.values_list("body", flat=True))
    assert "canary-of-a-body" not in refused.value.message + stored + mails
    assert fresh(row).reconnect_since is not None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(503, b"down", "text/plain"),
        Reply(500, b"<html>", "text/html"),
        Reply(200, b"<html>sign in</html>", "text/html"),
        Reply(403, b"<html>firewall</html>", "text/html"),
        json_reply({"error": "temporarily_unavailable"}, 400),
        json_reply({"token": "none"}),
        json_reply({"error": "slow_down"}, 429, Retry_After="7"),
    ],
)
def test_a_token_endpoint_that_is_unwell_ends_no_grant(world: TokenWorld, reply: Reply):
    """5xx, time-outs and pages of somebody else are tried again later."""
    row = world.connected()

    with serving(lambda _seen: reply) as server:
        _send_to(row, server.origin)
        with pytest.raises(TryLater) as later:
            tokens_of(row).current()

    assert later.value.code == "no_token"
    assert later.value.retry_after == (7.0 if reply.status == 429 else None)
    assert fresh(row).reconnect_since is None
    assert fresh(row).token_lease_until is None


def test_a_call_without_a_token_was_never_sent(world: TokenWorld):
    row = world.connected()
    access = services.access_for(fresh(row))
    world.oauth.revoke_grants()
    inputs = world.sandbox.state["goto"].inputs()

    with (
        VendorClient(get_vendor("goto"), access, inputs=inputs) as client,
        pytest.raises(AskPerson) as refused,
    ):
        client.call("POST", "accounts/1/users", json={})

    assert refused.value.sent is False


def test_a_token_endpoint_elsewhere_is_not_called(world: TokenWorld):
    """S-10, S-11: not a host of the vendor, and not listed."""
    row = world.connected()

    with serving(lambda _seen: json_reply({"access_token": "stolen"})) as server:
        for url in (f"http://{server.origin}/token", "https://evil.example/token"):
            Credentials.objects.filter(pk=row.pk).update(settings={"token_url": url})
            with pytest.raises(AskPerson):
                tokens_of(row).current()

    assert server.seen == []


def test_a_token_by_the_clients_own_name_needs_no_consent(world: TokenWorld):
    world.change(grant_types=["client_credentials"])
    row = world.waiting()
    Credentials.objects.filter(pk=row.pk).update(
        settings={**world.settings(), "grant_type": "client_credentials", "scope": "identity:"}
    )

    assert world.oauth.is_good(tokens_of(row).current())
    assert world.count("token.client_credentials") == 1


def test_credentials_that_nobody_connected_ask_for_connect(world: TokenWorld):
    row = world.waiting()

    with pytest.raises(AskPerson, match="press Connect"):
        tokens_of(row).current()

    assert fresh(row).reconnect_since is None
    assert world.sandbox.log.as_json()["requests"] == []


def test_a_refresh_keeps_what_a_person_entered_meanwhile(world: TokenWorld):
    """Neither a form that was open for long nor a refresh puts old secrets back."""
    row = world.connected()
    opened = fresh(row)
    tokens_of(row).current()
    after_refresh = open_sealed(fresh(row))

    write_edit(opened, Edit(by="maker", secrets={"client_secret": "a-new-client-secret"}))

    now = open_sealed(fresh(row))
    assert now == {**after_refresh, "client_secret": "a-new-client-secret"}
    assert fresh(row).token_fence == 2  # the first edit, the refresh, not the second edit


def test_another_client_ends_what_was_granted(world: TokenWorld):
    row = world.connected()
    tokens_of(row).current()

    write_edit(fresh(row), Edit(by="maker", secrets={"client_id": "another-client"}))

    assert set(open_sealed(fresh(row))) == {"client_id", "client_secret"}
    assert fresh(row).refreshed_at is None


def test_the_same_client_with_a_new_secret_stays_connected(world: TokenWorld):
    """Client ID and secret are entered again after `invalid_client`, or the secret was rotated."""
    row = world.connected()
    token = tokens_of(row).current()
    before = open_sealed(fresh(row))

    with transaction.atomic():
        edited = fresh(row)
        lock_row(edited)
        again = {"client_id": before["client_id"], "client_secret": "new-secret-0123456789"}
        write_edit(edited, Edit(by="it-admin", secrets=again, anew=True))

    after = open_sealed(fresh(row))
    assert after == {**before, "client_secret": "new-secret-0123456789"}
    assert fresh(row).refreshed_at is not None
    assert tokens_of(row).current() == token


def test_no_token_stands_in_any_row_in_clear(world: TokenWorld, caplog: pytest.LogCaptureFixture):
    """S-01, S-05: the database, the history and the log hold none."""
    row = world.connected()
    tokens_of(row).current()
    secrets = open_sealed(fresh(row)).values()

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM integrations_credentials")
        row_of = cursor.fetchone()
        cells = [str(bytes(one) if isinstance(one, memoryview) else one) for one in row_of]
        cursor.execute("SELECT * FROM integrations_historicalcredentials")
        cells += [str(one) for line in cursor.fetchall() for one in line]
    text = " ".join(cells) + caplog.text + repr(tokens_of(row)) + repr(services.access_for(row))
    assert not [one for one in secrets if one in text]
    assert fresh(row).hints.keys() == {"client_id", "client_secret", "refresh_token"}
    assert fresh(row).hints["refresh_token"]["last4"] == ""
