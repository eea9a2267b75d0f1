"""monday.com's budgets: points of complexity in a minute, calls in a day; answers that are kept."""

import base64
import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.messages import Answer

MINUTE = 60.0
KEPT_SECONDS = 1800.0
REFUSED_COSTS = 0.1


class Points:
    """Points that were spent within the last 60 seconds."""

    def __init__(self) -> None:
        self._spent: deque[tuple[float, int]] = deque()

    def left(self, now: float, budget: int) -> int:
        """What may still be spent."""
        while self._spent and self._spent[0][0] <= now - MINUTE:
            self._spent.popleft()
        return budget - sum(points for _, points in self._spent)

    def spend(self, now: float, points: int) -> None:
        """Note what a query costs."""
        self._spent.append((now, points))

    def seconds_to_wait(self, now: float) -> int:
        """Until the oldest points are given back; a minute for a query that never fits."""
        oldest = self._spent[0][0] if self._spent else now
        return max(1, math.ceil(oldest + MINUTE - now))


@dataclass(slots=True)
class Day:
    """Calls of one day, in UTC; a refused one counts a tenth."""

    day: str = ""
    calls: float = 0.0

    def left(self, now: datetime, limit: float | None) -> bool:
        """Whether one more call may be made today."""
        today = now.astimezone(UTC).date().isoformat()
        if self.day != today:
            self.day, self.calls = today, 0.0
        return limit is None or self.calls < limit

    def count(self, calls: float) -> None:
        """Note a call, or a part of one."""
        self.calls += calls


class Replays:
    """Answers to mutations by their `Idempotency-Key`, for 30 minutes."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Any]] = {}

    def find(self, key: str, now: float) -> Answer | None:
        """What the same key got before, or that it is still under way; None for a new key."""
        self._kept = {name: one for name, one in self._kept.items() if one["until"] > now}
        one = self._kept.get(key)
        if one is None:
            return None
        if one["ready"] > now:
            body = {
                "errors": [
                    {
                        "message": "A request with this idempotency key is in progress",
                        "extensions": {"code": "IDEMPOTENCY_CONFLICT", "status_code": 409},
                    }
                ]
            }
            wait = str(max(1, math.ceil(one["ready"] - now)))
            return Answer.of(body, status=409).with_headers(Retry_After=wait)
        answer = Answer(one["status"], base64.b64decode(one["body"]))
        return answer.with_headers(Idempotency_Replayed="true")

    def keep(self, key: str, answer: Answer, now: float, takes: float) -> None:
        """Keep an answer; for `takes` seconds the request counts as running."""
        body = base64.b64encode(answer.body).decode()
        self._kept[key] = {
            "until": now + takes + KEPT_SECONDS,
            "ready": now + takes,
            "status": answer.status,
            "body": body,
        }

    def kept(self) -> dict[str, Any]:
        """All of them as JSON types."""
        return dict(self._kept)

    def restore(self, kept: dict[str, Any]) -> None:
        """The reverse of `kept`."""
        self._kept = dict(kept)
