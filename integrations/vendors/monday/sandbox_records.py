"""Users of the monday.com sandbox, and how each version of the API shows them."""

from dataclasses import dataclass, fields
from typing import Any

ACTIVE, PENDING, INACTIVE = "ACTIVE", "PENDING", "INACTIVE"
ADMIN, MEMBER, GUEST, VIEW_ONLY = PEOPLE = ("admin", "member", "guest", "view_only")

ACCOUNT_ID = "5000001"
SLUG = "acme"
ADDRESS = f"https://{SLUG}.monday.com"
ACCOUNT: dict[str, Any] = {
    "id": ACCOUNT_ID,
    "name": "Acme Ltd",
    "slug": SLUG,
    "tier": "enterprise",
    "country_code": "GB",
    "created_at": "2019-03-01",
    "first_day_of_the_week": "monday",
    "is_during_trial": False,
    "is_trial_expired": False,
    "logo": None,
    "plan": {"tier": "enterprise", "period": "yearly", "max_users": 1000, "version": 18},
    "products": [{"id": "1", "kind": "core", "tier": "enterprise", "default_workspace_id": None}],
    "show_timeline_weekends": False,
    "sign_up_product_kind": "core",
}
TEAMS = {"900001": "Design", "900002": "Süd & West", "900003": "営業"}
# Fields that a client could see only with what the sandbox does not have.
_EMPTY: dict[str, Any] = dict.fromkeys(
    [
        "department",
        "encrypt_api_token",
        "out_of_office",
        "photo_original",
        "photo_small",
        "photo_thumb",
        "photo_thumb_small",
        "photo_tiny",
        "photo_url",
        "sign_up_product_kind",
    ]
)


@dataclass(slots=True)
class User:
    """One account. `extra` wins over all values; moments are as 2026-07 shows them."""

    id: str
    name: str
    email: str | None
    created_at: str
    kind: str = MEMBER
    status: str = ACTIVE
    became_active_at: str | None = None
    last_activity: str | None = None
    title: str = ""
    birthday: str | None = None
    country_code: str | None = None
    current_language: str | None = "en"
    location: str | None = None
    mobile_phone: str | None = None
    phone: str | None = None
    time_zone_identifier: str | None = None
    utc_hours_diff: int | None = None
    teams: tuple[str, ...] = ()
    invitation_method: str = "USER"
    is_deleted: bool = False
    extra: dict[str, Any] | None = None

    @property
    def is_person(self) -> bool:
        """False for robots."""
        return self.kind in PEOPLE

    def shown(self, version: str) -> dict[str, Any]:
        """The fields of `type User` of every version; the schema says which may be asked for."""
        record: dict[str, Any] = {name: getattr(self, name) for name in USER_VALUES}
        record |= _EMPTY
        record |= self._derived()
        if version < "2026-07":
            record["created_at"] = self.created_at[:10]
        record |= self.extra or {}
        if "teams" not in (self.extra or {}):
            record["teams"] = self._teams
        return record

    def _derived(self) -> dict[str, Any]:
        return {
            "account": ACCOUNT,
            "account_id": ACCOUNT_ID,
            "account_products": [],
            "activity_logs": lambda _info, **_given: {"logs": [], "cursor": None},
            "bb_visitor_id": f"v{self.id}",
            "custom_field_metas": [],
            "custom_field_values": [],
            "enabled": self.status != INACTIVE,
            "is_admin": self.kind == ADMIN,
            "is_email_confirmed": self.status != PENDING,
            "is_guest": self.kind == GUEST,
            "is_pending": self.status == PENDING,
            "is_verified": self.status != PENDING,
            "is_view_only": self.kind == VIEW_ONLY,
            "join_date": self.became_active_at and self.became_active_at[:10],
            "serial_number": int(self.id) % 100_000 if self.id.isdecimal() else None,
            "url": f"{ADDRESS}/users/{self.id}",
            "user_config": {
                "kind": self.kind,
                "role_id": "1",
                "visibility": [],
                "behaviors": [],
                "group": "basic" if self.is_person else "system",
            },
        }

    def _teams(self, _info: Any, ids: list[str] | None = None) -> list[dict[str, Any]]:
        """`teams(ids)`; who is in a team is not shown here."""
        return [
            {"id": one, "name": TEAMS[one], "is_guest": False, "owners": [], "users": []}
            for one in self.teams
            if one in TEAMS and (ids is None or one in ids)
        ]

    def kept(self) -> dict[str, Any]:
        """The user as JSON types."""
        return {name: getattr(self, name) for name in (*USER_VALUES, "extra")}

    @classmethod
    def from_kept(cls, kept: dict[str, Any]) -> "User":
        """The user that `kept` was made of."""
        return cls(**{**kept, "teams": tuple(kept["teams"])})


USER_VALUES = tuple(one.name for one in fields(User) if one.name != "extra")


def set_values(user: User, values: dict[str, Any]) -> None:
    """Set values from outside the API; what is no attribute of the right type is answered raw."""
    for name, value in values.items():
        if name == "teams" and isinstance(value, list):
            user.teams = tuple(str(one) for one in value)
        elif name in USER_VALUES and (value is None or isinstance(value, str)):
            setattr(user, name, value)
            if user.extra:
                user.extra.pop(name, None)
        else:
            user.extra = {**(user.extra or {}), name: value}
