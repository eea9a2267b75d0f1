"""The sandbox company: a seeded stream of workers, the same for every vendor."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

from integrations.sandbox.names import (
    DEPARTMENTS,
    NAMES,
    OFFICES,
    PREFERRED_NAMES,
    Department,
    Name,
    Office,
)

Choice = TypeVar("Choice")

EMAIL_DOMAIN = "acme.example"
CHIEF = 1
KEY_OWNER = 2
SPAN = 8
FIRST_EMPLOYEE_NUMBER = 100

# Cases that every company of 27 or more people has, whatever the seed.
CONTRACTOR = 21
FUTURE_HIRE = 22
LEFT = 23
LEAVING_LATER = 24
WITHOUT_EMAIL = 25
PROMOTED_LATER = 26
OTHER_SCRIPT = 27

EMPLOYMENT_SHARES = (("future", 0.015), ("left", 0.07), ("leaving", 0.012), ("current", 1.0))
EMPLOYMENT_CASES = {
    CHIEF: "current",
    KEY_OWNER: "current",
    CONTRACTOR: "current",
    FUTURE_HIRE: "future",
    LEFT: "left",
    LEAVING_LATER: "leaving",
    WITHOUT_EMAIL: "current",
    PROMOTED_LATER: "current",
    OTHER_SCRIPT: "current",
}
CONTRACT_SHARES = (
    ("Contractor", 0.08),
    ("Part-Time", 0.06),
    ("Intern", 0.03),
    ("Leave of Absence", 0.01),
    ("Full-Time", 1.0),
)


class Move(NamedTuple):
    """A change of title within the department, in the past or in the future."""

    on: str
    title: str


class Worker(NamedTuple):
    """One employment. Dates are `YYYY-MM-DD`, `changed` is an ISO 8601 UTC time stamp.

    `left` may lie in the future; `hired` too. `manager` is the number of another worker.
    """

    number: int
    first_name: str
    last_name: str
    preferred_name: str | None
    email: str | None
    home_email: str
    employee_number: str | None
    contract: str
    title: str
    move: Move | None
    department: Department
    office: Office
    manager: int | None
    hired: str
    left: str | None
    work_phone: str | None
    extension: str | None
    mobile_phone: str | None
    changed: str


@dataclass(frozen=True, slots=True)
class Company:
    """What the stream is made from; equal companies give equal workers."""

    people: int
    seed: int
    today: date

    def workers(self) -> Iterator[Worker]:
        """Yield the workers by number from 1; a stream, so that 100,000 need no list."""
        draw = random.Random(f"{self.seed}:people")  # noqa: S311 - sample data, no secret
        writer = _Writer(draw=draw, today=self.today.toordinal())
        for number in range(1, self.people + 1):
            yield writer.worker(number)


class _Writer:
    """Makes one worker after another; keeps what must be unique or must fit together."""

    def __init__(self, *, draw: random.Random, today: int) -> None:
        self.draw = draw
        self.today = today
        self.emails: dict[str, int] = {}
        self.members: dict[str, list[int]] = {team.name: [] for team in DEPARTMENTS}
        self.offices = _weighted(OFFICES, [office.weight for office in OFFICES])
        self.departments = _weighted(DEPARTMENTS, [team.weight for team in DEPARTMENTS])

    def happens(self, share: float) -> bool:
        """Draw whether something is so that is so for this share of the company."""
        return self.draw.random() < share

    def worker(self, number: int) -> Worker:
        """Draw the worker with this number."""
        pick = self.draw.random
        office = self.offices[int(pick() * len(self.offices))]
        department = self._department(number)
        first, last = self._name(number, office)
        hired, left = self._employment(number)
        contract = self._contract(number)
        title, manager = self._place(number, department)
        return Worker(
            number=number,
            first_name=first.written,
            last_name=last.written,
            preferred_name=_preferred(pick()),
            email=self._email(number, first, last),
            home_email=f"{first.spelled}.{number}@mail.example",
            employee_number=_employee_number(number, contract),
            contract=contract,
            title=title,
            move=self._move(number, department, hired),
            department=department,
            office=office,
            manager=manager,
            hired=_iso(hired),
            left=None if left is None else _iso(left),
            work_phone=self._phone(office, share=0.7),
            extension=str(100 + number % 900) if self.happens(0.2) else None,
            mobile_phone=self._phone(office, share=0.6),
            changed=_moment(self.today - 1 - int(pick() ** 2 * 400), int(pick() * 86_400)),
        )

    def _phone(self, office: Office, *, share: float) -> str | None:
        if not self.happens(share):
            return None
        return f"{office.dialling} {int(self.draw.random() * 10_000):04d}"

    def _department(self, number: int) -> Department:
        if number in {CHIEF, KEY_OWNER}:
            return DEPARTMENTS[-1]
        return self.departments[int(self.draw.random() * len(self.departments))]

    def _name(self, number: int, office: Office) -> tuple[Name, Name]:
        pick = self.draw.random
        origin = office.origins[int(pick() * len(office.origins))]
        if number == OTHER_SCRIPT:
            origin = "japanese"
        names = NAMES[origin]
        return (
            names.first[int(pick() * len(names.first))],
            names.last[int(pick() * len(names.last))],
        )

    def _email(self, number: int, first: Name, last: Name) -> str | None:
        if number == WITHOUT_EMAIL or self.happens(0.004):
            return None
        local = f"{first.spelled}.{last.spelled}"
        count = self.emails.get(local, 0) + 1
        self.emails[local] = count
        return f"{local}{count if count > 1 else ''}@{EMAIL_DOMAIN}"

    def _employment(self, number: int) -> tuple[int, int | None]:
        """First and last day, as ordinals."""
        pick = self.draw.random
        hired = self.today - 2 - int(pick() ** 1.6 * 5_000)
        drawn = _drawn(EMPLOYMENT_SHARES, pick())
        kind = EMPLOYMENT_CASES.get(number, drawn)
        if kind == "future":
            return self.today + 2 + int(pick() * 60), None
        if kind == "left":
            return hired, self.today - 1 - int(pick() * (self.today - hired - 1))
        if kind == "leaving":
            return hired, self.today + 1 + int(pick() * 45)
        return hired, None

    def _contract(self, number: int) -> str:
        drawn = _drawn(CONTRACT_SHARES, self.draw.random())
        if number == CONTRACTOR:
            return "Contractor"
        return "Full-Time" if number in EMPLOYMENT_CASES else drawn

    def _place(self, number: int, department: Department) -> tuple[str, int | None]:
        """Title and manager: in each department a tree in which nobody leads more than eight."""
        team = self.members[department.name]
        rank = len(team)
        team.append(number)
        if number == CHIEF:
            return "Chief Executive Officer", None
        if rank == 0 or number == KEY_OWNER:
            return department.titles[0], CHIEF
        depth = 1 if rank <= SPAN else 2 + int(self.draw.random() * (len(department.titles) - 1))
        title = department.titles[min(depth, len(department.titles) - 1)]
        return title, team[(rank - 1) // SPAN]

    def _move(self, number: int, department: Department, hired: int) -> Move | None:
        """One in five of those who are here for more than a year; some moves are to come."""
        if number == PROMOTED_LATER:
            return Move(_iso(self.today + 30), department.titles[0])
        if hired > self.today - 400 or not self.happens(0.2):
            return None
        first = hired + 200
        day = first + int(self.draw.random() * (self.today + 60 - first))
        return Move(_iso(day), department.titles[min(1, len(department.titles) - 1)])


def _drawn(shares: tuple[tuple[str, float], ...], chance: float) -> str:
    """The name whose share of 0..1 the chance falls into; the last one takes the rest."""
    for name, share in shares:
        chance -= share
        if chance < 0:
            return name
    return shares[-1][0]


def _employee_number(number: int, contract: str) -> str | None:
    return None if contract == "Contractor" else f"{FIRST_EMPLOYEE_NUMBER + number:05d}"


def _weighted(values: tuple[Choice, ...], weights: list[int]) -> list[Choice]:
    """Each value as often as its weight, so that one draw picks one."""
    return [value for value, weight in zip(values, weights, strict=True) for _ in range(weight)]


def _preferred(chance: float) -> str | None:
    return PREFERRED_NAMES[int(chance * 100)] if chance < len(PREFERRED_NAMES) / 100 else None


@lru_cache(maxsize=20_000)
def _iso(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def _moment(ordinal: int, second: int) -> str:
    hours, rest = divmod(second, 3_600)
    return f"{_iso(ordinal)}T{hours:02d}:{rest // 60:02d}:{rest % 60:02d}+00:00"


def iso_moment(moment: datetime) -> str:
    """`2026-11-02T09:00:00+00:00`, to the second, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
