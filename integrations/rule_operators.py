"""The operators of rules, each made into a check for one type of field and one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from integrations.errors import TransformFailed
from integrations.values import (
    read_boolean,
    read_date,
    read_datetime,
    read_integer,
    read_text,
)

if TYPE_CHECKING:
    from integrations.rules import Context

Check = Callable[[Any, "Context"], bool]
_MAX_DAYS = 36_500
_OLD_AND_NEW = 2


class ValueRefused(Exception):
    """The value of a rule does not fit the field's type."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Operator:
    """Which types it goes with, and how its check is made."""

    types: frozenset[str]
    make: Callable[[str, Any], Check]


_TEXT = frozenset({"text", "long_text"})
_NUMBERS = frozenset({"integer", "decimal"})
_TIMES = frozenset({"date", "datetime"})
_ALL = _TEXT | _NUMBERS | _TIMES | {"boolean", "json"}


def _fold(value: Any) -> str | None:
    """Text to compare; None for what is blank, or nothing but blanks."""
    if value is None:
        return None
    text = value if isinstance(value, str) else read_text(value)
    return (text.strip().casefold() or None) if text else None


def _number(value: Any) -> float | int | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if value is None or isinstance(value, bool) or value == "":
        return None
    try:
        return read_integer(value)
    except TransformFailed:
        try:
            return float(str(value))
        except ValueError:
            raise TransformFailed("no number") from None


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "text": _fold,
    "long_text": _fold,
    "json": _fold,
    "integer": _number,
    "decimal": _number,
    "boolean": read_boolean,
    "date": read_date,
    "datetime": read_datetime,
}


def _reader(type_: str) -> Callable[[Any], Any]:
    """Read a record's value; what cannot be read counts as blank."""
    strict = _READERS[type_]

    def read(value: Any) -> Any:
        if value is None or value == "":
            return None
        try:
            return strict(value)
        except TransformFailed:
            return None

    return _fold if type_ in _TEXT else read


def _wanted(type_: str, value: Any) -> Any:
    """Read the value of a rule. Raises ValueRefused."""
    if isinstance(value, Mapping | list):
        raise ValueRefused("is one value, not a list")
    try:
        wanted = _READERS[type_](value)
    except TransformFailed as problem:
        raise ValueRefused(problem.message) from None
    if wanted is None:
        raise ValueRefused("is blank; use is_empty or is_not_empty")
    return wanted


def _wanted_list(type_: str, value: Any) -> frozenset[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueRefused("is an empty list")
    return frozenset(_wanted(type_, one) for one in values)


def _days(value: Any) -> int:
    try:
        days = read_integer(value)
    except TransformFailed:
        days = None
    if days is None or not 0 <= days <= _MAX_DAYS:
        raise ValueRefused(f"is a number of days from 0 to {_MAX_DAYS}")
    return days


def _equals(type_: str, value: Any) -> Check:
    wanted, read = _wanted(type_, value), _reader(type_)
    if type_ == "json":
        return _any_of(frozenset([wanted]))
    return lambda found, _context: read(found) == wanted


def _in(type_: str, value: Any) -> Check:
    wanted, read = _wanted_list(type_, value), _reader(type_)
    if type_ == "json":
        return _any_of(wanted)
    return lambda found, _context: read(found) in wanted


def _any_of(wanted: frozenset[Any]) -> Check:
    """Of a list, such as roles, one item is enough: so `not_equals` holds where none is it."""
    read = _reader("json")

    def check(found: Any, _context: "Context") -> bool:
        items = found if isinstance(found, list | tuple) else ()
        return read(found) in wanted or any(read(item) in wanted for item in items)

    return check


def _begins(type_: str, value: Any) -> Check:
    wanted = _wanted(type_, value)
    return lambda found, _context: (_fold(found) or "").startswith(wanted)


def _ends(type_: str, value: Any) -> Check:
    wanted = _wanted(type_, value)
    return lambda found, _context: (_fold(found) or "").endswith(wanted)


def _contains(type_: str, value: Any) -> Check:
    wanted = _wanted(type_, value)
    if type_ != "json":
        return lambda found, _context: wanted in (_fold(found) or "")

    def check(found: Any, _context: "Context") -> bool:
        if isinstance(found, list | tuple):
            return any(_fold(item) == wanted for item in found)
        return wanted in (_fold(found) or "")

    return check


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[str, Any], Check]:
    def make(type_: str, value: Any) -> Check:
        wanted, read = _wanted(type_, value), _reader(type_)

        def check(found: Any, _context: "Context") -> bool:
            value = read(found)
            return value is not None and compare(value, wanted)

        return check

    return make


