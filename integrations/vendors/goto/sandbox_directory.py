"""The GoTo sandbox's users and licences, and what changes of one mean for the other."""

from collections.abc import Iterable
from typing import Any

from integrations.sandbox.people import Company
from integrations.vendors.goto.sandbox_accounts import Accounts, make_licences
from integrations.vendors.goto.sandbox_records import ACTIVE, INVITED, SUSPENDED, Licence, User

# Names of the API -> attributes of `User`.
ATTRIBUTES = {
    "email": "email",
    "firstName": "first_name",
    "lastName": "last_name",
    "locale": "locale",
    "timeZone": "time_zone",
    "status": "status",
    "adminRoles": "admin_roles",
    "roleSets": "role_sets",
    "managedGroupKeys": "managed_group_keys",
    "groupKey": "group_key",
    "nameLocked": "name_locked",
    "emailLocked": "email_locked",
    "identityReadOnly": "read_only",
    "createTime": "created",
}
LISTS = frozenset({"adminRoles", "roleSets", "managedGroupKeys"})


class Directory:
    """Users by key in the order of their keys, licences by key."""

    def __init__(self, company: Company) -> None:
        self.accounts = Accounts(company)
        self.users: dict[str, User] = {}
        self.licences = {one.key: one for one in make_licences(company.people)}
        self.former: dict[str, str] = {}  # e-mail -> key of a user that was deleted

    def take_in(self, user: User, licence: int) -> None:
        """Add a user of the company with one of the licences by its number; -1 is none."""
        self.users[user.key] = user
        if licence >= 0:
            list(self.licences.values())[licence].members[user.key] = None

    def find_by_email(self, email: str) -> list[User]:
        """Every user with this address, in any case."""
        return [one for one in self.users.values() if one.email.casefold() == email.casefold()]

    def licences_of(self, key: str) -> list[Licence]:
        """The licences that a user has."""
        return [one for one in self.licences.values() if key in one.members]

    def shown(self, user: User) -> dict[str, Any]:
        """The user as the API shows it."""
        return user.shown(self.licences_of(user.key))

    def licence_shown(self, licence: Licence) -> dict[str, Any]:
        """The licence as the API shows it."""
        invited = [
            key
            for key in licence.members
            if key in self.users and self.users[key].status == INVITED
        ]
        return licence.shown(invited)

    def add(self, values: dict[str, Any], *, created: int, visible_from: float) -> User:
        """Add an invited user; a former user with this address gets the old key back."""
        key = self.former.pop(values["email"].casefold(), "") or self.accounts.next_key()
        user = User(
            key=key,
            email=values["email"],
            first_name=values["firstName"],
            last_name=values["lastName"],
            created=created,
            locale=values.get("locale"),
            status=INVITED,
            invites=0,
            visible_from=visible_from,
        )
        self.users[key] = user
        return user

    def remove(self, key: str) -> User:
        """Take a user out, with the licences; its key is kept for the address."""
        user = self.users.pop(key)
        self.former[user.email.casefold()] = key
        for licence in self.licences.values():
            licence.members.pop(key, None)
        return user

    def give(self, licence: Licence, user: User) -> bool:
        """Give a licence; False when the user has it. Who was suspended can sign in again."""
        if user.key in licence.members:
            return False
        licence.members[user.key] = None
        if user.status == SUSPENDED:
            user.status = ACTIVE
        return True

    def take(self, licence: Licence, user: User) -> bool:
        """Take a licence; False when the user has it not.

        Without any licence, a user who has no admin role is suspended.
        """
        if user.key not in licence.members:
            return False
        del licence.members[user.key]
        if not user.admin_roles and not self.licences_of(user.key):
            user.status = SUSPENDED
        return True

    def set_values(self, user: User, values: dict[str, Any]) -> None:
        """Set values by their names in the API; names that it does not have are answered raw."""
        for name, value in values.items():
            if name == "licenseKeys":
                self._give_exactly(user, {str(one) for one in value})
            elif name in LISTS and isinstance(value, list):
                setattr(user, ATTRIBUTES[name], tuple(str(one) for one in value))
            elif name in ATTRIBUTES and name not in LISTS:
                setattr(user, ATTRIBUTES[name], value)
            else:
                user.extra = {**(user.extra or {}), name: value}

    def _give_exactly(self, user: User, keys: Iterable[str]) -> None:
        for licence in self.licences.values():
            licence.members.pop(user.key, None)
            if licence.key in keys:
                licence.members[user.key] = None

    def kept(self) -> dict[str, Any]:
        """Everything as JSON types; keys of 19 digits as text."""
        return {
            "users": [user.kept() for user in self.users.values()],
            "licences": [licence.kept() for licence in self.licences.values()],
            "former": dict(self.former),
            "next_key": str(self.accounts.free_key),
        }

    def keep(self, kept: dict[str, Any]) -> None:
        """Take over what `kept` gave."""
        users = [User.from_kept(one) for one in kept["users"]]
        licences = [Licence.from_kept(one) for one in kept["licences"]]
        self.users = {user.key: user for user in users}
        self.licences = {licence.key: licence for licence in licences}
        self.former = dict(kept["former"])
        self.accounts.free_key = int(kept["next_key"])
