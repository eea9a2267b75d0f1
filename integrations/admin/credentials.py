"""Configuration > Security > Credentials: how we sign in at vendors; secrets are written only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations import services
from integrations.admin import reauth
from integrations.admin.facts import FactsPage
from integrations.admin.filters import VendorFilter
from integrations.admin.history import HistoryPage
from integrations.admin.oauth import ConnectPages, connection_of
from integrations.errors import IntegrationsError
from integrations.facts import facts_of
from integrations.forms.credentials import (
    CredentialsForm,
    credentials_form,
    field_names,
    kept_names,
    secret_names,
)
from integrations.holding import SECRETS
from integrations.models import Credentials
from integrations.registry import Vendor, get_vendor, vendors
from integrations.sealing import Edit, lock_row, write_edit
from integrations.show import badge, moment, since, state_badge
from integrations.uses import other_uses
from people.admin_tools import SafeQueryMixin

WARN_DAYS = 30
_SECRET_FIELDS = tuple(name for kind in Credentials.Type.values for name in secret_names(kind))


def expiry_badge(expires_on: date | None, *, today: date) -> SafeString | str:
    """When a key stops working, in a colour from 30 days before."""
    if expires_on is None:
        return "–"
    days = (expires_on - today).days
    if days < 0:
        return badge(f"Expired on {moment(expires_on)}", "bad")
    if days == 0:
        return badge("Expires today", "bad")
    word = "day" if days == 1 else "days"
    if days <= WARN_DAYS:
        return badge(f"Expires in {days} {word}", "warn")
    return moment(expires_on)


@admin.register(Credentials)
class CredentialsAdmin(SafeQueryMixin, ConnectPages, HistoryPage, FactsPage, ModelAdmin):
    """`sealed` is in no form, filter, search or list; what is shown of secrets is in `hints`."""

    list_display = (
        "name",
        "vendor_label",
        "type",
        "connected",
        "used_by_count",
        "expiry",
        "last_test",
    )
    list_filter = (VendorFilter, ("test_state", ChoicesDropdownFilter))
    search_fields = ("name",)
    search_help_text = "Search by name"
    ordering = ("name",)
    list_per_page = 50
    list_before_template = "admin/integrations/credentials/list_before.html"
    change_form_template = "admin/integrations/credentials/change_form.html"
    warn_unsaved_form = True
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credentials]:
        """With how many integrations use each, in the same query."""
        return super().get_queryset(request).annotate(uses=Count("integrations"))  # type: ignore[no-any-return]

    # What is shown ---------------------------------------------------------------------------

    @admin.display(description="Vendor", ordering="vendor")
    def vendor_label(self, row: Credentials) -> str:
        return _label(row.vendor)

    @admin.display(description="Authorization type")
    def type_label(self, row: Credentials) -> str:
        return row.get_type_display()

    @admin.display(description="Connection", ordering="test_state")
    def connected(self, row: Credentials) -> SafeString:
        if row.reconnect_since is not None:
            return badge("Reconnect needed", "bad")
        return state_badge(row, "test_state")

    @admin.display(description="Used by", ordering="uses")
    def used_by_count(self, row: Any) -> str:
        return f"{row.uses} integration{'' if row.uses == 1 else 's'}"

    @admin.display(description="Expires", ordering="expires_on")
    def expiry(self, row: Credentials) -> SafeString | str:
        return expiry_badge(row.expires_on, today=timezone.localdate())

    @admin.display(description="Last test", ordering="tested_at")
    def last_test(self, row: Credentials) -> str:
        return since(row.tested_at)

    # The form --------------------------------------------------------------------------------

    def get_form(
        self,
        request: HttpRequest,
        obj: Credentials | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> type[forms.ModelForm[Credentials]]:
        """The form of this vendor and type."""
        vendor, kind = _vendor_and_type(request, obj)
        kwargs["form"] = credentials_form(vendor, kind)
        return super().get_form(request, obj, change, **kwargs)  # type: ignore[no-any-return]

    def get_fieldsets(self, request: HttpRequest, obj: Credentials | None = None) -> Any:
        """What to sign in with first, then where it may be used."""
        vendor, kind = _vendor_and_type(request, obj)
        auth = getattr(vendor.manifest.auth, kind, None)
        kept = kept_names(kind)
        account = ["tenant"] if vendor.manifest.tenant.word else []
        help_text = format_html(
            "{} Use an account at {} that is kept for this purpose: it has only the rights it "
            "needs, and nobody's departure stops the integration.",
            getattr(auth, "help", ""),
            vendor.label,
        )
        return [
            (None, {"fields": ["name", "vendor_label", "type_label"]}),
            (
                "Authorization",
                {"fields": field_names(vendor, kind), "description": help_text},
            ),
            *([("Where the secret is kept", {"fields": kept})] if kept else []),
            ("Use", {"fields": ["expires_on", "groups", "base_url", *account]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Credentials | None = None) -> Any:
        """Vendor and type are chosen once: the secrets belong to them."""
        return ("vendor_label", "type_label")

    def save_model(
        self, request: HttpRequest, obj: Credentials, form: CredentialsForm, change: Any
    ) -> None:
        """Seal what was typed; anything that a connection depends on makes it untested again."""
        lock_row(obj)
        given, places, changed = form.given_secrets(), form.places, form.changed_settings()
        obj.settings = form.own_settings()
        if given or changed or places != (obj.references or None):
            obj.test_state, obj.test_message = Credentials.Test.UNTESTED, ""
        edit = Edit(
            by=request.user.get_username(),
            secrets=given,
            changed=changed,
            anew=set(given) >= set(SECRETS[obj.type]),  # the old ones need not open
            references=places,
        )
        write_edit(obj, edit)

    # Pages -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The test button, and the page that asks for the password."""
        wrap = self.admin_site.admin_view
        return [
            path("confirm-password/", wrap(reauth.confirm_password), name="confirm_password"),
            path(
                "<path:object_id>/test/",
                wrap(require_POST(self.test_view)),
                name="integrations_credentials_test",
            ),
            *self.connect_urls(),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask for the password first (S-17), and for the vendor before anything else."""
        may_edit = (
            self.has_change_permission(request) if object_id else self.has_add_permission(request)
        )
        if may_edit and not reauth.is_confirmed(request):
            return reauth.ask(request)
        if object_id is None and may_edit and _chosen(request) is None:
            return self._choose_vendor(request)
        return self._sensitive_changeform(request, object_id, form_url, extra_context)

    def _sensitive_changeform(self, request: HttpRequest, *rest: Any) -> HttpResponse:
        shown = sensitive_post_parameters(*_SECRET_FIELDS)(super().changeform_view)
        answer: HttpResponse = shown(request, *rest)
        answer["Cache-Control"] = "no-store"
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add what stands beside the form: the test, its last result, who uses them."""
        row: Credentials | None = kwargs.get("obj")
        if row is not None and row.pk:
            context["used_by"] = row.integrations.order_by("name")
            context["other_uses"] = other_uses(row)
            context["facts"] = facts_of(get_vendor(row.vendor), row.overrides)
            context["oauth"] = connection_of(row)
            context["may_test"] = request.user.has_perm("integrations.test_credentials")
            context["test_inputs"] = _test_inputs(row)
            context["expiry"] = expiry_badge(row.expires_on, today=timezone.localdate())
        context["show_save_and_add_another"] = False
        vendor, _kind = _vendor_and_type(request, row)
        context["lint"] = getattr(vendor.manifest.auth.api_key, "lint", None)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[no-any-return]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password first (S-17)."""
        if self.has_delete_permission(request) and not reauth.is_confirmed(request):
            return reauth.ask(request)
        answer: HttpResponse = super().delete_view(request, object_id, extra_context)
        return answer

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make the vendor's harmless call and say how it went, with the reason."""
        if not request.user.has_perm("integrations.test_credentials"):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        names = get_vendor(row.vendor).inputs
        given = {name: request.POST.get(f"input_{name}", "").strip()[:500] for name in names}
        try:
            connection = services.test_credentials(row, given, now=None)
        except IntegrationsError as problem:
            messages.error(request, f"Not connected. {problem.message}")
        else:
            messages.success(request, connection.text)
        return HttpResponseRedirect(
            reverse("admin:integrations_credentials_change", args=(row.pk,))
        )

    def _choose_vendor(self, request: HttpRequest) -> HttpResponse:
        types = dict(Credentials.Type.choices)
        choices = [
            {
                "vendor": vendor,
                "types": [
                    (kind, types[kind]) for kind in vendor.manifest.auth.types if kind in types
                ],
            }
            for vendor in vendors().values()
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Add credentials",
            "opts": self.model._meta,
            "choices": choices,
        }
        return TemplateResponse(request, "admin/integrations/credentials/choose.html", context)


def _label(vendor: str) -> str:
    known = vendors().get(vendor)
    return known.label if known else vendor


def _chosen(request: HttpRequest) -> tuple[Vendor, str] | None:
    """The vendor and type that the address of the add page names, if they go together."""
    vendor = vendors().get(request.GET.get("vendor", ""))
    kind = request.GET.get("type", "")
    if vendor is None or kind not in vendor.manifest.auth.types:
        return None
    return (vendor, kind) if kind in Credentials.Type.values else None


def _vendor_and_type(request: HttpRequest, row: Credentials | None) -> tuple[Vendor, str]:
    if row is not None and row.pk:
        return get_vendor(row.vendor), row.type
    chosen = _chosen(request)
    if chosen is None:
        raise Http404
    return chosen


def _test_inputs(row: Credentials) -> list[Mapping[str, Any]]:
    """The vendor's inputs for the test, each with what its variable says. One query."""
    known = services.variables()
    return [
        {
            "name": f"input_{name}",
            "label": field.label,
            "help": field.help,
            "value": known.get(field.variable or "", ""),
        }
        for name, field in get_vendor(row.vendor).inputs.items()
    ]
