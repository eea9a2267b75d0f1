"""Configuration > General > Global Settings: variables that inputs and templates name."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from integrations.admin.history import HistoryPage
from integrations.forms.variables import GlobalVariableForm, inputs_by_variable
from integrations.models import GlobalVariable
from integrations.show import moment
from people.admin_tools import SafeQueryMixin


@admin.register(GlobalVariable)
class GlobalVariableAdmin(SafeQueryMixin, HistoryPage, ModelAdmin):
    """Key and value; changing a value changes every input that is not overridden (AH-12)."""

    form = GlobalVariableForm
    list_display = ("key", "value", "fills", "description", "changed")
    search_fields = ("key", "value")
    ordering = ("key",)
    list_before_template = "admin/integrations/globalvariable/list_before.html"
    warn_unsaved_form = True
    actions = None

    @admin.display(description="Pre-fills")
    def fills(self, row: GlobalVariable) -> str:
        inputs = inputs_by_variable().get(row.key, [])
        return ", ".join(f"{field.label} of {vendor.label}" for vendor, field in inputs) or "–"

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, row: GlobalVariable) -> str:
        return moment(row.updated_at)

    def save_model(
        self, request: HttpRequest, obj: GlobalVariable, form: GlobalVariableForm, change: Any
    ) -> None:
        """Say so when what is stored is not what was typed."""
        super().save_model(request, obj, form, change)
        if form.changed_from is not None:
            messages.info(
                request,
                f'From "{form.changed_from[:200]}" only "{obj.value}" is needed and was kept.',
            )
