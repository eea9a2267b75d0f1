"""Betterworks' side of the sandbox: refuses what Betterworks says or is likely to refuse.

Paths end with a slash, pages hold 30 records and name the next by its address. How certain each
fact is, and where it was read, is in the vendor folder's README.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.people import Worker
from integrations.sandbox.vendor import (
    LONGEST_NUMBER,
    RecordChange,
    RefusedError,
    Settings,
    VendorSide,
    route,
)
from integrations.vendors.betterworks.sandbox_accounts import Accounts
from integrations.vendors.betterworks.sandbox_book import Book
from integrations.vendors.betterworks.sandbox_records import (
    ADMIN_FLAGS,
    DEPARTMENT_VALUES,
    SUPER_ADMIN,
    Department,
    User,
)
from integrations.vendors.betterworks.sandbox_values import (
    checked_department,
    checked_user,
    detail,
    field_errors,
    missing_fields,
    read_departments,
    read_object,
    read_users,
    set_values,
)

WORD = "APIToken"
PAGE = 30
HOST = "app.betterworks.com"
NOT_FOUND = "Not found."
FORBIDDEN = "You do not have permission to perform this action."
ROLES = ("super_admin", "admin", "member")


class Vendor(VendorSide):
    """One Betterworks account; the token belongs to a service user, a Super Admin."""

    base_path: ClassVar[str] = "/api/v1"
    default_settings: ClassVar[Settings] = {
        "token_role": None,  # super_admin, admin or member; null for what the token's user is
        "lookup_lag": 0,  # seconds until reads show what was made
        "envelope": "more",  # more (with nextURL), next, or bare: the whole list at once
        "conflict_status": 400,  # or 409
        "domains": ["acme.example", "example.com"],  # of e-mails; an empty list for all
        "custom_fields": ["employee_status", "contact_number"],
    }
    samples: ClassVar[Mapping[str, Request]] = {
        "users": Request(method="GET", path=f"{base_path}/users/")
    }
    page_parameter: ClassVar[str | None] = "page"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.accounts = Accounts(self.world.company)
        self.book = Book()
        self.key = self.secret("token").removeprefix("sandbox-")[:32]
        self.owner_id = 0

    # The account.

    def inputs(self) -> dict[str, str]:
        return {}

    def credentials(self) -> dict[str, Any]:
        settings = {"token_name": "Authorization", "add_to": "header"}
        return {"type": "api_key", "settings": settings, "secrets": {"value": self.key}}

    def signed(self) -> dict[str, str]:
        return {"authorization": f"{WORD} {self.key}"}

    def refusal(self, request: Request) -> Answer | None:
        """301 without the slash, which comes first; 401 unless signed by an active user's token."""
        path = self.inside(request.path) or ""
        if not path.endswith("/") and self._methods(f"{path}/"):
            return Answer.nothing(301, Location=f"/{self.name}{request.path}/")
        text = "Authentication credentials were not provided."
        word, _, token = request.header("authorization").partition(" ")
        if word == WORD:
            owner = self.book.users.get(self.owner_id)
            if token == self.key and owner is not None and self._fresh(owner).is_active:
                return None
            text = "Invalid token."
        return Answer.of({"detail": text}, status=401).with_headers(WWW_Authenticate=WORD)

    def too_many(self, seconds: int) -> Answer:
        text = f"Request was throttled. Expected available in {seconds} seconds."
        return Answer.of({"detail": text}, status=429).with_headers(Retry_After=str(seconds))

    def not_found(self, request: Request) -> Answer:
        """404, or 405 where the path is there for other methods."""
        methods = self._methods(self.inside(request.path) or "")
        if methods:
            text = f'Method "{request.method}" not allowed.'
            return Answer.of({"detail": text}, status=405).with_headers(Allow=", ".join(methods))
        return Answer.of({"detail": NOT_FOUND}, status=404)

    def wrong_account(self, request: Request) -> Answer:
        del request
        return Answer.of({"detail": NOT_FOUND}, status=404)

    def _methods(self, path: str) -> list[str]:
        return sorted({one.method for one in self.routes if one.pattern.fullmatch(path)})

    def _at_least(self, role: str) -> None:
        """403 unless the token's user is this or more."""
        flags = self.book.users[self.owner_id].flags
        own = (
            "super_admin" if SUPER_ADMIN in flags else "admin" if "is_admin" in flags else "member"
        )
        if ROLES.index(self.settings["token_role"] or own) > ROLES.index(role):
            raise detail(FORBIDDEN, 403)

    # Reading.

    @route("GET", "/users/")
    def list_users(self, request: Request) -> Answer:
        """A page of the users, deactivated ones too, oldest account first."""
        self._at_least("admin")
        users = [user for user in self.book.users.values() if self._shows(user)]
        return self._enveloped(request, users)

    @route("GET", "/users/admins/")
    def list_admins(self, request: Request) -> Answer:
        """A page of the active users who are Super Admin, Admin or HR Admin."""
        self._at_least("super_admin")
        admins = [
            user
            for user in self.book.users.values()
            if self._shows(user) and set(self._fresh(user).flags) & set(ADMIN_FLAGS)
        ]
        return self._enveloped(request, admins)

    @route("GET", "/users/{identifier}/")
    def get_user(self, request: Request, identifier: str) -> Answer:
        """One user by id, UUID or e-mail."""
        del request
        user = self._user(identifier)
        if not self._shows(user):
            raise detail(NOT_FOUND, 404)
        return Answer.of(self._record(user))

    @route("GET", "/departments/")
    def list_departments(self, request: Request) -> Answer:
        """A page of the departments."""
        self._at_least("admin")
        listed = [one for one in self.book.departments.values() if self._shows(one)]
        return self._enveloped(request, [one.shown() for one in listed])

    def _enveloped(self, request: Request, records: Sequence[User | dict[str, Any]]) -> Answer:
        form = self.settings["envelope"]
        text = request.parameter("page") or "1"
        page = max(1, int(text[:LONGEST_NUMBER])) if text.isdecimal() else 1
        begin, end = (page - 1) * PAGE, page * PAGE
        taken = records if form == "bare" else records[begin:end]
        shown = [self._record(one) if isinstance(one, User) else one for one in taken]
        if form == "bare":
            return Answer.of(shown)
        more = len(records) > end
        host = request.header("host") or HOST
        after = f"http://{host}/{self.name}{request.path}?page={page + 1}" if more else None
        if form == "next":
            return Answer.of({"results": shown, "next": after})
        return Answer.of({"results": shown, "more": more, "nextURL": after})

    def _record(self, user: User) -> dict[str, Any]:
        return self.book.record(self._fresh(user))

    def _shows(self, one: User | Department) -> bool:
        return bool(one.visible_from <= self.world.now().timestamp())

    def _fresh(self, user: User) -> User:
        user.lapse(self.today())
        return user

    def _user(self, identifier: str) -> User:
        user = self.book.find_user(unquote(identifier))
        if user is None:
            raise detail(NOT_FOUND, 404)
        return user

    # Writing.

    @route("POST", "/users/")
    def create_user(self, request: Request) -> Answer:
        """Make a user; 400 or 409 when the e-mail is taken."""
        self._at_least("super_admin")
        body = read_object(request)
        values = self._values(body)
        missing = missing_fields(values)
        if missing:
            raise field_errors(missing)
        self._refuse_taken(values, None)
        user_id = self.accounts.next_id()
        user = User(user_id, self.accounts.uuid_of(user_id), "", "", "")
        user.visible_from = self._visible_from()
        self._set(user, values)
        self.commit("user.create", key=user.email or "", target=str(user.id), names=sorted(body))
        return Answer.of(self._record(user), status=201)

    @route("PUT", "/users/")
    def update_user_by_email(self, request: Request) -> Answer:
        """Change the user whose e-mail is in the body."""
        self._at_least("super_admin")
        body = read_object(request)
        email = self._values(body).get("email")
        if email is None:
            raise field_errors(missing_fields({"first_name": "", "last_name": ""}))
        user = self.book.find_user(email)
        if user is None:
            raise detail(NOT_FOUND, 404)
        return self._update(user, {key: body[key] for key in body if key != "email"})

    @route("PUT", "/users/{identifier}/")
    def update_user(self, request: Request, identifier: str) -> Answer:
        """Change what the body names of one user, and nothing else."""
        self._at_least("super_admin")
        return self._update(self._user(identifier), read_object(request))

    @route("POST", "/departments/")
    def create_department(self, request: Request) -> Answer:
        """Make a department, also when there is one with this name."""
        self._at_least("super_admin")
        body = read_object(request)
        name, parent = checked_department(body)
        if parent is not None and parent not in self.book.departments:
            raise field_errors({"parent": f'Invalid pk "{parent}" - object does not exist.'})
        made = self._make_department(name, parent)
        return Answer.of(self.book.departments[made].shown(), status=201)

    def _update(self, user: User, body: dict[str, Any]) -> Answer:
        values = self._values(body)
        self._refuse_taken(values, user)
        day = values.get("deactivation_date", user.deactivation_date)
        if values.get("is_active") and day and day < self.today():
            raise field_errors({"is_active": "Clear the deactivation date, which is in the past."})
        was_active = self._fresh(user).is_active
        self._set(user, values)
        self._fresh(user)
        self._note(user, body, was_active=was_active)
        return Answer.of(self._record(user))

    def _note(self, user: User, body: dict[str, Any], *, was_active: bool) -> None:
        """A line in the ledger for the account's end or return, and one for other values."""
        others = sorted(set(body) - {"is_active", "deactivation_date"})
        key, target = user.email or "", str(user.id)
        if "is_active" in body or was_active != user.is_active:
            op = "user.activate" if user.is_active else "user.deactivate"
            names = sorted(set(body) & {"is_active", "deactivation_date"})
            self.commit(op, key=key, target=target, names=names)
        elif "deactivation_date" in body:
            others = sorted([*others, "deactivation_date"])
        if others or not body:
            self.commit("user.update", key=key, target=target, names=others)

    def _values(self, body: dict[str, Any]) -> dict[str, Any]:
        custom, domains = self.settings["custom_fields"], self.settings["domains"]
        return checked_user(body, custom=tuple(custom), domains=tuple(domains))

    def _refuse_taken(self, values: dict[str, Any], user: User | None) -> None:
        problem = self.book.problem_with(values, user)
        if not problem:
            return
        if self.settings["conflict_status"] == 409 and "email" in problem:  # noqa: PLR2004
            raise RefusedError(Answer.of({"detail": problem["email"]}, status=409))
        raise field_errors(problem)

    def _set(self, user: User, values: dict[str, Any]) -> None:
        name = values.pop("department_name", None)
        if name is not None:
            known = self.book.find_department(name)
            values["department_id"] = known.id if known else self._make_department(name, None)
        if "custom_fields" in values:
            values["custom_fields"] = {**user.custom_fields, **values["custom_fields"]}
        if values.get("is_active") is False:
            user.flags = ()
        self.book.change(user, values)

    def _make_department(self, name: str, parent: int | None) -> int:
        made = self.book.add_department(name, parent, visible_from=self._visible_from())
        self.commit("department.create", key=name, target=str(made.id), names=["name"])
        return made.id

    def _visible_from(self) -> float:
        lag = float(self.settings["lookup_lag"])
        return self.world.now().timestamp() + lag if lag else 0.0

    # The world behind the API.

    def hire(self, worker: Worker) -> None:
        user = self.accounts.account_of(worker)
        if user is not None:
            name = worker.department.name
            known = self.book.find_department(name) or self.book.add_department(name, None)
            user.department_id = known.id
            self.book.add(user)

    def settle(self) -> None:
        user = self.accounts.service_user()
        self.book.add(user)
        self.owner_id = user.id

    def has_record(self, record_id: str) -> bool:
        return record_id.isdecimal() and int(record_id) in self.book.users

    def change_record(self, change: RecordChange) -> None:
        self._set_from_outside(self.book.users[int(change.id)], change.set)

    def add_record(self, values: dict[str, Any]) -> str:
        user_id = int(values.pop("id", 0)) or self.accounts.next_id()
        user = User(user_id, self.accounts.uuid_of(user_id), None, None, None)
        self.book.add(user)
        self._set_from_outside(user, values)
        return str(user_id)

    def _set_from_outside(self, user: User, given: dict[str, Any]) -> None:
        values = dict(given)
        name = values.get("department")
        if isinstance(name, str):
            del values["department"]
            known = self.book.find_department(name) or self.book.add_department(name, None)
            values["department_id"] = known.id
        self.book.forget(user)
        set_values(user, values)
        self.book.add(user)

    def delete_record(self, record_id: str) -> None:
        self.book.remove(int(record_id))

    def kept(self) -> dict[str, Any]:
        departments = self.book.departments.values()
        return {
            "users": [user.kept() for user in self.book.users.values()],
            "departments": [
                {name: getattr(one, name) for name in DEPARTMENT_VALUES} for one in departments
            ],
            "next_id": self.accounts.free_id,
            "owner_id": self.owner_id,
        }

    def keep(self, kept: dict[str, Any]) -> None:
        self.book.take(read_users(kept["users"]), read_departments(kept["departments"]))
        self.accounts.free_id = kept["next_id"]
        self.owner_id = kept["owner_id"]
