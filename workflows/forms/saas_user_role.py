"""The form of the SaaS User Role block: whose roles are read, and who is deactivated here."""

from __future__ import annotations

from typing import Any

from django import forms

from workflows.forms.calls import CallForm
from workflows.forms.fields import tick_field
from workflows.forms.layout import Section

_USER, _NOT_FOUND = "deactivate_user", "deactivate_not_found"


class SaaSUserRoleForm(CallForm):
    """Credentials, and the two choices about accounts that are gone."""

    places = {
        f"settings.{_USER}": _USER,
        f"settings.{_NOT_FOUND}": _NOT_FOUND,
    }

    def own_fields(self) -> dict[str, forms.Field]:
        """`deactivate_not_found` is absent where the first choice says just that."""
        fields = self.call_fields()
        saved = self.place.settings
        vendor = self.place.vendor.label if self.place.vendor else "the vendor"
        preset = self.place.preset
        by_absence = preset is not None and preset.deactivates == "not_found"
        rule = (
            f"A user whom {vendor} does not know any more is deactivated here."
            if by_absence
            else f"A user whom {vendor} states as suspended, disabled or inactive is deactivated "
            f"here. A user whom {vendor} does not know stays active and is marked as not found."
        )
        fields[_USER] = tick_field(
            "Deactivate User",
            initial=saved.get(_USER) is True,
            help_text=f"{rule} Not ticked, this block changes no status and the run notes it. "
            f"Nothing is changed at {vendor} either way.",
        )
        if not by_absence or _NOT_FOUND in saved:
            fields[_NOT_FOUND] = tick_field(
                "Deactivate users that are not found",
                initial=saved.get(_NOT_FOUND) is True,
                help_text=f"{vendor} has to say so for that very user; an error never counts as "
                "not found. More than the limit of removals waits for a person.",
            )
        return fields

    def sections(self) -> list[Any]:
        """Configure, then the rules."""
        names = [name for name in (_USER, _NOT_FOUND) if name in self.fields]
        return [
            Section("Configure", *self.call_names(), anchor="configure"),
            Section("When a user is gone", *names, anchor="gone"),
        ]

    def settings(self) -> dict[str, Any]:
        """{inputs, deactivate_user, deactivate_not_found}, each only where it says something."""
        found: dict[str, Any] = {"inputs": self.inputs()} if self.inputs() else {}
        for name in (_USER, _NOT_FOUND):
            if self.cleaned_data.get(name):
                found[name] = True
        return found
