"""The form of a global variable: a pasted address becomes what the vendor's input takes (AH-10)."""

from __future__ import annotations

from typing import Any

from django import forms

from integrations.errors import InputInvalid
from integrations.manifest_parts import Input
from integrations.models import GlobalVariable
from integrations.registry import Vendor, vendors


def inputs_by_variable() -> dict[str, list[tuple[Vendor, Input]]]:
    """Which inputs of which vendors a variable pre-fills. No query."""
    known: dict[str, list[tuple[Vendor, Input]]] = {}
    for vendor in vendors().values():
        for field in vendor.inputs.values():
            if field.variable:
                known.setdefault(field.variable, []).append((vendor, field))
    return known


class GlobalVariableForm(forms.ModelForm):  # type: ignore[type-arg]
    """After `clean`, `changed_from` is what was typed when it was not what is stored."""

    changed_from: str | None = None

    class Meta:
        model = GlobalVariable
        fields = ("key", "value", "description")

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if "key" in self.fields:
            names = ", ".join(sorted(inputs_by_variable()))
            self.fields["key"].help_text = (
                f"Vendors fill their inputs from the variables that they know: {names}. Others can "
                "be named in templates."
            )

    def clean(self) -> dict[str, Any]:
        """Make of an address what the input wants, or say why it cannot be."""
        cleaned: dict[str, Any] = super().clean() or {}
        value = cleaned.get("value") or ""
        for _vendor, field in inputs_by_variable().get(cleaned.get("key") or "", []):
            try:
                wanted = field.normalise(value)
            except InputInvalid as problem:
                self.add_error("value", problem.message)
                return cleaned
            if wanted != value:
                self.changed_from = value
                cleaned["value"] = value = wanted
        return cleaned
