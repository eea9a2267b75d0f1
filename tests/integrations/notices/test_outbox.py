"""Mails go out once, wait for a mail server that refuses, and are never sent again unasked."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as memory
from django.db import connection
from django.utils import timezone

from integrations.models import Notification
from integrations.outbox import (
    CLAIM_LASTS,
    message_of,
    note_lost_claims,
    send_again,
    send_one,
    undelivered,
    waiting_mails,
)
from tests.makers import make_integration, make_notification
from trials.mailserver import MailServer

NOW = timezone.now() + timedelta(days=1)  # later than the mails, however long the suite takes


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with MailServer() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


def send(server: MailServer, now: Any = NOW) -> bool:
    """Send one mail while the server serves one connection."""
    serving = threading.Thread(target=server.serve_one, kwargs={"seconds": 5})
    serving.start()
    try:
        return send_one(now)
    finally:
        serving.join()


def test_a_mail_is_sent_once_as_plain_text(db: None, server: MailServer) -> None:
    """F-22."""
    row = make_notification(subject="[Rolecall] Zoë waits", body="Line\n.dot")

    first, second = send(server), send_one(NOW)

    row.refresh_from_db()
    assert (first, second) == (True, False)
    assert (row.state, row.attempts, row.sent_at) == ("sent", 1, NOW)
    assert list(server.delivered.values()) == [1]
    assert b"Content-Type: text/plain" in server.texts[0]
    assert b"..dot" in server.texts[0]


@pytest.mark.parametrize("phase", ["connected", "sender", "recipient", "data", "taken"])
def test_a_mail_that_is_refused_waits_longer_and_longer(
    db: None, server: MailServer, phase: str
) -> None:
    """F-22: 10 s, 20 s, ... half an hour; why stands on the row, without the server's words."""
    row = make_notification()
    server.refuse = {phase: "451 secret-words"}

    now, waits = NOW, []
    for _ in range(3):
        send(server, now)
        row.refresh_from_db()
        waits.append((row.next_try_at - now).total_seconds())
        now = row.next_try_at
    server.refuse = {}
    send(server, now)

    row.refresh_from_db()
    assert waits == [10, 20, 40]
    assert row.state == "sent"
    assert list(server.delivered.values()) == [1]


def test_a_mail_server_that_is_away_keeps_all_mails_waiting(db: None, server: MailServer) -> None:
    """F-22: one look for all of them."""
    for _ in range(2):
        make_notification()
    server.close_listening()

    done = send_one(NOW)

    rows = Notification.objects.all()
    assert done is False
    assert {row.state for row in rows} == {"queued"}
    assert {row.error for row in rows} == {"There is no connection to the mail server."}
    assert waiting_mails(NOW) == (0, None)
    assert undelivered().count() == 2


def test_the_words_of_the_server_stand_nowhere(db: None, server: MailServer) -> None:
    row = make_notification()
    server.refuse = {"sender": "550 secret-words"}

    send(server)

    row.refresh_from_db()
    assert "secret-words" not in row.error
    assert "550" in row.error


def test_an_ending_without_an_answer_is_shown_as_perhaps_sent(db: None, server: MailServer) -> None:
    """Nobody knows whether it arrived, so it is not sent again by itself."""
    row = make_notification()

    def cut(phase: str) -> None:
        if phase == "taken":
            raise ConnectionResetError

    serving = threading.Thread(target=server.serve_one, args=[cut])
    serving.start()
    send_one(NOW)
    serving.join()
    again = send_one(NOW + timedelta(days=1))

    row.refresh_from_db()
    assert row.state == "unknown"
    assert again is False


def test_a_claim_whose_sender_died_becomes_perhaps_sent(db: None) -> None:
    row = make_notification(state="sending", claimed_at=NOW)

    early = note_lost_claims(NOW + CLAIM_LASTS)
    late = note_lost_claims(NOW + CLAIM_LASTS + timedelta(seconds=1))

    row.refresh_from_db()
    assert (early, late) == (0, 1)
    assert row.state == "unknown"


def test_sending_again_keeps_the_message_id(db: None, server: MailServer) -> None:
    row = make_notification(state="unknown", claimed_at=NOW)
    before = message_of(row).extra_headers["Message-ID"]

    queued = send_again([row.pk], now=NOW)
    send(server)

    row.refresh_from_db()
    assert queued == 1
    assert row.state == "sent"
    assert list(server.delivered) == [before]


def test_a_mail_for_nobody_finds_those_who_are_named_since(db: None) -> None:
    """BB-31."""
    integration = make_integration()
    row = make_notification(state="nobody", recipients=[], integration=integration)
    before = send_again([row.pk])
    integration.notify = ["it@example.com"]
    integration.save()

    after = send_again([row.pk])

    row.refresh_from_db()
    assert (before, after) == (0, 1)
    assert (row.state, row.recipients) == ("queued", ["it@example.com"])


@pytest.mark.parametrize("state", ["sent", "sending", "queued"])
def test_only_what_perhaps_was_sent_or_had_nobody_can_be_sent_again(db: None, state: str) -> None:
    row = make_notification(state=state)

    assert send_again([row.pk]) == 0


def test_a_header_cannot_be_smuggled_in(db: None, server: MailServer) -> None:
    row = make_notification(subject="Hello\r\nBcc: x@example.com")

    send(server)

    row.refresh_from_db()
    assert row.state == "queued"
    assert not server.delivered


def test_an_address_that_is_not_taken_is_named_and_the_others_get_the_mail(
    db: None, server: MailServer, monkeypatch: Any
) -> None:
    row = make_notification(recipients=["a@example.com", "b@example.com"])
    real = smtplib.SMTP.rcpt

    def refuse_b(smtp: Any, address: str, *rest: Any) -> Any:
        return (550, b"no") if address.startswith("b@") else real(smtp, address, *rest)

    monkeypatch.setattr(smtplib.SMTP, "rcpt", refuse_b)
    send(server)

    row.refresh_from_db()
    assert row.state == "sent"
    assert row.error == "Not taken for b@example.com."


def test_two_senders_send_a_mail_once(transactional_db: None, settings: Any) -> None:
    """F-22, by compare-and-set."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    for _ in range(20):
        make_notification()

    def work() -> None:
        try:
            while send_one(NOW):
                pass
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    sent = [one.extra_headers["Message-ID"] for one in memory.outbox]
    assert len(sent) == len(set(sent)) == 20
    assert set(Notification.objects.values_list("state", flat=True)) == {"sent"}


def test_looking_for_mails_costs_one_query(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert send_one(NOW) is False
    with django_assert_num_queries(1):
        assert waiting_mails(NOW) == (0, None)
