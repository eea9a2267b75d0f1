"""Bringing a value into the shape that its target holds: text, date, number, status, role."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.errors import TransformFailed
from integrations.manifest_load import Load, SourceField
from integrations.mapping.sources import Read, as_word, plain_text
from integrations.values import read_boolean, read_date, read_datetime, read_integer
from people.queries import Target

TEXTS = {"text": 1000, "long_text": 100_000, "department": 200}
"""Types of targets that hold text -> the most characters, where the target says no other."""

_STATUS_WORDS = {"active": "active", "inactive": "deactivated", "deactivated": "deactivated"}


def compile_target(
    target: Target, field: SourceField | None, load: Load, *, role_names: frozenset[str]
) -> Read:
    """The function that brings a value into the target's shape; it raises TransformFailed.

    `field` is the source, where that is a field of the load.
    """
    if target.type == "manager":
        return _manager_reader(field)
    if target.type == "status":
        return status_reader(load)
    if target.type == "role":
        return _role_reader(role_names)
    if target.type in TEXTS:
        return text_reader(longest(target), trim=is_trimmed(target))
    return _TYPED[target.type]


def longest(target: Target) -> int:
    """How many characters fit into the target."""
    return target.max_length or TEXTS[target.type]


def is_trimmed(target: Target) -> bool:
    """All but departments: " Sales" is another one than "Sales", and is reported (BB-30)."""
    return target.type != "department"


def text_reader(longest: int, *, trim: bool = True) -> Read:
    """Text, trimmed; lists, objects, NUL bytes, half characters and over-long text are refused."""

    def read(value: Any) -> Any:
        if type(value) is not str:
            value = plain_text(value)
        text = value.strip()
        if not text:
            return None
        if not trim:
            text = value
        if len(text) > longest:
            raise TransformFailed(f"{len(text):,} characters; at most {longest:,} fit.")
        if "\x00" in text:
            raise TransformFailed("it holds a NUL byte; remove it at the vendor.")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise TransformFailed(
                    "it holds half of a character (a lone surrogate); mend it at the vendor."
                ) from None
        return text

    return read


def status_reader(load: Load, *, only_own: bool = False) -> Read:
    """Reads a status by the usual words and the vendor's own, or by the vendor's own only."""
    words = {} if only_own else dict(_STATUS_WORDS)
    if load.status is not None:
        words |= {as_word(value): "active" for value in load.status.active}
        words |= {as_word(value): "deactivated" for value in load.status.deactivated}

    def read(value: Any) -> str:
        try:
            return words[as_word(value)]
        except KeyError:
            raise TransformFailed(
                f"{_shown(value)} is no status that is known here; known are "
                f"{', '.join(sorted(words))}."
            ) from None

    return read


def _role_reader(role_names: frozenset[str]) -> Read:
    text = text_reader(100)

    def read(value: Any) -> Any:
        name = text(value)
        if name is not None and name not in role_names:
            raise TransformFailed(
                f'there is no people role "{name}". Add it under People roles, or map another.'
            )
        return name

    return read


def _manager_reader(field: SourceField | None) -> Read:
    """How the source names a manager, as `kind:value`; the second pass finds the person (F-38)."""
    kind = field.reference if field is not None else None
    text = text_reader(300)

    def read(value: Any) -> Any:
        reference = text(value)
        if reference is None or reference == "0":
            return None
        return f"{kind or ('email' if '@' in reference else 'employee_id')}:{reference}"

    return read


def _date(value: Any) -> str | None:
    day = read_date(value)
    return day.isoformat() if day else None


def read_moment(value: Any) -> str | None:
    """A time as plans keep it, with its zone. Raises TransformFailed."""
    moment = read_datetime(value)
    return moment.isoformat() if moment else None


def _integer(value: Any) -> int | None:
    number = read_integer(value)
    if number is not None and abs(number) >= 2**53:
        raise TransformFailed("a number this long loses digits; map it to a text field.")
    return number


def _decimal(value: Any) -> str | None:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise TransformFailed(f"{_shown(value)} is no number.") from None
    if not number.is_finite():
        raise TransformFailed(f"{_shown(value)} is no number.")
    return str(number)


def _shown(value: Any) -> str:
    text = str(value)[:40]
    return f'"{text}"' if text.isprintable() else "a value with characters that cannot be shown"


_TYPED: dict[str, Read] = {
    "date": _date,
    "datetime": read_moment,
    "integer": _integer,
    "decimal": _decimal,
    "boolean": read_boolean,
}
