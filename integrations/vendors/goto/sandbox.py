"""GoTo's side of the sandbox: OAuth, and the Admin API as strict as its guides and clients show it.

Keys are text in users and numbers in licences and in the answer to new users. What is answered
and where the fact was read is in the vendor folder's README.
"""

from typing import Any

from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.people import KEY_OWNER, Worker
from integrations.sandbox.vendor import RecordChange, route
from integrations.vendors.goto.sandbox_account import LICENCES, USERS, Account
from integrations.vendors.goto.sandbox_accounts import epoch_ms
from integrations.vendors.goto.sandbox_records import Licence, User
from integrations.vendors.goto.sandbox_values import (
    CHANGES,
    FLAGS,
    IDENTITY,
    MAIL,
    NEW_USER,
    NEW_USERS,
    body_of,
    checked,
    failure,
    flag_of,
    invalid,
    keys_of,
)

SHARED = ("adminRoles", "managedGroupKeys", "groupKey")


class Vendor(Account):
    """What changes the account, and the world behind the API."""

    # Writing.

    @route("POST", USERS)
    def add_users(self, request: Request, account: str) -> Answer:
        """Add users with the same licences and roles; 409 or left out when an address is taken."""
        self._enter(account, "MANAGE_USERS")
        body = body_of(request, (*NEW_USERS, "suppressEmail"))
        new = body.get("users")
        if not isinstance(new, list) or not new:
            raise invalid("users is a list of at least one user")
        for one in new:
            if not isinstance(one, dict) or not {"email", "firstName", "lastName"} <= set(one):
                raise invalid("A user has email, firstName and lastName")
            checked(one, NEW_USER)
        taken = [one["email"] for one in new if self.directory.find_by_email(one["email"])]
        if taken and flag_of(request, "allOrNothing", default=True):
            raise failure(409, "user.exists", "A user with this e-mail exists")
        fresh = [one for one in new if one["email"] not in taken]
        licences = self._seats(body, len(fresh))
        self._check_gift(body)
        made = {one["email"]: self._add(one, body, licences) for one in fresh}
        return Answer.of([self._new_entry(one["email"], made) for one in new])

    def _seats(self, body: dict[str, Any], wanted: int) -> list[Licence]:
        """The licences that are asked for; 409 unless each has seats enough."""
        keys = keys_of("licenseKeys", body.get("licenseKeys", []))
        licences = [self._licence(key) for key in keys]
        if any(len(one.members) + wanted > one.seats for one in licences):
            raise failure(409, "license.full", "No seats left")
        return licences

    def _check_gift(self, body: dict[str, Any]) -> None:
        """Only a super admin hands out admin roles."""
        owner = self.directory.users[self.owner_key]
        if "adminRoles" in body and "SUPER_USER" not in owner.admin_roles:
            raise failure(403, "not.authorized", "Only a super admin may give admin roles")

    def _add(self, values: dict[str, Any], body: dict[str, Any], licences: list[Licence]) -> User:
        now = self.world.now()
        visible_from = now.timestamp() + float(self.settings["lookup_lag"])
        user = self.directory.add(values, created=epoch_ms(now), visible_from=visible_from)
        shared: dict[str, Any] = {name: body[name] for name in SHARED if name in body}
        self.directory.set_values(user, shared)
        names = sorted({*values, *body} - {"users", *MAIL, *FLAGS})
        self.commit("user.create", key=user.email, target=user.key, names=names)
        for licence in licences:
            self._give(licence, user)
        self._mail(user, suppress=body.get("suppressEmail", False), what="mail.welcome")
        return user

    def _new_entry(self, email: str, made: dict[str, User]) -> dict[str, Any]:
        user = made.get(email)
        if user is None and self.settings["existing_with_key"]:
            (user, *_) = self.directory.find_by_email(email)
        return {**({"key": int(user.key)} if user else {}), "email": email}

    def _mail(self, user: User, *, suppress: bool, what: str) -> None:
        if not suppress:
            user.invites += 1
            self.commit(what, key=user.email, target=user.key, names=[])

    @route("PUT", USERS + "/{key}")
    def update_user(self, request: Request, account: str, key: str) -> Answer:
        """Set what the body names; 403 for the identity of a user of another primary account."""
        self._enter(account, "MANAGE_USERS")
        user = self._user(key)
        values = body_of(request, CHANGES)
        if user.read_only and IDENTITY & set(values):
            raise failure(403, "identity.read.only", "The identity belongs to another account")
        others = self.directory.find_by_email(str(values.get("email", "")))
        if any(one.key != key for one in others):
            raise failure(409, "user.exists", "A user with this e-mail exists")
        self._check_gift(values)
        values.pop("admin", None)
        self.directory.set_values(user, values)
        self.commit("user.update", key=user.email, target=key, names=sorted(values))
        return Answer.nothing(204)

    @route("DELETE", USERS + "/{key}")
    def delete_user(self, request: Request, account: str, key: str) -> Answer:
        """Remove a user from the account; the address gets its key back when it is added again."""
        self._enter(account, "MANAGE_USERS")
        user = self._user(key)
        self.directory.remove(key)
        self.commit("user.delete", key=user.email, target=key, names=[])
        return Answer.nothing(204)

    @route("POST", USERS + "/{key}/welcome-email")
    def resend_welcome_email(self, request: Request, account: str, key: str) -> Answer:
        """Send the welcome mail again. GoTo's path is not known; this is a stand-in."""
        self._enter(account, "MANAGE_USERS")
        user = self._user(key)
        body_of(request, MAIL, optional=True)
        self._mail(user, suppress=False, what="mail.welcome")
        return Answer.nothing(204)

    @route("PUT", LICENCES + "/{licence}/users/{key}")
    def license_user(self, request: Request, account: str, licence: str, key: str) -> Answer:
        """Give a licence to one user; 409 when no seat is left."""
        self._enter(account, "MANAGE_SEATS")
        suppress = flag_of(request, "suppressEmail", default=False)
        self._assign(self._licence(licence), [self._user(key)], suppress=suppress)
        return Answer.nothing(204)

    @route("PUT", LICENCES + "/{licence}/users")
    def license_users(self, request: Request, account: str, licence: str) -> Answer:
        """Give a licence to everybody whom the filter asks for; there must be a filter."""
        self._enter(account, "MANAGE_SEATS")
        suppress = flag_of(request, "suppressEmail", default=False)
        if request.parameter("filter") is None:
            raise invalid("filter is needed")
        self._assign(self._licence(licence), self._matching(request), suppress=suppress)
        return Answer.nothing(204)

    def _assign(self, licence: Licence, users: list[User], *, suppress: bool) -> None:
        without = [user for user in users if user.key not in licence.members]
        if len(licence.members) + len(without) > licence.seats:
            raise failure(409, "license.full", "No seats left")
        for user in without:
            self._give(licence, user)
            self._mail(user, suppress=suppress, what="mail.license")

    def _give(self, licence: Licence, user: User) -> None:
        if self.directory.give(licence, user):
            self.commit("license.assign", key=user.email, target=user.key, names=[licence.key])

    @route("DELETE", LICENCES + "/{licence}/users/{key}")
    def unlicense_user(self, request: Request, account: str, licence: str, key: str) -> Answer:
        """Take a licence from one user; 404 when the user has it not."""
        self._enter(account, "MANAGE_SEATS")
        flag_of(request, "suppressEmail", default=False)
        if not self._take(self._licence(licence), self._user(key)):
            raise failure(404, "not.found", "The user has no such license")
        return Answer.nothing(204)

    @route("DELETE", LICENCES + "/{licence}/users")
    def unlicense_users(self, request: Request, account: str, licence: str) -> Answer:
        """Take a licence from everybody whom the filter asks for; without one, from everybody."""
        self._enter(account, "MANAGE_SEATS")
        flag_of(request, "suppressEmail", default=False)
        for user in self._matching(request):
            self._take(self._licence(licence), user)
        return Answer.nothing(204)

    def _take(self, licence: Licence, user: User) -> bool:
        if not self.directory.take(licence, user):
            return False
        self.commit("license.unassign", key=user.email, target=user.key, names=[licence.key])
        return True

    # The world behind the API.

    def hire(self, worker: Worker) -> None:
        found = self.directory.accounts.account_of(worker)
        if found is not None:
            self.directory.take_in(*found)
            if worker.number == KEY_OWNER:
                self.owner_key = found[0].key

    def settle(self) -> None:
        for user, licence in self.directory.accounts.outsiders() if self.directory.users else ():
            self.directory.take_in(user, licence)

    def has_record(self, record_id: str) -> bool:
        return record_id in self.directory.users

    def change_record(self, change: RecordChange) -> None:
        self.directory.set_values(self.directory.users[change.id], change.set)

    def add_record(self, values: dict[str, Any]) -> str:
        given = dict(values)
        key = str(given.pop("key", "")) or self.directory.accounts.next_key()
        self.directory.users[key] = User(key, "", "", "", epoch_ms(self.world.now()))
        self.directory.set_values(self.directory.users[key], given)
        return key

    def delete_record(self, record_id: str) -> None:
        self.directory.remove(record_id)

    def kept(self) -> dict[str, Any]:
        return {**self.directory.kept(), "owner_key": self.owner_key}

    def keep(self, kept: dict[str, Any]) -> None:
        self.directory.keep(kept)
        self.owner_key = kept["owner_key"]
