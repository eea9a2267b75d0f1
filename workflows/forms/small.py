"""The forms of Condition, Update and Notification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms

from integrations.forms.lists import TextListField
from integrations.forms.rules import flat_rows
from workflows.forms.blocks import BlockForm, row_named
from workflows.forms.fields import INSERTS, long_field, text_field
from workflows.forms.layout import Section
from workflows.forms.place import as_dict, as_list, label_of
from workflows.forms.request import as_before, as_typed
from workflows.forms.response import VARIABLE
from workflows.forms.rows import Column, Row, RowsField
from workflows.forms.rules import DraftRulesField

_PREFIX = "variables."
_MOST_RECIPIENTS = 50


class ConditionForm(BlockForm):
    """Rules over the record as it is when the block is reached."""

    places = {"settings.rules": "rules", "rules": "rules"}

    def own_fields(self) -> dict[str, forms.Field]:
        """The rows of rules; a field that a saved rule names stays a choice."""
        types = {**self.place.facts.fields, **self._more()}
        saved = self.place.settings.get("rules") or {}
        labels = {
            key: label_of(key, self.place.facts.writable) for key in types if self.place.offers(key)
        }
        for key in filter(None, _fields_in(saved)):
            labels.setdefault(key, key if key in types else f"{key} (no longer there)")
        return {
            "rules": DraftRulesField(
                label="Rules",
                labels=labels,
                types=types,
                on_changes=self.place.facts.own_fields,
                initial=saved,
                help_text="Judged on the record as it is then; changed and changed to on the event "
                "that started the run. Empty a row to remove it.",
            )
        }

    def sections(self) -> list[Any]:
        """One panel."""
        return [Section("Condition", "rules", anchor="rules")]

    def settings(self) -> dict[str, Any]:
        """{rules}."""
        rules = self.cleaned_data["rules"]
        return {"rules": rules} if rules else {}

    def row_of(self, path: str) -> int | None:
        """The row of a rule, where the rules are not nested."""
        if flat_rows(self.place.settings.get("rules")) is None:
            return None
        return super().row_of(path)

    def _more(self) -> dict[str, str]:
        """Besides fields of the record: variables, and why an earlier block failed."""
        failure = {"failure.reason": "text", "failure.code": "text", "failure.status": "integer"}
        variables = self.place.facts.item_variables | self.place.facts.variables
        return {
            **{f"{_PREFIX}{one}": "text" for one in sorted(variables)},
            **(failure if self.place.facts.after_failure else {}),
        }


class UpdateForm(BlockForm):
    """Rows of a field and what it is set to."""

    places = {"settings.set": "set"}

    def own_fields(self) -> dict[str, forms.Field]:
        """Rows with the fields that may be written, and variables."""
        targets = [("", "Choose"), *self.place.writable, (VARIABLE, "A workflow variable")]
        columns = (
            Column("field", "Field", choices=targets),
            Column("variable", "Name of the variable", placeholder="Only for a variable"),
            Column("value", "Set to", template=True, placeholder="Empty clears it"),
        )
        return {
            "set": RowsField(
                columns,
                label="Set these fields",
                initial=[_row(key, value) for key, value in self._saved().items()],
                add="Add a field",
                help_text="A value, or a placeholder such as {{ first_name }}. A value that is one "
                "placeholder keeps its type. Days are written 2026-12-01, yes or no as true or "
                "false. An empty value clears the field. Empty a row to remove it.",
            )
        }

    def sections(self) -> list[Any]:
        """One panel."""
        return [Section("Update", "set", anchor="set")]

    def settings(self) -> dict[str, Any]:
        """{set: {field: value}}; what reads as it did keeps its type."""
        saved = self._saved()
        found: dict[str, Any] = {}
        for _number, row in self.cleaned_data["set"]:
            key, value = _key_of(row), row["value"]
            same = key in saved and as_typed(saved[key]) == value
            found[key] = saved[key] if same else (value if value.strip() else None)
        return {"set": found} if found else {}

    def field_of(self, path: str) -> str:
        """Everything is about the rows."""
        return "set" if path.startswith("settings") else ""

    def row_of(self, path: str) -> int | None:
        """The row of a field."""
        return row_named(path, "settings.set", list(self._saved()))

    def clean_set(self) -> list[tuple[int, Row]]:
        """Each row names a field, and each field stands once."""
        field: Any = self.fields["set"]
        rows: list[tuple[int, Row]] = self.cleaned_data["set"]
        seen: set[str] = set()
        for number, row in rows:
            if not row["field"]:
                field.put(number, "Choose the field that is set, or empty the row.")
            elif row["field"] == VARIABLE and not row["variable"].strip():
                field.put(number, "Give the variable a name: letters, digits and underscores.")
            elif _key_of(row) in seen:
                field.put(number, "This field is set in an earlier row already.")
            seen.add(_key_of(row))
        field.fail()
        return rows

    def _saved(self) -> dict[str, Any]:
        return as_dict(self.place.settings.get("set"))


class NotificationForm(BlockForm):
    """A mail to addresses or to whom the record names."""

    places = {
        "settings.recipients": "recipients",
        "settings.subject": "subject",
        "settings.message": "message",
    }

    def own_fields(self) -> dict[str, forms.Field]:
        """Recipients, subject and message; each may hold placeholders."""
        saved = self.place.settings
        recipients = RecipientsField(
            label="Recipients",
            initial=[as_typed(one) for one in as_list(saved.get("recipients"))],
            help_text="One per line: an address such as it@example.com, or a placeholder such as "
            "{{ email }} or {{ manager }}.",
        )
        recipients.widget.attrs.update(INSERTS)
        return {
            "recipients": recipients,
            "subject": text_field(
                "Subject",
                template=True,
                initial=as_typed(saved.get("subject")),
                help_text="One line. It may hold placeholders.",
            ),
            "message": long_field(
                "Message",
                rows=8,
                initial=as_typed(saved.get("message")),
                help_text="Plain text. It may hold placeholders; behind a failure exit also "
                "{{ failure.reason }}.",
            ),
        }

    def sections(self) -> list[Any]:
        """One panel."""
        note = "Whether the mail can be sent does not decide whether a record counts as failed."
        return [Section("Mail", "recipients", "subject", "message", anchor="mail", note=note)]

    def settings(self) -> dict[str, Any]:
        """{recipients, subject, message}, each where it is filled."""
        found = {"recipients": self.cleaned_data["recipients"]}
        for name in ("subject", "message"):
            found[name] = as_before(self.place.settings.get(name), self.cleaned_data[name])
        return {name: value for name, value in found.items() if value}


class RecipientsField(TextListField):
    """Addresses and placeholders; Validate says which of them is neither."""

    most = _MOST_RECIPIENTS


def _row(key: str, value: Any) -> Row:
    name = key.removeprefix(_PREFIX) if key.startswith(_PREFIX) else ""
    name = name if name == name.strip() else ""
    return {"field": VARIABLE if name else key, "variable": name, "value": as_typed(value)}


def _key_of(row: Row) -> str:
    if row["field"] == VARIABLE:
        return f"{_PREFIX}{row['variable'].strip()}"
    return row["field"]


def _fields_in(rules: Any) -> Iterator[str]:
    """Every field that rules name, nested or not."""
    if isinstance(rules, dict):
        if isinstance(rules.get("field"), str):
            yield rules["field"]
        for value in rules.values():
            yield from _fields_in(value)
    elif isinstance(rules, list):
        for one in rules:
            yield from _fields_in(one)
