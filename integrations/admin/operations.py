"""Configuration > Operations: vendor calls that change something, and a person's word on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from integrations.admin.filters import VendorFilter
from integrations.errors import CannotResolve
from integrations.models import Operation
from integrations.operations import resolve
from integrations.operations.words import (
    SAYINGS,
    listed,
    more_than_state,
    offered,
    request_ids,
    shown_payload,
    standing,
    times,
    vendor_label,
)
from integrations.registry import preset_ids
from integrations.show import moment, since, state_badge
from people.admin.common import Panel
from people.admin.persons import PersonAdmin
from people.admin_tools import ReadOnlyMixin, SafeQueryMixin
from people.models import Person
from saas.admin import SaaSUserAdmin
from saas.models import Application

_VIEW = "integrations.view_operation"
_MOST_SHOWN = 50
# What no list shows and no page but that of one operation.
_HEAVY = ("request", "answer", "values", "inputs")


class PresetFilter(DropdownFilter):
    """By preset. No query."""

    title = "preset"
    parameter_name = "preset"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(one, one) for one in preset_ids()]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(preset=self.value()) if self.value() else rows


class AccountFilter(DropdownFilter):
    """By application, which is one account at a vendor. One query for the names."""

    title = "application"
    parameter_name = "application"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Application.objects.values_list("pk", "name")]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return rows
        chosen = Application.objects.filter(pk=int(value)) if value.isdecimal() else None
        application = chosen.first() if chosen is not None else None
        if application is None:
            return rows.none()
        return rows.filter(vendor=application.vendor, tenant=application.tenant)


@admin.register(Operation)
class OperationAdmin(ReadOnlyMixin, SafeQueryMixin, ModelAdmin):
    """Nobody edits or deletes what was sent; a person can say how an open one ended (S-20)."""

    list_display = ("about", "preset", "state_shown", "how", "who", "made")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        VendorFilter,
        PresetFilter,
        AccountFilter,
    )
    search_fields = ("record__istartswith",)
    search_help_text = "Search by the beginning of the record's name or e-mail"
    ordering = ("-id",)
    sortable_by = ("made",)
    list_per_page = 50
    list_before_template = "admin/integrations/operation/list_before.html"
    actions = None

    # The list -----------------------------------------------------------------------------------

    def get_queryset(self, _request: HttpRequest) -> QuerySet[Operation]:
        """Those that wait for somebody first; without what was sent and answered."""
        return listed().defer(*_HEAVY)

    def get_ordering(self, _request: HttpRequest) -> tuple[str, ...]:
        """What asks, then what is unknown, then the newest."""
        return ("rank", "-id")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list under its own name: there is nothing to select here."""
        return super().changelist_view(request, {"title": "Operations", **(extra_context or {})})

    @admin.display(description="Record")
    def about(self, row: Operation) -> str:
        return row.record or row.target

    @admin.display(description="State")
    def state_shown(self, row: Operation) -> SafeString:
        return state_badge(row)

    @admin.display(description="How it stands")
    def how(self, row: Operation) -> str:
        return more_than_state(row) or "–"

    @admin.display(description="Started by")
    def who(self, row: Operation) -> str:
        return row.started_by

    @admin.display(description="Asked for", ordering="id")
    def made(self, row: Operation) -> SafeString:
        return format_html(
            '<span title="{}">{}</span>', moment(row.created_at), since(row.created_at)
        )

    # One operation --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The action beside the page."""
        view = self.admin_site.admin_view(require_POST(self.settle_view))
        name = "integrations_operation_settle"
        return [path("<path:object_id>/settle/", view, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What was sent, what came back, and when. One query besides those of every page.

        Who may not settle operations sees neither the request nor the answer (M-36).
        """
        row = self._row(request, object_id)
        may_settle = request.user.has_perm(resolve.RESOLVE)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{row}: {row.preset}",
            "opts": self.model._meta,
            "original": row,
            "operation": row,
            "standing": more_than_state(row),
            "vendor": vendor_label(row),
            "times": times(row),
            "request_ids": request_ids(row),
            "payload": shown_payload(row) if may_settle else None,
            "sayings": offered(row, request.user) if may_settle else [],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/integrations/operation/operation.html", context)

    def settle_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask once more, saying what it means; then take the person's word."""
        row = self._row(request, object_id)
        saying = SAYINGS.get(request.POST.get("say", ""))
        if saying is None or not all(map(request.user.has_perm, saying.permissions)):
            raise PermissionDenied
        if request.POST.get("confirmed") != "1":
            context = {
                **self.admin_site.each_context(request),
                "title": f"{saying.title}: {row}",
                "opts": self.model._meta,
                "operation": row,
                "saying": saying,
            }
            return TemplateResponse(request, "admin/integrations/operation/settle.html", context)
        return self._settle(request, row, saying.key)

    def _settle(self, request: HttpRequest, row: Operation, say: str) -> HttpResponse:
        assert isinstance(request.user, User)  # noqa: S101 - the site is for users only
        now = timezone.now()
        try:
            if say == "again":
                again = resolve.ask_again(row.pk, by=request.user, now=now)
                self.log_change(request, row, f"Tried again as {again}.")
                messages.success(request, f"{again} waits for a worker, which sends it.")
                row = again
            else:
                done = say == "done"
                resolve.settle(row.pk, done=done, by=request.user, now=now)
                said = "done" if done else "not done"
                self.log_change(request, row, f"Settled as {said}.")
                messages.success(request, f"{row} is settled as {said}.")
        except CannotResolve as problem:
            messages.warning(request, problem.message)
        return redirect("admin:integrations_operation_change", row.pk)

    def _row(self, request: HttpRequest, object_id: str) -> Operation:
        if not self.has_view_permission(request):
            raise PermissionDenied
        pk = unquote(object_id)
        rows = Operation.objects.select_related(
            "waits_for", "resolved_by", "person", "saas_user__application", "credentials"
        )
        # Who sees this page sees no secret: they stay where they are.
        rows = rows.defer("credentials__sealed")
        found = rows.filter(pk=int(pk)).first() if pk.isdecimal() and len(pk) < _LONG else None
        if found is None:
            raise Http404
        return found


_LONG = 19


# On the pages of people and accounts ------------------------------------------------------------


def _listed(rows: QuerySet[Operation]) -> dict[str, Any]:
    """The newest of them. One query."""
    found = list(rows.defer(*_HEAVY).order_by("-id")[: _MOST_SHOWN + 1])
    shown = [{"row": row, "standing": standing(row)} for row in found[:_MOST_SHOWN]]
    return {"operations": shown, "more_operations": len(found) > _MOST_SHOWN}


def operations_of_person(_request: HttpRequest, person: Person) -> dict[str, Any]:
    """The vendor calls about a person. One query."""
    return _listed(Operation.objects.filter(person=person.pk))


def operations_of_account(request: HttpRequest, account: Any) -> Mapping[str, Any]:
    """The vendor calls about an account, for who may see them. At most one query."""
    if not request.user.has_perm(_VIEW):
        return {}
    return {
        "shows_operations": True,
        **_listed(Operation.objects.filter(saas_user=account.pk)),
    }


PersonAdmin.panels.insert(
    1,
    Panel(
        "operations",
        "Vendor calls",
        _VIEW,
        "admin/integrations/operation/panel.html",
        operations_of_person,
    ),
)
SaaSUserAdmin.page_parts.append(operations_of_account)
