"""The root fields of one monday.com request: what they read and what they change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from integrations.vendors.monday.sandbox_records import (
    ACCOUNT,
    ACTIVE,
    ADMIN,
    INACTIVE,
    PENDING,
    User,
)
from integrations.vendors.monday.sandbox_schema import Version
from integrations.vendors.monday.sandbox_users import Refusal, change_each, failure, select

if TYPE_CHECKING:
    from integrations.vendors.monday.sandbox import Vendor


class Calls:
    """Answers the root fields from the state of one side, whose lock is held."""

    def __init__(self, side: Vendor, version: Version, cost: int) -> None:
        self.side = side
        self.version = version
        self.cost = cost

    def root(self) -> dict[str, Any]:
        """The root fields of queries and mutations by name."""
        return {
            "me": lambda _info: self._shown(self.side.users[self.side.owner_id]),
            "users": self.users,
            "account": lambda _info: self._account(),
            "version": lambda _info: self._version(self.version.value, self.version.kind),
            "versions": lambda _info: [
                self._version(value, kind) for value, kind in self.side.settings["versions"].items()
            ],
            "complexity": lambda _info: self._complexity(),
            "activate_users": self.activate,
            "deactivate_users": self.deactivate,
            "update_users_role": self.set_role,
            "invite_users": self.invite,
        }

    # Reading.

    def users(self, _info: Any, **given: Any) -> list[dict[str, Any]]:
        """The users that the arguments mean."""
        chosen = select(self.side.users.values(), self.version.value, **given)
        return [self._shown(user) for user in chosen]

    def _shown(self, user: User) -> dict[str, Any]:
        return user.shown(self.version.value)

    def _account(self) -> dict[str, Any]:
        members = [one for one in self.side.users.values() if one.status == ACTIVE]
        return {**ACCOUNT, "active_members_count": len(members)}

    def _version(self, value: str, kind: str) -> dict[str, str]:
        return {"value": value, "kind": kind, "display_name": f"{value} ({kind})"}

    def _complexity(self) -> dict[str, int]:
        now, budget = self.side.world.now().timestamp(), self.side.settings["complexity_per_minute"]
        after = self.side.points.left(now, budget)
        wait = self.side.points.seconds_to_wait(now)
        return {
            "before": after + self.cost,
            "query": self.cost,
            "after": after,
            "reset_in_x_seconds": wait,
        }

    # Changing.

    def activate(self, _info: Any, user_ids: Sequence[str]) -> dict[str, Any]:
        """Who never accepted the invitation is pending again."""

        def change(user: User) -> Refusal:
            now = ACTIVE if user.became_active_at else PENDING
            self._set(user, "user.activate", "status", now)
            return None

        return self._each("activated_users", user_ids, change)

    def deactivate(self, _info: Any, user_ids: Sequence[str]) -> dict[str, Any]:
        """Pending users too."""

        def change(user: User) -> Refusal:
            self._set(user, "user.deactivate", "status", INACTIVE)
            return None

        return self._each("deactivated_users", user_ids, change)

    def set_role(
        self,
        _info: Any,
        user_ids: Sequence[str],
        new_role: str | None = None,
        role_id: str | None = None,
    ) -> dict[str, Any]:
        """A base role; there are no custom ones."""

        def change(user: User) -> Refusal:
            if role_id is not None or new_role is None:
                return "INVALID_INPUT", "Give one role that exists"
            self._set(user, "user.role", "kind", new_role.lower())
            return None

        return self._each("updated_users", user_ids, change)

    def invite(
        self,
        _info: Any,
        emails: Sequence[str],
        user_role: str | None = None,
        product: str | None = None,
    ) -> dict[str, Any]:
        """A pending user and a mail for each address that has no account yet."""
        del product
        self._admins_only()
        known = {(one.email or "").casefold() for one in self.side.users.values()}
        invited, errors = [], []
        for email in emails:
            if email.casefold() in known or "@" not in email:
                errors.append({"message": "Cannot be invited", "code": "ERROR", "email": email})
                continue
            values = {"email": email, "name": email.partition("@")[0], "status": PENDING}
            kind = (user_role or "MEMBER").lower()
            user_id = self.side.add_record({**values, "kind": kind, "became_active_at": None})
            self.side.commit("user.create", key=email, target=user_id, names=["email", "user_role"])
            invited.append(self._shown(self.side.users[user_id]))
        return {"invited_users": invited, "errors": errors}

    def _set(self, user: User, op: str, name: str, value: str) -> None:
        """Set a value; what is so already is no effect."""
        if getattr(user, name) != value:
            setattr(user, name, value)
            self.side.commit(op, key=user.email or "", target=user.id, names=[name])

    def _admins_only(self) -> None:
        if self.side.users[self.side.owner_id].kind != ADMIN:
            raise failure("User unauthorized to perform action", "USER_ACCESS_DENIED", 403)

    def _each(
        self, name: str, user_ids: Sequence[str], change: Callable[[User], Refusal]
    ) -> dict[str, Any]:
        self._admins_only()
        done, errors = change_each(self.side.users, user_ids, self.side.owner_id, change)
        return {name: [self._shown(user) for user in done], "errors": errors or None}