def _not(make_positive: Callable[[str, Any], Check]) -> Callable[[str, Any], Check]:
    def make(type_: str, value: Any) -> Check:
        positive = make_positive(type_, value)
        return lambda found, context: not positive(found, context)

    return make


def _is_empty(_type: str, _value: Any) -> Check:
    """Nothing, or nothing but blanks."""

    def check(found: Any, _context: "Context") -> bool:
        return not found.strip() if isinstance(found, str) else found is None or found in ([], {})

    return check


def _within(type_: str, before: int, after: int) -> Check:
    """Between so many days before and after now; dates by the day of the context's zone."""
    read = _reader(type_)

    def check_day(found: Any, context: "Context") -> bool:
        day = read(found)
        today = context.now.astimezone(context.zone).date()
        return day is not None and -before <= (day - today).days <= after

    def check_moment(found: Any, context: "Context") -> bool:
        moment = read(found)
        if moment is None:
            return False
        distance: timedelta = moment - context.now
        return timedelta(days=-before) <= distance <= timedelta(days=after)

    return check_day if type_ == "date" else check_moment


def _older(type_: str, value: Any) -> Check:
    days, read = _days(value), _reader(type_)

    def check(found: Any, context: "Context") -> bool:
        moment = read(found)
        if moment is None:
            return False
        if isinstance(moment, datetime):
            return bool(moment < context.now.astimezone(UTC) - timedelta(days=days))
        today: date = context.now.astimezone(context.zone).date()
        return bool((today - moment).days > days)

    return check


def _changed(_type: str, _value: Any) -> Check:
    """Take [old, new] of the event, or None where the event names no change of the field."""

    def check(change: Any, _context: "Context") -> bool:
        if not isinstance(change, list | tuple) or len(change) != _OLD_AND_NEW:
            return False
        old, new = ("" if one is None else one for one in change)
        return bool(old != new)

    return check


def _changed_to(type_: str, value: Any) -> Check:
    wanted, read = _wanted(type_, value), _reader(type_)

    def check(change: Any, _context: "Context") -> bool:
        if not isinstance(change, list | tuple) or len(change) != _OLD_AND_NEW:
            return False
        return bool(read(change[1]) == wanted and read(change[0]) != wanted)

    return check


OPERATORS: Mapping[str, Operator] = {
    "equals": Operator(_ALL, _equals),
    "not_equals": Operator(_ALL, _not(_equals)),
    "begins_with": Operator(_TEXT, _begins),
    "not_begins_with": Operator(_TEXT, _not(_begins)),
    "ends_with": Operator(_TEXT, _ends),
    "not_ends_with": Operator(_TEXT, _not(_ends)),
    "contains": Operator(_TEXT | {"json"}, _contains),
    "not_contains": Operator(_TEXT | {"json"}, _not(_contains)),
    "in": Operator(_ALL, _in),
    "not_in": Operator(_ALL, _not(_in)),
    "less": Operator(_NUMBERS, _compared(lambda a, b: bool(a < b))),
    "less_or_equal": Operator(_NUMBERS, _compared(lambda a, b: bool(a <= b))),
    "greater": Operator(_NUMBERS, _compared(lambda a, b: bool(a > b))),
    "greater_or_equal": Operator(_NUMBERS, _compared(lambda a, b: bool(a >= b))),
    "is_empty": Operator(_ALL, _is_empty),
    "is_not_empty": Operator(_ALL, _not(_is_empty)),
    "before": Operator(_TIMES, _compared(lambda a, b: bool(a < b))),
    "after": Operator(_TIMES, _compared(lambda a, b: bool(a > b))),
    "within_last_days": Operator(_TIMES, lambda type_, value: _within(type_, _days(value), 0)),
    "within_next_days": Operator(_TIMES, lambda type_, value: _within(type_, 0, _days(value))),
    "older_than_days": Operator(_TIMES, _older),
}
"""Every operator of filters by name."""

ON_CHANGES: Mapping[str, Operator] = {
    "changed": Operator(_ALL, _changed),
    "changed_to": Operator(_ALL - {"json"}, _changed_to),
}
"""Those that judge the event that starts a workflow, not the record."""
