"""Making mails: who gets them, their text without surprises, and their place in the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse

from integrations.addresses import is_address
from integrations.models import Installation, Integration, Notification, SyncRun

_LONGEST_SUBJECT = 200


def usable(addresses: Iterable[Any]) -> list[str]:
    """The addresses that mail can be sent to, each once."""
    return list(dict.fromkeys(one for one in addresses if isinstance(one, str) and is_address(one)))


def recipients_of(notify: Iterable[Any]) -> list[str]:
    """Those that are named, else the installation's. One query where none is named."""
    return usable(notify) or usable(Installation.the().notify)


def misses_failures(integration: Integration) -> bool:
    """Say whether nobody is told when a run of this integration fails (BB-31). One query."""
    return not recipients_of(integration.notify)


def queue_mail(
    kind: str,
    episode: str,
    subject: str,
    paragraphs: Sequence[str],
    *,
    notify: Iterable[Any],
    run: SyncRun | None = None,
) -> None:
    """Put a mail into the outbox, unless its episode has one. Two queries.

    `notify` are the addresses of whom it is about; the installation's are told where it is empty.
    """
    mail = mail_row(
        kind, episode, f"[Rolecall] {subject}", "\n\n".join(paragraphs), recipients_of(notify)
    )
    mail.integration_id = run.integration_id if run else None
    mail.run = run
    Notification.objects.bulk_create([mail], ignore_conflicts=True)


def mail_row(
    kind: str, episode: str, subject: str, body: str, recipients: Iterable[Any]
) -> Notification:
    """Make a mail that waits to be sent to these addresses, without saving it. No query."""
    known = usable(recipients)
    return Notification(
        kind=kind,
        episode=episode,
        subject=one_line(subject)[:_LONGEST_SUBJECT],
        body=_plain(body),
        recipients=known,
        state=Notification.State.QUEUED if known else Notification.State.NOBODY,
    )


def link_to(page: str, pk: int | None) -> str:
    """The whole address of a page of the admin, such as `syncrun_change`."""
    path = reverse(f"admin:integrations_{page}", args=(pk,))
    return f"{settings.PUBLIC_URL}{path}"


def one_line(text: str) -> str:
    """Text that can begin no other line or header."""
    return _plain(" ".join(text.split()))


def _plain(text: str) -> str:
    """Without characters that mail programs would act on, such as escapes; line breaks stay."""
    return "".join(one if one.isprintable() or one == "\n" else " " for one in text)
