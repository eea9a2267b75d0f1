"""Whole addresses of this app's pages, for mails."""

from __future__ import annotations

from django.conf import settings
from django.urls import NoReverseMatch, reverse


def link_to(page: str, *args: int | str) -> str:
    """The whole address of a page of the admin, such as `workflow_change`."""
    try:
        path = reverse(f"admin:workflows_{page}", args=args)
    except NoReverseMatch:
        path = reverse("admin:index")
    return f"{settings.PUBLIC_URL}{path}"
