"""The value of one rule as it is typed into a row, and what is stored of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from integrations.errors import TransformFailed
from integrations.forms.lines import plain_breaks
from integrations.rule_operators import ValueRefused
from integrations.values import read_boolean, read_integer, read_text

LONGEST = 100_000
"""Characters of one value, such as a list of addresses."""
_LISTS = frozenset({"in", "not_in"})
_NUMBERS_OF_DAYS = frozenset({"within_last_days", "within_next_days", "older_than_days"})
_IN_QUOTES = re.compile(r'^$|^[\s"]|\s$|[,\r\n]')
# A text in quotes, or one without; blanks of every kind around either do not count.
_ITEM = re.compile(
    r'[^\S\r\n]*(?:"([^"]*(?:""[^"]*)*)"[^\S\r\n]*|([^"\s,][^,\r\n]*)?)(?:[,\r\n]|\Z)'
)


def shown_value(rule: Mapping[str, Any]) -> str:
    """The value of a stored rule as a browser shows it and sends it again."""
    value = rule.get("value")
    if isinstance(value, list):
        return as_sent(", ".join(map(_item, value)))
    if rule.get("operator") in _LISTS and value is not None:
        return as_sent(_item(value))
    return as_sent(value)


def as_sent(value: Any) -> str:
    """Anything as text, as a form sends it: plain line breaks, and no space around it."""
    return plain_breaks(read_text(value) or "").strip()


def read_value(text: str, *, operator: str, type_: str | None) -> Any:
    """What a typed value means; what does not fit its type stays text, for the check to name.

    Raises ValueRefused for a list whose quotes cannot be read.
    """
    if operator in _LISTS:
        return _items(text)
    try:
        if type_ == "boolean":
            return read_boolean(text)
        if type_ == "integer" or operator in _NUMBERS_OF_DAYS:
            return read_integer(text)
    except TransformFailed:
        return text
    return text


def check_texts(texts: Iterable[str]) -> None:
    """Raise ValueRefused for a text that is not kept: nothing is cut."""
    for text in texts:
        if len(text) > LONGEST:
            raise ValueRefused(f"has {len(text):,} characters; at most {LONGEST:,} are kept")
        if "\x00" in text:
            raise ValueRefused("holds the character NUL; remove it")


def _item(value: Any) -> str:
    """One item of a list; in quotes where it would not be read as one."""
    text = read_text(value) or ""
    return '"{}"'.format(text.replace('"', '""')) if _IN_QUOTES.search(text) else text


def _items(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        item = _ITEM.match(text, at)
        if item is None:
            raise ValueRefused(
                "holds a quote that does not end an item; an item that holds a comma is written as "
                '"Research, Development"'
            )
        quoted, plain = item.groups()
        found.append(quoted.replace('""', '"') if quoted else plain or "")
        at = item.end()
    return [one.strip() for one in found if one.strip()]
