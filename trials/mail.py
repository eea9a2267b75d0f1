"""Mails while the mail server refuses and senders are killed: none twice, none lost (F-22).

A sending process is killed without a word in each phase of a mail, also between the server's answer
and the commit that notes it; time is passed in, so ten minutes of refusals take no ten minutes.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from trials.database import fork, kill, own_database
from trials.mailserver import PHASES, MailServer
from trials.report import Promise, finish, make_parser, progress

if TYPE_CHECKING:
    from integrations.models import Notification

KILLS, SHORT_KILLS = 50, 16
CROWD, SHORT_CROWD = 60, 20
SENDERS = 4
REFUSED_FOR = timedelta(minutes=10)
TICK = timedelta(seconds=5)
# How long the sender lives on after the phase was reached: it may come to its commit, or not.
_MOST_SECONDS = 0.012
_SEED = 22
_REFUSALS = (
    {"connected": "421 busy"},
    {"sender": "451 later"},
    {"recipient": "450 later"},
    {"data": "452 full"},
    {"taken": "451 later"},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial on a database and a mail server of its own."""
    options = make_parser(__doc__).parse_args(arguments)
    with own_database("mail"):
        _use_smtp()
        promises = [
            *_try_kills(SHORT_KILLS if options.short else KILLS),
            _try_refusals(),
            _try_crowd(SHORT_CROWD if options.short else CROWD),
        ]
    return finish("Mails that are sent once (F-22)", promises, as_json=options.json)


def _use_smtp() -> None:
    from django.conf import settings

    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"


def _try_kills(number: int) -> list[Promise]:
    """Kill a sender in a random moment of each mail, then let time pass and another go on."""
    from integrations.models import Notification
    from integrations.outbox import CLAIM_LASTS, note_lost_claims

    chance = random.Random(_SEED)  # noqa: S311 - no secret
    with _server() as server:
        phases: Counter[str] = Counter()
        for attempt in range(number):
            mail = _queue()
            phase = PHASES[attempt % len(PHASES)]
            phases[phase] += 1
            _send_and_kill(server, mail.created_at, phase, chance.uniform(0, _MOST_SECONDS))
            later = mail.created_at + CLAIM_LASTS + TICK
            note_lost_claims(later)
            _send_the_rest(server, later)
            if attempt % 10 == 0:
                progress(f"{attempt + 1} kills")
        states = Counter(Notification.objects.values_list("state", flat=True))
        figures = {"kills": number, **dict(sorted(states.items()))}
        twice, lost = _judge(server)
    return [
        Promise("delivered twice, after kills", number, twice, figures),
        Promise("lost without a word, after kills", number, lost),
    ]


def _send_and_kill(server: MailServer, now: datetime, phase: str, seconds: float) -> None:
    """A process sends; it is killed so many seconds after the phase was reached."""
    sender = fork(lambda: _send_all(server, now))

    def watch(reached: str) -> None:
        if reached == phase:
            time.sleep(seconds if phase == "answered" else 0)
            kill(sender)

    server.serve_one(watch)
    kill(sender)


def _send_the_rest(server: MailServer, now: datetime) -> None:
    """Another process goes on with what still waits."""
    from integrations.outbox import waiting_mails

    while waiting_mails(now)[0]:
        sender = fork(lambda: _send_all(server, now))
        server.serve_one()
        _wait_for(sender)


def _try_refusals() -> Promise:
    """Ten minutes in which the server refuses in one phase, or is not there; then it takes mail."""
    from integrations.models import Notification

    broken, tries = [], 0
    for refusal in (*_REFUSALS, None):
        with _server() as server:
            mail = _queue()
            began = now = mail.created_at
            while now < began + timedelta(hours=1):
                away = refusal is None and now < began + REFUSED_FOR
                server.refuse = (refusal or {}) if now < began + REFUSED_FOR else {}
                tries += _tick(server, now, away=away)
                now += TICK
            mail.refresh_from_db()
            times = sum(server.delivered.values())
            if (mail.state, times) != (Notification.State.SENT, 1):
                broken.append(f"{refusal}: {mail.state}, delivered {times} times: {mail.error}")
    return Promise("delivered once after ten minutes of refusals", len(_REFUSALS) + 1, broken,
                   {"tries": tries})  # fmt: skip


def _tick(server: MailServer, now: datetime, *, away: bool) -> int:
    """What a worker does when it is woken: nothing, or one try in a process of its own."""
    from django.conf import settings

    from integrations.outbox import send_one, waiting_mails

    if not waiting_mails(now)[0]:
        return 0
    if away:
        settings.EMAIL_PORT = 1  # nobody listens there
        send_one(now)
        settings.EMAIL_PORT = server.port
        return 1
    sender = fork(lambda: _send_all(server, now))
    server.serve_one()
    _wait_for(sender)
    return 1


def _try_crowd(number: int) -> Promise:
    """Several processes send what waits at the same time."""
    from integrations.models import Notification

    with _server() as server:
        last = [_queue() for _ in range(number)][-1]
        senders = [fork(lambda: _send_all(server, last.created_at)) for _ in range(SENDERS)]
        while server.serve_one(seconds=3.0):
            pass
        for sender in senders:
            _wait_for(sender)
        twice, lost = _judge(server)
        sent = Notification.objects.filter(state="sent").count()
    broken = [*twice, *lost]
    if sent != number:
        broken.append(f"{sent} of {number} were sent")
    return Promise(f"sent once by {SENDERS} processes at once", number, broken)


def _judge(server: MailServer) -> tuple[list[str], list[str]]:
    """What was delivered more than once; what is said to be sent, or to wait, and is not so."""
    from integrations.models import Notification
    from integrations.outbox import message_of

    twice = [f"{key}: {count} times" for key, count in server.delivered.items() if count > 1]
    lost = []
    for mail in Notification.objects.order_by("pk"):
        times = server.delivered[message_of(mail).extra_headers["Message-ID"]]
        if times != {"sent": 1, "queued": 0}.get(mail.state, times):
            lost.append(f"mail {mail.pk} is {mail.state} and was delivered {times} times")
        if mail.state not in {"sent", "queued", "unknown"}:
            lost.append(f"mail {mail.pk} is {mail.state} for ever")
    return twice, lost


def _server() -> MailServer:
    """A fresh mail server, and an empty outbox."""
    from integrations.models import Notification

    Notification.objects.all().delete()
    return MailServer()


def _queue() -> Notification:
    from tests.makers import make_notification

    return make_notification()


def _send_all(server: MailServer, now: datetime) -> None:
    from django.conf import settings

    from integrations.outbox import send_one

    server.close_listening()
    settings.EMAIL_PORT = server.port
    while send_one(now):
        pass


def _wait_for(pid: int) -> None:
    os.waitpid(pid, 0)


if __name__ == "__main__":
    sys.exit(main())
