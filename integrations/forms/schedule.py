"""A schedule as parts of a form: how often, when, in which zone; each mistake at its part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from integrations.errors import ScheduleInvalid
from integrations.schedules import WEEKDAYS, as_data, read_schedule, zone_names

KINDS = (
    ("never", "Only when asked"),
    ("hour", "Every hour"),
    ("day", "Every day"),
    ("week", "Every week"),
    ("month", "Every month"),
    ("once", "Once"),
    ("cron", "By a cron expression"),
)
_PARTS = ("kind", "at", "day", "minute", "once", "cron", "timezone")
_LONGEST_PART = 250
_TO_THE_MINUTE = len("2026-12-01T09:00")
_AT_NIGHT = "03:00"


class ScheduleWidget(forms.Widget):
    """Every part at once; a script hides those that the chosen kind does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.part_errors: dict[str, list[str]] = {}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[str, Any]:
        """Read the parts as they were typed."""
        parts = {
            part: str(data.get(f"{name}-{part}", "")).strip()[:_LONGEST_PART] for part in _PARTS
        }
        days = data.getlist(f"{name}-days") if hasattr(data, "getlist") else []
        return {**parts, "days": [day for day in WEEKDAYS if day in days]}

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Say whether the form that was sent had no schedule in it at all."""
        return f"{name}-kind" not in data

    def id_for_label(self, id_: str) -> str:
        """The kind is what the label leads to."""
        return f"{id_}-kind" if id_ else ""

    def render(
        self,
        name: str,
        value: Any,
        attrs: Mapping[str, Any] | None = None,
        renderer: Any = None,
    ) -> SafeString:
        """Draw the parts, each with its mistakes."""
        context = {
            "name": name,
            "value": value,
            "errors": self.part_errors,
            "kinds": KINDS,
            "days": [(day, day.capitalize(), day in value["days"]) for day in WEEKDAYS],
            "zones": zone_names(),
        }
        return render_to_string("admin/integrations/schedule.html", context)


class ScheduleField(forms.Field):
    """Gives a schedule as it is stored, `{}` for none."""

    widget: ScheduleWidget

    def __init__(self, **named: Any) -> None:
        super().__init__(required=False, widget=ScheduleWidget(), **named)

    def prepare_value(self, value: Any) -> Any:
        """Turn a stored schedule into parts; what was sent is in parts already."""
        if isinstance(value, Mapping) and "kind" in value:
            return value
        parts: dict[str, Any] = {
            "kind": "never",
            "at": _AT_NIGHT,
            "day": "1",
            "minute": "0",
            "once": "",
            "cron": "",
            "days": [],
            "timezone": settings.TIME_ZONE,
        }
        stored = dict(value or {})
        on = stored.pop("on", None)
        if isinstance(on, list):
            parts["days"] = on
        elif on is not None:
            parts["day"] = str(on)
        kinds = [kind for kind in ("once", "cron") if kind in stored]
        parts["kind"] = stored.pop("every", kinds[0] if kinds else "never")
        return {**parts, **{key: str(stored[key]) for key in stored}}

    def clean(self, value: Any) -> dict[str, Any]:
        """Read and check. Raises ValidationError; each mistake stands at its part too."""
        self.widget.part_errors = {}
        wanted = _wanted(value)
        if wanted == {}:
            return {}
        try:
            return as_data(read_schedule(wanted))
        except ScheduleInvalid as problem:
            for one in problem.problems:
                part = _part_of(one.field, value["kind"])
                self.widget.part_errors.setdefault(part, []).append(
                    f"It {one.message}.".replace("?.", "?")
                )
            raise forms.ValidationError(
                "This schedule cannot be used yet; the part that is wrong says why."
            ) from problem

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what the schedules mean."""
        try:
            return bool(self.clean(data) != (initial or {}))
        except forms.ValidationError:
            return True


def _wanted(value: Mapping[str, Any]) -> dict[str, Any]:
    kind = value["kind"]
    if kind in ("", "never"):
        return {}
    at = value["at"][: len("06:00")]
    forms_of: dict[str, dict[str, Any]] = {
        "hour": {"every": kind, "minute": _number(value["minute"])},
        "week": {"every": kind, "on": list(value["days"]), "at": at},
        "month": {"every": kind, "on": _number(value["day"]), "at": at},
        "once": {"once": value["once"][:_TO_THE_MINUTE]},
        "cron": {"cron": value["cron"]},
    }
    zone = {"timezone": value["timezone"]} if value["timezone"] else {}
    return {**forms_of.get(kind, {"every": kind, "at": at}), **zone}


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _part_of(field: str, kind: str) -> str:
    """Where a mistake at this key of a schedule stands in the form."""
    first = field.split(".", maxsplit=1)[0]
    return {"on": "days" if kind == "week" else "day", "every": "kind", "": "kind"}.get(
        first, first
    )
