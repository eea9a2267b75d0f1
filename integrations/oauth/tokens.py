"""A token for whoever signs a request: read, else refreshed by one process while others wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from integrations.errors import AskPerson, TokenRefused, TryLater
from integrations.models import Credentials
from integrations.oauth.endpoint import Granted, ask_for_token
from integrations.oauth.grant import CLIENT, CLIENT_CREDENTIALS, Grant, read_grant
from integrations.oauth.lease import LEASE_SECONDS, NO_LEASE, TokenLease, take_lease
from integrations.oauth.telling import tell_reconnect, what_to_do
from integrations.registry import get_vendor
from integrations.secrets import open_sealed, seal
from integrations.sync.lease import now_in_database

# A token that ends sooner is not begun with; of one that lives shorter, half of its life.
MARGIN_SECONDS = 60.0
_POLL_SECONDS = 0.1
_MARGIN_OF_WAITING = 20.0
_COMMIT_TRIES = 3
OURS = "Rolecall"


@dataclass(frozen=True)
class Held:
    """What the row says of its tokens now. `remaining` are seconds, None: nobody knows.

    With fewer than `margin` seconds left the token is about to end.
    """

    fence: int
    reconnect_since: datetime | None
    refreshed_at: datetime | None
    remaining: float | None
    margin: float
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def token(self) -> str | None:
        """The access token, when it is good for a while."""
        token = self.secrets.get("access_token")
        good = self.remaining is None or self.remaining > self.margin
        return token if token and good else None


Enough = Callable[[Held], bool]


class DatabaseTokens:
    """The access tokens of one row (M-33); may be shared by threads, not used in a transaction.

    A token is kept in memory until a minute before its end, so that signing asks nothing.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        lease_seconds: float = LEASE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._row = credentials
        self._lease_seconds = lease_seconds
        self._sleep = sleep
        self._lock = threading.Lock()
        self._token = ""
        self._good_until: float | None = 0.0

    def __repr__(self) -> str:
        return "DatabaseTokens(...)"

    def current(self) -> str:
        """Give a token that lasts a while; one query the first time, a refresh where it is due.

        Raises AskPerson (`refresh_refused`), TryLater (`no_token`), SecretsUnreadable.
        """
        with self._lock:
            until = self._good_until
            if self._token and (until is None or time.monotonic() < until):
                return self._token
            return self._keep(self._reach(lambda held: held.token is not None))

    def renew(self, refused: str) -> str:
        """Give another token than the refused one, by one refresh at most. Raises as above.

        It is the refused one again where the vendor gives nothing else.
        """
        with self._lock:
            return self._keep(self._reach(lambda held: held.token not in (None, refused)))

    def refresh(self, *, unless_since: datetime) -> None:
        """Refresh unless somebody did after that moment. Raises as above."""
        with self._lock:
            self._keep(
                self._reach(
                    lambda held: held.refreshed_at is not None and held.refreshed_at > unless_since
                )
            )

    def _keep(self, held: Held) -> str:
        token = held.secrets.get("access_token", "")
        remaining = held.remaining
        self._token = token
        self._good_until = None if remaining is None else time.monotonic() + remaining - held.margin
        return token

    def _read(self) -> Held:
        """What the row says now. Two queries. Raises AskPerson where it is gone."""
        row = Credentials.objects.annotate(database_now=Now()).filter(pk=self._row.pk).first()
        if row is None:
            raise AskPerson("credentials_invalid", f'The credentials "{self._row.name}" are gone.')
        self._row = row
        ends, since = row.token_expires_at, row.refreshed_at
        life = (ends - since).total_seconds() if ends and since else None
        return Held(
            fence=row.token_fence,
            reconnect_since=row.reconnect_since,
            refreshed_at=since,
            remaining=(ends - row.database_now).total_seconds() if ends else None,
            margin=MARGIN_SECONDS if life is None else min(MARGIN_SECONDS, life / 2),
            secrets=open_sealed(row),
        )

    def _grant(self) -> Grant:
        row = self._row
        vendor = get_vendor(row.vendor).corrected(row.overrides)
        return read_grant(vendor, row.settings, credentials_id=row.pk, name=row.name)

    def _reach(self, enough: Enough) -> Held:
        """Read until it is enough; whoever gets the lease refreshes, the others wait.

        What we were given ourselves is enough as it is: a token that ends at once, or comes again
        as it was, would be asked for without end.
        """
        is_ours = False
        give_up = time.monotonic() + self._lease_seconds + _MARGIN_OF_WAITING
        while True:
            held = self._read()
            self._check(held)
            if is_ours or enough(held):
                return held
            lease = take_lease(self._row.pk, fence=held.fence, seconds=self._lease_seconds)
            if lease is not None:
                is_ours = self._refresh_under(lease, enough)
            elif time.monotonic() > give_up:
                raise TryLater(
                    "no_token",
                    f'Another process has been renewing the access of "{self._row.name}" for too '
                    "long. It is tried again by itself.",
                )
            else:
                self._sleep(_POLL_SECONDS)

    def _check(self, held: Held) -> None:
        if held.reconnect_since is None:
            return
        needs_consent = self._row.settings.get("grant_type") != CLIENT_CREDENTIALS
        raise AskPerson(
            "refresh_refused",
            self._row.test_message or what_to_do(self._row.name, "", needs_consent=needs_consent),
        )

    def _refresh_under(self, lease: TokenLease, enough: Enough) -> bool:
        """Refresh once; whether new tokens are committed. Raises VendorError."""
        try:
            held = self._read()  # another may have been done just before the lease was ours
            self._check(held)
            if enough(held):
                return False
            grant = self._grant()
            sent = held.secrets.get("refresh_token", "")
            if grant.needs_consent and not sent:
                self._without_refresh_token(lease, grant, held)
            try:
                granted = self._ask(grant, held)
            except TokenRefused as refused:
                if grant.needs_consent and self._read().secrets.get("refresh_token") != sent:
                    return False  # another grant came meanwhile; look at that one
                self._mark(lease, grant, refused.reason)
                return False
            return self._store(lease, granted)
        finally:
            lease.release()

    def _ask(self, grant: Grant, held: Held) -> Granted:
        client = {name: held.secrets.get(name, "") for name in CLIENT}
        if not all(client.values()):
            raise AskPerson(
                "credentials_invalid",
                f'Credentials "{grant.name}": enter the client ID and the client secret under '
                "Configuration > Security > Credentials.",
            )
        if grant.needs_consent:
            fields = {
                "grant_type": "refresh_token",
                "refresh_token": held.secrets.get("refresh_token", ""),
            }
        else:
            fields = {"grant_type": CLIENT_CREDENTIALS, "scope": grant.scope}
        return ask_for_token(grant, grant.endpoint("refresh_url"), fields, client)

    def _without_refresh_token(self, lease: TokenLease, grant: Grant, held: Held) -> None:
        """Nothing can be renewed: it never was connected, or what was given has ended. Raises."""
        if not held.secrets.get("access_token"):
            raise AskPerson("refresh_refused", not_connected(grant.name))
        self._mark(lease, grant, "no_refresh_token")
        self._check(self._read())

    def _store(self, lease: TokenLease, granted: Granted) -> bool:
        """Commit new tokens before anybody uses them; a database that stumbles is asked again."""
        attempt = 1
        while True:
            try:
                return store_tokens(lease, granted)
            except (OperationalError, InterfaceError):
                if attempt == _COMMIT_TRIES or connection.in_atomic_block:
                    raise
                connection.close()
                self._sleep(0.5 * attempt)
                attempt += 1

    def _mark(self, lease: TokenLease, grant: Grant, reason: str) -> None:
        """Note that the grant is gone and tell it once; nothing is sent from then on. 6 queries."""
        message = what_to_do(grant.name, reason, needs_consent=grant.needs_consent)
        now = timezone.now()
        with transaction.atomic():
            marked = (
                lease.row()
                .filter(reconnect_since__isnull=True)
                .update(
                    reconnect_since=now,
                    test_state=Credentials.Test.FAILED,
                    test_message=message[:500],
                    tested_at=now,
                    **NO_LEASE,
                )
            )
            if marked:
                tell_reconnect(self._row, message, since=now)


