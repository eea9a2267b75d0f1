"""The banner of a paused installation, for every page of the admin."""

from __future__ import annotations

from typing import Any

from django import template

from integrations.installation import RESUME, find_pause

register = template.Library()


@register.inclusion_tag("admin/integrations/installation/banner.html", takes_context=True)
def paused_banner(context: template.Context) -> dict[str, Any]:
    """Say since when and why it is paused, to whoever is signed in. One query."""
    request = context["request"]
    return {"pause": find_pause(), "may_resume": request.user.has_perm(RESUME)}
