"""What the admin's discovery finds for `config`: users, groups, and a palette that never fails."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import InvalidPage
from django.http import HttpRequest, HttpResponse

from config import users_admin

_theme_search = admin.site.search  # type: ignore[attr-defined]


def search(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The theme's search; a page that does not exist has no results instead of an error."""
    try:
        found: HttpResponse = _theme_search(request, extra_context)
    except (InvalidPage, ValueError):
        return HttpResponse()
    return found


admin.site.index_title = "Dashboard"
admin.site.search = search  # type: ignore[attr-defined]

__all__ = ["users_admin"]
