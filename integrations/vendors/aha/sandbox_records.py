"""Users, products and roles of the Aha! sandbox, and how the API shows them."""

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

ROLES = {
    "product_owner": (20, "Owner"),
    "contributor": (30, "Contributor"),
    "developer": (35, "Developer"),
    "reviewer": (40, "Reviewer"),
    "viewer": (50, "Viewer"),
}
ADMINISTRATOR_ROLES = ("administer_account", "administer_billing", "administer_configuration")
PAID_ROLES = ("product_owner", "contributor")
DISABLED_SEATS = {"id": 572_805_993, "name": "Group 2"}


class Product(NamedTuple):
    """A workspace. `name` is None where the API shows none: the key may not see it."""

    id: str
    prefix: str
    name: str | None


PRODUCTS = (
    Product("6776757454431870001", "APP", "Mobile App"),
    Product("6776757454431870002", "WEB", "Web Platform"),
    Product("6776757454431870003", "API", "Public API"),
    Product("6776757454431870004", "MKT", "Märkte & Messen"),
    Product("6776757454431870005", "SEC", None),
    Product("6776757454431870006", "JP", "製品計画"),
)
BY_PRODUCT_ID = {product.id: product for product in PRODUCTS}

CUSTOM_ROLES = (
    (409_541_421, "Project scoped role 1", 303_742_481),
    (409_541_422, "Roadmap editor", 303_742_482),
)


@dataclass(slots=True)
class User:
    """One account. `roles` maps product id to a key of `ROLES`; `extra` wins over all values."""

    id: str
    first_name: str
    last_name: str
    email: str | None
    created_at: str
    updated_at: str
    accessed_at: str | None
    enabled: bool = True
    paid_seat: bool = False
    roles: dict[str, str] = field(default_factory=dict)
    custom_roles: tuple[int, ...] = ()
    administers: tuple[str, ...] = ()
    seat_group: bool = False
    saml: bool = False
    extra: dict[str, Any] | None = None

    @property
    def administrator(self) -> bool:
        """True with any of the administrator roles."""
        return bool(self.administers)

    def shown(self, *, with_user_roles: bool) -> dict[str, Any]:
        """The user as list and get answers show it; only the list has `user_roles`."""
        record: dict[str, Any] = {
            **self.brief(),
            "accessed_at": self.accessed_at,
            "product_roles": self.product_roles(),
        }
        if with_user_roles:
            record["user_roles"] = self.user_roles()
        record["enabled"] = self.enabled
        record["paid_seat"] = self.paid_seat
        record["administrator"] = self.administrator
        record["administrator_roles"] = {
            name: name in self.administers for name in ADMINISTRATOR_ROLES
        }
        if self.seat_group:
            record["paid_seat_group"] = DISABLED_SEATS
        record["identity_provider"] = (
            {"type": "saml", "name": "Acme SSO"} if self.saml else {"type": "password"}
        )
        if self.extra:
            record.update(self.extra)
        return record

    def brief(self) -> dict[str, Any]:
        """The user inside another object."""
        return {
            "id": self.id,
            "name": f"{self.first_name} {self.last_name}".strip(),
            "email": self.email,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    def product_roles(self) -> list[dict[str, Any]]:
        """A row for each product; the same role comes once for each."""
        return [product_role(role, product_id) for product_id, role in self.roles.items()]

    def user_roles(self) -> list[dict[str, Any]]:
        """Custom roles; ids are numbers here."""
        return [
            {
                "role_id": role_id,
                "name": name,
                "scope": {"type": "project", "name": "Account 1", "id": scope_id},
            }
            for role_id, name, scope_id in CUSTOM_ROLES
            if role_id in self.custom_roles
        ]

    def kept(self) -> dict[str, Any]:
        """The user as JSON types; by hand, because `asdict` copies ten times slower."""
        return {name: getattr(self, name) for name in USER_VALUES}

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "User":
        """The user that `kept` was made of."""
        user = cls(**kept)
        user.roles = dict(kept["roles"])
        user.custom_roles = tuple(kept["custom_roles"])
        user.administers = tuple(kept["administers"])
        return user


USER_VALUES = tuple(one.name for one in fields(User))


def product_role(role: str, product_id: str) -> dict[str, Any]:
    """One product role as the API shows it; the product's name may be null."""
    number, description = ROLES[role]
    product = BY_PRODUCT_ID.get(product_id)
    return {
        "role": number,
        "role_description": description,
        "product_id": product_id,
        "product_name": product.name if product else None,
    }


def find_product(wanted: str) -> Product | None:
    """A product by id or by reference prefix."""
    for product in PRODUCTS:
        if wanted in {product.id, product.prefix}:
            return product
    return None
