"""Ten years of schedules in many zones, with downtime and clocks that jump, against an oracle.

The decisions are those of the product (`integrations.slots.decide`), driven without a database. The
oracle knows nothing of them: it walks day by day with the zone's rules and says when a day was due.
Each tick looks twice. `python -m trials.schedules`; its test takes a year through the database.
"""

from __future__ import annotations

import calendar
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from multiprocessing import get_context
from typing import Any
from zoneinfo import ZoneInfo

from integrations.due_times import Slot
from integrations.schedules import Schedule, read_schedule
from integrations.slot_decisions import Action, Judged, decide
from trials.report import Promise, finish, make_parser, progress

ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Nuuk",
    "America/Caracas",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Antarctica/Troll",
)
SCHEDULES: tuple[dict[str, Any], ...] = (
    {"every": "day", "at": "00:00"},
    {"every": "day", "at": "01:30"},
    {"every": "day", "at": "02:15"},
    {"every": "day", "at": "23:45"},
    {"every": "week", "on": ["sunday", "friday"], "at": "02:30"},
    {"every": "month", "on": 31, "at": "03:00"},
    {"cron": "30 2 29 * *"},
)
START, YEARS = date(2010, 1, 1), 10
DOWNTIMES = (timedelta(minutes=10), timedelta(hours=8), timedelta(days=3))
JUMPS = (timedelta(hours=1), timedelta(days=1), -timedelta(hours=1), -timedelta(days=1))
# Who is stopped within this time after a slot has not looked yet.
TICK = timedelta(seconds=3)
_RECENT = 8  # so many rows are enough: clocks jump by a day
REGULAR, HOUR, MINUTE, DAY = (
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(days=1),
)


# The oracle ------------------------------------------------------------------------------------


def due_days(data: dict[str, Any], zone: ZoneInfo, days: int) -> Iterator[tuple[date, datetime]]:
    """Each local date that is due, with its instant: by trying every minute where clocks change."""
    at = data.get("at", "02:30")
    hour, minute = (int(part) for part in at.split(":"))
    for number in range(days):
        day = START + timedelta(days=number)
        if _is_due(data, day) and (instant := _on(data, day, hour, minute, zone)) is not None:
            yield day, instant


def _is_due(data: dict[str, Any], day: date) -> bool:
    if "cron" in data:
        return day.day == 29  # noqa: PLR2004 - as the expression above says
    if data["every"] == "week":
        return calendar.day_name[day.weekday()].lower() in data["on"]
    if data["every"] == "month":
        return day.day == calendar.monthrange(day.year, day.month)[1]
    return True


def _on(data: dict[str, Any], day: date, hour: int, minute: int, zone: ZoneInfo) -> datetime | None:
    """Walk the wall clock forward, minute by minute, until it shows a time that exists."""
    wall = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall clock
    for _ in range(2 * 24 * 60):
        there = wall.replace(tzinfo=zone).astimezone(UTC)
        if there.astimezone(zone).replace(tzinfo=None) == wall:
            left_out = wall.date() > day and not _exists(day, zone)
            return None if left_out and _is_due(data, day + DAY) else there
        wall += MINUTE
    return None


def _exists(day: date, zone: ZoneInfo) -> bool:
    noon = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 - a wall clock
    return noon.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).date() == day


# The world -------------------------------------------------------------------------------------


@dataclass
class World:
    """Rows in memory, and the runs that were started: (slot, when by the true clock, late)."""

    schedule: Schedule
    since: datetime
    rows: list[Judged] = field(default_factory=list)
    runs: list[tuple[Slot, datetime, bool]] = field(default_factory=list)

    def tick(self, now: datetime, *, shown: datetime | None = None) -> None:
        """Judge by the clock that is shown, twice: the second tick finds what the first did."""
        clock = shown or now
        for _ in range(2):
            recent = self.rows[-_RECENT:]
            decision = decide(self.schedule, clock, since=self.since, judged=recent)
            if decision.slot is None:
                return
            starts = decision.action is Action.START
            if decision.again:
                self.rows.remove(decision.again)
            slot = decision.again.slot if decision.again else decision.slot
            self.rows.append(Judged(slot, starts, clock))
            if starts:
                self.runs.append((slot, now, decision.catch_up))


