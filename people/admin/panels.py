"""Tabs of a record's page: each is a page of its own, with its address and its permission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from people.admin.common import Panel
from people.models import Person

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Base = ModelAdmin[Person]
else:
    _Base = object


class PanelsMixin(_Base):
    """For the admin of people; apps above add to `panels`."""

    panels: list[Panel]

    def get_urls(self) -> list[URLPattern]:
        """One address per tab, before Django's own, which would take any of them for an id."""
        own = [
            path(
                f"<path:object_id>/{panel.slug}/",
                self.admin_site.admin_view(self.panel_view),
                {"slug": panel.slug},
                name=f"people_person_{panel.slug}",
            )
            for panel in self.panels
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    def tabs(self, request: HttpRequest, object_id: str, active: str) -> list[dict[str, Any]]:
        """The tabs of a person's page that this user may open. No query."""
        details = {
            "label": "Details",
            "url": reverse("admin:people_person_change", args=[object_id]),
            "active": not active,
        }
        return [details] + [
            {
                "label": panel.label,
                "url": reverse(f"admin:people_person_{panel.slug}", args=[object_id]),
                "active": panel.slug == active,
            }
            for panel in self.panels
            if request.user.has_perm(panel.permission)
        ]

    def panel_view(self, request: HttpRequest, object_id: str, slug: str) -> HttpResponse:
        """A tab of a person's page: read only."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        panel = next(panel for panel in self.panels if panel.slug == slug)
        if not request.user.has_perm(panel.permission):
            raise PermissionDenied
        person = self.get_object(request, unquote(object_id))
        if person is None:
            return self._gone(request, object_id)
        if not self.has_view_permission(request, person):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            **panel.content(request, person),
            "title": str(person),
            "opts": self.opts,
            "original": person,
            "tabs": self.tabs(request, str(person.pk), slug),
            "panel": panel,
            "media": self.media,
        }
        return TemplateResponse(request, panel.template, context)

    def _gone(self, request: HttpRequest, object_id: str) -> HttpResponse:
        messages.warning(request, f"There is no person {object_id[:40]}; perhaps it was removed.")
        return HttpResponseRedirect(reverse("admin:people_person_changelist"))
