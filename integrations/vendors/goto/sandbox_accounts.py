"""Which workers of the company are users at GoTo, with which licences and roles."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime

from integrations.sandbox.people import (
    CHIEF,
    CONTRACTOR,
    EMAIL_DOMAIN,
    KEY_OWNER,
    LEFT,
    OTHER_SCRIPT,
    Company,
    Worker,
)
from integrations.vendors.goto.sandbox_records import (
    ACTIVE,
    GROUPS,
    INVITED,
    ROLE_SETS,
    SUSPENDED,
    Licence,
    User,
)

FIRST_KEY = 5_300_000_000_000_012_345
LARGEST_GAP = 900_000_000
SHARE_WITH_ACCOUNT = 0.55
SEATS_PER_PERSON = 1.2
FEWEST_SEATS = 25
ALWAYS_WITH_ACCOUNT = frozenset({CHIEF, KEY_OWNER, CONTRACTOR, LEFT, OTHER_SCRIPT})
ZONES = {"United Kingdom": "Europe/London", "Germany": "Europe/Berlin", "Japan": "Asia/Tokyo"}
LANGUAGES = {"United Kingdom": "en_GB", "Germany": "de_DE", "Japan": "ja_JP", "Italy": "it_IT"}
MANY_ROLES = ("MANAGE_USERS", "MANAGE_SEATS", "RUN_REPORTS")
ROLE_SHARES = (
    (("RUN_REPORTS",), 0.03),
    (MANY_ROLES, 0.02),
    (("MANAGE_ACCOUNT",), 0.01),
    (("VIEW_INVOICES", "VIEW_AND_PAY_INVOICES"), 0.01),
    (("SUPER_USER", "MANAGE_USERS"), 0.01),
)
OUTSIDERS = (
    ("Conference", "Room", f"room.1@{EMAIL_DOMAIN}"),
    ("Rosa", "Agentur", "rosa@agency.example"),
    ("Old", "Consultant", "old.consultant@agency.example"),
)


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def make_licences(people: int) -> list[Licence]:
    """Four licences: two with seats enough, one of three seats, one without any."""
    seats = max(FEWEST_SEATS, round(people * SEATS_PER_PERSON))
    return [
        Licence("7902142105473202120", "GoTo Connect", ("JIVE",), seats),
        Licence("7902142105473202121", "GoTo Meeting", ("G2M",), seats),
        Licence("7902142105473202122", "GoTo Webinar", ("G2W",), 3),
        Licence("7902142105473202123", "GoTo Training", ("G2T",), 0),
    ]


class Accounts:
    """Makes users; keys grow, so that users listed by key are listed by age."""

    def __init__(self, company: Company) -> None:
        self.today = company.today.isoformat()
        self.free_key = FIRST_KEY
        self._draw = random.Random(f"{company.seed}:goto")  # noqa: S311 - sample data, no secret

    def next_key(self) -> str:
        """A key that no user has: 19 digits, more than a JSON number of JavaScript holds."""
        taken = self.free_key
        self.free_key += 1 + int(self._draw.random() * LARGEST_GAP)
        return str(taken)

    def account_of(self, worker: Worker) -> tuple[User, int] | None:
        """The worker's user and the number of its licence (-1: none); None for half of them."""
        chosen = self._happens(SHARE_WITH_ACCOUNT) or worker.number in ALWAYS_WITH_ACCOUNT
        if not chosen or worker.email is None or worker.hired > self.today:
            return None
        country = worker.office.country
        user = User(
            key=self.next_key(),
            email=worker.email.upper() if self._happens(0.02) else worker.email,
            first_name=worker.preferred_name or worker.first_name,
            last_name=worker.last_name,
            created=epoch_ms(datetime.fromisoformat(f"{worker.hired}T08:00:00+00:00")),
            locale=LANGUAGES.get(country),
            time_zone=ZONES.get(country),
            admin_roles=self._roles(),
            role_sets=(ROLE_SETS[0].key,) if self._happens(0.03) else (),
            group_key=self._draw.choice(GROUPS).key if self._happens(0.4) else None,
            read_only=self._happens(0.05),
        )
        return self._placed(user, worker)

    def _placed(self, user: User, worker: Worker) -> tuple[User, int]:
        """Status and licence: who left is mostly suspended, who is new was only invited."""
        licence = 0 if self._happens(0.8) else 1
        if worker.number == KEY_OWNER:
            user.admin_roles, user.read_only = ("SUPER_USER", *MANY_ROLES), False
        elif worker.number == CHIEF:
            user.admin_roles = ("SUPER_USER",)
        left = worker.left is not None and worker.left <= self.today
        if left and worker.number != LEFT and self._happens(0.7):
            user.status, user.admin_roles, licence = SUSPENDED, (), -1
        elif worker.number > KEY_OWNER and not left and self._happens(0.04):
            user.status = INVITED
        return user, licence

    def outsiders(self) -> Iterator[tuple[User, int]]:
        """Users that are no employees; the last one is suspended and has no licence."""
        since = epoch_ms(datetime(2020, 2, 29, 8, tzinfo=UTC))
        for first_name, last_name, email in OUTSIDERS:
            is_old = first_name == "Old"
            status = SUSPENDED if is_old else ACTIVE
            user = User(self.next_key(), email, first_name, last_name, since, status=status)
            yield user, -1 if is_old else 0

    def _roles(self) -> tuple[str, ...]:
        chance = self._draw.random()
        for roles, share in ROLE_SHARES:
            chance -= share
            if chance < 0:
                return roles
        return ()

    def _happens(self, share: float) -> bool:
        return self._draw.random() < share