def ticks(dues: Sequence[datetime], down: Iterable[tuple[datetime, datetime]]) -> list[datetime]:
    """When the tick looks: around each due time, at the end of each downtime; never during one."""
    stops = sorted(down)
    moments = {due + shift for due in dues for shift in (-MINUTE, TICK)}
    moments |= {end for _start, end in stops} | {end + 2 * MINUTE for _start, end in stops}
    kept, which = [], 0
    for moment in sorted(moments):
        while which < len(stops) and stops[which][1] <= moment:
            which += 1
        if which == len(stops) or moment < stops[which][0]:
            kept.append(moment)
    return kept


def downtimes(
    rng: random.Random, kind: timedelta | None, days: int
) -> list[tuple[datetime, datetime]]:
    """Times when nothing ticks, of one length or of any, some weeks apart."""
    begin = datetime(START.year, START.month, START.day, tzinfo=UTC)
    end, moment, found = begin + timedelta(days=days - 40), begin, []
    while (moment := moment + rng.uniform(4, 20) * DAY) < end:
        length = kind or rng.uniform(0.1, 120) * HOUR
        found.append((moment, moment + length))
        moment += length
    return found


# The promises ----------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was tried, and each time that it went wrong."""

    tried: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=dict)

    def check(self, name: str, *, holds: bool, what: str) -> None:
        self.tried[name] += 1
        if not holds:
            self.broken.setdefault(name, []).append(what)

    def add(self, other: Tally) -> None:
        self.tried += other.tried
        for name, sentences in other.broken.items():
            self.broken.setdefault(name, []).extend(sentences)


def expected_runs(
    dues: Sequence[tuple[date, datetime]], down: Sequence[tuple[datetime, datetime]]
) -> dict[date, datetime]:
    """What the oracle wants: each due date once; of those in a downtime the last, if any."""
    wanted = dict(dues)
    for start, end in down:
        missed = [(day, due) for day, due in dues if start - TICK < due < end]
        for day, _due in missed[:-1]:
            del wanted[day]
        if missed:
            day, due = missed[-1]
            following = next((one for _day, one in dues if one > end), None)
            too_close = following is not None and following - end < HOUR
            if end - due > REGULAR and too_close:
                del wanted[day]
            else:
                wanted[day] = end
    return wanted


def try_down(
    tally: Tally, data: dict[str, Any], zone: str, days: int, kinds: Sequence[timedelta | None]
) -> None:
    """Ten years with each pattern of downtime, and without any."""
    schedule = read_schedule({**data, "timezone": zone})
    dues = list(due_days(data, ZoneInfo(zone), days))
    instants = [due for _day, due in dues]
    begin = instants[0] - HOUR
    for kind in kinds:
        rng = random.Random(f"{zone}{data}{kind}")  # noqa: S311 - repeatable
        down = [] if kind == timedelta(0) else downtimes(rng, kind, days)
        world = World(schedule, begin)
        for moment in ticks(instants, down):
            world.tick(moment)
        runs = Counter(slot.local_date for slot, _at, _late in world.runs)
        wanted = expected_runs_fast(dues, down)
        where = f"{zone}, {data}, down {kind}"
        for day in {*runs, *wanted}:
            name = "each due day has its one run" if not down else "one run after each downtime"
            right = runs[day] == (1 if day in wanted else 0)
            tally.check(name, holds=right, what=f"{where}: {day} has {runs[day]} runs")
        for slot, at, late in world.runs:
            should = wanted.get(slot.local_date or date.min)
            prompt = should is not None and timedelta(0) <= at - should <= MINUTE
            what = f"{where}: {slot.local_date} ran {at}, wanted {should}, catch-up {late}"
            tally.check("runs come within a minute", holds=prompt, what=what)


def expected_runs_fast(
    dues: Sequence[tuple[date, datetime]], down: Sequence[tuple[datetime, datetime]]
) -> dict[date, datetime]:
    """As `expected_runs`, with only the dues near each downtime."""
    wanted, first = dict(dues), 0
    for start, end in down:
        while first < len(dues) and dues[first][1] <= start - TICK:
            first += 1
        near = dues[first : first + 10]
        kept = expected_runs(near, [(start, end)])
        for day, _due in near:
            if day in kept:
                wanted[day] = kept[day]
            else:
                wanted.pop(day, None)
    return wanted


