"""Which secrets this process has opened, so that no log line shows one (S-05).

It stands in the lowest app because every app may meet a secret; the log filter is in `config`.
"""

from __future__ import annotations

import base64
import json
import threading
from urllib.parse import quote, quote_plus

MASK = "[masked]"
_SHORTEST = 4  # A shorter value would also blot out ordinary words, and protects nothing.
_MOST = 100_000  # Spellings; the oldest are forgotten first. An installation has hundreds.


class Registry:
    """Every spelling of the values, found by its first characters.

    A text is looked through once, however many values there are: one pattern of all of them would
    be tried at each character, and made anew with each value.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spellings: dict[str, None] = {}  # in the order in which they came
        self._by_start: dict[str, list[str]] = {}  # the longest first

    def add(self, spellings: set[str]) -> None:
        if spellings <= self._spellings.keys():
            return
        with self._lock:
            for one in spellings - self._spellings.keys():
                self._spellings[one] = None
                self._put(one, {*self._of(one), one})
            while len(self._spellings) > _MOST:
                oldest = next(iter(self._spellings))
                del self._spellings[oldest]
                self._put(oldest, {*self._of(oldest)} - {oldest})

    def _of(self, spelling: str) -> list[str]:
        return self._by_start.get(spelling[:_SHORTEST], [])

    def _put(self, spelling: str, alike: set[str]) -> None:
        # A list of its own: another thread may be reading the one that it replaces.
        self._by_start[spelling[:_SHORTEST]] = sorted(alike, key=len, reverse=True)

    def mask(self, text: str) -> str:
        starts = self._by_start
        if not starts:
            return text
        parts, end = [], 0
        for at in range(len(text) - _SHORTEST + 1):
            if text[at : at + _SHORTEST] in starts and at >= end:
                found = next(
                    (
                        one
                        for one in self._of(text[at : at + _SHORTEST])
                        if text.startswith(one, at)
                    ),
                    "",
                )
                if found:
                    parts += [text[end:at], MASK]
                    end = at + len(found)
        return "".join([*parts, text[end:]]) if parts else text


_registry = Registry()


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
