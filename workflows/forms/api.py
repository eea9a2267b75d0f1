"""The form of the API block: Configure, and Advanced Mode with a tab for each part of the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.utils.html import format_html

from integrations.presets.own import METHODS
from workflows.errors import Mistake
from workflows.forms import response
from workflows.forms.blocks import row_named
from workflows.forms.calls import CallForm
from workflows.forms.fields import choice_field, long_field, text_field
from workflows.forms.inputs import ACCOUNT, INPUT
from workflows.forms.layout import Advanced, Row, Section, Tab, Text
from workflows.forms.place import as_dict
from workflows.forms.request import (
    BodyInvalid,
    as_rows,
    body_text,
    difference,
    from_rows,
    merged,
    read_body,
    read_value,
    request_of,
)
from workflows.forms.rows import Column, RowsField
from workflows.forms.signing import NEVER_NAMED, signing_words

TABS = {
    "information": ("method", "url"),
    "params": ("params",),
    "headers": ("headers",),
    "body": ("body",),
}
"""Which parts of the request each tab with a way back to the preset holds."""
_BODY = "settings.request.body"
_PAIR = (
    Column("name", "Name", placeholder="Name"),
    Column("value", "Value", template=True, placeholder="Value"),
)


class ApiForm(CallForm):
    """A preset with its inputs, or a request of one's own; what differs is the block's own."""

    def own_fields(self) -> dict[str, forms.Field]:
        """Configure, then the tabs."""
        return {**self.call_fields(), **self._request_fields(), **response.fields(self.place)}

    @property
    def opens_advanced(self) -> bool:  # type: ignore[override]
        """An own request, or one that differs from its preset, is shown at once."""
        own = self.place.part_of("request")
        return bool(self.place.preset is None or own or self.place.part_of("response"))

    def sections(self) -> list[Any]:
        """Configure and Advanced Mode."""
        preset = self.place.preset
        notes = (
            [Text(format_html("<strong>Tip:</strong> {}", preset.tip))]
            if preset and preset.tip
            else []
        )
        own = preset is None
        title = "Own request" if own else "Configure"
        return [
            Section(title, *notes, *self.call_names(), anchor="configure", note=self._call_note()),
            Advanced("Advanced Mode", *self._tabs(), anchor="advanced"),
        ]

    def settings(self) -> dict[str, Any]:
        """{inputs, request, response}, each only where it says something."""
        found = {
            "inputs": self.inputs(),
            "request": self._request(),
            "response": response.settings(self),
        }
        return {name: value for name, value in found.items() if value}

    def field_of(self, path: str) -> str:
        """The parts of the request, and the rows of Response."""
        for start in ("settings.request.", "settings.response."):
            if path.startswith(start):
                rest = path.removeprefix(start)
                name = rest.split("[")[0].split(".")[0]
                return f"{start.split('.')[1]}_{name}"
        return "request_url" if path == "settings.request" else super().field_of(path)

    def row_of(self, path: str) -> int | None:
        """The row of a parameter or header by its name."""
        for part in ("params", "headers"):
            start = f"settings.request.{part}"
            if path.startswith(start):
                return row_named(path, start, list(as_dict(self._shown()[part])))
        return super().row_of(path)

    def in_place(self, mistake: Mistake) -> Mistake:
        """In the body, characters are counted in each text, so the part is named."""
        part = mistake.field.removeprefix(_BODY).lstrip(".")
        if not mistake.field.startswith(_BODY) or not part:
            return mistake
        return replace(mistake, message=f"{part}: {mistake.message}")

    def sent_for(self, tab: str) -> dict[str, str]:
        """What a browser would send for the fields of a tab that shows the preset's values."""
        base = request_of(self.place.preset)
        sent: dict[str, str] = {}
        for part in TABS[tab]:
            field = self.fields[f"request_{part}"]
            name = self.add_prefix(f"request_{part}")
            if isinstance(field, RowsField):
                sent |= field.widget.as_sent(name, as_rows(base[part]))
            else:
                sent[name] = body_text(base[part]) if part == "body" else base[part]
        return sent

    # Advanced Mode -------------------------------------------------------------------------------

    def _tabs(self) -> list[Tab]:
        preset = self.place.preset
        way = {name: "" if preset is None or not self.place.writes else name for name in TABS}
        if not self.place.owns_requests:
            way["information"] = ""
        graphql = bool(preset and preset.request and preset.request.query)
        body = "Variables of the query, as JSON." if graphql else "JSON."
        return [
            Tab(
                "Information",
                Row("request_method", "request_url"),
                *self._information_note(),
                anchor="information",
                reset=way["information"],
            ),
            Tab("Authorization", *self._authorization(), anchor="authorization"),
            Tab(
                "Params",
                "request_params",
                anchor="params",
                reset=way["params"],
                note="Sent behind the address, as ?name=value. Empty a row to leave it out.",
            ),
            Tab(
                "Headers",
                "request_headers",
                anchor="headers",
                reset=way["headers"],
                note="Sent beside those that every call has. Authorization is added by itself.",
            ),
            Tab(
                "Body",
                "request_body",
                anchor="body",
                reset=way["body"],
                note=f"{body} Add fields of your own, and put a placeholder in quotes as a value.",
            ),
            response.tab(self.place),
        ]

    def _authorization(self) -> list[Text]:
        vendor = self.place.vendor
        if vendor is None:
            return [
                Text("Choose credentials and save; then this says how they sign."),
                Text(NEVER_NAMED),
            ]
        return [Text(signing_words(vendor, self.place.credentials)), Text(NEVER_NAMED)]

    def _information_note(self) -> list[Text]:
        if self.place.owns_requests or not self.place.writes:
            return []
        return [Text("Only who has the permission for own requests changes method and address.")]

    def _request_fields(self) -> dict[str, forms.Field]:
        shown = self._shown()
        locked = not self.place.owns_requests
        # Of a request without a preset everything is its own, not the address alone.
        all_locked = locked and not self.place.preset_id
        fields: dict[str, Any] = {
            "request_method": choice_field(
                "Method",
                [(word, word) for word in METHODS],
                initial=str(shown["method"] or ""),
                disabled=locked,
            ),
            "request_url": text_field(
                "URL",
                template=True,
                initial=str(shown["url"] or ""),
                disabled=locked,
                help_text="Behind the vendor's base address, or a whole address at the vendor. "
                "{{ email }} stands for the record's value.",
            ),
            "request_params": RowsField(
                _PAIR,
                label="Params",
                initial=as_rows(as_dict(shown["params"])),
                add="Add a param",
                disabled=all_locked,
            ),
            "request_headers": RowsField(
                _PAIR,
                label="Headers",
                initial=as_rows(as_dict(shown["headers"])),
                add="Add a header",
                disabled=all_locked,
            ),
            "request_body": long_field(
                "Body",
                rows=14,
                code=True,
                initial=body_text(shown["body"]),
                disabled=all_locked,
                help_text="The button {} puts a field of the record where the cursor is.",
            ),
        }
        for name in ("params", "headers", "body"):
            fields[f"request_{name}"].hides_label = True  # the tab has the same words
        return fields

    def clean_request_params(self) -> dict[str, Any]:
        """Parameters by name."""
        return self._pairs("params")

    def clean_request_headers(self) -> dict[str, Any]:
        """Headers by name."""
        return self._pairs("headers")

    def clean_request_body(self) -> Any:
        """The tree. What is no JSON cannot be kept."""
        try:
            return read_body(self.cleaned_data["request_body"])
        except BodyInvalid as problem:
            raise forms.ValidationError(problem.message) from None

    def _pairs(self, part: str) -> dict[str, Any]:
        field = self.fields[f"request_{part}"]
        rows = self.cleaned_data[f"request_{part}"]
        shown = as_dict(self._shown()[part])
        if not isinstance(field, RowsField):
            raise TypeError(part)
        seen: set[str] = set()
        for number, row in rows:
            name = row["name"].strip()
            if not name:
                field.put(number, "Give it a name, or empty its value.")
            elif name in seen:
                field.put(number, f'"{name}" is in an earlier row already.')
            seen.add(name)
            try:
                read_value(row["value"])
            except BodyInvalid as problem:
                field.put(number, problem.message)
        field.fail()
        return from_rows([row for _number, row in rows], shown)

    def _shown(self) -> dict[str, Any]:
        """The request as it is saved: the preset's, with what the block says over it."""
        base, own = request_of(self.place.preset), self.place.part_of("request")
        return {name: merged(base[name], own[name]) if name in own else base[name] for name in base}

    def _request(self) -> dict[str, Any]:
        """What differs from the preset (C-21); all of it for an own request."""
        base = request_of(self.place.preset)
        wanted = {name: self.cleaned_data.get(f"request_{name}") for name in base}
        if self.place.preset is None:
            unsaid = not self.place.is_new and "method" not in self.place.part_of("request")
            if unsaid and wanted["method"] == base["method"]:
                wanted.pop("method")
            return {name: value for name, value in wanted.items() if value not in (None, "", {})}
        found = {name: difference(base[name], wanted[name]) for name in base}
        if wanted["body"] is None and base["body"] is not None:
            found["body"] = _all_out(base["body"])
        return {name: value for name, value in found.items() if value not in (None, "", {})}

    def _call_note(self) -> str:
        if self.place.preset is None:
            return "Method, address and body are set under Advanced Mode."
        asked = any(name.startswith((INPUT, ACCOUNT)) for name in self.fields)
        return "Inputs may hold placeholders such as {{ email }}." if asked else ""


def _all_out(base: Any) -> Any:
    """A body that was emptied: every part of it left out."""
    return dict.fromkeys(base) if isinstance(base, Mapping) else {}
