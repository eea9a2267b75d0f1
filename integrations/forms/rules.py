"""Rules as rows of a form: field, operator, value; errors stand on the row that they belong to."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from integrations.errors import RuleInvalid
from integrations.forms.rule_values import as_sent, check_texts, read_value, shown_value
from integrations.plain_json import TOO_NESTED, is_too_nested, why_not_kept
from integrations.rule_operators import ON_CHANGES, OPERATORS, ValueRefused
from integrations.rules import MOST_RULES, compile_rules

_SPARE_ROWS = 1
_WITHOUT_VALUE = frozenset({"is_empty", "is_not_empty", "changed"})
_PLACE = re.compile(r"(?:all|any)\[(\d+)\](?:\.(\w+))?")
_EACH_SAYS_WHY = "Some rules cannot be used yet; each says why."

Row = dict[str, str]


class Shown(dict[str, Any]):
    """Rules as a form shows and sends them: {match, rows}, or {text} where they are nested."""


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
    if isinstance(rows, list) and all(isinstance(row, Mapping) and "field" in row for row in rows):
        return match, list(rows)
    return None


class RulesWidget(forms.Widget):
    """Rows with an empty one at the end; nested rules, which files can hold, as JSON text."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.field_choices = fields
        self.operators: Sequence[str] = tuple(OPERATORS)
        self.row_errors: dict[int, list[str]] = {}

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Shown:
        """Read match and rows, or the text; rows without a field and value are left out later."""
        if f"{name}-text" in data:
            return Shown(text=str(data[f"{name}-text"]))
        rows: list[Row] = []
        while f"{name}-{len(rows)}-field" in data:
            at = f"{name}-{len(rows)}"
            rows.append(
                {
                    part: as_sent(data.get(f"{at}-{part}", ""))
                    for part in ("field", "operator", "value")
                }
            )
        match = "any" if data.get(f"{name}-match") == "any" else "all"
        return Shown(match=match, rows=rows)

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
        given = value if isinstance(value, Shown) else Shown(match="all", rows=[])
        typed: list[Row] = given.get("rows", [])
        rows = [
            {
                **row,
                "number": number,
                "errors": self.row_errors.get(number, []),
                "has_lines": "\n" in row["value"],
            }
            for number, row in enumerate(typed)
        ]
        empty = {"field": "", "operator": "", "value": "", "errors": []}
        rows.extend({**empty, "number": len(rows) + spare} for spare in range(_SPARE_ROWS))
        operators = [(key, key.replace("_", " ")) for key in self.operators]
        context = {
            "name": name,
            "text": given.get("text"),
            "match": given.get("match", "all"),
            "rows": rows,
            "fields": _with_used(self.field_choices, {row["field"] for row in typed}),
            "operators": _with_used(operators, {row["operator"] for row in typed}),
        }
        return render_to_string("admin/integrations/rules.html", context)


