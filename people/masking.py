"""Which secrets this process has opened, so that no log line shows one (S-05).

It stands in the lowest app because every app may meet a secret; the log filter is in `config`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from urllib.parse import quote, quote_plus

MASK = "[masked]"
_SHORTEST = 4  # A shorter value would also blot out ordinary words, and protects nothing.
_MOST = 2_000  # The oldest are forgotten first; an installation has tens.


class _Registry:
    """Every spelling of the values in the order in which they came, and one pattern for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spellings: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, spellings: set[str]) -> None:
        if spellings <= self._spellings.keys():
            return
        with self._lock:
            known = {**self._spellings, **dict.fromkeys(spellings)}
            self._spellings = dict.fromkeys(list(known)[-_MOST:])
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def mask(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


_registry = _Registry()


def register_secret(value: str) -> None:
    """From now on `mask` hides this value, and how URLs, JSON and Basic headers spell it.

    Cheap when the value is known already. Values under four characters are not hidden.
    """
    if len(value) >= _SHORTEST:
        _registry.add(_spellings(value))


def mask(text: str) -> str:
    """`text` with each registered secret replaced."""
    return _registry.mask(text)


def _spellings(value: str) -> set[str]:
    encoded = value.encode(errors="surrogatepass")
    return {
        value,
        quote(encoded, safe=""),
        quote(encoded),
        quote_plus(encoded),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        base64.b64encode(encoded).decode(),
    }
