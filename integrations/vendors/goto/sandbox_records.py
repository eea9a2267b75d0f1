"""Users and licences of the GoTo sandbox, and how the API shows them."""

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

ADMIN_ROLES = (
    "SUPER_USER",
    "MANAGE_USERS",
    "MANAGE_SEATS",
    "MANAGE_SETTINGS",
    "MANAGE_GROUPS",
    "RUN_REPORTS",
    "MANAGE_DEVICE_GROUPS",
    "MANAGE_SETTINGS_PROFILES",
    "MANAGE_ACCOUNT",
    "MANAGE_EMERGENCY_SERVICES",
    "VIEW_INVOICES",
    "VIEW_AND_PAY_INVOICES",
    "VIEW_CALL_RECORDINGS",
)
LOCALES = (
    "it_IT",
    "en_GB",
    "ko_KR",
    "en_US",
    "es_ES",
    "zh_CN",
    "pt_BR",
    "fr_FR",
    "ja_JP",
    "de_DE",
)
ACTIVE, INVITED, SUSPENDED = "ACTIVE", "INVITED", "SUSPENDED"


class Named(NamedTuple):
    """A group, role set or e-mail template: a key and what people call it."""

    key: str
    name: str


GROUPS = (Named("8100000000000000001", "Support"), Named("8100000000000000002", "Sales"))
ROLE_SETS = (Named("6b1d2a1c", "Help desk"), Named("f09c77e4", "Night shift"))
TEMPLATES = (Named("7400000000000000001", "Welcome"), Named("7400000000000000002", "Contractors"))
GROUP_NAMES = {group.key: group.name for group in GROUPS}


@dataclass(slots=True)
class User:
    """One user. What is None or empty is left out of answers; `extra` wins over all values.

    `visible_from` is the Unix time from which reads show the user (setting `lookup_lag`).
    """

    key: str
    email: str
    first_name: str
    last_name: str
    created: int
    locale: str | None = None
    time_zone: str | None = None
    status: str = ACTIVE
    admin_roles: tuple[str, ...] = ()
    role_sets: tuple[str, ...] = ()
    managed_group_keys: tuple[str, ...] = ()
    group_key: str | None = None
    name_locked: bool = False
    email_locked: bool = False
    read_only: bool = False
    invites: int = 1
    visible_from: float = 0.0
    extra: dict[str, Any] | None = None

    def shown(self, licences: "list[Licence]") -> dict[str, Any]:
        """The user as list and get answers show it; keys are text here."""
        record: dict[str, Any] = {
            "key": self.key,
            "email": self.email,
            "firstName": self.first_name,
            "lastName": self.last_name,
            "locale": self.locale,
            "timeZone": self.time_zone,
            "status": self.status,
            "adminRoles": list(self.admin_roles),
            "roleSets": list(self.role_sets),
            "managedGroupKeys": list(self.managed_group_keys),
            "groupKey": self.group_key,
            "groupName": GROUP_NAMES.get(self.group_key or ""),
            "licenseKeys": [one.key for one in licences],
            "products": sorted({product for one in licences for product in one.products}),
        }
        record = {name: value for name, value in record.items() if value}
        record |= {
            "admin": bool(self.admin_roles),
            "nameLocked": self.name_locked,
            "emailLocked": self.email_locked,
            "identityReadOnly": self.read_only,
            "canAuthenticate": self.status == ACTIVE,
            "passwordCreated": self.status != INVITED,
            "inviteCount": self.invites,
            "createTime": self.created,
            "settings": {"JIVE": {"primaryExtensionNumber": self.key[-4:]}},
        }
        return {**record, **(self.extra or {})}

    def kept(self) -> dict[str, Any]:
        """The user as JSON types; by hand, because `asdict` copies ten times slower."""
        return {name: getattr(self, name) for name in USER_VALUES}

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "User":
        """The user that `kept` was made of."""
        user = cls(**kept)
        for name in ("admin_roles", "role_sets", "managed_group_keys"):
            setattr(user, name, tuple(kept[name]))
        return user


USER_VALUES = tuple(one.name for one in fields(User))


@dataclass(slots=True)
class Licence:
    """One licence: so many seats, and who has one, by user key in the order of giving."""

    key: str
    description: str
    products: tuple[str, ...]
    seats: int
    members: dict[str, None] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether every seat is taken."""
        return len(self.members) >= self.seats

    def shown(self, invited: list[str]) -> dict[str, Any]:
        """The licence as lists show it; keys are numbers here."""
        return {
            "key": int(self.key),
            "seats": self.seats,
            "userCount": len(self.members),
            "enabled": True,
            "description": self.description,
            "type": "NAMED",
            "channel": "CORPORATE",
            "userKeys": [int(key) for key in self.members],
            "invitedUserKeys": [int(key) for key in invited],
            "deviceKeys": [],
            "deviceCount": 0,
            "products": list(self.products),
            "childLicenseKeys": [],
            "entitlements": {},
            "devicesOnly": False,
            "devicesAllowed": True,
            "externallyManaged": False,
        }

    def kept(self) -> dict[str, Any]:
        """The licence as JSON types."""
        return {
            "key": self.key,
            "description": self.description,
            "products": list(self.products),
            "seats": self.seats,
            "members": list(self.members),
        }

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "Licence":
        """The licence that `kept` was made of."""
        members = dict.fromkeys(kept["members"])
        return cls(**{**kept, "products": tuple(kept["products"]), "members": members})
