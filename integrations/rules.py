"""Filters and criteria: rows of field, operator, value, nested by `all` and `any`, compiled once.

Text is compared without regard to case. A blank value (absent, None, "", blanks alone) is empty;
it fails every operator but `is_empty` and the negative ones (`not_equals`, `not_in`, ...).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from integrations.errors import RuleInvalid, RuleProblem, did_you_mean
from integrations.rule_operators import ON_CHANGES, OPERATORS, Check, Operator, ValueRefused


@dataclass(frozen=True)
class Context:
    """The moment for which rules are judged, and the zone in which its day is counted.

    `changes` are those of the event that asks, {field: [old, new]}; None where there is no event.
    """

    now: datetime
    zone: tzinfo = UTC
    changes: Mapping[str, Any] | None = None


_GROUPS = ("all", "any")
_ROW_KEYS = ("field", "operator", "value")
_WITHOUT_VALUE = ("is_empty", "is_not_empty", "changed")
_MAX_DEPTH = 10
MOST_RULES = 200
"""What forms take, and what Validate lets run."""

Rule = Callable[[Mapping[str, Any], Context], bool]


def compile_rules(
    rules: Any, *, fields: Mapping[str, str], on_changes: frozenset[str] | None = None
) -> Rule:
    """Make one function of rules; `fields` are the known fields with their types.

    With `on_changes`, `changed` and `changed_to` are known too, for these fields.

    Rules are `{}` or None (everything matches), a row, a list (all must hold), or `{all: [...]}`
    and `{any: [...]}`, nested. Raises RuleInvalid with every mistake and its place.
    """
    problems: list[RuleProblem] = []
    compiled = _Compiler(fields, problems, on_changes).compile(rules, "", 0)
    if problems:
        raise RuleInvalid(problems)
    return compiled


class _Compiler:
    def __init__(
        self,
        fields: Mapping[str, str],
        problems: list[RuleProblem],
        on_changes: frozenset[str] | None,
    ) -> None:
        self._fields = fields
        self._problems = problems
        self._on_changes = on_changes
        known = OPERATORS if on_changes is None else {**OPERATORS, **ON_CHANGES}
        self._operators: Mapping[str, Operator] = known

    def compile(self, rules: Any, at: str, depth: int) -> Rule:
        if depth > _MAX_DEPTH:
            return self._mistake(at, f"rules are nested at most {_MAX_DEPTH} deep")
        if rules is None or rules in ({}, []):
            return _always
        if isinstance(rules, list):
            return self._group("all", rules, at, depth)
        if not isinstance(rules, Mapping):
            return self._mistake(
                at,
                "a rule has a field, an operator and a value; all: and any: make groups of rules",
            )
        groups = [name for name in _GROUPS if name in rules]
        if not groups:
            return self._row(rules, at)
        for key in rules:
            if key not in _GROUPS:
                self._mistake(_join(at, str(key)), "stands beside all: or any:; put it inside")
        parts = [self._group(name, rules[name], _join(at, name), depth) for name in groups]
        return _all_of(parts)

    def _group(self, name: str, rows: Any, at: str, depth: int) -> Rule:
        if not isinstance(rows, list):
            return self._mistake(at, "is a list of rules")
        parts = [self.compile(row, f"{at}[{number}]", depth + 1) for number, row in enumerate(rows)]
        if not parts:
            return _always
        return _all_of(parts) if name == "all" else _any_of(parts)

    def _row(self, row: Mapping[str, Any], at: str) -> Rule:
        before = len(self._problems)
        for key in row:
            if key not in _ROW_KEYS:
                self._mistake(
                    _join(at, str(key)), f"unknown key.{did_you_mean(str(key), _ROW_KEYS)}"
                )
        name, operator = row.get("field"), row.get("operator")
        if not isinstance(name, str) or name not in self._fields:
            hint = did_you_mean(str(name or ""), self._fields)
            said = f'there is no field "{name}".{hint}' if name else "choose what is compared"
            self._mistake(_join(at, "field"), said)
        if not isinstance(operator, str) or operator not in self._operators:
            self._mistake(_join(at, "operator"), _about_operator(operator, self._operators))
        if len(self._problems) > before or not isinstance(name, str):
            return _always
        return self._check(name, str(operator), row, at)

    def _check(self, name: str, operator: str, row: Mapping[str, Any], at: str) -> Rule:
        value, type_ = row.get("value"), self._fields[name]
        made = self._operators[operator]
        if type_ not in made.types:
            fitting = ", ".join(key for key, one in self._operators.items() if type_ in one.types)
            return self._mistake(
                _join(at, "operator"),
                f'"{operator}" does not go with the type {type_} of {name}; '
                f"choose one of: {fitting}",
            )
        if operator in _WITHOUT_VALUE:
            if value not in (None, ""):
                return self._mistake(
                    _join(at, "value"), f'"{operator}" takes no value; leave it empty'
                )
        elif value is None or value == "":
            return self._mistake(
                _join(at, "value"),
                f'"{operator}" needs a value; write what the field is compared with',
            )
        try:
            check: Check = made.make(type_, value)
        except ValueRefused as problem:
            return self._mistake(_join(at, "value"), problem.message)
        if operator in ON_CHANGES:
            return self._on_change(name, operator, check, at)
        return lambda record, context: check(record.get(name), context)

    def _on_change(self, name: str, operator: str, check: Check, at: str) -> Rule:
        """Judge what the event says of the field, whatever the record holds now."""
        if name not in (self._on_changes or ()):
            return self._mistake(
                _join(at, "field"),
                f'changes of {name} are not told, so "{operator}" is never true; use another '
                "operator, or a field of the record itself",
            )
        return lambda _record, context: check((context.changes or {}).get(name), context)

    def _mistake(self, at: str, message: str) -> Rule:
        self._problems.append(RuleProblem(at or "rules", message))
        return _always


def _about_operator(operator: Any, operators: Mapping[str, Operator]) -> str:
    if isinstance(operator, str) and operator in ON_CHANGES:
        return f'"{operator}" is for workflows that start on a change; a filter sees one state only'
    known = f"Choose one of: {', '.join(operators)}"
    if operator in (None, ""):
        return f"a rule needs an operator. {known}"
    return f'there is no operator "{operator}".{did_you_mean(str(operator), operators)} {known}'


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _always(_record: Mapping[str, Any], _context: Context) -> bool:
    return True


def _all_of(parts: list[Rule]) -> Rule:
    if len(parts) == 1:
        return parts[0]

    def judge(record: Mapping[str, Any], context: Context) -> bool:
        for part in parts:  # noqa: SIM110 - a generator costs twice as much, per record
            if not part(record, context):
                return False
        return True

    return judge


def _any_of(parts: list[Rule]) -> Rule:
    if len(parts) == 1:
        return parts[0]

    def judge(record: Mapping[str, Any], context: Context) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(record, context):
                return True
        return False

    return judge
