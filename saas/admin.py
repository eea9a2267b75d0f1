"""Software: the applications, the Users page of each, and a person's accounts. Read only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from people import fields as custom_fields
from people.admin.common import (
    DASH,
    STATUS_COLOURS,
    PageColumn,
    Panel,
    badge,
    moment,
    moment_column,
    sight_for,
)
from people.admin.lists import ExportListMixin, SearchMixin, StepEmptyMixin
from people.admin.page_columns import ColumnsMixin
from people.admin.person_form import shown_value
from people.admin.person_panels import history_content
from people.admin.persons import PersonAdmin
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin
from people.models import CustomField
from saas import filters
from saas.columns import (
    accounts,
    fetch_accounts,
    fetch_counts,
    fetch_roles,
    fetch_unmatched,
    users_url,
)
from saas.models import Application, SaaSUser
from saas.queries import (
    roles_of,
)
from saas.sheets import SaaSUserSheet

_SAAS_USER = CustomField.Object.SAAS_USER.value
_NEXT_STEP = ("integrations_integration_changelist", "Go to integrations")


@admin.register(Application)
class ApplicationAdmin(ReadOnlyMixin, ColumnsMixin, SafeQueryMixin, StepEmptyMixin, ModelAdmin):
    """Software > SaaS. Opening an application shows its Users page (C-05)."""

    list_display = ("name", "vendor", "tenant")
    search_fields = ("name",)
    sortable_by = ("name",)
    fields = ("name", "vendor", "tenant", "created_at")
    list_per_page = 100
    actions = None
    page_columns = (
        PageColumn("active_users", "active users", fetch_counts),
        PageColumn("unmatched", "no person found", fetch_unmatched),
    )
    empty_title = "No applications yet"
    empty_text = (
        'Run an integration with "User plus SaaS User" first: it makes the application and fills '
        "its Users page."
    )
    empty_step = _NEXT_STEP

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the application's Users page, for whoever may read it."""
        application = self.get_object(request, object_id) if object_id else None
        may_read = request.user.has_perm("saas.view_saasuser")
        if application is None or not may_read or not self.has_view_permission(request):
            response: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
            return response
        return HttpResponseRedirect(users_url(application.pk))


