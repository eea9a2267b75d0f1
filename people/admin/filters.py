"""Filters of the people and history lists: on indexed columns, with the ordinary choice first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from people.models import Department, Person, PersonRole

EVERY = "all"


class ActiveFirst(DropdownFilter):
    """Status, active unless another is chosen (BW-58)."""

    title = "status"
    parameter_name = "status"
    all_option = None
    statuses: Sequence[tuple[str, str]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*self.statuses, (EVERY, "All")]

    def value(self) -> str:
        chosen = super().value()
        known = {value for value, _label in (*self.statuses, (EVERY, ""))}
        return str(chosen) if chosen in known else str(self.statuses[0][0])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() == EVERY else queryset.filter(status=self.value())


class PersonStatus(ActiveFirst):
    """Of people."""

    statuses = Person.Status.choices


class _ByName(DropdownFilter):
    """One of a table's rows by its id; an id that is none of them filters nothing away."""

    def value(self) -> str | None:
        chosen = super().value()
        return chosen if chosen and chosen.isdecimal() and len(chosen) < 19 else None  # noqa: PLR2004

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(**{self.parameter_name: int(chosen)}) if chosen else queryset


class DepartmentFilter(_ByName):
    """People of one department."""

    title = "department"
    parameter_name = "department"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Department.objects.values_list("pk", "name")]


class RoleFilter(_ByName):
    """People with one role in this company."""

    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in PersonRole.objects.values_list("pk", "name")]