def store_tokens(lease: TokenLease, granted: Granted) -> bool:
    """Seal new tokens over the old ones, if the lease is still ours; commits. Four queries.

    What a person entered meanwhile stays: it is read again under the lock of the row.
    """
    with transaction.atomic():
        row = lease.row().select_for_update().first()
        if row is None:
            return False
        put_tokens(row, granted, by=OURS)
        lease.row().update(
            sealed=row.sealed,
            hints=row.hints,
            token_expires_at=ends_in(granted),
            refreshed_at=now_in_database(),
            **NO_LEASE,
        )
    return True


def put_tokens(row: Credentials, granted: Granted, *, by: str) -> None:
    """Seal tokens on the object without saving; a refresh token that was not replaced stays."""
    new = {"access_token": granted.access_token}
    if granted.refresh_token:
        new["refresh_token"] = granted.refresh_token
    seal(row, new, by=by)


def ends_in(granted: Granted) -> object:
    """When the access token ends, for a query: by the clock of the database."""
    if granted.lifetime is None:
        return None
    return now_in_database() + timedelta(seconds=granted.lifetime)


def not_connected(name: str) -> str:
    """Say what comes first."""
    return (
        f'The credentials "{name}" are not connected yet: open Configuration > Security > '
        "Credentials and press Connect."
    )
