"""Sending what is queued for mail: each once, or shown as perhaps sent; nothing is given up."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db.models import Count, F, Min, Q, QuerySet, Value
from django.db.models.functions import Least
from django.utils import timezone

from integrations.mails import recipients_of
from integrations.models import Notification

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=30)
# Longer than any dialogue with a mail server takes, each step of which may last TIMEOUT_SECONDS.
CLAIM_LASTS = timedelta(minutes=20)
TIMEOUT_SECONDS = 20
_MOST_COUNTED = 1_000
_DOUBLINGS = 10
_GOOD = frozenset({250, 251})
_DATA_TAKEN = 250
_PERHAPS = (
    "It ended while the mail was sent; it may have arrived. Ask those who were to get it, "
    "and press Send again if it did not."
)
_TROUBLE = (OSError, smtplib.SMTPException)
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (
        smtplib.SMTPAuthenticationError,
        "The mail server did not accept the user name or password. Check EMAIL_URL.",
    ),
    (smtplib.SMTPResponseException, "The mail server refused."),
    (socket.gaierror, "The host of the mail server was not found. Check EMAIL_URL."),
    (ssl.SSLError, "The mail server has no valid certificate. Check EMAIL_URL."),
    (TimeoutError, "The mail server did not answer in time."),
    (ConnectionRefusedError, "There is no connection to the mail server."),
)
_OTHERWISE = "The mail server ended the connection."


class _Refused(Exception):
    """The mail server certainly did not take the mail; the text is a sentence for the admin."""


def due(now: datetime) -> QuerySet[Notification]:
    """Mails whose turn it is."""
    return Notification.objects.filter(state=Notification.State.QUEUED, next_try_at__lte=now)


def waiting_mails(now: datetime) -> tuple[int, datetime | None]:
    """How many mails are to be sent now, and since when the first of them is. One query."""
    found = due(now).aggregate(number=Count("pk"), since=Min("next_try_at"))
    return found["number"], found["since"]


def undelivered() -> QuerySet[Notification]:
    """Mails that somebody should look at: tried in vain, perhaps sent, or for nobody."""
    state = Notification.State
    tried = Q(state=state.QUEUED, attempts__gt=0)
    return Notification.objects.filter(tried | Q(state__in=[state.UNKNOWN, state.NOBODY]))


def send_one(now: datetime | None = None) -> bool:
    """Send the mail that waits longest; gives False when there is nothing more to do now.

    The mail server is reached before the mail is claimed, and a claim is committed before anything
    is sent: of several senders one gets it, and a process that is killed in between leaves a claim
    behind, never a second mail. Not to be called in a transaction. Raises django.db.Error, nothing
    else: whatever a mail server does stands on the mail.
    """
    now = now or timezone.now()
    mail = due(now).order_by("next_try_at", "pk").first()
    if mail is None:
        return False
    with _mail_server() as server:
        try:
            server.open()
        except Exception as problem:  # noqa: BLE001 - the next mail, and the next run, may be well
            due(now).update(  # all of them: the others would only wait for the same time-out
                next_try_at=_next_try(mail.attempts, now),
                error=_why(problem),
                attempts=_one_more(),
            )
            return False
        if _claim(mail, now):
            _send(mail, server, now)
    return True


def note_lost_claims(now: datetime | None = None) -> int:
    """Show mails as perhaps sent whose sender fell silent; gives how many. One query."""
    lost = Notification.objects.filter(
        state=Notification.State.SENDING,
        claimed_at__lt=(now or timezone.now()) - CLAIM_LASTS,
    )
    return lost.update(state=Notification.State.UNKNOWN, error=_PERHAPS)


def send_again(ids: Iterable[int], *, now: datetime | None = None) -> int:
    """Queue mails that perhaps were sent, or had nobody to go to; gives how many.

    Who is told is looked up again. One query, and up to two for each mail.
    """
    again = (Notification.State.UNKNOWN, Notification.State.NOBODY)
    found = Notification.objects.filter(pk__in=list(ids), state__in=again)
    queued = 0
    for mail in found.select_related("integration"):
        integration = mail.integration
        recipients = mail.recipients or recipients_of(integration.notify if integration else [])
        if not recipients:
            continue
        queued += Notification.objects.filter(pk=mail.pk, state=mail.state).update(
            state=Notification.State.QUEUED,
            recipients=recipients,
            next_try_at=now or timezone.now(),
            claimed_at=None,
            error="",
        )
    return queued


def message_of(mail: Notification) -> EmailMessage:
    """The mail as it is sent: plain text, and the same Message-ID however often it is tried."""
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    return EmailMessage(
        subject=mail.subject,
        body=f"{mail.body}\n",
        to=mail.recipients,
        headers={
            "Message-ID": f"<rolecall-{mail.pk}-{mail.created_at:%Y%m%d%H%M%S%f}@{host}>",
            "Auto-Submitted": "auto-generated",
        },
    )


@contextmanager
def _mail_server() -> Iterator[Any]:
    """Django's e-mail backend, closed afterwards whatever happened."""
    server = get_connection(timeout=settings.EMAIL_TIMEOUT or TIMEOUT_SECONDS)
    try:
        yield server
    finally:
        with suppress(*_TROUBLE):
            server.close()


