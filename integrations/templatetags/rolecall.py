"""How the pages write moments, states and values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.show import badge, duration, moment, show_value, since, state_badge

register = template.Library()


@register.filter(name="moment")
def moment_filter(value: datetime | date | None) -> str:
    """A moment with its zone, or a day."""
    return moment(value)


@register.filter(name="since")
def since_filter(value: datetime | None) -> str:
    """How long ago, in one unit."""
    return since(value)


@register.filter(name="duration")
def duration_filter(run: Any) -> str:
    """How long a run took."""
    return duration(run)


@register.filter(name="value")
def value_filter(value: Any) -> str:
    """A value of a plan as people read it."""
    return show_value(value)


@register.simple_tag(name="state")
def state_tag(row: Any, field: str = "state") -> SafeString:
    """The badge of a row's state."""
    return state_badge(row, field)


@register.simple_tag(name="badge")
def badge_tag(text: Any, kind: str = "") -> SafeString:
    """A badge: `good`, `warn`, `bad`, `info` or nothing."""
    return badge(text, kind)


@register.simple_tag
def admin_link(view: str, pk: Any, text: Any) -> SafeString:
    """A link to a page of the admin; only the text where there is no such page."""
    try:
        return format_html(
            '<a class="rc-link" href="{}">{}</a>', reverse(f"admin:{view}", args=(pk,)), text
        )
    except NoReverseMatch:
        return format_html("{}", text)


@register.filter(name="count")
def count_filter(value: Any) -> str:
    """A number with separators; what is no number as it is."""
    return f"{value:,}" if isinstance(value, int) else str(value or 0)


@register.filter(name="words")
def words_filter(text: str) -> list[str]:
    """The words of a text, for a loop in a template."""
    return text.split()
