"""Users and departments of the Betterworks sandbox, and how the API shows them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

SUPER_ADMIN = "is_super_admin"
ADMIN_FLAGS = (SUPER_ADMIN, "is_admin", "is_hr_admin")
FLAGS = (*ADMIN_FLAGS, "is_goalmaster", "is_group_admin")


@dataclass(slots=True)
class Department:
    """A department; the same name may stand for several."""

    id: int
    name: str
    parent: int | None = None
    visible_from: float = 0.0

    def brief(self) -> dict[str, Any]:
        """The department inside a user."""
        return {"id": self.id, "name": self.name}

    def shown(self) -> dict[str, Any]:
        """The department in a listing, and as the answer to its creation."""
        return {**self.brief(), "parent": self.parent}


@dataclass(slots=True)
class User:
    """One account. `visible_from` is the moment, as seconds since 1970, when reads show it.

    `extra` holds values that were set from outside and wins over all others.
    """

    id: int
    uuid: str
    email: str | None
    first_name: str | None
    last_name: str | None
    preferred_name: str | None = None
    title: str | None = None
    employee_id: str | None = None
    phone_number: str | None = None
    location: str | None = None
    department_id: int | None = None
    manager_id: int | None = None
    is_active: bool = True
    deactivation_date: str | None = None
    hire_date: str | None = None
    flags: tuple[str, ...] = ()
    custom_fields: dict[str, Any] = field(default_factory=dict)
    visible_from: float = 0.0
    extra: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name or ''} {self.last_name or ''}".strip()

    def deactivate(self) -> None:
        """End the account; the roles of administrators go with it and do not come back."""
        self.is_active = False
        self.flags = ()

    def lapse(self, today: str) -> None:
        """End the account when the day of its deactivation is over."""
        if self.is_active and self.deactivation_date and self.deactivation_date < today:
            self.deactivate()

    def kept(self) -> dict[str, Any]:
        """The user as JSON types; by hand, because `asdict` copies ten times slower."""
        return {**{name: getattr(self, name) for name in USER_VALUES}, "flags": list(self.flags)}

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> User:
        """The user that `kept` was made of."""
        return cls(**{**kept, "flags": tuple(kept["flags"])})


USER_VALUES = tuple(one.name for one in fields(User))
DEPARTMENT_VALUES = tuple(one.name for one in fields(Department))
PLAIN_TEXTS = (
    "first_name", "last_name", "preferred_name", "title", "employee_id", "phone_number",
    "location",
)  # fmt: skip


def shown_user(user: User, department: Department | None, manager: User | None) -> dict[str, Any]:
    """The user as every answer shows it."""
    record: dict[str, Any] = {
        "id": user.id,
        "uuid": user.uuid,
        "name": user.name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "preferred_name": user.preferred_name,
        "email": user.email,
        "title": user.title,
        "employee_id": user.employee_id,
        "phone_number": user.phone_number,
        "location": user.location,
        "department": department.brief() if department else None,
        "manager": _brief(manager) if manager else None,
        "manager_id": user.manager_id,
        "is_active": user.is_active,
        "deactivation_date": user.deactivation_date,
        "hire_date": user.hire_date,
        **{flag: flag in user.flags for flag in FLAGS},
        "custom_fields": dict(user.custom_fields),
    }
    return {**record, **user.extra} if user.extra else record


def _brief(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email}