def _claim(mail: Notification, now: datetime) -> bool:
    """Take the mail; False when another sender has it. One query, committed."""
    return bool(
        due(now)
        .filter(pk=mail.pk)
        .update(state=Notification.State.SENDING, claimed_at=now, attempts=_one_more())
    )


def _send(mail: Notification, server: Any, now: datetime) -> None:
    """Hand over a claimed mail and write down how that ended. One query."""
    ours = Notification.objects.filter(pk=mail.pk, claimed_at=now)
    try:
        left_out = _hand_over(message_of(mail), server)
    except _Refused as problem:
        ours.update(
            state=Notification.State.QUEUED,
            claimed_at=None,
            next_try_at=_next_try(mail.attempts, now),
            error=str(problem)[:300],
        )
    except Exception as problem:  # noqa: BLE001 - as above; it may be on its way
        ours.update(state=Notification.State.UNKNOWN, error=f"{_why(problem)} {_PERHAPS}"[:300])
    else:
        error = f"Not taken for {', '.join(left_out)}." if left_out else ""
        ours.update(state=Notification.State.SENT, sent_at=now, error=error[:300])


def _hand_over(message: EmailMessage, server: Any) -> list[str]:
    """Send, and give the recipients that the mail server does not take.

    Until the mail's text is sent nothing can have arrived, so any ending before that is a refusal;
    an ending without an answer after it is not. Raises _Refused, OSError or SMTPException.
    """
    try:
        recipients = message.recipients()
        raw = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
    except ValueError as problem:  # a header that would begin another one
        raise _Refused("The mail cannot be written; an address or the subject is odd.") from problem
    smtp = getattr(server, "connection", None)
    if not isinstance(smtp, smtplib.SMTP):
        server.send_messages([message])  # the log, a file, or memory
        return []
    try:
        left_out = _name_recipients(smtp, parseaddr(message.from_email)[1], recipients)
    except _TROUBLE as problem:
        raise _Refused(_why(problem)) from problem
    try:
        code, _answer = smtp.data(raw)
    except smtplib.SMTPDataError as problem:
        raise _Refused(_why(problem)) from problem
    if code != _DATA_TAKEN:
        raise _Refused(f"The mail server refused the mail ({code}).")
    return left_out


def _name_recipients(smtp: smtplib.SMTP, sender: str, recipients: list[str]) -> list[str]:
    """Say from whom and to whom; gives the addresses that are not taken, if others are."""
    smtp.ehlo_or_helo_if_needed()
    code, _answer = smtp.mail(sender)
    if code not in _GOOD:
        raise _Refused(f"The mail server does not take mail from {sender} ({code}).")
    codes = {address: smtp.rcpt(address)[0] for address in recipients}
    left_out = [address for address, code in codes.items() if code not in _GOOD]
    if len(left_out) == len(recipients):
        refusals = ", ".join(str(code) for code in sorted(set(codes.values())))
        raise _Refused(f"The mail server takes none of the addresses ({refusals}).")
    return left_out


def _next_try(attempts: int, now: datetime) -> datetime:
    """When to try again after so many tries before this: 10 s, 20 s, 40 s, ... 30 minutes."""
    wait: timedelta = FIRST_WAIT * 2 ** min(attempts, _DOUBLINGS)
    return now + min(wait, LONGEST_WAIT)


def _one_more() -> Least:
    return Least(F("attempts") + 1, Value(_MOST_COUNTED))


def _why(problem: Exception) -> str:
    """What happened, in a sentence without the words of the server."""
    code = getattr(problem, "smtp_code", None)
    words = next((words for kind, words in _WORDS if isinstance(problem, kind)), _OTHERWISE)
    return words if code is None else f"{words} The code was {code}."
