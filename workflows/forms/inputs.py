"""The inputs of a preset, and of its vendor, as form fields; each may hold a template."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from integrations.filters import as_text
from integrations.manifest_parts import Input
from integrations.manifest_presets import Preset, PresetInput
from workflows.forms.fields import INSERTS, choice_field, long_field, text_field
from workflows.forms.place import as_list
from workflows.forms.request import as_typed

INPUT = "input_"
"""Begins the name of a preset's input on the form."""
ACCOUNT = "account_"
"""Begins the name of a vendor's input on the form."""
_UNCHANGED, _TRUE, _FALSE = "", "true", "false"
_SWITCH = ((_UNCHANGED, "Leave unchanged"), (_TRUE, "True"), (_FALSE, "False"))


def input_field(one: PresetInput, given: Any, *, is_given: bool) -> forms.Field:
    """A field with the saved value, else the preset's own."""
    shown = given if is_given else one.default
    named: dict[str, Any] = {"label": one.label, "help_text": _help(one)}
    if one.type == "switch":
        field: forms.Field = choice_field(choices=_SWITCH, initial=_switch_shown(shown), **named)
    elif one.type == "choice":
        choices = [("", "Not sent"), *((word, word) for word in one.choices)]
        field = choice_field(choices=choices, initial=as_typed(shown), **named)
    elif one.type == "choices":
        field = _choices_field(one, as_list(shown), named)
    elif one.type == "list":
        field = _list_field(as_list(shown), named)
    elif one.type == "long_text":
        field = long_field(initial=as_typed(shown), **named)
    else:
        field = text_field(template=True, initial=as_typed(shown), **named)
    field.marked_required = one.required  # type: ignore[attr-defined]
    return field


def given_by(one: PresetInput, typed: Any, before: Any, *, was_given: bool) -> tuple[bool, Any]:
    """Whether the block says something of its own about an input, and what.

    What is sent as it was shown stays exactly what it is. Else, what equals the preset's default is
    not kept, so that the block follows the preset.
    """
    value = _value_of(one, typed)
    if was_given and value == _value_of(one, _sent(one, before)):
        return True, before
    empty = value in ("", []) if one.default is None else _as_default(value) == one.default
    if empty:
        return False, None
    return True, value


def account_field(one: Input, *, own: str, shared: str) -> forms.Field:
    """An input of the vendor, filled from its variable where nothing is typed here (AH-11)."""
    variable = one.variable or ""
    follows = not own or own == f"{{{{ variables.{variable} }}}}"
    if variable and follows and shared:
        where = f"Now from the global variable {variable}; type another value to use it here only."
    elif variable and not follows:
        where = f"Set here only. Empty it, and the global variable {variable} is used."
    elif variable:
        where = f"Left empty, it comes from the global variable {variable} or from the integration."
    else:
        where = "Left empty, it comes from the integration that uses these credentials."
    initial = shared if follows else own
    return text_field(one.label, initial=initial, help_text=f"{one.help} {where}".strip())


def account_value(typed: str, *, shared: str) -> str:
    """What the block keeps of a vendor's input: nothing where it follows the variable (AH-12)."""
    return "" if typed.strip() == shared else typed.strip()


def switches_of(preset: Preset) -> list[str]:
    """The inputs with three positions."""
    return [name for name, one in preset.inputs.items() if one.type == "switch"]


def _value_of(one: PresetInput, typed: Any) -> Any:
    if one.type == "switch":
        return {_TRUE: True, _FALSE: False}.get(str(typed), str(typed or ""))
    if one.type == "list":
        lines = [line.strip() for line in str(typed or "").splitlines()]
        return [line for line in lines if line]
    if one.type == "choices":
        return list(typed or [])
    return str(typed or "") if one.type == "long_text" else str(typed or "").strip()


def _sent(one: PresetInput, before: Any) -> Any:
    """What a browser sends for a stored value that nobody touched."""
    if one.type == "switch":
        return _switch_shown(before)
    if one.type == "list":
        return _lines(as_list(before))
    if one.type == "choices":
        ticked = [str(word) for word in as_list(before)]
        return [word for word in _words(one, ticked) if word in ticked]
    return as_typed(before)


def _as_default(value: Any) -> str:
    """A value in the words in which manifests write defaults."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return as_typed(value)


def _switch_shown(shown: Any) -> str:
    text = as_text(shown).strip().casefold()
    if text in {"true", "yes", "on"}:
        return _TRUE
    return _FALSE if text in {"false", "no", "off"} else as_text(shown).strip()


def _choices_field(one: PresetInput, given: list[Any], named: dict[str, Any]) -> forms.Field:
    ticked = [str(word) for word in given]
    return forms.MultipleChoiceField(
        choices=[
            (word, word if word in one.choices else f"{word} (not known)")
            for word in _words(one, ticked)
        ],
        initial=ticked,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        **named,
    )


def _words(one: PresetInput, ticked: list[str]) -> list[str]:
    """The choices in the order in which they are shown: those of the vendor first."""
    return list(dict.fromkeys([*one.choices, *ticked]))


def _list_field(given: list[Any], named: dict[str, Any]) -> forms.Field:
    return forms.CharField(
        required=False,
        initial=_lines(given),
        widget=UnfoldAdminTextareaWidget(attrs={**INSERTS, "rows": 3}),
        **named,
    )


def _lines(given: list[Any]) -> str:
    return "\n".join(as_typed(value) for value in given)


def _help(one: PresetInput) -> str:
    """The manual of one input: its own words, then what it takes."""
    takes = ""
    if one.type in {"text", "long_text"} and one.min_length:
        takes = f"{one.min_length} to {one.max_length:,} characters."
    elif one.type in {"text", "long_text"}:
        takes = f"At most {one.max_length:,} characters."
    elif one.type == "list":
        takes = "They may stand one per line."
    elif one.type == "timezone":
        takes = "A time zone such as Europe/London."
    needed = "It has to be filled." if one.required else ""
    if not one.required and one.type not in {"switch", "choices"}:
        needed = "Left empty, it is not sent."
    if one.type == "choices":
        needed = "With none ticked, it is not sent."
    return " ".join(part for part in (one.help, takes, needed) if part)
