"""When schedules come due: local times made into instants, across every change of the clocks.

Where a schedule falls at most once a day (day, week, month, once, a cron expression with one minute
and one hour), its date is the slot. Times of the day go by the wall clock: one that the zone skips
comes at the next minute that exists, one that it repeats comes once. Intervals (hour; a cron
expression whose minute or hour begins with *) go by the time that passes and know no such thing.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim

from integrations.schedules import (
    WEEKDAYS,
    Cron,
    EveryDay,
    EveryHour,
    EveryMonth,
    EveryWeek,
    Once,
    Schedule,
    clock_of,
)

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
# No zone repeats more of a day than this.
_LONGEST_REPETITION = timedelta(hours=3)
_SHORTEST_MONTH = 28
_NEVER_LATER = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Slot:
    """A time at which a schedule is due; `local_date` where it falls at most once a day."""

    instant: datetime
    local_date: date | None = None


def next_slots(schedule: Schedule, after: datetime, count: int) -> list[Slot]:
    """The next slots later than `after`; fewer where the schedule ends."""
    return list(islice(_after(schedule, after.astimezone(UTC)), count))


def latest_slot(schedule: Schedule, now: datetime, since: datetime) -> Slot | None:
    """The latest slot later than `since` and not later than `now`; None when there is none."""
    found = next(_until(schedule, now.astimezone(UTC)), None)
    return found if found is not None and found.instant > since else None


def _after(schedule: Schedule, after: datetime) -> Iterator[Slot]:
    if isinstance(schedule, EveryHour):
        return _hours_after(schedule, after)
    if isinstance(schedule, Cron) and _is_interval(schedule):
        return _instants_after(schedule, after)
    return _dates_after(schedule, after)


def _until(schedule: Schedule, now: datetime) -> Iterator[Slot]:
    """The slots until `now`, the latest first."""
    if isinstance(schedule, EveryHour):
        return _hours_until(schedule, now)
    if isinstance(schedule, Cron) and _is_interval(schedule):
        return _instants_until(schedule, now)
    return _dates_until(schedule, now)


def _is_interval(schedule: Cron) -> bool:
    """Debian's rule, which people know: a star for the minute or the hour makes an interval."""
    if _is_once_a_day(schedule):
        return False
    minute, hour, *_days = schedule.cron.split()
    return minute.startswith("*") or hour.startswith("*")


def _is_once_a_day(schedule: Schedule) -> bool:
    if not isinstance(schedule, Cron):
        return not isinstance(schedule, EveryHour)
    parsed = CronSim(schedule.cron, datetime(2026, 1, 1))  # noqa: DTZ001 - only to read it
    return len(parsed.minutes) == 1 and len(parsed.hours) == 1


# Times of the day ------------------------------------------------------------------------------


def _dates_after(schedule: Schedule, after: datetime) -> Iterator[Slot]:
    start = after.astimezone(schedule.zone).replace(tzinfo=None) - 2 * _DAY
    last = after
    for slot in _as_slots(schedule, _nominal_times(schedule, start)):
        if slot.instant > last:
            yield slot
            last = slot.instant


def _dates_until(schedule: Schedule, now: datetime) -> Iterator[Slot]:
    start = now.astimezone(schedule.zone).replace(tzinfo=None) + _LONGEST_REPETITION
    last = _NEVER_LATER
    for slot in _as_slots(schedule, _nominal_times(schedule, start, backward=True)):
        if slot.instant <= now and slot.instant < last:
            yield slot
            last = slot.instant


def _as_slots(schedule: Schedule, nominal_times: Iterator[datetime]) -> Iterator[Slot]:
    dated = _is_once_a_day(schedule)
    for nominal in nominal_times:
        instant, skipped = _resolve(nominal, schedule.zone)
        # A day that the zone left out begins with the next one, unless that one has its own slot.
        if skipped >= _DAY and _falls_on(schedule, nominal.date() + _DAY):
            continue
        yield Slot(instant, nominal.date() if dated else None)


def _falls_on(schedule: Schedule, day: date) -> bool:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local
    first = next(_nominal_times(schedule, midnight), None)
    return first is not None and first.date() == day


def _nominal_times(
    schedule: Schedule, start: datetime, *, backward: bool = False
) -> Iterator[datetime]:
    """The local times that the schedule names, from `start` on, `start` included."""
    if isinstance(schedule, Once):
        due = schedule.local
        return iter([due] if (due <= start if backward else due >= start) else [])
    if not isinstance(schedule, Cron):
        assert not isinstance(schedule, EveryHour)  # noqa: S101 - that is an interval
        return _times_of_days(schedule, start, step=-_DAY if backward else _DAY)
    step = _MINUTE if backward else -_MINUTE
    whole = start.replace(second=0, microsecond=0)
    if not backward and whole < start:
        whole += _MINUTE
    return CronSim(schedule.cron, whole + step, reverse=backward)


