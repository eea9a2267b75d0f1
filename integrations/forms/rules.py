"""Rules as rows of a form: field, operator, value; errors stand on the row that they belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from integrations.errors import RuleInvalid, TransformFailed
from integrations.rule_operators import ON_CHANGES, OPERATORS
from integrations.rules import compile_rules
from integrations.values import read_boolean, read_integer

_MOST_ROWS = 50
_SPARE_ROWS = 1
_LONGEST_VALUE = 1_000
_LISTS = frozenset({"in", "not_in"})
_NUMBERS_OF_DAYS = frozenset({"within_last_days", "within_next_days", "older_than_days"})
_WITHOUT_VALUE = frozenset({"is_empty", "is_not_empty", "changed"})
_PLACE = re.compile(r"(?:all|any)\[(\d+)\](?:\.(\w+))?")

Row = dict[str, str]


def flat_rows(rules: Any) -> tuple[str, list[Mapping[str, Any]]] | None:
    """Give `all` or `any` and the rows of rules that are not nested; None for nested ones."""
    if not rules:
        return "all", []
    if isinstance(rules, list):
        match, rows = "all", rules
    elif isinstance(rules, Mapping) and len(rules) == 1 and next(iter(rules)) in ("all", "any"):
        match = next(iter(rules))
        rows = rules[match]
    elif isinstance(rules, Mapping) and "field" in rules:
        match, rows = "all", [rules]
    else:
        return None
    if all(isinstance(row, Mapping) and "field" in row for row in rows):
        return match, list(rows)
    return None


class RulesWidget(forms.Widget):
    """Rows with an empty one at the end; nested rules, which files can hold, as JSON text."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.field_choices = fields
        self.operators: Sequence[str] = tuple(OPERATORS)
        self.row_errors: dict[int, list[str]] = {}

    def value_from_datadict(
        self,
        data: Mapping[str, Any],
        files: Any,
        name: str,
    ) -> dict[str, Any]:
        """Read match and rows, or the text; rows without a field and value are left out later."""
        if f"{name}-text" in data:
            return {"text": str(data[f"{name}-text"])}
        rows: list[Row] = []
        while len(rows) < _MOST_ROWS and f"{name}-{len(rows)}-field" in data:
            number = len(rows)
            rows.append(
                {
                    part: str(data.get(f"{name}-{number}-{part}", "")).strip()
                    for part in ("field", "operator", "value")
                }
            )
        match = "any" if data.get(f"{name}-match") == "any" else "all"
        return {"match": match, "rows": rows}

    def value_omitted_from_data(
        self,
        data: Mapping[str, Any],
        files: Any,
        name: str,
    ) -> bool:
        """Say whether the form that was sent had no rules in it at all."""
        return f"{name}-0-field" not in data and f"{name}-text" not in data

    def id_for_label(self, id_: str) -> str:
        """The first row's field is what the label leads to."""
        return f"{id_}-0-field" if id_ else ""

    def render(
        self,
        name: str,
        value: Any,
        attrs: Mapping[str, Any] | None = None,
        renderer: Any = None,
    ) -> SafeString:
        """Draw the rows, each with its errors."""
        given = value if isinstance(value, Mapping) else {"match": "all", "rows": []}
        rows = [
            {**row, "number": number, "errors": self.row_errors.get(number, [])}
            for number, row in enumerate(given.get("rows", []))
        ]
        empty = {"field": "", "operator": "", "value": "", "errors": []}
        rows.extend({**empty, "number": len(rows) + spare} for spare in range(_SPARE_ROWS))
        context = {
            "name": name,
            "text": given.get("text"),
            "match": given.get("match", "all"),
            "rows": rows,
            "fields": self.field_choices,
            "operators": [(key, key.replace("_", " ")) for key in self.operators],
        }
        return render_to_string("admin/integrations/rules.html", context)


