"""The forms of a schedule: read from plain data, and said in words. Nothing here asks the time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from django.conf import settings
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from integrations.errors import Problem, ScheduleInvalid, did_you_mean

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]\Z")
_MOMENT = "%Y-%m-%dT%H:%M"
_CRON_FIELDS = 5
_LONGEST_CRON = 200
_EVERY_MONTH_HAS = 28


@cache
def zone_names() -> tuple[str, ...]:
    """The zones that a schedule can name, in order."""
    return tuple(sorted(available_timezones() - {"localtime", "Factory"}))


def _zone(name: str) -> str:
    if name not in zone_names():
        raise PydanticCustomError(
            "zone",
            'there is no zone "{name}"; write it as in Europe/London.{hint}',
            {"name": name, "hint": did_you_mean(name, zone_names())},
        )
    return name


def _clock(text: str) -> str:
    if not _CLOCK.match(text):
        raise PydanticCustomError("clock", 'must be a time of the day such as "06:00"')
    return text


def _moment(text: str) -> str:
    try:
        parsed = datetime.strptime(text, _MOMENT)  # noqa: DTZ007 - local, in the schedule's zone
    except ValueError:
        parsed = None
    if parsed is None or parsed.strftime(_MOMENT) != text:
        raise PydanticCustomError("moment", 'must be a date with a time such as "2026-12-01T09:00"')
    return text


def _weekdays(days: list[str]) -> list[str]:
    for day in days:
        if day not in WEEKDAYS:
            raise PydanticCustomError(
                "weekday",
                '"{day}" is no day of the week.{hint}',
                {"day": day, "hint": did_you_mean(day, WEEKDAYS)},
            )
    return sorted(set(days), key=WEEKDAYS.index)


def _cron(expression: str) -> str:
    text = " ".join(expression.split())
    if len(text.split(" ")) != _CRON_FIELDS:
        raise PydanticCustomError(
            "cron",
            'has five fields, minute, hour, day, month and day of the week, such as "0 6 * * *"',
        )
    try:
        next(CronSim(text, datetime(2026, 1, 1)))  # noqa: DTZ001 - any local time will do
    except CronSimError as problem:
        field = str(problem).removeprefix("Bad ")
        raise PydanticCustomError(
            "cron", "its field for the {field} cannot be read", {"field": field}
        ) from None
    except StopIteration:
        raise PydanticCustomError("cron", "never comes due") from None
    return text


Clock = Annotated[str, AfterValidator(_clock)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default_factory=lambda: str(settings.TIME_ZONE)
    )

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose clock it goes by."""
        return ZoneInfo(self.timezone)


class EveryHour(_Form):
    """Once an hour, `minute` minutes past."""

    every: Literal["hour"]
    minute: Annotated[int, Field(ge=0, le=59)] = 0


class EveryDay(_Form):
    """Once a day."""

    every: Literal["day"]
    at: Clock


class EveryWeek(_Form):
    """Once on each of these days of the week."""

    every: Literal["week"]
    on: Annotated[list[str], Field(min_length=1), AfterValidator(_weekdays)]
    at: Clock


class EveryMonth(_Form):
    """Once a month; on the last day where the month is shorter."""

    every: Literal["month"]
    on: Annotated[int, Field(ge=1, le=31)]
    at: Clock


class Once(_Form):
    """At one moment only."""

    once: Annotated[str, AfterValidator(_moment)]

    @property
    def local(self) -> datetime:
        """The moment by its zone's clock, without a zone."""
        return datetime.strptime(self.once, _MOMENT)  # noqa: DTZ007 - local by definition


class Cron(_Form):
    """A cron expression of five fields."""

    cron: Annotated[str, Field(max_length=_LONGEST_CRON), AfterValidator(_cron)]


Schedule = EveryHour | EveryDay | EveryWeek | EveryMonth | Once | Cron
_EVERY: Mapping[str, type[Schedule]] = {
    "hour": EveryHour,
    "day": EveryDay,
    "week": EveryWeek,
    "month": EveryMonth,
}


