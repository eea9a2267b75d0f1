"""Vendor values read as what they mean: dates, times, switches, numbers, text."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from integrations.errors import TransformFailed

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_TRUE = frozenset({"true", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "no", "n", "0", "off"})
_NO_DATES = frozenset({"0000-00-00", "0000-00-00 00:00:00", "0000-00-00T00:00:00Z"})
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this is the year 5138
_MAX_DIGITS = 30
_SHOWN = 40  # characters, enough to know a value by
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _shown(value: Any) -> str:
    text = str(value)
    return f'"{text[:_SHOWN]}…"' if len(text) > _SHOWN else f'"{text}"'


def printable(text: str) -> str:
    """Text for a sentence: signs that cannot be shown, or stored at all, become U+FFFD."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _is_no_date(value: Any) -> bool:
    return value is None or (isinstance(value, str) and (not value or value in _NO_DATES))


def read_date(value: Any) -> date | None:
    """Read a date; of a time stamp the day as it is written. Raises TransformFailed."""
    if _is_no_date(value):
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        text = value.strip()
        match = _DAY.match(text)
        if match and (match.end() == len(text) or text[match.end()] in "T "):
            try:
                if match.end() < len(text):
                    datetime.fromisoformat(text)
                return date(int(match[1]), int(match[2]), int(match[3]))
            except ValueError:
                pass
    raise TransformFailed(f"{_shown(value)} is no date; a date looks like 2026-12-31.")


def read_datetime(value: Any) -> datetime | None:
    """Read a moment; without an offset it is UTC; numbers are seconds or milliseconds since 1970.

    Raises TransformFailed.
    """
    if _is_no_date(value):
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            in_milliseconds = abs(value) >= _MILLISECONDS_FROM
            return _EPOCH + timedelta(seconds=value / 1000 if in_milliseconds else value)
    except (ValueError, OverflowError):
        pass
    raise TransformFailed(f"{_shown(value)} is no time; a time looks like 2026-12-31T09:00:00Z.")


def read_boolean(value: Any) -> bool | None:
    """Read a switch; blank is None, not false (F-36). Raises TransformFailed."""
    if value is None or isinstance(value, bool):
        return value
    text = str(value).strip().casefold()
    if not text:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise TransformFailed(f"{_shown(value)} is neither true nor false.")


def read_integer(value: Any) -> int | None:
    """Read a whole number. Raises TransformFailed."""
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    text = str(value).strip()
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", text) and len(text) <= _MAX_DIGITS:
        return int(text)
    raise TransformFailed(f"{_shown(value)} is no whole number.")


def read_text(value: Any) -> str | None:
    """Give a value as text: true/false, ISO dates, JSON for lists and objects."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping | list | tuple):
        return write_json(value)
    return str(value)


def write_json(value: Any) -> str:
    """Write plain data as JSON, also numbers of any length and halves of characters."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(value, default=str, skipkeys=True, separators=(",", ":"))


def keep(value: Any) -> Any:
    """Give the value as it is."""
    return value


READERS: Mapping[str, Callable[[Any], Any]] = {
    "text": read_text,
    "long_text": read_text,
    "integer": read_integer,
    "boolean": read_boolean,
    "date": read_date,
    "datetime": read_datetime,
    "json": keep,
}
"""Type of a field -> the function that reads a vendor's value as that type."""
