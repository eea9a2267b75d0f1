"""Which workers of the company have a Betterworks account, and what it looks like."""

from __future__ import annotations

import random
import uuid

from integrations.sandbox.people import (
    CHIEF,
    EMAIL_DOMAIN,
    KEY_OWNER,
    LEFT,
    OTHER_SCRIPT,
    Company,
    Worker,
)
from integrations.vendors.betterworks.sandbox_records import SUPER_ADMIN, User

FIRST_ID = 700_001
SHARE_WITH_ACCOUNT = 0.6
ALWAYS_WITH_ACCOUNT = frozenset({CHIEF, KEY_OWNER, LEFT, OTHER_SCRIPT})
SHARE_STILL_ACTIVE = 0.3  # of those who left
SERVICE_ADDRESS = f"rolecall-service@{EMAIL_DOMAIN}"
# Every company of 27 or more has each role, and people with two.
FLAGS_OF: dict[int, tuple[str, ...]] = {
    CHIEF: ("is_hr_admin",),
    KEY_OWNER: (SUPER_ADMIN, "is_goalmaster"),
    OTHER_SCRIPT: ("is_admin", "is_group_admin"),
}
# Shares of the others who have a role.
ROLE_SHARES = (
    ("is_goalmaster", 0.03),
    ("is_group_admin", 0.04),
    ("is_hr_admin", 0.015),
    ("is_admin", 0.015),
)


class Accounts:
    """Makes accounts; ids grow by one with each, UUIDs follow from the id."""

    def __init__(self, company: Company) -> None:
        self.today = company.today.isoformat()
        self.free_id = FIRST_ID
        self._ids: dict[int, int] = {}
        self._seed = company.seed
        self._draw = random.Random(f"{company.seed}:betterworks")  # noqa: S311 - sample data

    def next_id(self) -> int:
        """An id that no user has."""
        taken = self.free_id
        self.free_id += 1
        return taken

    def uuid_of(self, user_id: int) -> str:
        """The other identifier of a user: the same for the same seed and id."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._seed}:{user_id}"))

    def account_of(self, worker: Worker) -> User | None:
        """The worker's account; None for some, without e-mail, or before the first day."""
        chosen = self._happens(SHARE_WITH_ACCOUNT) or worker.number in ALWAYS_WITH_ACCOUNT
        flags = tuple(flag for flag, share in ROLE_SHARES if self._happens(share))
        still_active = self._happens(SHARE_STILL_ACTIVE) or worker.number == LEFT
        if not chosen or worker.email is None or worker.hired > self.today:
            return None
        left = worker.left is not None and worker.left <= self.today and not still_active
        user_id = self._ids[worker.number] = self.next_id()
        user = User(
            id=user_id,
            uuid=self.uuid_of(user_id),
            email=worker.email,
            first_name=worker.first_name,
            last_name=worker.last_name,
            preferred_name=worker.preferred_name,
            title=worker.title,
            employee_id=worker.employee_number,
            phone_number=worker.work_phone,
            location=worker.office.city,
            manager_id=None if worker.manager is None else self._ids.get(worker.manager),
            is_active=not left,
            deactivation_date=worker.left if left else None,
            hire_date=worker.hired,
            flags=() if left else flags,
        )
        user.flags = FLAGS_OF.get(worker.number, user.flags)
        return user

    def service_user(self) -> User:
        """The user to whom the token is tied; nobody of the company, as Betterworks advises."""
        user_id = self.next_id()
        return User(
            id=user_id,
            uuid=self.uuid_of(user_id),
            email=SERVICE_ADDRESS,
            first_name="Rolecall",
            last_name="Service",
            flags=(SUPER_ADMIN,),
        )

    def _happens(self, share: float) -> bool:
        return self._draw.random() < share
