"""What the forms of blocks with a preset share: credentials, inputs of vendor and preset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join

from integrations.filters import as_text
from workflows.forms.blocks import BlockForm
from workflows.forms.fields import choice_field
from workflows.forms.inputs import (
    ACCOUNT,
    INPUT,
    account_field,
    account_value,
    given_by,
    input_field,
)

_WHERE = "under Configuration > Security > Credentials"
_SOME = f"Those{{}} that your groups may use. They are added {_WHERE}.{{}}"
_NONE = (
    "None{} may be used by your groups yet. An IT admin adds some, or lets your groups use those "
    f"that there are, {_WHERE}.{{}}"
)


class CallForm(BlockForm):
    """A block that names a preset, credentials and inputs."""

    def call_fields(self) -> dict[str, forms.Field]:
        """Credentials first, then what the vendor and the preset ask for."""
        place = self.place
        fields: dict[str, forms.Field] = {"credentials": self._credentials_field()}
        given = place.part_of("inputs")
        if place.vendor is not None:
            for name, one in place.vendor.inputs.items():
                shared = place.variables.get(one.variable or "", "")
                own = as_text(given.get(name)).strip()
                fields[ACCOUNT + name] = account_field(one, own=own, shared=shared)
        if place.preset is not None:
            for name, preset_input in place.preset.inputs.items():
                fields[INPUT + name] = input_field(
                    preset_input, given.get(name), is_given=name in given
                )
        return fields

    def call_names(self) -> list[str]:
        """Those fields, in their order."""
        return [
            name
            for name in self.fields
            if name == "credentials" or name.startswith((ACCOUNT, INPUT))
        ]

    def inputs(self) -> dict[str, Any]:
        """What the block says about inputs; what the preset or a variable says is left to them."""
        given = self.place.part_of("inputs")
        kept: dict[str, Any] = dict(self._account_inputs())
        preset = self.place.preset
        if preset is None and self.place.preset_id:  # the preset is gone; another may come
            known = self.place.vendor.inputs if self.place.vendor else {}
            return {**{k: v for k, v in given.items() if k not in known}, **kept}
        for name, one in (preset.inputs if preset else {}).items():
            said, value = given_by(
                one, self.cleaned_data.get(INPUT + name), given.get(name), was_given=name in given
            )
            if said:
                kept[name] = value
        return kept

    def field_of(self, path: str) -> str:
        """An input of the preset or of the vendor by its path."""
        start = "settings.inputs."
        if path.startswith(start):
            name = path.removeprefix(start).split("[")[0].split(".")[0]
            return INPUT + name if INPUT + name in self.fields else ACCOUNT + name
        return super().field_of(path)

    def _account_inputs(self) -> Iterator[tuple[str, str]]:
        vendor = self.place.vendor
        for name, one in (vendor.inputs if vendor else {}).items():
            shared = self.place.variables.get(one.variable or "", "")
            typed = str(self.cleaned_data.get(ACCOUNT + name) or "")
            if value := account_value(typed, shared=shared):
                yield name, value

    def _credentials_field(self) -> forms.ChoiceField:
        usable = list(self.place.usable())
        several = self.place.preset is None
        choices = [
            (one.name, f"{one.name} ({one.vendor})" if several else one.name) for one in usable
        ]
        lacking = [(one.missing,) for one in usable if one.missing]
        vendor = f" of {self.place.vendor.label}" if self.place.vendor and not several else ""
        help_text = format_html(
            _SOME if usable else _NONE, vendor, format_html_join("", " <br>{}", lacking)
        )
        field = choice_field(
            "Credentials",
            [("", "Choose"), *choices],
            initial=self.place.block.credentials,
            help_text=help_text,
        )
        field.marked_required = True  # type: ignore[attr-defined]
        return field