class RulesField(forms.Field):
    """Rules over fields of known types; gives what `compile_rules` takes, `{}` for no rule.

    With `on_changes`, those fields can be asked whether they were changed, too. `initial` is what
    is stored: a row that is sent as it was shown stays exactly that, whatever it holds.
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

    def prepare_value(self, value: Any) -> Shown:
        """Turn stored rules into rows; what was sent is in rows already."""
        if isinstance(value, Shown):
            return value
        flat = flat_rows(value)
        if flat is None:
            return Shown(text=json.dumps(value, indent=2, ensure_ascii=False))
        match, rows = flat
        return Shown(match=match, rows=[_row_shown(row) for row in rows])

    def clean(self, value: Shown) -> Any:
        """Read and check. Raises ValidationError; the mistakes of rows stand on the rows too."""
        if "text" in value:
            return self._clean_text(value["text"])
        match, rows = value["match"], self._read_rows(value["rows"])
        self.judge_rows({match: list(rows.values())}, list(rows))
        if (match, list(rows.values())) == flat_rows(self.initial):
            return self.initial or {}
        return {match: list(rows.values())} if rows else {}

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what the rules mean, not how they were written."""
        try:
            return bool(self.clean(data) != (initial or {}))
        except forms.ValidationError:
            return True

    def judge_rows(self, rules: Mapping[str, Any], numbers: Sequence[int]) -> None:
        """Raise ValidationError for rules that cannot be used; `numbers` are those of the rows."""
        try:
            compile_rules(rules, fields=self.types, on_changes=self.on_changes)
        except RuleInvalid as problem:
            for one in problem.problems:
                place = _PLACE.match(one.where)
                if place and int(place[1]) < len(numbers):
                    part = f"{place[2].capitalize()}: " if place[2] else ""
                    self._put(numbers[int(place[1])], f"{part}{one.message}")
            raise forms.ValidationError(_EACH_SAYS_WHY) from problem

    def judge_tree(self, rules: Any) -> None:
        """Raise ValidationError for nested rules that cannot be used."""
        try:
            compile_rules(rules, fields=self.types, on_changes=self.on_changes)
        except RuleInvalid as problem:
            raise forms.ValidationError(problem.message.split("\n")) from problem

    def _clean_text(self, text: str) -> Any:
        if as_sent(text) == self.prepare_value(self.initial).get("text"):
            rules = self.initial
        else:
            rules = _read_text(text)
        self.judge_tree(rules)
        return rules

    def _read_rows(self, sent: Sequence[Row]) -> dict[int, Mapping[str, Any]]:
        """The rules that rows mean, by the number of the row. Raises ValidationError."""
        _match, stored = flat_rows(self.initial) or ("all", [])
        shown = [_row_shown(rule) for rule in stored]
        given = {number: row for number, row in enumerate(sent) if any(row.values())}
        if len(given) > max(MOST_RULES, len(stored)):
            raise forms.ValidationError(
                f"There are {len(given)} rules; at most {MOST_RULES} are taken."
            )
        rules: dict[int, Mapping[str, Any]] = {}
        for number, row in given.items():
            same = number < len(shown) and shown[number] == row
            try:
                rules[number] = stored[number] if same else self._read_row(row)
            except ValueRefused as problem:
                self._put(number, f"Value: {problem.message}")
        if len(rules) < len(given):
            raise forms.ValidationError(_EACH_SAYS_WHY)
        return rules

    def _read_row(self, row: Row) -> dict[str, Any]:
        """The rule that a row means, its value typed where that can be; nothing is judged."""
        check_texts(row.values())
        rule: dict[str, Any] = {"field": row["field"], "operator": row["operator"]}
        if row["operator"] in _WITHOUT_VALUE and not row["value"]:
            return rule
        type_ = self.types.get(row["field"])
        return {**rule, "value": read_value(row["value"], operator=row["operator"], type_=type_)}

    def _put(self, number: int, message: str) -> None:
        errors = self.widget.row_errors.setdefault(number, [])
        if message not in errors:
            errors.append(message)


def _read_text(text: str) -> Any:
    """The tree that JSON means; nothing for blank. Raises ValidationError."""
    try:
        rules = json.loads(text.strip() or "{}")
    except (ValueError, RecursionError):
        raise forms.ValidationError("This is not JSON.") from None
    if is_too_nested(rules):
        raise forms.ValidationError(TOO_NESTED)
    if wrong := why_not_kept(rules):
        raise forms.ValidationError(wrong)
    return rules


def _row_shown(rule: Mapping[str, Any]) -> Row:
    """A stored rule as a browser shows it and sends it again."""
    return {
        "field": as_sent(rule.get("field")),
        "operator": as_sent(rule.get("operator")),
        "value": shown_value(rule),
    }


def _with_used(choices: Sequence[tuple[str, str]], used: Collection[str]) -> list[tuple[str, str]]:
    """Also what a row names though it is no choice: else saving would change that row unasked."""
    known = {"", *(key for key, _label in choices)}
    return [*choices, *((key, key) for key in sorted(set(used) - known))]
