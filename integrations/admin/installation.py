"""Configuration > Global Settings > Limits and notices: one row that holds for everything."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin

from integrations.admin.paused import paused_view
from integrations.forms.lists import EmailListField
from integrations.models import Installation
from integrations.show import show_value
from people.admin_tools import SafeQueryMixin


class InstallationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Limits of people, who is told, how long plans and answers are kept."""

    notify = EmailListField(
        label="Told by mail",
        help_text="One address per line. They are told of failed runs, held removals and keys that "
        "expire, where the integration names nobody of its own.",
    )

    class Meta:
        model = Installation
        fields = (
            "removals_percent",
            "removals_count",
            "notify",
            "warn_before_expiry_days",
            "keep_plans_days",
            "keep_answers_days",
        )
        labels = {
            "keep_plans_days": "Keep plans, days",
            "keep_answers_days": "Keep answers, days",
        }


@admin.register(Installation)
class InstallationAdmin(SafeQueryMixin, ModelAdmin):
    """A page for the one row; it is neither added nor deleted."""

    form = InstallationForm
    warn_unsaved_form = True

    def get_urls(self) -> list[URLPattern]:
        """The page of a paused installation, too."""
        page = self.admin_site.admin_view(paused_view)
        return [path("paused/", page, name="integrations_installation_paused"), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Installation | None = None) -> Any:
        """Readers see the addresses in words."""
        notify = "notify" if self.has_change_permission(request, obj) else "notify_shown"
        return [
            ("Limits of removals", {"fields": ["removals_percent", "removals_count"]}),
            ("Notices", {"fields": [notify, "warn_before_expiry_days"]}),
            ("How long values are kept", {"fields": ["keep_plans_days", "keep_answers_days"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Installation | None = None) -> Any:
        """What stands instead of an input for readers."""
        return ("notify_shown",)

    @admin.display(description="Told by mail")
    def notify_shown(self, row: Installation) -> str:
        return show_value(row.notify)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Installation | None = None) -> bool:
        """There is always one."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The one row instead of a list; it is made here where it is missing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        answer: HttpResponse = self.change_view(
            request, str(Installation.the().pk), "", extra_context
        )
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """One button to save: there is no list to go back to."""
        context["show_save_and_add_another"] = False
        context["show_save"] = False
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[no-any-return]
