"""What happened: effects that were committed (ledger), and requests that were seen (log)."""

import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

LOG_LENGTH = 20_000
KEPT_BODY = 4_096
_GIVEN_OUT = re.compile(r"sandbox-[0-9a-f]{40}")  # the form of `VendorSide.secret`


@dataclass(frozen=True, slots=True)
class Effect:
    """One committed change at a vendor. `t` is Unix time in seconds, `seq` counts from 1.

    `op` is the vendor's word for it (`user.update`), `key` what a person would know it by
    (an e-mail address), `id` the vendor's id, `set` the names of the values that were sent.
    """

    t: float
    seq: int
    vendor: str
    op: str
    key: str
    id: str
    set: tuple[str, ...] = ()


class Ledger:
    """Effects in the order of their commits; each is a line in the file before it is answered.

    An existing file is continued: `seq` goes on, and earlier effects are not read back.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._effects: list[Effect] = []
        self._seq = _last_seq(file) if file else 0
        self._descriptor = (
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if file else None
        )

    def __iter__(self) -> Iterator[Effect]:
        return iter(tuple(self._effects))

    def __len__(self) -> int:
        return len(self._effects)

    def write(
        self, vendor: str, *, op: str, key: str, target: str, names: list[str], t: float
    ) -> Effect:
        """Add an effect; one write call, so that a line is never torn by another process."""
        with self._lock:
            self._seq += 1
            effect = Effect(
                t=t, seq=self._seq, vendor=vendor, op=op, key=key, id=target, set=tuple(names)
            )
            self._effects.append(effect)
            if self._descriptor is not None:
                os.write(self._descriptor, orjson.dumps(asdict(effect)) + b"\n")
        return effect

    def close(self) -> None:
        """Close the file; safe to repeat."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _last_seq(file: Path) -> int:
    """`seq` of the last whole line, 0 for a missing or empty file."""
    if not file.exists():
        return 0
    last = 0
    with file.open("rb") as lines:
        for line in lines:
            with suppress(orjson.JSONDecodeError, KeyError, TypeError):
                last = int(orjson.loads(line)["seq"])
    return last


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that arrived. `ms` is the time until the answer was ready.

    `auth` says how it was signed, never with what. `early` marks a request that came before
    the time that the last 429 or 503 of that vendor named in `Retry-After`. `note` names the
    faults that fired, and the records that they touched.
    """

    t: float
    vendor: str
    method: str
    path: str
    query: str
    status: int
    auth: str
    accept: str
    content_type: str
    user_agent: str
    body: str
    bytes: int
    ms: float
    early: bool
    note: str


class RequestLog:
    """The last requests, oldest first; older ones are counted and forgotten."""

    def __init__(self, *, secrets: tuple[str, ...] = (), length: int = LOG_LENGTH) -> None:
        self._seen: deque[Seen] = deque(maxlen=length)
        self._secrets = secrets
        self.total = 0

    def __iter__(self) -> Iterator[Seen]:
        return iter(tuple(self._seen))

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, seen: Seen) -> None:
        """Keep one request."""
        self.total += 1
        self._seen.append(seen)

    def clear(self) -> None:
        """Forget every request."""
        self._seen.clear()
        self.total = 0

    def masked(self, text: str) -> str:
        """The text without any of the sandbox's secrets, those that it gave out included."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _GIVEN_OUT.sub("***", text)

    def as_json(self) -> dict[str, Any]:
        """`{"total", "early", "requests": [...]}`."""
        requests = [asdict(seen) for seen in self]
        early = sum(1 for seen in requests if seen["early"])
        return {"total": self.total, "early": early, "requests": requests}


def describe_authorization(value: str) -> str:
    """`Bearer (43 characters)`: the scheme and a length, nothing of the secret."""
    if not value:
        return "none"
    scheme, _, rest = value.partition(" ")
    return f"{scheme} ({len(rest)} characters)" if rest else f"({len(value)} characters)"
