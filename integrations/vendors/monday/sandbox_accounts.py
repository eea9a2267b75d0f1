"""Which workers of the company have a monday.com account, and which robots there are."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from integrations.sandbox.people import (
    CONTRACTOR,
    FUTURE_HIRE,
    KEY_OWNER,
    LEFT,
    OTHER_SCRIPT,
    Company,
    Worker,
)
from integrations.vendors.monday.sandbox_records import (
    ACTIVE,
    ADMIN,
    GUEST,
    INACTIVE,
    MEMBER,
    PENDING,
    TEAMS,
    VIEW_ONLY,
    User,
)

FIRST_ID = 70_000_001
LARGEST_GAP = 9_000
SHARE_WITH_ACCOUNT = 0.4
ALWAYS_WITH_ACCOUNT = frozenset({KEY_OWNER, CONTRACTOR, FUTURE_HIRE, LEFT, OTHER_SCRIPT})
KIND_SHARES = ((ADMIN, 0.02), (VIEW_ONLY, 0.1), (MEMBER, 1.0))
OPENED = "2019-03-01"  # the account itself
SINCE = "2020-02-29T08:00:00.000Z"
OUTSIDERS = (
    ("Rosa Agentur", "rosa@agency.example", GUEST, ACTIVE),
    ("Tom Freelance", "tom@freelance.example", GUEST, PENDING),
    ("Old Consultant", "old.consultant@agency.example", MEMBER, INACTIVE),
)
ROBOTS = (
    ("Build server", "build@service.users.example", "service_user"),
    ("Notetaker", "notetaker@agents.example", "personal_agent_member"),
    ("CRM API", "crm@api.users.example", "crm_commerce_api_user"),
)
LANGUAGES = ("en", "en", "en", "de", "he", "pt", "ja")
COUNTRIES = ("GB", "US", "DE", "IL", "JP")


def stamp(moment: datetime) -> str:
    """`2025-03-02T09:14:33.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Accounts:
    """Makes accounts; ids grow."""

    def __init__(self, company: Company) -> None:
        self.today = company.today
        self.free_id = FIRST_ID
        self._draw = random.Random(f"{company.seed}:monday")  # noqa: S311 - sample data

    def next_id(self) -> str:
        """An id that no user has."""
        taken = self.free_id
        self.free_id += 1 + int(self._draw.random() * LARGEST_GAP)
        return str(taken)

    def account_of(self, worker: Worker) -> User | None:
        """The worker's account; None for most, and without e-mail."""
        chosen = self._happens(SHARE_WITH_ACCOUNT) or worker.number in ALWAYS_WITH_ACCOUNT
        if not chosen or worker.email is None:
            return None
        kind = self._kind(worker)
        status = self._status(worker)
        opened = max(OPENED, min(worker.hired, self.today.isoformat()))
        user = User(
            id=self.next_id(),
            name=f"{worker.preferred_name or worker.first_name} {worker.last_name}",
            email=worker.email,
            created_at=f"{opened}T08:{int(self._draw.random() * 60):02d}:00.000Z",
            kind=kind,
            status=status,
            title=worker.title,
            birthday=self._birthday(),
            country_code=self._draw.choice(COUNTRIES),
            current_language=self._draw.choice(LANGUAGES),
            location=worker.office.city,
            mobile_phone=worker.mobile_phone,
            phone=worker.work_phone,
            time_zone_identifier="Europe/London",
            utc_hours_diff=0,
            teams=tuple(team for team in TEAMS if self._happens(0.2)),
        )
        if status != PENDING:
            user.became_active_at = f"{user.created_at[:11]}18:30:10.000Z"
            user.last_activity = None if self._happens(0.05) else self._seen(opened)
        return user

    def _kind(self, worker: Worker) -> str:
        chance = self._draw.random()
        if worker.number == KEY_OWNER:
            return ADMIN
        if worker.number == CONTRACTOR:
            return VIEW_ONLY
        return next(kind for kind, share in KIND_SHARES if chance < share)

    def _status(self, worker: Worker) -> str:
        forgotten, waits = self._happens(0.4), self._happens(0.04)
        if worker.number == KEY_OWNER:
            return ACTIVE
        if worker.left is not None and worker.left <= self.today.isoformat():
            return ACTIVE if forgotten or worker.number == LEFT else INACTIVE
        return PENDING if waits or worker.hired > self.today.isoformat() else ACTIVE

    def _birthday(self) -> str | None:
        day = date(1960, 1, 1) + timedelta(days=int(self._draw.random() * 16_000))
        return None if self._happens(0.3) else day.isoformat()

    def _seen(self, opened: str) -> str:
        days = (self.today - date.fromisoformat(opened)).days
        ago = int(self._draw.random() ** 4 * days)
        return f"{self.today - timedelta(days=ago)}T00:00:00"

    def others(self) -> Iterator[User]:
        """Accounts that belong to no employee: guests, somebody who left, robots."""
        for name, email, kind, status in OUTSIDERS:
            began = None if status == PENDING else SINCE
            yield User(self.next_id(), name, email, SINCE, kind, status, became_active_at=began)
        for name, email, kind in ROBOTS:
            yield User(
                self.next_id(),
                name,
                email,
                SINCE,
                kind,
                became_active_at=SINCE,
                invitation_method="API_USER_CREATION",
            )

    def _happens(self, share: float) -> bool:
        return self._draw.random() < share
