"""The form of "Add new people field" on the mapping page (AH-24, AH-25)."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integrations.models import Integration
from integrations.registry import get_vendor
from people.models import CustomField

_TYPES = {"json": CustomField.Type.LONG_TEXT}


class PeopleFieldForm(forms.Form):
    """A new field and what fills it; the label is proposed from vendor and source."""

    source = forms.ChoiceField(label="Source field", widget=UnfoldAdminSelectWidget())
    label = forms.CharField(
        label="Name of the new field",
        max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Templates name it in small letters: Vendor User Id is {{ vendor_user_id }}.",
    )
    type = forms.ChoiceField(choices=CustomField.Type.choices, widget=UnfoldAdminSelectWidget())
    unique = forms.BooleanField(
        required=False,
        label="No two people have the same value",
        widget=UnfoldBooleanWidget(),
        help_text="Then it may be a sync key.",
    )

    def __init__(
        self, *args: Any, integration: Integration, source: str = "", **named: Any
    ) -> None:
        vendor = get_vendor(integration.vendor)
        known = vendor.load(integration.load).fields
        chosen = known.get(source)
        if chosen is not None:
            word = "User " if chosen.key == "id" else ""
            named["initial"] = {
                "source": source,
                "label": f"{vendor.label.strip('!')} {word}{chosen.label}".replace("?", ""),
                "type": _TYPES.get(chosen.type, chosen.type),
            }
        super().__init__(*args, **named)
        self.fields["source"].choices = [  # type: ignore[attr-defined]
            (field.key, field.label) for field in known.values()
        ]
