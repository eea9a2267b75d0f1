"""The page of credentials that lists what is inferred about the vendor, and corrects it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from integrations.admin import reauth
from integrations.facts import correct_facts
from integrations.forms.facts import FactsForm

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin as _Base
else:
    _Base = object


class FactsPage(_Base):
    """For the CredentialsAdmin: the view behind "Facts"."""

    def get_urls(self) -> list[URLPattern]:
        """Before those of the form, whose address takes every text."""
        facts = path(
            "<path:object_id>/facts/",
            self.admin_site.admin_view(self.facts_view),
            name="integrations_credentials_facts",
        )
        return [facts, *super().get_urls()]

    def facts_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show every inferred fact; POST keeps the corrections. Asks for the password first."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if not reauth.is_confirmed(request):
            return reauth.ask(request)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        form = FactsForm(request.POST if request.method == "POST" else None, credentials=row)
        if request.method == "POST" and form.is_valid():
            changed = correct_facts(row, form.overrides())
            if changed:
                told = ", ".join(changed)
                self.log_change(request, row, f"Corrected facts: {told}.")
                messages.success(
                    request, f"Kept for {row}: {told}. Test the credentials again before they run."
                )
            else:
                messages.info(request, "Nothing was changed.")
            return redirect("admin:integrations_credentials_facts", row.pk)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"Facts about {form.vendor.label}",
            "opts": self.model._meta,
            "original": row,
            "form": form,
        }
        return TemplateResponse(request, "admin/integrations/credentials/facts.html", context)
