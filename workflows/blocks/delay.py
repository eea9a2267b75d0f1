"""Delay: waits so many days or hours, or until a date of the record; Begin is judged again then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

from integrations.errors import TransformFailed, did_you_mean
from integrations.values import read_date, read_datetime
from workflows.block_checks import is_blank, unknown_settings, whole_number
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.kinds import BlockKind, Item, Outcome, Planned, Step, Then
from workflows.models import RunItem

_ONE_OF = ("for_days", "for_hours", "until_field")
_MOST = {"for_days": 3_650, "for_hours": 87_600}
# A date may be moved while an item waits for it, so it is looked at so often.
_LOOKS_AGAIN = timedelta(days=1)


class Kind(BlockKind):
    key = "delay"
    label = "Delay"
    icon = "schedule"
    help = (
        "Waits for a number of days or hours, or until a date or time of the record. When it goes "
        "on, the record is read again; if it no longer matches Begin, it ends there."
    )
    exits = ("success",)

    def batch(self, block: BlockPart) -> int:
        return 5_000

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        yield from unknown_settings(block, _ONE_OF)
        given = [name for name in _ONE_OF if not is_blank(block.settings.get(name))]
        if len(given) != 1:
            yield Mistake(block.key, f"settings.{(given or _ONE_OF)[-1]}", _about_choice(given))
            return
        if given == ["until_field"]:
            yield from _check_field(block, facts)
        else:
            yield from _check_number(block, given[0])

    def run(self, step: Step) -> Sequence[Outcome]:
        return [_outcome(step, item) for item in step.items]

    def plan(self, step: Step) -> Sequence[Planned]:
        return [_planned(step, item) for item in step.items]


# Checking.


def _about_choice(given: Sequence[str]) -> str:
    if not given:
        return "Say how long it waits: a number of days, a number of hours, or until which field."
    return (
        f"It waits for one thing only, and here stand {len(given)}: {', '.join(given)}. "
        "Keep one of them."
    )


def _check_number(block: BlockPart, name: str) -> Iterator[Mistake]:
    number, unit = whole_number(block.settings[name]), name.removeprefix("for_")
    if number is None or not 0 < number <= _MOST[name]:
        yield Mistake(
            block.key,
            f"settings.{name}",
            f"The number of {unit} is a whole number from 1 to {_MOST[name]:,}.",
        )


def _check_field(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    name = str(block.settings["until_field"])
    times = [key for key, type_ in facts.fields.items() if type_ in {"date", "datetime"}]
    if name in times:
        return
    known = f"Choose a field with a date or time: {', '.join(sorted(times))}."
    if name in facts.fields:
        message = f'"{name}" holds no date or time, so nothing can wait for it. {known}'
    else:
        message = f'There is no field "{name[:80]}".{did_you_mean(name, times)} {known}'
    yield Mistake(block.key, "settings.until_field", message)


# Doing it.


def _outcome(step: Step, item: Item) -> Outcome:
    since = _since(step, item)
    until, why = _until(step, item, since)
    if until is None or until <= step.now:
        return Outcome(note=why)
    is_field = bool(step.block.settings.get("until_field"))
    return Outcome(
        then=Then.WAITS,
        exit="",
        waits_for=RunItem.WaitsFor.TIME,
        due_at=min(until, step.now + _LOOKS_AGAIN) if is_field else until,
        note=why,
        context={"since": since.isoformat()},
    )


def _planned(step: Step, item: Item) -> Planned:
    until, why = _until(step, item, step.now)
    action = "wait" if until is not None and until > step.now else "pass"
    return Planned(action, why, "success")


def _since(step: Step, item: Item) -> datetime:
    """When it came here; the engine forgets it when the block is left."""
    since = item.context.get("since")
    return datetime.fromisoformat(since) if since else step.now


def _until(step: Step, item: Item, since: datetime) -> tuple[datetime | None, str]:
    """The moment until which the item waits, and that in words; None: nothing to wait for."""
    settings = step.block.settings
    if name := settings.get("until_field"):
        return _until_field(step, item, str(name))
    days, hours = whole_number(settings.get("for_days")), whole_number(settings.get("for_hours"))
    until = since + timedelta(days=days or 0, hours=hours or 0)
    return until, _in_words(until, step)


def _until_field(step: Step, item: Item, name: str) -> tuple[datetime | None, str]:
    value = _value_of(item.record.values, name)
    try:
        until = _moment(value, step.zone)
    except TransformFailed:
        return None, f'"{name}" holds no date or time, so there was nothing to wait for.'
    if until is None:
        return None, f'"{name}" is empty, so there was nothing to wait for.'
    return until, f"{_in_words(until, step)[:-1]} ({name})."


def _value_of(values: Mapping[str, Any], name: str) -> Any:
    """The value of a field; `person.hire_date` is one of a SaaS user's person."""
    group, _dot, rest = name.partition(".")
    inside = values.get(group)
    return inside.get(rest) if rest and isinstance(inside, Mapping) else values.get(name)


def _moment(value: Any, zone: tzinfo) -> datetime | None:
    """A time as it is, of a date the beginning of its day here. Raises TransformFailed."""
    if isinstance(value, datetime) or (isinstance(value, str) and ":" in value):
        return read_datetime(value)
    day = read_date(value)
    return _in_zone(datetime.combine(day, time.min, tzinfo=zone), UTC) if day else None


def _in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """The same moment there; at the ends of the calendar, such as 9999-12-31, the same clock."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.replace(tzinfo=zone)


def _in_words(until: datetime, step: Step) -> str:
    local = _in_zone(until, step.zone)
    verb = "Waits until" if until > step.now else "It was time since"
    return f"{verb} {local.day} {local:%b %Y, %H:%M} {local.tzname()}."
