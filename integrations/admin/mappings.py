"""The mappings of an integration as rows of its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline

from integrations.forms.mappings import Choices, MappingFormSet, mapping_form
from integrations.models import FieldMapping, Integration
from integrations.registry import get_vendor
from people.admin_tools import per_request_cache
from people.queries import mapping_targets


class MappingInline(TabularInline):
    """The mappings of one integration; their choices are read once per page."""

    model = FieldMapping
    formset = MappingFormSet
    fields: Sequence[str] = ("source_choice", "detail", "transform", "target", "sync_key", "policy")
    extra = 0
    ordering = ("position", "id")
    verbose_name = "mapping"
    verbose_name_plural = "Mappings (* is needed for everybody)"
    hide_title = True

    def get_formset(
        self, request: HttpRequest, obj: Integration | None = None, **kwargs: Any
    ) -> type[forms.BaseInlineFormSet]:  # type: ignore[type-arg]
        """Rows whose selects know this vendor's fields."""
        if obj is not None and self.has_change_permission(request, obj):
            targets = per_request_cache(request, "mapping targets", mapping_targets)
            known = per_request_cache(
                request, "mapping choices", lambda: {"it": Choices(obj, targets)}
            )
            kwargs["form"] = mapping_form(known["it"])
        return super().get_formset(request, obj, **kwargs)  # type: ignore[no-any-return]

    def get_fields(self, request: HttpRequest, obj: Integration | None = None) -> Sequence[str]:
        """Who may not change mappings reads them."""
        if self.has_change_permission(request, obj):
            return self.fields
        return ("source_shown", "transform", "target", "sync_key", "policy")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        """Only for readers."""
        return () if self.has_change_permission(request, obj) else self.get_fields(request, obj)

    @admin.display(description="Source")
    def source_shown(self, row: FieldMapping) -> str:
        if row.constant is not None:
            return f'"{row.constant}"'
        field = (
            get_vendor(row.integration.vendor).loads[row.integration.load].fields.get(row.source)
        )
        return field.label if field else row.source
