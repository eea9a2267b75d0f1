"""The form of a person: columns of the table, and an input per custom field by its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils import formats
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminNullBooleanSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from people import by_hand
from people.admin.common import DASH, moment
from people.fields import from_json
from people.models import CustomField, Person

PREFIX = "custom__"
_SAFE_INTEGER = 2**53 - 1
_LONGEST_TEXT = 1_000
_LONGEST_UNIQUE = 320
_LONGEST_LONG_TEXT = 100_000


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    """Shows each problem on its field; writing is `by_hand.save_person`'s."""

    class Meta:
        model = Person
        fields = (
            "full_name",
            "first_name",
            "last_name",
            "preferred_name",
            "email",
            "username",
            "employee_id",
            "title",
            "department",
            "manager",
            "role",
            "location",
            "country",
            "phone",
            "mobile_phone",
            "employment_status",
            "hire_date",
            "deactivation_date",
            "birthday",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if name.startswith(PREFIX):
                custom = self.instance.custom.get(name.removeprefix(PREFIX))
                self.initial[name] = from_json(getattr(field, "custom_type", ""), custom)

    def changed_values(self) -> dict[str, Any]:
        """What the user changed, by field, as `save_person` takes it."""
        return {
            name.removeprefix(PREFIX): self.cleaned_data.get(name) for name in self.changed_data
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        values = {
            name: value for name, value in self.changed_values().items() if value not in (None, "")
        }
        for name, problem in by_hand.problems_of(self.instance.pk, values).items():
            field = name if name in self.fields else f"{PREFIX}{name}"
            self.add_error(field if field in self.fields else None, problem)
        return cleaned


def custom_inputs(fields: tuple[CustomField, ...]) -> dict[str, forms.Field]:
    """A form field per custom field, by the name it has in the form."""
    return {f"{PREFIX}{field.key}": _input(field) for field in fields}


def _input(field: CustomField) -> forms.Field:
    options: dict[str, Any] = {"label": field.label, "required": False}
    made: forms.Field
    match field.type:
        case CustomField.Type.LONG_TEXT:
            made = forms.CharField(
                max_length=_LONGEST_LONG_TEXT, widget=UnfoldAdminTextareaWidget(), **options
            )
        case CustomField.Type.INTEGER:
            made = forms.IntegerField(
                min_value=-_SAFE_INTEGER,
                max_value=_SAFE_INTEGER,
                widget=UnfoldAdminIntegerFieldWidget(),
                **options,
            )
        case CustomField.Type.DECIMAL:
            made = forms.DecimalField(
                max_digits=30, widget=UnfoldAdminDecimalFieldWidget(), **options
            )
        case CustomField.Type.BOOLEAN:
            made = forms.NullBooleanField(widget=UnfoldAdminNullBooleanSelectWidget(), **options)
        case CustomField.Type.DATE:
            made = forms.DateField(widget=UnfoldAdminSingleDateWidget(), **options)
        case CustomField.Type.DATETIME:
            made = forms.SplitDateTimeField(
                widget=UnfoldAdminSplitDateTimeWidget(),
                help_text=f"In the zone {settings.TIME_ZONE}.",
                **options,
            )
        case _:
            made = forms.CharField(
                max_length=_LONGEST_UNIQUE if field.unique else _LONGEST_TEXT,
                widget=UnfoldAdminTextInputWidget(),
                **options,
            )
    cast("Any", made).custom_type = field.type
    if field.unique:
        made.help_text = "No two people may have the same value."
    return made


@dataclass(frozen=True)
class ShownValue:
    """A custom field as read-only text: Django calls it with the record."""

    key: str
    heading: str
    type: str

    @property
    def __name__(self) -> str:
        return f"{PREFIX}{self.key}"

    @property
    def short_description(self) -> str:
        return self.heading

    def __call__(self, record: Any) -> str:
        return show_custom(self.type, record.custom.get(self.key))


def shown_value(field: CustomField) -> ShownValue:
    """Show this field without an input."""
    return ShownValue(field.key, field.label, field.type)


def show_custom(kind: str, value: Any) -> str:
    """A custom field's value as text."""
    if value is None or value == "":
        return DASH
    value = from_json(kind, value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return formats.date_format(value, "j M Y")
    return str(value)


def help_for_owned(owners: Mapping[str, str]) -> dict[str, str]:
    """The sentence that stands under each owned field, by the field's name in forms."""
    texts = {}
    for field, owner in owners.items():
        text = f"Owned by {owner}. Change it there: each sync of it writes this field."
        texts[field] = texts[f"{PREFIX}{field}"] = text
    return texts
