"""Pacing of calls per credentials: the arithmetic, shared by all threads of this process."""

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from integrations.manifest_parts import Rate

_SHARE = 0.97


class PauseTooLong(Exception):
    """The vendor asked all of us for a pause that is too long to sit and wait; `seconds` of it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a pause of {seconds:.0f} s")
        self.seconds = seconds


class Pacing(Protocol):
    """What paces the calls of one set of credentials."""

    def take(self, sleep: Callable[[float], None] = time.sleep) -> float:
        """Wait for a slot; give the seconds that were waited. Raises PauseTooLong."""

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long."""


class Limiter:
    """Lets calls through so that no window of a second or a minute holds more than the limit.

    Token buckets that fill at 97 % of the rate; what those 3 % leave is the burst, so that any
    window, wherever the vendor lets it begin, stays within the limit. A call takes its slot under
    the lock and sleeps outside of it: threads are served in the order in which they came.
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets = [
            Bucket(calls, seconds)
            for calls, seconds in ((rate.per_second, 1.0), (rate.per_minute, 60.0))
            if calls
        ]
        self._not_before = -math.inf

    def reserve(self) -> float:
        """Take the next slot; give the seconds until it begins."""
        with self._lock:
            now = self._clock()
            at = max(now, self._not_before, *(bucket.next_slot(now) for bucket in self._buckets))
            for bucket in self._buckets:
                bucket.take(at)
            return at - now

    def take(self, sleep: Callable[[float], None] = time.sleep) -> float:
        """Wait for a slot with `sleep`; give the seconds that were waited."""
        waited = 0.0
        while True:
            paused = self._not_before
            wait = self.reserve()
            if wait > 0:
                sleep(wait)
                waited += wait
            if self._not_before == paused:  # else the vendor asked for more while we slept
                return waited

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long; the vendor asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)


class Bucket:
    """A token bucket as one number: the time at which it would be full again.

    `room` is how many seconds of it may be taken in one go. Without `calls` it never holds anybody
    back.
    """

    def __init__(self, calls: float | None, seconds: float) -> None:
        paced = calls * _SHARE if calls else math.inf
        self.per_second = paced / seconds
        self.interval = seconds / paced
        burst = max(calls - math.floor(paced), 1.0) if calls else 1.0
        self.room = burst * self.interval
        self._full_at = -math.inf

    def next_slot(self, now: float) -> float:
        return max(now, self._full_at - (self.room - self.interval))

    def take(self, at: float) -> None:
        self._full_at = max(self._full_at, at) + self.interval


_LIMITERS: dict[tuple[int, Rate], Limiter] = {}
_LIMITERS_LOCK = threading.Lock()


def limiter_for(credentials_id: int, rate: Rate) -> Limiter:
    """Give the limiter that all clients with these credentials share."""
    with _LIMITERS_LOCK:
        key = (credentials_id, rate)
        if key not in _LIMITERS:
            _LIMITERS[key] = Limiter(rate)
        return _LIMITERS[key]
