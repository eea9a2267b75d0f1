"""Filters that several lists share."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from integrations.models import Integration
from integrations.registry import vendors


class VendorFilter(DropdownFilter):
    """By vendor, with the names that vendors call themselves. No query."""

    title = "vendor"
    parameter_name = "vendor"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(vendor.key, vendor.label) for vendor in vendors().values()]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(vendor=self.value()) if self.value() else rows


class IntegrationFilter(DropdownFilter):
    """Runs, or issues, of one integration. One query for the names."""

    title = "integration"
    parameter_name = "of"
    path = "integration"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Integration.objects.values_list("pk", "name")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return rows
        return rows.filter(**{self.path: int(value)}) if value.isdecimal() else rows.none()