def try_jumps(tally: Tally, data: dict[str, Any], zone: str, days: int) -> None:
    """A clock that is wrong for some hours, now and then, and then right again."""
    schedule = read_schedule({**data, "timezone": zone})
    dues = list(due_days(data, ZoneInfo(zone), days))
    for jump in JUMPS:
        rng = random.Random(f"{zone}{data}{jump}")  # noqa: S311 - repeatable
        world = World(schedule, dues[0][1] - 2 * DAY)
        wrong = [(at, at + rng.uniform(0.2, 20) * HOUR) for at, _ in downtimes(rng, HOUR, days)]
        moments = set(ticks([due for _day, due in dues], []))
        moments |= {at + shift for one in wrong for at in one for shift in (MINUTE, 9 * MINUTE)}
        which = 0
        for moment in sorted(moments):
            while which < len(wrong) and wrong[which][1] <= moment:
                which += 1
            is_wrong = which < len(wrong) and wrong[which][0] <= moment
            world.tick(moment, shown=moment + jump if is_wrong else moment)
        runs = Counter(slot.local_date for slot, _at, _late in world.runs)
        for day, due in dues[:-3]:
            what = f"{zone}, {data}, jump {jump}: {day} (due {due}) has {runs[day]} runs"
            tally.check("jumps neither add nor lose a slot", holds=runs[day] == 1, what=what)


def try_hours(tally: Tally, zone: str, days: int) -> None:
    """An hourly schedule: an hour apart, always."""
    schedule = read_schedule({"every": "hour", "minute": 20, "timezone": zone})
    begin = datetime(START.year, START.month, START.day, tzinfo=UTC)
    world, moment = World(schedule, begin), begin
    while moment < begin + timedelta(days=days):
        moment += 10 * MINUTE
        world.tick(moment)
    slots = [slot.instant for slot, _at, _late in world.runs]
    for earlier, later in pairwise(slots):
        what = f"{zone}: {earlier} and {later}"
        holds = later - earlier == HOUR or _moved(zone, earlier, later)
        tally.check("hourly runs are an hour apart", holds=holds, what=what)


def _moved(zone: str, earlier: datetime, later: datetime) -> bool:
    """Whether the zone changed its standard time there, which is no summer time."""
    here = ZoneInfo(zone)
    standards = {
        (at.astimezone(here).utcoffset() or HOUR) - (at.astimezone(here).dst() or timedelta(0))
        for at in (earlier, later)
    }
    return len(standards) > 1


def try_zone(task: tuple[str, int, Sequence[dict[str, Any]]]) -> Tally:
    """Everything in one zone."""
    zone, days, schedules = task
    tally = Tally()
    for data in schedules:
        try_down(tally, data, zone, days, (timedelta(0), None))
    for data in schedules[1::3]:
        try_down(tally, data, zone, days, DOWNTIMES)
        try_jumps(tally, data, zone, days)
    try_hours(tally, zone, days // 10)
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Try everything and print the table; 1 when a promise was broken."""
    options = make_parser(__doc__).parse_args(arguments)
    began, tally = time.monotonic(), Tally()
    zones = ("Australia/Lord_Howe", "Pacific/Apia") if options.short else ZONES
    days = 3 * 365 if options.short else YEARS * 365 + 3
    schedules = SCHEDULES[1:6:2] if options.short else SCHEDULES
    with get_context("spawn").Pool(2) as pool:
        tasks = [(zone, days, schedules) for zone in zones]
        for zone, one in zip(zones, pool.imap(try_zone, tasks), strict=True):
            tally.add(one)
            progress(f"{zone}: {time.monotonic() - began:.0f} s")
    promises = [
        Promise(name, tried, tally.broken.get(name, ())) for name, tried in tally.tried.items()
    ]
    figures = f"{len(zones)} zones, {days:,} days, {len(schedules)} schedules"
    return finish(f"Schedules: {figures}", promises, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