def read_schedule(data: Any) -> Schedule:
    """Read one of the forms above. Raises ScheduleInvalid with each mistake at its key."""
    if not isinstance(data, Mapping):
        raise ScheduleInvalid(
            [Problem("", 'must be keys with values, such as {every: day, at: "06:00"}')]
        )
    form = _form_of(data)
    try:
        return form.model_validate(dict(data))
    except ValidationError as mistakes:
        raise ScheduleInvalid(
            [_problem(one, form) for one in mistakes.errors(include_url=False)]
        ) from None


def as_data(schedule: Schedule) -> dict[str, Any]:
    """The schedule as it is stored and written to files, with its zone."""
    data = schedule.model_dump()
    return {**{key: data[key] for key in data if key != "timezone"}, "timezone": data["timezone"]}


def _form_of(data: Mapping[str, Any]) -> type[Schedule]:
    kinds = [key for key in ("every", "once", "cron") if key in data]
    if len(kinds) != 1:
        raise ScheduleInvalid(
            [Problem(kinds[1] if kinds else "", "needs one of every, once and cron, and only one")]
        )
    if kinds[0] != "every":
        return Once if kinds[0] == "once" else Cron
    unit = data["every"]
    if not isinstance(unit, str) or unit not in _EVERY:
        hint = did_you_mean(str(unit)[:50], _EVERY)
        raise ScheduleInvalid([Problem("every", f"must be hour, day, week or month.{hint}")])
    return _EVERY[unit]


def _problem(mistake: ErrorDetails, form: type[Schedule]) -> Problem:
    place = ".".join(str(part) for part in mistake["loc"])
    context = mistake.get("ctx", {})
    plain = {
        "missing": "is missing",
        "extra_forbidden": f"unknown key.{did_you_mean(place, form.model_fields)} "
        f"Here are known: {', '.join(form.model_fields)}.",
        "string_type": "must be text; write it in quotes",
        "int_type": "must be a whole number",
        "list_type": "must be a list, such as [monday, thursday]",
        "too_short": "needs at least one day, such as [monday]",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "string_too_long": f"has more than {context.get('max_length')} characters",
    }
    return Problem(place, plain.get(mistake["type"], mistake["msg"]))


def in_words(schedule: Schedule) -> str:
    """Say when it comes due, with the zone: `every day at 06:00 Europe/London`."""
    return f"{_when(schedule)} {schedule.timezone}"


def _when(schedule: Schedule) -> str:
    if isinstance(schedule, EveryHour):
        return f"every hour at minute {schedule.minute:02}"
    if isinstance(schedule, EveryDay):
        return f"every day at {schedule.at}"
    if isinstance(schedule, EveryWeek):
        days = [day.capitalize() for day in schedule.on]
        named = " and ".join([", ".join(days[:-1]), days[-1]] if len(days) > 1 else days)
        return f"every week on {named} at {schedule.at}"
    if isinstance(schedule, EveryMonth):
        short = ", or the last day," if schedule.on > _EVERY_MONTH_HAS else ""
        return f"every month on day {schedule.on}{short} at {schedule.at}"
    if isinstance(schedule, Once):
        return f"once on {schedule.local:%-d %B %Y} at {schedule.local:%H:%M}"
    return f"at the times of the cron expression {schedule.cron} in"


def as_cron(schedule: Schedule) -> str:
    """Say it as the five fields of cron, by its zone's clock; nothing for a single moment."""
    if isinstance(schedule, Cron):
        return schedule.cron
    if isinstance(schedule, Once):
        return ""
    if isinstance(schedule, EveryHour):
        return f"{schedule.minute} * * * *"
    at = clock_of(schedule.at)
    clock = f"{at.minute} {at.hour}"
    if isinstance(schedule, EveryWeek):
        days = ",".join(str((WEEKDAYS.index(day) + 1) % 7) for day in schedule.on)
        return f"{clock} * * {days}"
    if isinstance(schedule, EveryMonth):
        return f"{clock} {min(schedule.on, _EVERY_MONTH_HAS)} * *"
    return f"{clock} * * *"


def clock_of(at: str) -> time:
    """`06:00` as a time."""
    return time.fromisoformat(at)
