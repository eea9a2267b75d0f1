"""The forms of the blocks that wait: Delay and Approval."""

from __future__ import annotations

import math
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from integrations.forms.lists import TextListField
from workflows.forms.blocks import BlockForm
from workflows.forms.fields import choice_field, long_field
from workflows.forms.layout import Section
from workflows.forms.place import as_list
from workflows.forms.request import as_before, as_typed

_DAYS, _HOURS, _UNTIL = "for_days", "for_hours", "until_field"
_KINDS = (
    (_DAYS, "For a number of days"),
    (_HOURS, "For a number of hours"),
    (_UNTIL, "Until a date of the record"),
)
_MOST_APPROVERS = 50


class DelayForm(BlockForm):
    """One of three ways to wait; what the other two hold is left out."""

    places = {
        f"settings.{_DAYS}": _DAYS,
        f"settings.{_HOURS}": _HOURS,
        f"settings.{_UNTIL}": _UNTIL,
        "settings": "way",
    }

    def own_fields(self) -> dict[str, forms.Field]:
        """The way, then what each needs."""
        saved = self.place.settings
        way = next((name for name, _label in _KINDS if saved.get(name) is not None), _DAYS)
        return {
            "way": forms.ChoiceField(
                label="Wait",
                choices=_KINDS,
                initial=way,
                widget=UnfoldAdminRadioSelectWidget(),
                help_text="Only what belongs to the chosen way counts.",
            ),
            _DAYS: _number("Days", saved.get(_DAYS), "Counted from when the record gets here."),
            _HOURS: _number("Hours", saved.get(_HOURS), "Counted from when the record gets here."),
            _UNTIL: choice_field(
                "Date field",
                [("", "Choose"), *self.place.dates],
                initial=as_typed(saved.get(_UNTIL)),
                help_text="A day means its beginning in the time zone of Rolecall. It is read "
                "again while the record waits. Where it is over or blank, it goes on at once.",
            ),
        }

    def sections(self) -> list[Any]:
        """One panel."""
        note = "Before the next block, the rules of Begin are judged on the record once more."
        return [Section("Delay", "way", _DAYS, _HOURS, _UNTIL, anchor="delay", note=note)]

    def field_of(self, path: str) -> str:
        """Where nothing is chosen yet, the choice itself is what is missing."""
        chosen = any(name in self.place.settings for name, _label in _KINDS)
        return super().field_of(path) if chosen else "way"

    def settings(self) -> dict[str, Any]:
        """The chosen way alone; a number that is none is kept as text, for Validate to name."""
        way = self.cleaned_data["way"]
        value = self.cleaned_data[way]
        if way == _UNTIL:
            return {way: value} if value else {}
        return {way: _as_number(value)} if value else {}


class ApprovalForm(BlockForm):
    """Who is asked, with which words, and until when."""

    places = {
        "settings.approvers": "approvers",
        "settings.message": "message",
        "settings.deadline_days": "deadline_days",
    }

    def own_fields(self) -> dict[str, forms.Field]:
        """Approvers, message and deadline."""
        saved = self.place.settings
        groups = ", ".join(self.place.groups)
        return {
            "approvers": ApproversField(
                label="Approvers",
                initial=[as_typed(one) for one in as_list(saved.get("approvers"))],
                help_text="One per line: a user name, the e-mail of a user, or the name of a group"
                f"{f' ({groups})' if groups else ''}. Any one of them decides.",
            ),
            "message": long_field(
                "Message",
                rows=5,
                initial=as_typed(saved.get("message")),
                help_text="What they are asked, in the mail and on the page. It may hold "
                "placeholders such as {{ full_name }}.",
            ),
            "deadline_days": _number(
                "Deadline in days",
                saved.get("deadline_days"),
                "When nobody decided by then, the record leaves by the exit for that. Left empty: "
                "14 days.",
            ),
        }

    def sections(self) -> list[Any]:
        """One panel."""
        note = "Before the next block, the rules of Begin are judged on the record once more."
        names = ("approvers", "message", "deadline_days")
        return [Section("Approval", *names, anchor="approval", note=note)]

    def settings(self) -> dict[str, Any]:
        """{approvers, message, deadline_days}, each where it is filled."""
        cleaned = self.cleaned_data
        found = {
            "approvers": cleaned["approvers"],
            "message": as_before(self.place.settings.get("message"), cleaned["message"]),
            "deadline_days": _as_number(cleaned["deadline_days"]),
        }
        return {name: value for name, value in found.items() if value not in (None, "", [])}


class ApproversField(TextListField):
    """Users and groups; Validate says which of them exist and may decide."""

    most = _MOST_APPROVERS


def _number(label: str, saved: Any, help_text: str) -> forms.CharField:
    """A number as text: what is none is kept, and Validate says so."""
    return forms.CharField(
        label=label,
        required=False,
        max_length=20,
        initial=as_typed(saved),
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def _as_number(text: str) -> Any:
    """A whole number, a decimal one, or the text that was typed."""
    typed = str(text).strip()
    if typed.isascii() and typed.removeprefix("-").isdigit():
        return int(typed)
    try:
        number = float(typed)
    except ValueError:
        return typed
    return number if math.isfinite(number) else typed
