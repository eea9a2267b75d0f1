"""What people are told of grants: that one is gone, once, and that one is about to end."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from integrations.mails import link_to, queue_mail
from integrations.models import Credentials, Integration, Notification
from integrations.registry import vendors
from integrations.show import moment

# So many days before a refresh token that nobody could use ends, somebody is told.
WARN_DAYS = 7


def what_to_do(name: str, reason: str, *, needs_consent: bool) -> str:
    """Say why there are no tokens any more, who mends it and where. No query."""
    if reason == "invalid_client":
        step = "enters its client ID and client secret again"
    elif reason == "no_refresh_token":
        step = (
            "presses Connect there again; the vendor gave no refresh token, so its client settings "
            "may have to allow offline access"
        )
    elif needs_consent:
        step = "presses Connect there again"
    else:
        step = "checks its settings there and presses Connect"
    why = f" ({reason})" if reason not in ("", "other", "no_refresh_token") else ""
    return (
        f'The vendor does not renew the access of "{name}" any more{why}. Nothing is sent until '
        f"an IT admin opens Configuration > Security > Credentials and {step}."
    )


def tell_reconnect(row: Credentials, message: str, *, since: datetime) -> None:
    """Queue the one mail of this episode. Call it in the transaction that marks the row. 4 queries.

    Told are those who are told of the integrations that sign in with them.
    """
    users = list(Integration.objects.filter(credentials=row.pk).only("name", "notify"))
    used_by = ", ".join(f'"{user.name}"' for user in users) or "no integration"
    queue_mail(
        Notification.Kind.RECONNECT,
        f"reconnect:{row.pk}:{since.isoformat()}",
        f'The credentials "{row.name}" have to be connected again',
        [
            message,
            f"They are used by {used_by}.",
            f"The credentials: {link_to('credentials_change', row.pk)}",
            "You are told once, until they are connected again.",
        ],
        notify=[address for user in users for address in user.notify],
    )


def queue_idle_notices(now: datetime) -> int:
    """Tell of refresh tokens that soon end because nothing could use them; gives how many.

    Once for each time of their last use. One query where none is near its end.
    """
    rows = Credentials.objects.filter(
        type=Credentials.Type.OAUTH2, reconnect_since__isnull=True, refreshed_at__isnull=False
    ).only("name", "vendor", "refreshed_at")
    told = 0
    for row in rows:
        end = ends_at(row)
        if end is None or now < end - timedelta(days=WARN_DAYS):
            continue
        told += _tell_idle(row, end)
    return told


def ends_at(row: Credentials) -> datetime | None:
    """When the refresh token ends if nobody uses it before; None where the vendor says nothing."""
    vendor = vendors().get(row.vendor)
    auth = vendor.manifest.auth.oauth2 if vendor else None
    if auth is None or auth.refresh_lifetime is None or row.refreshed_at is None:
        return None
    return row.refreshed_at + timedelta(days=auth.refresh_lifetime)


def _tell_idle(row: Credentials, end: datetime) -> int:
    assert row.refreshed_at is not None  # noqa: S101 - asked for by the query
    episode = f"idle:{row.pk}:{row.refreshed_at.isoformat()}"
    if Notification.objects.filter(episode=episode).exists():
        return 0
    users = list(Integration.objects.filter(credentials=row.pk).only("name", "notify"))
    queue_mail(
        Notification.Kind.EXPIRES,
        episode,
        f'The connection of "{row.name}" ends on {moment(timezone.localtime(end).date())}',
        [
            (
                f'The credentials "{row.name}" were last renewed on {moment(row.refreshed_at)}. '
                f"If they are not renewed before {moment(end)}, they have to be connected again."
            ),
            (
                "They renew themselves every week while a worker runs and the vendor answers: the "
                "operator looks at `manage.py doctor`; an IT admin presses Connect to be safe."
            ),
            f"The credentials: {link_to('credentials_change', row.pk)}",
        ],
        notify=[address for user in users for address in user.notify],
    )
    return 1
