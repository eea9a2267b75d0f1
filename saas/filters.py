"""Filters of an application's users."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter

from people.admin.filters import ActiveFirst
from saas.models import Application, SaaSUser, SaaSUserRole
from saas.queries import role_names, unused_since

_MOST_ROLES = 200


class UserStatus(ActiveFirst):
    """Of accounts: active unless another is chosen (BW-58)."""

    statuses = SaaSUser.Status.choices


class ApplicationFilter(DropdownFilter):  # type: ignore[misc]
    """The users of one application: what its Users page shows."""

    title = "application"
    parameter_name = "application"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Application.objects.values_list("pk", "name")]

    def value(self) -> str | None:
        return chosen_id(super().value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(application=int(chosen)) if chosen else queryset


class RoleFilter(DropdownFilter):  # type: ignore[misc]
    """Accounts that have a role now, whatever its scope."""

    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The roles that somebody has now. One query."""
        return [(name, name) for name in role_names(_MOST_ROLES)]

    def has_output(self) -> bool:
        """Stay even without roles: a chosen role must not be forgotten silently."""
        return bool(self.lookup_choices) or self.value() is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        role = self.value()
        if not role:
            return queryset
        held = SaaSUserRole.objects.filter(
            saas_user=OuterRef("pk"), role=role, valid_to__isnull=True
        )
        return queryset.filter(Exists(held))


class UnusedFilter(DropdownFilter):  # type: ignore[misc]
    """Accounts that nobody used for a while (MO-35); `?unused=45` takes any number of days."""

    title = "last activity"
    parameter_name = "unused"
    _days = (30, 60, 90, 180, 365)
    _most_days = 36_500

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        days = sorted({*self._days, *([int(chosen)] if (chosen := self._chosen(request)) else [])})
        return [(str(day), f"Older than {day} days, or unknown") for day in days]

    def _chosen(self, request: HttpRequest) -> str | None:
        text = request.GET.get(self.parameter_name, "")
        known = text.isdecimal() and text.isascii() and len(text) < 6  # noqa: PLR2004
        return str(int(text)) if known and 0 < int(text) <= self._most_days else None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self._chosen(request)
        return unused_since(queryset, int(chosen), timezone.now()) if chosen else queryset


class MatchFilter(DropdownFilter):  # type: ignore[misc]
    """Accounts that belong to nobody known."""

    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "No person found"), ("known", "Person known")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "none":
            return queryset.filter(person__isnull=True)
        if self.value() == "known":
            return queryset.filter(person__isnull=False)
        return queryset


class FoundFilter(DropdownFilter):  # type: ignore[misc]
    """Accounts that the vendor does not know any more, as a role look-up showed (GT-36)."""

    title = "at the vendor"
    parameter_name = "found"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Not found")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(not_found_at__isnull=False) if self.value() == "no" else queryset


def chosen_id(text: Any) -> str | None:
    """The id that a query string names, or None when it is none."""
    value = str(text or "")
    return value if value.isdecimal() and value.isascii() and len(value) < 19 else None  # noqa: PLR2004
