"""Access > Users and Groups, in the admin's look; only for who may hand out permissions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.groups import permissions_by_group
from integrations.show import badge, since
from people.admin_tools import SafeQueryMixin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(SafeQueryMixin, PlainUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Who signs in here. Only a superuser can make a superuser, or change one."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "access", "state", "signed_in")
    list_filter = (
        ("groups", RelatedDropdownFilter),
        ("is_active", BooleanRadioFilter),
        ("is_superuser", BooleanRadioFilter),
    )
    search_fields = ("username", "email", "first_name", "last_name")
    readonly_fields = ("last_login", "date_joined")
    ordering = ("username",)
    list_per_page = 50
    actions = None
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Who it is", {"fields": ("first_name", "last_name", "email")}),
        (
            "Access",
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups"),
                "description": "The groups say what a user may see and do. Staff status is needed "
                "to sign in at all.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    filter_horizontal = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With groups: one query more for a page."""
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.prefetch_related("groups")

    @admin.display(description="Name", ordering="last_name")
    def full_name(self, row: User) -> str:
        return row.get_full_name() or "–"

    @admin.display(description="Access")
    def access(self, row: User) -> str:
        names = [group.name for group in row.groups.all()]
        return ", ".join(["Superuser", *names] if row.is_superuser else names) or "None"

    @admin.display(description="State", ordering="is_active")
    def state(self, row: User) -> SafeString:
        return badge("Active", "good") if row.is_active else badge("Blocked")

    @admin.display(description="Last sign-in", ordering="last_login")
    def signed_in(self, row: User) -> str:
        return since(row.last_login)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Nobody gives themselves or others more than an IT admin has."""
        fields = [*super().get_readonly_fields(request, obj)]
        return fields if _is_superuser(request) else [*fields, "is_superuser"]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Who is not a superuser leaves superusers alone."""
        allowed = bool(super().has_change_permission(request, obj))
        return allowed and (obj is None or not obj.is_superuser or _is_superuser(request))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Users are blocked, not deleted, by who is not a superuser: history names them."""
        return _is_superuser(request) and bool(super().has_delete_permission(request, obj))


@admin.register(Group)
class GroupAdmin(SafeQueryMixin, PlainGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups and what they may do; the four that come with the product are made anew on migrate."""

    list_display = ("name", "members", "origin")
    search_fields = ("name",)
    ordering = ("name",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """With the number of members, in the same query."""
        rows: QuerySet[Group] = super().get_queryset(request)
        return rows.annotate(member_count=Count("user"))

    @admin.display(description="Members", ordering="member_count")
    def members(self, row: Any) -> str:
        return f"{row.member_count} user{'' if row.member_count == 1 else 's'}"

    @admin.display(description="Permissions")
    def origin(self, row: Group) -> str:
        given = row.name in permissions_by_group()
        return "Come with the product" if given else "Set here"

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """The product's own groups stay as documented; other groups are the superuser's to make."""
        own = obj is not None and obj.name in permissions_by_group()
        return (
            _is_superuser(request) and not own and bool(super().has_change_permission(request, obj))
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Permissions are handed out by superusers."""
        return _is_superuser(request) and bool(super().has_add_permission(request))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """The product's own groups stay."""
        own = obj is not None and obj.name in permissions_by_group()
        return (
            _is_superuser(request) and not own and bool(super().has_delete_permission(request, obj))
        )


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)
