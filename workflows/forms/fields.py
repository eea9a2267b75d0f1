"""Form fields that several kinds of blocks use, in the theme's dress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integrations.forms.lines import LinesField

INSERTS = {"data-wf-insert": "1", "autocomplete": "off", "spellcheck": "false"}
"""Attributes of inputs into which a field of the record may be inserted."""
_LONGEST = 100_000


def _lines_widget(attrs: dict[str, Any]) -> forms.Textarea:
    """The theme's, drawn as Django does: browsers drop a line break that stands first."""
    widget: forms.Textarea = UnfoldAdminTextareaWidget(attrs=attrs)
    widget.template_name = "django/forms/widgets/textarea.html"
    return widget


def text_field(label: str, *, template: bool = False, **named: Any) -> forms.CharField:
    """One line. A template may be long, so its length is judged by Validate."""
    attrs = {**(INSERTS if template else {"autocomplete": "off"}), **named.pop("attrs", {})}
    named.setdefault("required", False)
    named.setdefault("max_length", _LONGEST)
    # Browsers drop line breaks from an input, so what holds some gets room for them.
    has_lines = "\n" in str(named.get("initial") or "")
    widget = (
        _lines_widget({**attrs, "rows": 2})
        if has_lines
        else UnfoldAdminTextInputWidget(attrs=attrs)
    )
    field = LinesField(label=label, widget=widget, **named)
    if field.max_length == _LONGEST:
        field.widget.attrs.pop("maxlength", None)
    return field


def long_field(label: str, *, rows: int = 5, code: bool = False, **named: Any) -> forms.CharField:
    """Several lines of template; `code` for what is written in a language."""
    attrs = {**INSERTS, "rows": rows, **({"data-wf-code": "1"} if code else {})}
    named.setdefault("strip", False)
    field = LinesField(
        label=label,
        required=False,
        max_length=_LONGEST,
        widget=_lines_widget(attrs),
        **named,
    )
    field.widget.attrs.pop("maxlength", None)
    return field


def choice_field(
    label: str, choices: Sequence[tuple[str, str]], *, initial: Any = "", **named: Any
) -> forms.ChoiceField:
    """A select; what is stored stays a choice though it is none any more."""
    named.setdefault("required", False)
    return forms.ChoiceField(
        label=label,
        choices=kept(choices, str(initial or "")),
        initial=initial,
        widget=UnfoldAdminSelectWidget(),
        **named,
    )


def tick_field(label: str, **named: Any) -> forms.BooleanField:
    """A box to tick."""
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanWidget(), **named)


def kept(choices: Sequence[tuple[str, str]], value: str) -> list[tuple[str, str]]:
    """Keep a stored value that is no choice any more, so that saving does not change it unasked."""
    if not value or any(key == value for key, _label in choices):
        return list(choices)
    return [*choices, (value, f"{value} (no longer there)")]