class RulesField(forms.Field):
    """Rules over fields of known types; gives what `compile_rules` takes, `{}` for no rule.

    With `on_changes`, those fields can be asked whether they were changed, too.
    """

    widget: RulesWidget

    def __init__(
        self,
        *,
        labels: Mapping[str, str],
        types: Mapping[str, str],
        on_changes: frozenset[str] | None = None,
        **named: Any,
    ) -> None:
        choices = sorted(labels.items(), key=lambda item: item[1].casefold())
        super().__init__(required=False, widget=RulesWidget(choices), **named)
        self.types = types
        self.on_changes = on_changes
        if on_changes is not None:
            self.widget.operators = (*OPERATORS, *ON_CHANGES)

    def prepare_value(self, value: Any) -> Any:
        """Turn stored rules into rows; what was sent is in rows already."""
        if isinstance(value, Mapping) and ("rows" in value or "text" in value):
            return value
        flat = flat_rows(value)
        if flat is None:
            return {"text": json.dumps(value, indent=2, ensure_ascii=False)}
        match, rows = flat
        return {"match": match, "rows": [_row_shown(row) for row in rows]}

    def clean(self, value: Any) -> Any:
        """Read and check. Raises ValidationError; the mistakes of rows stand on the rows too."""
        if "text" in value:
            return self._clean_text(value["text"])
        numbers = [n for n, row in enumerate(value["rows"]) if any(row.values())]
        if not numbers:
            return {}
        rows = [self.read_row(value["rows"][number]) for number in numbers]
        rules = {value["match"]: rows}
        try:
            compile_rules(rules, fields=self.types, on_changes=self.on_changes)
        except RuleInvalid as problem:
            self._put_on_rows(problem, numbers)
            raise forms.ValidationError(
                "Some rules cannot be used yet; each says why."
            ) from problem
        return rules

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what the rules mean, not how they were written."""
        try:
            return bool(self.clean(data) != (initial or {}))
        except forms.ValidationError:
            return True

    def _clean_text(self, text: str) -> Any:
        try:
            rules = json.loads(text or "{}")
            compile_rules(rules, fields=self.types, on_changes=self.on_changes)
        except (ValueError, RecursionError):
            raise forms.ValidationError("This is not JSON.") from None
        except RuleInvalid as problem:
            raise forms.ValidationError(problem.message.split("\n")) from problem
        return rules

    def read_row(self, row: Row) -> dict[str, Any]:
        """The rule that a row means, its value typed where that can be; nothing is judged."""
        rule: dict[str, Any] = {"field": row["field"], "operator": row["operator"]}
        value = row["value"][:_LONGEST_VALUE]
        if row["operator"] in _WITHOUT_VALUE and not value:
            return rule
        if row["operator"] in _LISTS:
            rule["value"] = [piece.strip() for piece in value.split(",") if piece.strip()]
        else:
            rule["value"] = self._typed(row, value)
        return rule

    def _typed(self, row: Row, value: str) -> Any:
        """Text becomes a switch or a number where that is what is compared."""
        type_ = self.types.get(row["field"])
        try:
            if type_ == "boolean":
                return read_boolean(value)
            if type_ == "integer" or row["operator"] in _NUMBERS_OF_DAYS:
                return read_integer(value)
        except TransformFailed:
            return value  # the check says what is wrong with it
        return value

    def _put_on_rows(self, problem: RuleInvalid, numbers: Sequence[int]) -> None:
        for one in problem.problems:
            place = _PLACE.match(one.where)
            if place and int(place[1]) < len(numbers):
                part = f"{place[2].capitalize()}: " if place[2] else ""
                errors = self.widget.row_errors.setdefault(numbers[int(place[1])], [])
                if f"{part}{one.message}" not in errors:
                    errors.append(f"{part}{one.message}")


def _row_shown(row: Mapping[str, Any]) -> Row:
    value = row.get("value")
    if isinstance(value, list):
        text = ", ".join(str(part) for part in value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = "" if value is None else str(value)
    return {"field": str(row.get("field")), "operator": str(row.get("operator")), "value": text}
