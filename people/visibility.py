"""Who may see which field (M-36), and which integration owns it (M-6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from people.models import CustomField
from people.queries import PERSON_FIELDS

# Fields of a SaaS user that are columns, or rows of their own, and that every reader may see.
SAAS_USER_FIELDS = frozenset(
    {"external_id", "email", "name", "status", "last_activity", "roles", "person"}
)
_BUILT_IN = {
    CustomField.Object.PERSON.value: frozenset(PERSON_FIELDS),
    CustomField.Object.SAAS_USER.value: SAAS_USER_FIELDS,
}
# Who may change a field's visibility gains nothing from not seeing it.
_SEES_ALL = "people.change_customfield"


class Owner(Protocol):
    """What a page says of an owner; integrations give their own class."""

    @property
    def name(self) -> str: ...


def _nobody() -> Mapping[str, Owner]:
    return {}


# The app that knows integrations puts its function here when it is ready: people is below it.
field_owner_provider: Callable[[], Mapping[str, Owner]] = _nobody


def field_owners() -> dict[str, str]:
    """The name of the owning integration by people field (M-6). At most one query."""
    return {field: owner.name for field, owner in field_owner_provider().items()}


@dataclass(frozen=True)
class Sight:
    """Which fields of one object a user may see.

    An allow list: a value whose field was deleted is nobody's but the admins' to read.
    """

    custom: tuple[CustomField, ...]
    hidden: frozenset[str]
    names: frozenset[str]
    everything: bool

    def shows(self, key: str) -> bool:
        """Say whether this field may be seen."""
        return self.everything or key in self.names

    def filter(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out what may not be seen."""
        return {key: value for key, value in values.items() if self.shows(key)}


def sight_of(user: AbstractBaseUser | AnonymousUser, object: str) -> Sight:  # noqa: A002
    """What this user may see of people or SaaS users. One query, and those of the permission."""
    fields = list(CustomField.objects.filter(object=object))
    everything = _may_see_all(user)
    shown = tuple(field for field in fields if everything or field.visible_to_hr)
    keys = frozenset(field.key for field in shown)
    return Sight(
        custom=shown,
        hidden=frozenset(field.key for field in fields) - keys,
        names=_BUILT_IN[str(object)] | keys,
        everything=everything,
    )


def hidden_fields(user: AbstractBaseUser | AnonymousUser, object: str) -> frozenset[str]:  # noqa: A002
    """Keys of the custom fields that this user may not see anywhere. As `sight_of`."""
    return sight_of(user, object).hidden


def hidden_by_object(user: AbstractBaseUser | AnonymousUser) -> dict[str, frozenset[str]]:
    """`hidden_fields` of each object. No query for those who see all, one for the others."""
    if _may_see_all(user):
        return {}
    hidden: dict[str, set[str]] = {}
    rows = CustomField.objects.filter(visible_to_hr=False).values_list("object", "key")
    for object_, key in rows:
        hidden.setdefault(object_, set()).add(key)
    return {object_: frozenset(keys) for object_, keys in hidden.items()}


def _may_see_all(user: Any) -> bool:
    return bool(getattr(user, "is_active", False)) and bool(user.has_perm(_SEES_ALL))