@admin.register(SaaSUser)
class SaaSUserAdmin(
    ReadOnlyMixin,
    ColumnsMixin,
    SafeQueryMixin,
    StepEmptyMixin,
    SearchMixin,
    ExportListMixin,
    ModelAdmin,
):
    """The Users page of an application, or of all of them."""

    change_form_template = "saas/saas_user.html"
    list_before_template = "saas/users_before.html"
    list_display = (
        "name_or_id",
        "shown_email",
        "shown_person",
        "shown_status",
        "not_found",
        "activity",
    )
    list_display_links = ("name_or_id",)
    list_select_related = ("application", "person")
    list_filter = (
        filters.UserStatus,
        filters.ApplicationFilter,
        filters.RoleFilter,
        filters.UnusedFilter,
        filters.MatchFilter,
        filters.FoundFilter,
    )
    list_filter_submit = True
    list_per_page = 50
    sortable_by = ("shown_email",)
    search_fields = ("email",)
    search_columns = ("name", "email", "external_id")
    search_help_text = "Name, e-mail or ID at the vendor"
    ordering = ("id",)
    actions = None
    page_columns = (PageColumn("roles", "role", fetch_roles),)
    sheet_class = SaaSUserSheet
    # What apps above add to the page of an account: (request, account) -> context.
    page_parts: ClassVar[list[Callable[[HttpRequest, SaaSUser], Mapping[str, Any]]]] = []
    empty_title = "No SaaS users yet"
    empty_text = 'Run an integration with "User plus SaaS User" first.'
    empty_step = _NEXT_STEP

    class Media:
        css = {"all": ["people/records.css"]}

    # -- the list ----------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Name the application whose users are shown. One query more."""
        extra: dict[str, Any] = {**(extra_context or {})}
        chosen = filters.chosen_id(request.GET.get("application"))
        application = Application.objects.filter(pk=int(chosen)).first() if chosen else None
        if application is not None:
            extra |= {"title": f"{application}: Users", "application": application}
        else:
            extra |= {"title": "SaaS users"}
        response: HttpResponse = super().changelist_view(request, extra)
        return response

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Role stands behind the person; the application only where several are listed."""
        *columns, roles = super().get_list_display(request)
        if not filters.chosen_id(request.GET.get("application")):
            columns.insert(1, "application")
        columns.insert(columns.index("shown_status"), roles)
        return columns

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """An application's users are all of the page: no offer to show more of them."""
        listed = super().get_changelist_instance(request)
        listed.full_result_count = listed.result_count
        return listed

    def everything_query(self, request: HttpRequest) -> str:
        """Keep the application: this is its Users page."""
        chosen = filters.chosen_id(request.GET.get("application"))
        return f"?status=all&application={chosen}" if chosen else "?status=all"

    @admin.display(description="e-mail", ordering="email_key", empty_value=DASH)
    def shown_email(self, user: SaaSUser) -> str:
        return user.email

    @admin.display(description="name")
    def name_or_id(self, user: SaaSUser) -> str:
        return str(user)

    @admin.display(description="person")
    def shown_person(self, user: SaaSUser) -> SafeString | str:
        if user.person is None:
            return DASH
        page = reverse("admin:people_person_change", args=[user.person.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', page, user.person)

    @badge("status", STATUS_COLOURS)
    def shown_status(self, user: SaaSUser) -> str:
        return user.get_status_display()

    @admin.display(description="not found since")
    def not_found(self, user: SaaSUser) -> SafeString | str:
        """Since when a role look-up does not find it at the vendor (GT-36)."""
        return moment_column(user.not_found_at)

    @admin.display(description="last activity")
    def activity(self, user: SaaSUser) -> SafeString | str:
        return moment_column(user.last_activity)

    @admin.display(description="first seen")
    def first_seen(self, user: SaaSUser) -> SafeString | str:
        return moment_column(user.created_at)

    @admin.display(description="last changed")
    def last_changed(self, user: SaaSUser) -> SafeString | str:
        return moment_column(user.updated_at)

    # -- the page of an account ----------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: SaaSUser | None = None) -> Any:
        """What the vendor says, then the custom fields that this user may see."""
        sections: list[Any] = [
            (
                None,
                {
                    "fields": [
                        "name",
                        "email",
                        "external_id",
                        "application",
                        "shown_person",
                        "shown_status",
                        *(["not_found"] if obj and obj.not_found_at else []),
                        "activity",
                        "first_seen",
                        "last_changed",
                    ]
                },
            )
        ]
        custom = [shown_value(field) for field in sight_for(request, _SAAS_USER).custom]
        if custom:
            sections.append(("More fields", {"fields": custom}))
        return sections

    def get_readonly_fields(self, request: HttpRequest, obj: SaaSUser | None = None) -> Any:
        return [
            name
            for _title, section in self.get_fieldsets(request, obj)
            for name in section["fields"]
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Add every role with its days and, for whoever may read it, the history."""
        extra: dict[str, Any] = {**(extra_context or {})}
        user = self.get_object(request, object_id) if object_id else None
        if user is not None and self.has_view_permission(request, user):
            extra["roles"] = [
                {
                    "row": row,
                    "since": moment(row.valid_from),
                    "until": moment(row.valid_to) if row.valid_to else "",
                }
                for row in roles_of(user)
            ]
            for part in self.page_parts:
                extra |= part(request, user)
            if request.user.has_perm("people.view_event"):
                extra["shows_history"] = True
                extra |= history_content(request, _SAAS_USER, user.pk)
        response: HttpResponse = super().changeform_view(request, object_id, form_url, extra)
        return response


# What this app adds to the pages of the app below it.
custom_fields.value_models[_SAAS_USER] = SaaSUser
PersonAdmin.panels.insert(
    0,
    Panel("accounts", "SaaS accounts", "saas.view_saasuser", "saas/panel_accounts.html", accounts),
)
PersonAdmin.page_columns.append(PageColumn("accounts", "SaaS accounts", fetch_accounts))
