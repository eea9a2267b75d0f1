"""Which workers of the company have an Aha! account, and what it looks like."""

import random
from collections.abc import Iterator

from integrations.sandbox.people import (
    CONTRACTOR,
    EMAIL_DOMAIN,
    KEY_OWNER,
    LEFT,
    OTHER_SCRIPT,
    Company,
    Worker,
)
from integrations.vendors.aha.sandbox_records import (
    ADMINISTRATOR_ROLES,
    CUSTOM_ROLES,
    PAID_ROLES,
    PRODUCTS,
    ROLES,
    User,
)

FIRST_ID = 6_776_757_454_431_877_834
LARGEST_GAP = 900_000_000
SHARE_WITH_ACCOUNT = 0.35
ALWAYS_WITH_ACCOUNT = frozenset({KEY_OWNER, CONTRACTOR, LEFT, OTHER_SCRIPT})
SHARED_ADDRESS = f"no-reply@{EMAIL_DOMAIN}"
OUTSIDERS = (
    ("Aha!", "Bot", SHARED_ADDRESS),
    ("Jira", "Connector", SHARED_ADDRESS),
    ("Import", "", SHARED_ADDRESS),
    ("Rosa", "Agentur", "rosa@agency.example"),
    ("Old", "Consultant", "old.consultant@agency.example"),
)
OUTSIDERS_SINCE = "2020-02-29T08:00:00.000Z"


class Accounts:
    """Makes accounts; ids grow, so that users listed by id are listed by age."""

    def __init__(self, company: Company) -> None:
        self.today = company.today.isoformat()
        self.free_id = FIRST_ID
        self._draw = random.Random(f"{company.seed}:aha")  # noqa: S311 - sample data, no secret

    def next_id(self) -> str:
        """An id that no user has: 19 digits, more than a JSON number of JavaScript holds."""
        taken = self.free_id
        self.free_id += 1 + int(self._draw.random() * LARGEST_GAP)
        return str(taken)

    def account_of(self, worker: Worker) -> User | None:
        """The worker's account; None for two thirds, without e-mail, or before the first day."""
        chosen = self._happens(SHARE_WITH_ACCOUNT) or worker.number in ALWAYS_WITH_ACCOUNT
        if not chosen or worker.email is None or worker.hired > self.today:
            return None
        roles = self._roles()
        left = worker.left is not None and worker.left <= self.today
        created = f"{worker.hired}T08:{int(self._draw.random() * 60):02d}:00.000Z"
        changed = worker.changed[:19] + ".000Z"
        user = User(
            id=self.next_id(),
            first_name=worker.preferred_name or worker.first_name,
            last_name=worker.last_name,
            email=_capitals(worker.email) if self._happens(0.03) else worker.email,
            created_at=created,
            updated_at=max(created, changed),
            accessed_at=None if self._happens(0.07) else changed,
            enabled=worker.number == LEFT or not left or self._happens(0.4),
            paid_seat=any(role in PAID_ROLES for role in roles.values()),
            roles=roles,
            custom_roles=tuple(role[0] for role in CUSTOM_ROLES if self._happens(0.08)),
            administers=ADMINISTRATOR_ROLES[:1] if self._happens(0.015) else (),
            seat_group=self._happens(0.1),
            saml=self._happens(0.6),
        )
        if worker.number == KEY_OWNER:
            user.administers, user.paid_seat = ADMINISTRATOR_ROLES, True
        return user

    def outsiders(self) -> Iterator[User]:
        """Accounts that belong to no employee; three of them share one address."""
        for first_name, last_name, email in OUTSIDERS:
            yield User(
                id=self.next_id(),
                first_name=first_name,
                last_name=last_name,
                email=email,
                created_at=OUTSIDERS_SINCE,
                updated_at=OUTSIDERS_SINCE,
                accessed_at=None,
                enabled=first_name != "Old",
                roles=self._roles(),
            )

    def _roles(self) -> dict[str, str]:
        """Roles in about a third of the products, mostly the same one."""
        names = tuple(ROLES)
        usual = self._draw.choice((*names, names[-1]))
        return {
            product.id: usual if self._happens(0.7) else self._draw.choice(names)
            for product in PRODUCTS
            if self._happens(0.35)
        }

    def _happens(self, share: float) -> bool:
        return self._draw.random() < share


def _capitals(email: str) -> str:
    """`Mia.Park@ACME.example`: the same address, written by a person."""
    local, _, domain = email.partition("@")
    company, _, rest = domain.partition(".")
    return f"{local.title()}@{company.upper()}.{rest}"
