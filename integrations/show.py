"""How admin pages show things: badges, moments with their zone, values of a plan."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from integrations.models import SyncRun

_LONGEST_SHOWN = 500
_MINUTE = 60
_HOUR = 3600
# good: as wanted; info: under way; warn: somebody should look; bad: somebody has to act.
_KINDS = {
    "active": "good",
    "done": "good",
    "connected": "good",
    "applied": "good",
    "create": "good",
    "reactivate": "good",
    "running": "info",
    "queued": "info",
    "update": "info",
    "link": "info",
    "planned": "info",
    "sent": "good",
    "sending": "info",
    "draft": "warn",
    "paused": "warn",
    "partial": "warn",
    "held": "warn",
    "moved": "warn",
    "removal": "warn",
    "warning": "warn",
    "unknown": "warn",
    "nobody": "warn",
    "refused": "warn",
    "asks": "bad",
    "issue": "bad",
    "failed": "bad",
    "deactivate": "bad",
}


def badge(text: object, kind: str = "") -> SafeString:
    """A badge in one of the kinds `good info warn bad`, or a plain one."""
    css = f"rc-badge rc-badge-{kind}" if kind else "rc-badge"
    return format_html('<span class="{}">{}</span>', css, text)


def state_badge(row: Any, field: str = "state") -> SafeString:
    """The badge of a row's state, with the words of its choices."""
    value = str(getattr(row, field))
    return badge(getattr(row, f"get_{field}_display")(), _KINDS.get(value, ""))


def moment(value: datetime | date | None) -> str:
    """A moment in the installation's zone, which is named: `21 Nov 2026, 09:30 UTC`; or a day."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%-d %b %Y, %H:%M %Z")
    return value.strftime("%-d %b %Y")


def since(value: datetime | None) -> str:
    """How long ago: `5 minutes ago`."""
    if value is None:
        return "never"
    passed = timesince(value, depth=1).replace("\xa0", " ")
    return "just now" if passed.startswith("0 ") else f"{passed} ago"


def duration(run: SyncRun) -> str:
    """How long a run took, or has taken so far."""
    if run.started_at is None:
        return "–"
    seconds = int(((run.finished_at or timezone.now()) - run.started_at).total_seconds())
    if seconds < _MINUTE:
        return f"{max(seconds, 0)} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min {seconds % _MINUTE} s"
    return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"


def show_value(value: Any) -> str:
    """A value as people read it: nothing is a dash, switches are words, lists have commas."""
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, datetime | date):
        return moment(value)
    if isinstance(value, list | tuple):
        return ", ".join(show_value(part) for part in value)
    text = _named(value) if isinstance(value, dict) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _named(value: dict[str, Any]) -> str:
    """A role with its scope, or every part with its name."""
    name = value.get("name") or value.get("role")
    if name and value.get("scope"):
        return f"{name} ({value['scope']})"
    return str(name or ", ".join(f"{key}: {show_value(part)}" for key, part in value.items()))
