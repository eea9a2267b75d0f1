"""Refreshing what nobody has used for a week, so that no refresh token ends unused (F-30)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Min, Q, QuerySet
from django.db.models.functions import Coalesce

from integrations.errors import IntegrationsError
from integrations.models import Credentials, Installation
from integrations.oauth.tokens import DatabaseTokens

logger = logging.getLogger(__name__)
EVERY = timedelta(days=7)
_TRIED_AGAIN_AFTER = timedelta(hours=1)
_USED_AT = Coalesce("refreshed_at", "updated_at")
_FAILED = "The weekly renewal failed."


def idle(now: datetime) -> QuerySet[Credentials]:
    """Credentials whose refresh token nobody has used for a week, and that may be tried now.

    None while the installation is paused: what it holds may be older than what the vendor gave.
    """
    failed_lately = Q(test_state=Credentials.Test.FAILED, tested_at__gt=now - _TRIED_AGAIN_AFTER)
    return (
        Credentials.objects.filter(
            ~Exists(Installation.objects.filter(pk=1, paused_at__isnull=False)),
            type=Credentials.Type.OAUTH2,
            reconnect_since__isnull=True,
            hints__has_key="refresh_token",
        )
        .filter(
            Q(refreshed_at__lt=now - EVERY)
            | Q(refreshed_at__isnull=True, updated_at__lt=now - EVERY)
        )
        .exclude(failed_lately)
    )


def waiting_refreshes(now: datetime) -> tuple[int, datetime | None]:
    """How many are to be refreshed, and since when the first of them is. One query."""
    found = idle(now).aggregate(number=Count("pk"), since=Min(_USED_AT))
    since = found["since"]
    return found["number"], since + EVERY if since is not None else None


def refresh_one(now: datetime) -> bool:
    """Refresh the one that has been idle longest; False when there is none. One query then.

    A failure stands on the credentials, and it is tried again after an hour. Never raises for it.
    """
    row = idle(now).order_by(_USED_AT, "pk").first()
    if row is None:
        return False
    try:
        DatabaseTokens(row).refresh(unless_since=now - EVERY)
    except IntegrationsError as problem:
        logger.warning("Credentials %s were not renewed: %s", row.pk, problem.message)
        Credentials.objects.filter(pk=row.pk, reconnect_since__isnull=True).update(
            test_state=Credentials.Test.FAILED,
            test_message=f"{_FAILED} {problem.message}"[:500],
            tested_at=now,
        )
    else:
        logger.info("Credentials %s were renewed.", row.pk)
        Credentials.objects.filter(pk=row.pk, test_message__startswith=_FAILED).update(
            test_state=Credentials.Test.UNTESTED, test_message=""
        )
    return True
