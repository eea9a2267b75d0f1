"""The GoTo sandbox's account: who may call it, and everything that it lists."""

from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.oauth import OAuthSide
from integrations.sandbox.vendor import LONGEST_NUMBER, Settings, route
from integrations.vendors.goto.sandbox_directory import Directory
from integrations.vendors.goto.sandbox_records import (
    GROUPS,
    ROLE_SETS,
    TEMPLATES,
    Licence,
    Named,
    User,
)
from integrations.vendors.goto.sandbox_values import failure, page_of, read_filter

ACCOUNT = "3573452345454601007"
OTHER_ACCOUNT = "3573452345454601015"
USERS = "/accounts/{account}/users"
LICENCES = "/accounts/{account}/licenses"
SCOPE = "identity:"


class Account(OAuthSide):
    """One GoTo account; consent was given by the company's key owner, a super admin."""

    base_path: ClassVar[str] = "/admin/rest/v1"
    default_settings: ClassVar[Settings] = {
        "per_minute": None,
        "per_second": 10,
        "retry_after": False,  # 429 with Retry-After; GoTo does not document one
        "lookup_lag": 0,  # seconds until reads show a user that was made
        "filter_ignores_case": True,
        "empty_results": "list",  # omitted
        "token_refusal": 401,  # 403: as older GoTo APIs refuse a token
        "existing_with_key": False,  # new users, allOrNothing=false: those there already have a key
    }
    oauth_settings: ClassVar[Settings] = {
        "grant_types": ["authorization_code", "refresh_token"],
        "client_authentication": "basic",
        "scope": SCOPE,
    }

    def __init__(self, *given: Any) -> None:
        self.owner_key = ""
        super().__init__(*given)
        self.directory = Directory(self.world.company)

    # The account.

    def inputs(self) -> dict[str, str]:
        return {"account_key": ACCOUNT}

    def credentials(self) -> dict[str, Any]:
        secrets = {
            "client_id": self.oauth.client_id,
            "client_secret": self.oauth.client_secret,
            "refresh_token": self.oauth.imported,
        }
        settings = {"grant_type": "authorization_code", "client_authentication": "basic"}
        return {"type": "oauth2", "settings": settings, "secrets": secrets}

    def principal(self) -> str:
        owner = self.directory.users.get(self.owner_key) if self.owner_key else None
        return owner.email if owner else ""

    def signed(self) -> dict[str, str]:
        with self.lock:
            return {"authorization": f"Bearer {self.oauth.direct_token()}"}

    def refusal(self, request: Request) -> Answer | None:
        """The word Bearer, a living token with the Admin Center scope, of an owner who is there."""
        scheme, _, token = request.header("authorization").partition(" ")
        has_scope = SCOPE in str(self.settings["scope"]).split()
        is_good = scheme == "Bearer" and self.oauth.is_good(token)
        if is_good and has_scope and self.owner_key in self.directory.users:
            return None
        if self.settings["token_refusal"] == 403:  # noqa: PLR2004 - the status
            old = {"int_err_code": "InvalidToken", "msg": "Invalid token passed"}
            return Answer.of(old, status=403)
        return Answer.of({"code": "not.authenticated", "uri": request.path}, status=401)

    def too_many(self, seconds: int) -> Answer:
        answer = Answer.of({"code": "too.many.requests", "message": "Slow down"}, status=429)
        return answer.with_headers(Retry_After=str(seconds)) if self._says_when() else answer

    def _says_when(self) -> bool:
        return bool(self.settings["retry_after"])

    def page_of(self, request: Request) -> int | None:
        """Pages have offsets; the number is counted from the size that is asked for."""
        size, offset = (request.parameter(name) or "" for name in ("pageSize", "offset"))
        are_small = len(size + offset) < LONGEST_NUMBER and size.isdecimal() and offset.isdecimal()
        return int(offset) // max(1, int(size)) + 1 if are_small else None

    def with_page(self, request: Request, page: int) -> Request:
        """The same request with the offset of another page."""
        size = int(request.parameter("pageSize") or 0)
        return request.with_parameter("offset", str((page - 1) * size))

    def not_found(self, request: Request) -> Answer:
        return Answer.of({"code": "not.found", "uri": request.path}, status=404)

    def wrong_account(self, request: Request) -> Answer:
        return self.not_found(request)

    def _enter(self, account: str, *roles: str) -> None:
        """404 for a foreign account, 403 without one of the admin roles."""
        if account == OTHER_ACCOUNT:
            raise failure(403, "not.authorized", "No admin of this account")
        if account != ACCOUNT:
            raise failure(404, "not.found", "No such account")
        held = set(self.directory.users[self.owner_key].admin_roles)
        if not (held & {"SUPER_USER", *roles} if roles else held):
            raise failure(403, "not.authorized", f"Needs {' or '.join(roles) or 'an admin role'}")

    def _user(self, key: str, *, read: bool = False) -> User:
        user = self.directory.users.get(key)
        if user is None or (read and not self._is_visible(user)):
            raise failure(404, "not.found", "No such user")
        return user

    def _licence(self, key: str) -> Licence:
        licence = self.directory.licences.get(key)
        if licence is None:
            raise failure(404, "not.found", "No such license")
        return licence

    def _is_visible(self, user: User) -> bool:
        return user.visible_from <= self.world.now().timestamp()

    def _matching(self, request: Request) -> list[User]:
        """The users that reads show, those that the filter asks for."""
        ignore_case = bool(self.settings["filter_ignores_case"])
        wanted = read_filter(request, ignore_case=ignore_case)
        users = [user for user in self.directory.users.values() if self._is_visible(user)]
        return users if wanted is None else [user for user in users if wanted(user)]

    def _listed(self, records: Sequence[dict[str, Any]], beside: dict[str, int]) -> Answer:
        omit = not records and self.settings["empty_results"] == "omitted"
        return Answer.of({**({} if omit else {"results": list(records)}), **beside})

    # Reading.

    @route("GET", "/me")
    def me(self, request: Request) -> Answer:
        """The admin who gave consent, with every account that they belong to."""
        del request
        user = self.directory.users[self.owner_key]
        roles = list(user.admin_roles)
        accounts = [
            {"key": ACCOUNT, "name": "Acme", "adminRoles": roles},
            {"key": OTHER_ACCOUNT, "name": "Acme trials", "adminRoles": []},
        ]
        shown = self.directory.shown(user)
        shown.pop("status", None)
        return Answer.of({**shown, "accountKey": ACCOUNT, "orgAdmin": False, "accounts": accounts})

    @route("GET", USERS)
    def list_users(self, request: Request, account: str) -> Answer:
        """A page of the users that `filter` asks for; `attributes` leaves out all others."""
        self._enter(account)
        users, beside = page_of(self._matching(request), request)
        records = [self.directory.shown(user) for user in users]
        names = request.parameter("attributes")
        if names is not None:
            wanted = set(names.split(","))
            records = [{key: one[key] for key in one.keys() & wanted} for one in records]
        return self._listed(records, beside)

    @route("GET", USERS + "/{key}")
    def get_user(self, request: Request, account: str, key: str) -> Answer:
        """One user."""
        self._enter(account)
        return Answer.of(self.directory.shown(self._user(key, read=True)))

    @route("GET", USERS + "/{key}/licenses")
    def list_licences_of_user(self, request: Request, account: str, key: str) -> Answer:
        """A page of the licences that a user has."""
        self._enter(account)
        held = self.directory.licences_of(self._user(key, read=True).key)
        licences, beside = page_of(held, request)
        return self._listed([self.directory.licence_shown(one) for one in licences], beside)

    @route("GET", LICENCES)
    def list_licences(self, request: Request, account: str) -> Answer:
        """A page of the licences of the account."""
        self._enter(account)
        licences, beside = page_of(list(self.directory.licences.values()), request)
        return self._listed([self.directory.licence_shown(one) for one in licences], beside)

    @route("GET", "/accounts/{account}/templates")
    def list_templates(self, request: Request, account: str) -> Answer:
        """A page of the e-mail templates."""
        return self._names(request, account, TEMPLATES, ("key", "title"))

    @route("GET", "/accounts/{account}/groups")
    def list_groups(self, request: Request, account: str) -> Answer:
        """A page of the groups."""
        return self._names(request, account, GROUPS, ("key", "name"))

    @route("GET", "/accounts/{account}/rolesets")
    def list_role_sets(self, request: Request, account: str) -> Answer:
        """A page of the custom roles."""
        return self._names(request, account, ROLE_SETS, ("id", "name"))

    def _names(
        self, request: Request, account: str, listed: tuple[Named, ...], names: tuple[str, str]
    ) -> Answer:
        self._enter(account)
        shown, beside = page_of(listed, request)
        return self._listed([dict(zip(names, one, strict=True)) for one in shown], beside)
