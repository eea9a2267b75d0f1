"""Who may refresh: a lease on the row, compared and set by the clock of the database (M-33)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from integrations.models import Credentials
from integrations.sync.lease import now_in_database, process_name

# Longer than the longest request for a token, and than a writer of SQLite may wait after it: while
# one lives, nobody else sends the same refresh token, which would end the whole grant (F-29).
LEASE_SECONDS = 45.0


@dataclass(frozen=True)
class TokenLease:
    """The right to ask for tokens, until it runs out and another raises the fence."""

    credentials_id: int
    fence: int

    def row(self) -> QuerySet[Credentials]:
        """The row, for as long as the fence is ours."""
        return Credentials.objects.filter(pk=self.credentials_id, token_fence=self.fence)

    def release(self) -> None:
        """Give the lease back. One query; nothing happens when it was lost."""
        self.row().update(**NO_LEASE)


NO_LEASE: dict[str, Any] = {"token_lease_until": None, "token_lease_by": ""}


def take_lease(
    credentials_id: int, *, fence: int, seconds: float = LEASE_SECONDS
) -> TokenLease | None:
    """Take the lease if nobody holds one and the fence is still the one that was read. One query.

    What was read before may be old by now: read again under the lease.
    """
    free = Q(token_lease_until__isnull=True) | Q(token_lease_until__lt=now_in_database())
    taken = Credentials.objects.filter(free, pk=credentials_id, token_fence=fence).update(
        token_fence=F("token_fence") + 1,
        token_lease_until=now_in_database() + timedelta(seconds=seconds),
        token_lease_by=process_name(),
    )
    return TokenLease(credentials_id, fence + 1) if taken else None
