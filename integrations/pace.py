"""Pacing of calls per credentials in the database, shared by all processes and hosts (F-18)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import IntegrityError, connection, transaction

from integrations.errors import AskPerson
from integrations.limits import Bucket, PauseTooLong
from integrations.manifest_parts import Rate
from integrations.models.pace import Pace
from integrations.threads import at_desk
from integrations.verdicts import LONGEST_WAIT

# What is reserved ahead is used within so many seconds, or given up: a slot that is taken later
# than it stands for would bring a window above its limit.
_KEPT_SECONDS = 0.01
# Where the rate is so high that one process never comes near it, they are used within this time: a
# pause that another process was asked for is seen that much later.
_FREE_RATE, _KEPT_WHERE_FREE = 1e4, 0.1
# Calls of one such time may be reserved at once: with what the buckets leave free, no window gets
# more than the limit.
_SHARE_AHEAD = 0.02


@dataclass
class _Ahead:
    """Slots that this process has reserved and not used yet."""

    slots: int = 0
    since: float = 0.0
    used: int = 0

    def has_one(self, now: float, *, kept: float) -> bool:
        return self.slots > 0 and 0 <= now - self.since <= kept


class SharedLimiter:
    """Lets calls through within the rate, whichever process makes them.

    The arithmetic is that of `limits.Limiter`. One statement per call, or for up to 2 % of a
    second's calls where the rate is high; no lock is held while somebody waits. Sending threads use
    the connection of their batch (`threads.at_desk`).
    """

    def __init__(self, credentials_id: int, rate: Rate) -> None:
        self._credentials_id = credentials_id
        self._second = Bucket(rate.per_second, 1.0)
        self._minute = Bucket(rate.per_minute, 60.0)
        rate_now = min(self._second.per_second, self._minute.per_second, _FREE_RATE)
        self._most = int(rate_now * _SHARE_AHEAD)
        self._kept = _KEPT_WHERE_FREE if rate_now == _FREE_RATE else _KEPT_SECONDS
        if self._most > 1:
            # What is used late is missing from what may come at once.
            self._second.room = min(self._second.room, self._most * self._second.interval)
        self._ahead = _Ahead()
        self._lock = threading.Lock()

    def take(self, sleep: Callable[[float], None] = time.sleep) -> float:
        """Wait for a slot with `sleep`; give the seconds that were waited.

        Raises PauseTooLong where the vendor asked for a longer pause than a worker waits, and
        AskPerson where the credentials do not exist any more.
        """
        if self._take_ahead():
            return 0.0
        waited = 0.0
        while True:
            wait, pause = at_desk(self._reserve)
            if pause > LONGEST_WAIT:
                raise PauseTooLong(pause)
            if wait <= 0:
                return waited
            sleep(wait)
            waited += wait
            # The vendor may have asked another process for more while this one slept.
            if at_desk(self._pause_now) <= 0:
                return waited

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long; the vendor asked for it. One statement."""
        with self._lock:
            self._ahead = _Ahead()
        at_desk(lambda: self._note_pause(seconds))

    def _note_pause(self, seconds: float) -> None:
        until = f"{_clock()} + %s"
        self._update(
            f"pause = CASE WHEN {until} > not_before THEN %s ELSE pause END, "
            f"not_before = {_most(until, 'not_before')}",
            [seconds, seconds, seconds],
            returning="0, 0",
        )

    def _take_ahead(self) -> bool:
        with self._lock:
            ahead = self._ahead
            if not ahead.has_one(time.monotonic(), kept=self._kept):
                return False
            ahead.slots -= 1
            ahead.used += 1
            return True

    def _reserve(self) -> tuple[float, float]:
        """Take the next slots: seconds until the first begins, and until the asked pause ends."""
        if self._take_ahead():
            return 0.0, 0.0  # another thread reserved some while this one waited for the desk
        with self._lock:
            number = max(1, min(self._most, 2 * self._ahead.used))
        clock = _clock()
        paused = _least("not_before", f"{clock} + pause")
        # After the host's clock was set back, nobody waits for the time that it showed before.
        latest = f"{clock} + {LONGEST_WAIT}"
        second = number * self._second.interval
        minute = number * self._minute.interval
        at = _most(
            clock,
            paused,
            f"{_least('second_full_at', latest)} - {self._second.room - second!r}",
            f"{_least('minute_full_at', latest)} - {self._minute.room - minute!r}",
        )
        wait, pause = self._update(
            f"slot = {at}, "
            f"second_full_at = {_most(_least('second_full_at', latest), at)} + %s, "
            f"minute_full_at = {_most(_least('minute_full_at', latest), at)} + %s",
            [second, minute],
            returning=f"slot - {clock}, {paused} - {clock}{_without_sync()}",
        )
        with self._lock:
            self._ahead = _Ahead(number - 1, since=time.monotonic() + wait, used=1)
        return wait, pause

    def _pause_now(self) -> float:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {_least('not_before', f'{_clock()} + pause')} - {_clock()} "  # noqa: S608
                f"FROM {_TABLE} WHERE credentials_id = %s",
                [self._credentials_id],
            )
            row = cursor.fetchone()
        return float(row[0]) if row else 0.0

    def _update(
        self, assignments: str, values: list[float], *, returning: str
    ) -> tuple[float, float]:
        """Change the row, which is made when it is missing. One statement, then three."""
        sql = f"UPDATE {_TABLE} SET {assignments} WHERE credentials_id = %s RETURNING {returning}"  # noqa: S608 - our own words
        while True:
            with connection.cursor() as cursor:
                cursor.execute(sql, [*values, self._credentials_id])
                row = cursor.fetchone()
            if row is not None:
                return float(row[0]), float(row[1])
            self._make_row()

    def _make_row(self) -> None:
        """Raises AskPerson where the credentials were deleted: nothing is sent with them (F-40)."""
        try:
            with transaction.atomic():
                Pace.objects.bulk_create(
                    [Pace(credentials_id=self._credentials_id)], ignore_conflicts=True
                )
        except IntegrityError:
            gone = AskPerson(
                "credentials_gone",
                "The credentials were deleted meanwhile, so nothing was sent. Choose others.",
            )
            gone.sent = False
        else:
            return
        raise gone


_TABLE = Pace._meta.db_table


def _without_sync() -> str:
    """What keeps a slot from waiting for the disk: after a power cut nobody needs to know of it.

    It holds for the transaction of the statement, so not where that is somebody else's.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return ""
    return ", set_config('synchronous_commit', 'off', true)"


def _clock() -> str:
    if connection.vendor == "postgresql":
        return "extract(epoch from statement_timestamp())::float8"
    return repr(time.time())


def _most(*terms: str) -> str:
    return f"{'GREATEST' if connection.vendor == 'postgresql' else 'MAX'}({', '.join(terms)})"


def _least(*terms: str) -> str:
    return f"{'LEAST' if connection.vendor == 'postgresql' else 'MIN'}({', '.join(terms)})"


_LIMITERS: dict[tuple[int, Rate], SharedLimiter] = {}
_LIMITERS_LOCK = threading.Lock()


def shared_limiter_for(credentials_id: int, rate: Rate) -> SharedLimiter:
    """Give the limiter that all clients of this process with these credentials share."""
    with _LIMITERS_LOCK:
        key = (credentials_id, rate)
        if key not in _LIMITERS:
            _LIMITERS[key] = SharedLimiter(credentials_id, rate)
        return _LIMITERS[key]
