"""Aha!'s side of the sandbox: refuses what Aha!'s documentation says it refuses.

Wrapped requests, unwrapped answers, ids of 19 digits. What is answered and where the fact was
read is in the vendor folder's README.
"""

from typing import Any, ClassVar

from integrations.sandbox.messages import Answer, Request
from integrations.sandbox.people import (
    KEY_OWNER,
    Worker,
)
from integrations.sandbox.vendor import (
    RecordChange,
    RefusedError,
    Settings,
    VendorSide,
    route,
)
from integrations.vendors.aha.sandbox_accounts import Accounts
from integrations.vendors.aha.sandbox_records import (
    PRODUCTS,
    User,
    product_role,
)
from integrations.vendors.aha.sandbox_values import (
    WRITABLE,
    WRITABLE_TEXT,
    administers,
    checked,
    invalid,
    membership,
    page_of,
    product_named,
    role_named,
    set_values,
    stamp,
    wrapped,
)

SUBDOMAIN = "acme"


class Vendor(VendorSide):
    """One Aha! account; the key belongs to the company's key owner, an administrator."""

    base_path: ClassVar[str] = f"/{SUBDOMAIN}/api/v1"
    default_settings: ClassVar[Settings] = {"per_second": 20}
    page_parameter: ClassVar[str | None] = "page"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.accounts = Accounts(self.world.company)
        self.key = self.secret("key")
        self.users: dict[str, User] = {}
        self.owner_id = ""

    # The account.

    def inputs(self) -> dict[str, str]:
        return {"subdomain": SUBDOMAIN}

    def credentials(self) -> dict[str, Any]:
        settings = {"token_name": "Authorization", "add_to": "header"}
        return {"type": "api_key", "settings": settings, "secrets": {"value": self.key}}

    def signed(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def refusal(self, request: Request) -> Answer | None:
        """401 unless the header is `Bearer <key>`, the word exactly once, by an enabled user."""
        scheme, _, key = request.header("authorization").partition(" ")
        owner = self.users.get(self.owner_id)
        if scheme.lower() != "bearer" or key != self.key or owner is None or not owner.enabled:
            return Answer.of({"error": "Unauthorized"}, status=401)
        return None

    def too_many(self, seconds: int) -> Answer:
        reset = int(self.world.now().timestamp()) + seconds
        return Answer.of({"error": "Rate limit exceeded"}, status=429).with_headers(
            Retry_After=str(seconds), X_Ratelimit_Reset=str(reset)
        )

    def not_found(self, request: Request) -> Answer:
        del request
        return Answer.of({"error": "Not found"}, status=404)

    def wrong_account(self, request: Request) -> Answer:
        del request
        return Answer.of({"error": "Unauthorized"}, status=401)

    def _administrators_only(self) -> None:
        if not self.users[self.owner_id].administrator:
            raise RefusedError(Answer.of({"error": "Forbidden"}, status=403))

    def _user(self, user_id: str) -> User:
        user = self.users.get(user_id)
        if user is None:
            raise RefusedError(Answer.of({"error": "Record not found"}, status=404))
        return user

    # Reading.

    @route("GET", "/me")
    def me(self, request: Request) -> Answer:
        """The user behind the key; only here are first and last name shown apart."""
        del request
        user = self.users[self.owner_id]
        names = {"first_name": user.first_name, "last_name": user.last_name}
        return Answer.of({"user": {**user.shown(with_user_roles=False), **names}})

    @route("GET", "/users")
    def list_users(self, request: Request) -> Answer:
        """A page of the users, oldest account first; `email` filters exactly."""
        self._administrators_only()
        users = list(self.users.values())
        email = request.parameter("email")
        if email is not None:
            wanted = email.casefold()
            users = [user for user in users if (user.email or "").casefold() == wanted]
        shown, pagination = page_of(users, request)
        records = [user.shown(with_user_roles=True) for user in shown]
        return Answer.of({"users": records, "pagination": pagination})

    @route("GET", "/users/{user_id}")
    def get_user(self, request: Request, user_id: str) -> Answer:
        """One user, wrapped, without `user_roles`."""
        del request
        return Answer.of({"user": self._user(user_id).shown(with_user_roles=False)})

    @route("GET", "/users/{user_id}/product_roles")
    def list_product_roles(self, request: Request, user_id: str) -> Answer:
        """A page of the user's roles in products."""
        shown, pagination = page_of(self._user(user_id).product_roles(), request)
        return Answer.of({"product_roles": shown, "pagination": pagination})

    @route("GET", "/users/{user_id}/user_roles")
    def list_user_roles(self, request: Request, user_id: str) -> Answer:
        """A page of the user's custom roles."""
        shown, pagination = page_of(self._user(user_id).user_roles(), request)
        return Answer.of({"user_roles": shown, "pagination": pagination})

    @route("GET", "/products")
    def list_products(self, request: Request) -> Answer:
        """A page of the products that have a name for this key."""
        shown, pagination = page_of([one for one in PRODUCTS if one.name], request)
        records = [
            {
                "id": product.id,
                "reference_prefix": product.prefix,
                "name": product.name,
                "product_line": False,
                "created_at": "2019-01-01T00:00:00.000Z",
                "workspace_type": "product_workspace",
            }
            for product in shown
        ]
        return Answer.of({"products": records, "pagination": pagination})

    @route("GET", "/products/{wanted}/users")
    def list_product_users(self, request: Request, wanted: str) -> Answer:
        """A page of who has a role in a product; the key is `project_users`."""
        product = product_named(wanted)
        members = [user for user in self.users.values() if product.id in user.roles]
        shown, pagination = page_of(members, request)
        records = [membership(user, product) for user in shown]
        return Answer.of({"project_users": records, "pagination": pagination})

    # Writing.

    @route("PUT", "/users/{user_id}")
    def update_user(self, request: Request, user_id: str) -> Answer:
        """Set what the wrapped request names; the answer is the user, not wrapped."""
        self._administrators_only()
        user = self._user(user_id)
        values = wrapped(request, "user")
        changes = checked(values)
        for name, value in changes.items():
            setattr(user, name, value)
        if "administrator" in values or "administrator_roles" in values:
            user.administers = administers(user.administers, values)
        user.updated_at = self._now()
        named = [name for name in values if name in WRITABLE]
        self.commit("user.update", key=user.email or "", target=user.id, names=sorted(named))
        return Answer.of(user.shown(with_user_roles=False))

    @route("POST", "/products/{wanted}/users")
    def create_user(self, request: Request, wanted: str) -> Answer:
        """Invite somebody into a product; a known address gets the role, no second account."""
        self._administrators_only()
        product = product_named(wanted)
        values = wrapped(request, "user")
        role = role_named(values.get("role", "viewer"))
        texts = {name: values.get(name) for name in WRITABLE_TEXT}
        if not all(isinstance(text, str) and text for text in texts.values()):
            raise invalid("email, first_name and last_name are needed")
        known = [user for user in self.users.values() if user.email == texts["email"]]
        user = known[0] if known else self._open_account(**texts)
        user.roles[product.id] = role
        op = "role.create" if known else "user.create"
        self.commit(op, key=user.email or "", target=user.id, names=sorted(values))
        return Answer.of(membership(user, product))

    @route("POST", "/users/{user_id}/product_roles")
    def add_product_role(self, request: Request, user_id: str) -> Answer:
        """Give a role in a product, or another one than before."""
        self._administrators_only()
        user = self._user(user_id)
        values = wrapped(request, "product_role")
        product = product_named(str(values.get("product_id")))
        user.roles[product.id] = role_named(values.get("role"))
        self.commit("role.create", key=user.email or "", target=user.id, names=[product.id])
        return Answer.of(product_role(user.roles[product.id], product.id))

    @route("DELETE", "/users/{user_id}/product_roles/{wanted}")
    def remove_product_role(self, request: Request, user_id: str, wanted: str) -> Answer:
        """Take a role in a product away; 404 when there is none."""
        del request
        self._administrators_only()
        user = self._user(user_id)
        product = product_named(wanted)
        if user.roles.pop(product.id, None) is None:
            raise RefusedError(Answer.of({"error": "Record not found"}, status=404))
        self.commit("role.delete", key=user.email or "", target=user.id, names=[product.id])
        return Answer.nothing(204)

    def _open_account(self, *, first_name: Any, last_name: Any, email: Any) -> User:
        now = self._now()
        user = User(self.accounts.next_id(), first_name, last_name, email, now, now, None)
        self.users[user.id] = user
        return user

    def _now(self) -> str:
        return stamp(self.world.now())

    # The world behind the API.

    def hire(self, worker: Worker) -> None:
        user = self.accounts.account_of(worker)
        if user is not None:
            self.users[user.id] = user
            if worker.number == KEY_OWNER:
                self.owner_id = user.id

    def settle(self) -> None:
        for user in self.accounts.outsiders() if self.users else ():
            self.users[user.id] = user

    def has_record(self, record_id: str) -> bool:
        return record_id in self.users

    def change_record(self, change: RecordChange) -> None:
        user = self.users[change.id]
        set_values(user, change.set)
        user.updated_at = self._now()

    def add_record(self, values: dict[str, Any]) -> str:
        user_id = str(values.pop("id", "")) or self.accounts.next_id()
        now = self._now()
        user = User(user_id, "", "", None, now, now, None)
        set_values(user, values)
        self.users[user.id] = user
        return user.id

    def delete_record(self, record_id: str) -> None:
        del self.users[record_id]

    def kept(self) -> dict[str, Any]:
        return {
            "users": [user.kept() for user in self.users.values()],
            "next_id": str(self.accounts.free_id),
            "owner_id": self.owner_id,
        }

    def keep(self, kept: dict[str, Any]) -> None:
        users = [User.from_kept(one) for one in kept["users"]]
        self.users = {user.id: user for user in users}
        self.accounts.free_id = int(kept["next_id"])
        self.owner_id = kept["owner_id"]