def _times_of_days(
    schedule: EveryDay | EveryWeek | EveryMonth, start: datetime, *, step: timedelta
) -> Iterator[datetime]:
    at, day = clock_of(schedule.at), start.date()
    while date.min < day < date.max:
        if _is_on(schedule, day):
            due = datetime.combine(day, at)
            if due >= start if step > timedelta(0) else due <= start:
                yield due
        day += step


def _is_on(schedule: EveryDay | EveryWeek | EveryMonth, day: date) -> bool:
    if isinstance(schedule, EveryWeek):
        return WEEKDAYS[day.weekday()] in schedule.on
    if isinstance(schedule, EveryMonth):
        if day.day >= _SHORTEST_MONTH:
            return day.day == min(schedule.on, calendar.monthrange(day.year, day.month)[1])
        return day.day == schedule.on
    return True


def _resolve(nominal: datetime, zone: ZoneInfo) -> tuple[datetime, timedelta]:
    """The first instant at which the local clock shows this time, else the next minute that exists.

    Gives how much of the clock was skipped there, too.
    """
    early, late = (nominal.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    if early >= late:  # It exists; when it is repeated, fold 0 is the first time.
        return late, timedelta(0)
    return _change_between(zone, early, late), late - early


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first second with the offset that holds at `after`; at `before` another one holds."""
    offset = _offset(zone, after)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == offset:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


# Intervals -------------------------------------------------------------------------------------


def _hours_after(schedule: EveryHour, after: datetime) -> Iterator[Slot]:
    hour = after.replace(minute=0, second=0, microsecond=0) - _HOUR
    while True:
        due = _in_hour(schedule, hour)
        if due > after:
            yield Slot(due)
        hour += _HOUR


def _hours_until(schedule: EveryHour, now: datetime) -> Iterator[Slot]:
    hour = now.replace(minute=0, second=0, microsecond=0)
    while True:
        due = _in_hour(schedule, hour)
        if due <= now:
            yield Slot(due)
        hour -= _HOUR


def _in_hour(schedule: EveryHour, hour: datetime) -> datetime:
    """The one slot in this hour of UTC, by the minute that the zone's clock shows in winter.

    So the slots stay an hour apart where summer time is half an hour (Lord Howe).
    """
    local = hour.astimezone(schedule.zone)
    standard = (local.utcoffset() or timedelta(0)) - (local.dst() or timedelta(0))
    ahead = round(standard / _MINUTE)
    return hour + timedelta(minutes=(schedule.minute - ahead) % 60)


def _instants_after(schedule: Cron, after: datetime) -> Iterator[Slot]:
    """Each minute whose local time the expression names; between changes the offset is one."""
    zone, moment = schedule.zone, after
    offset = _offset(zone, moment)
    while True:
        local = (moment + offset).replace(tzinfo=None)
        nominal = next(CronSim(schedule.cron, local), None)
        if nominal is None:
            return
        due = nominal.replace(tzinfo=UTC) - offset
        change = _first_change(zone, moment + _SECOND, due, offset)
        if change is None:
            yield Slot(due)
            moment = due
        else:  # Look again from there; the minute of the change itself may be due.
            moment, offset = change - _SECOND, _offset(zone, change)


def _instants_until(schedule: Cron, now: datetime) -> Iterator[Slot]:
    zone, moment = schedule.zone, now
    while True:
        offset = _offset(zone, moment)
        local = (moment + offset).replace(tzinfo=None, second=0, microsecond=0)
        nominal = next(CronSim(schedule.cron, local + _MINUTE, reverse=True), None)
        if nominal is None:
            return
        due = nominal.replace(tzinfo=UTC) - offset
        change = _last_change(zone, due, moment, offset)
        if change is None:
            yield Slot(due)
            moment = due - _SECOND
        else:
            moment = change - _SECOND


def _first_change(
    zone: ZoneInfo, start: datetime, end: datetime, offset: timedelta
) -> datetime | None:
    """The first second from `start` to `end` with another offset. No zone changes twice a day."""
    before, moment = start - _SECOND, start
    while _offset(zone, moment) == offset:
        if moment >= end:
            return None
        before, moment = moment, min(moment + _DAY, end)
    return _change_between(zone, before, moment)


def _last_change(
    zone: ZoneInfo, start: datetime, end: datetime, offset: timedelta
) -> datetime | None:
    """The second in which the offset that holds at `end` began, when it is later than `start`."""
    after, moment = end, end
    while _offset(zone, moment) == offset:
        if moment <= start:
            return None
        after, moment = moment, max(moment - _DAY, start)
    return _change_between(zone, moment, after)
