"""How many requests an account may make: sliding windows, as vendors count them."""

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` within any `seconds`; no calls means no limit."""

    calls: int | None
    seconds: float


class Limiter:
    """Counts accepted requests of one account. Refused ones do not push the window on."""

    def __init__(self) -> None:
        self._accepted: deque[float] = deque()

    def refuse_for(self, now: float, windows: tuple[Window, ...]) -> int | None:
        """Whole seconds to wait, or None when the request is accepted (and then counted)."""
        longest = max((window.seconds for window in windows), default=0.0)
        while self._accepted and self._accepted[0] <= now - longest:
            self._accepted.popleft()
        waits = [wait for window in windows if (wait := self._wait(now, window)) is not None]
        if waits:
            return max(1, math.ceil(max(waits)))
        self._accepted.append(now)
        return None

    def clear(self) -> None:
        """Begin to count again."""
        self._accepted.clear()

    def _wait(self, now: float, window: Window) -> float | None:
        if window.calls is None or len(self._accepted) < window.calls:
            return None
        if window.calls == 0:
            return window.seconds
        return _positive(self._accepted[-window.calls] + window.seconds - now)


def _positive(seconds: float) -> float | None:
    return seconds if seconds > 0 else None
