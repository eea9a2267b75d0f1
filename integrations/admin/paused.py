"""The page behind the banner of a paused installation: what previews say, and Go."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from integrations.installation import RESUME, drift, find_pause, resume_installation


@require_http_methods(["GET", "HEAD", "POST"])
def paused_view(request: HttpRequest) -> HttpResponse:
    """Show the drift since the restore; POST says go. Three queries besides those of each page."""
    if not request.user.has_perm(RESUME):
        raise PermissionDenied
    if request.method == "POST":
        return _go(request)
    pause = find_pause()
    rows = drift(pause) if pause else []
    context = {
        **admin.site.each_context(request),
        "title": "Paused installation",
        "pause": pause,
        "drift": rows,
        "waiting": sum(not row.is_looked_at for row in rows),
    }
    return TemplateResponse(request, "admin/integrations/installation/paused.html", context)


def _go(request: HttpRequest) -> HttpResponse:
    if request.POST.get("looked") != "yes":
        messages.error(request, "Look at the previews first, and say that you have.")
        return redirect("admin:integrations_installation_paused")
    if resume_installation(by=request.user.get_username()):
        messages.success(request, "Rolecall goes on. Schedules begin with their next slot.")
    else:
        messages.info(request, "Rolecall was not paused any more.")
    return redirect("admin:index")
