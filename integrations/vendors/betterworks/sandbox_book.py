"""The users and departments that the Betterworks sandbox keeps, and how they are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.vendors.betterworks.sandbox_records import Department, User, shown_user

FIRST_DEPARTMENT = 31
_NO_OBJECT = 'Invalid pk "{}" - object does not exist.'
_TAKEN = "user with this {} already exists."


class Book:
    """Users by id, e-mail and UUID; departments by id, the oldest of a name first."""

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.departments: dict[int, Department] = {}
        self._by_email: dict[str, int] = {}
        self._by_uuid: dict[str, int] = {}
        self._by_employee_id: dict[str, int] = {}
        self._by_name: dict[str, int] = {}

    def find_user(self, identifier: str) -> User | None:
        """The user with this id, UUID or e-mail; e-mails are compared without case."""
        if identifier.isascii() and identifier.isdecimal():
            return self.users.get(int(identifier[:18]))
        key = identifier.casefold()
        return self.users.get(self._by_email.get(key, self._by_uuid.get(key, 0)))

    def find_department(self, name: str) -> Department | None:
        """The department of exactly this name."""
        return self.departments.get(self._by_name.get(name, 0))

    def record(self, user: User) -> dict[str, Any]:
        """The user as answers show it."""
        department = self.departments.get(user.department_id or 0)
        return shown_user(user, department, self.users.get(user.manager_id or 0))

    def problem_with(self, values: Mapping[str, Any], user: User | None) -> dict[str, str]:
        """What speaks against values of a user, new or known: taken, or names what is not there."""
        found = {}
        own = user.id if user else 0
        email, number = values.get("email"), values.get("employee_id")
        if email and self._by_email.get(email.casefold(), own) != own:
            found["email"] = _TAKEN.format("email address")
        if number and self._by_employee_id.get(number, own) != own:
            found["employee_id"] = _TAKEN.format("employee id")
        manager, department = values.get("manager_id"), values.get("department_id")
        if manager is not None and (manager not in self.users or manager == own):
            found["manager_id"] = _NO_OBJECT.format(manager)
        if department is not None and department not in self.departments:
            found["department_id"] = _NO_OBJECT.format(department)
        return found

    def add(self, user: User) -> None:
        """Take in a user."""
        self.users[user.id] = user
        self._index(user)

    def change(self, user: User, values: Mapping[str, Any]) -> None:
        """Set attributes of a user."""
        self.forget(user)
        for name, value in values.items():
            setattr(user, name, value)
        self.add(user)

    def forget(self, user: User) -> None:
        """Let the user be found by id only, before what it is found by changes."""
        for index in (self._by_email, self._by_uuid, self._by_employee_id):
            for key in _keys_of(user):
                if index.get(key) == user.id:
                    del index[key]

    def remove(self, user_id: int) -> None:
        """Take a user out."""
        self.forget(self.users.pop(user_id))

    def add_department(
        self, name: str, parent: int | None, *, visible_from: float = 0.0
    ) -> Department:
        """Make a department, also one whose name is taken."""
        made = Department(max(self.departments, default=FIRST_DEPARTMENT - 1) + 1, name, parent)
        made.visible_from = visible_from
        self.departments[made.id] = made
        self._by_name.setdefault(name, made.id)
        return made

    def take(self, users: dict[int, User], departments: dict[int, Department]) -> None:
        """Hold these instead."""
        self.users, self.departments = users, departments
        self._by_name = {}
        for one in departments.values():
            self._by_name.setdefault(one.name, one.id)
        self._by_email, self._by_uuid, self._by_employee_id = {}, {}, {}
        for user in users.values():
            self._index(user)

    def _index(self, user: User) -> None:
        email, uuid, employee_id = _keys_of(user)
        for index, key in (
            (self._by_email, email),
            (self._by_uuid, uuid),
            (self._by_employee_id, employee_id),
        ):
            if key:
                index.setdefault(key, user.id)


def _keys_of(user: User) -> tuple[str, str, str]:
    return (user.email or "").casefold(), user.uuid.casefold(), user.employee_id or ""
