"""The form for an account that was renamed at its vendor (M-1)."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from integrations.errors import InputInvalid
from integrations.models import Integration
from integrations.registry import get_vendor


class RenameForm(forms.Form):
    """The new name, made short as the vendor's input does it."""

    new = forms.CharField(
        label="New name of the account",
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, integration: Integration, **named: Any) -> None:
        super().__init__(*args, **named)
        self._vendor = get_vendor(integration.vendor)

    def clean_new(self) -> str:
        """Normalise where the account is named by an input."""
        typed: str = self.cleaned_data["new"].strip()
        name = self._vendor.manifest.tenant.input
        if not name:
            return typed
        try:
            return self._vendor.inputs[name].normalise(typed)
        except InputInvalid as problem:
            raise forms.ValidationError(problem.message) from None
