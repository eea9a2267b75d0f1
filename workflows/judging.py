"""Begin's rules: which records a workflow is for, judged one by one or found in the tables.

Fields are named as templates name them: `email`, `aha_user_id`, `person.department`,
`application.name`. Of `roles` rules see the names of the roles that the account has now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from django.utils import timezone

from integrations.rule_operators import ON_CHANGES
from integrations.rules import Context, Rule, compile_rules
from integrations.values import write_json
from people.models import CustomField
from workflows.definition import BeginPart
from workflows.facts import fields_of, own_fields_of, vendor_keys_of
from workflows.models import Workflow
from workflows.records import ACTIVE, DEACTIVATED, Record

_NOTHING: Mapping[str, Any] = {}
_GROUPS = ("all", "any")


@dataclass(frozen=True)
class Judge:
    """Begin's rules, compiled, for one moment.

    `types` are all fields that could be named, `fields` those that are, and `special` those of them
    that `flat` has to look for. `asks_changes`: some rule is about the event that starts it.
    """

    records: str
    rules: Any = field(repr=False)
    fields: frozenset[str]
    special: Sequence[str]
    types: Mapping[str, str] = field(repr=False)
    own: frozenset[str] = field(repr=False)
    rule: Rule = field(repr=False)
    context: Context = field(repr=False)
    asks_changes: bool = True

    def matches(
        self,
        record: Record,
        *,
        changes: Mapping[str, Any] | None = None,
        by_archive: bool = False,
        written: Mapping[str, Any] = _NOTHING,
    ) -> bool:
        """Whether the workflow is for this record now.

        `changes` are those of the starting event, {field: [old, new]}. `by_archive`: that event was
        an `archive`, so the record has to be deactivated, whatever `records` says. A field in
        `written` is judged by its value at the start (M-23).
        """
        if not self._is_wanted(_state(record, written), by_archive=by_archive):
            return False
        return self.holds(record.values, changes=changes, written=_by_both_names(record, written))

    def takes(
        self, row: Mapping[str, Any], *, changes: Mapping[str, Any] | None, by_archive: bool
    ) -> bool:
        """As `matches`, of the values that `values_by_id` gives, `status` among them."""
        state = DEACTIVATED if row["status"] == DEACTIVATED else ACTIVE
        if not self._is_wanted(state, by_archive=by_archive):
            return False
        return self.rule(row, self._about(changes) if self.asks_changes else self.context)

    def holds(
        self,
        values: Mapping[str, Any],
        *,
        changes: Mapping[str, Any] | None = None,
        written: Mapping[str, Any] = _NOTHING,
    ) -> bool:
        """Whether the rules hold for a record's values, whatever its state."""
        return self.rule(flat(values, self.special, written), self._about(changes))

    def why_not(
        self,
        record: Record,
        *,
        changes: Mapping[str, Any] | None = None,
        shows: Callable[[str], bool] = lambda _field: True,
    ) -> list[str]:
        """Why the record does not match, rule by rule; empty when it does.

        Values of fields for which `shows` is false are not named.
        """
        reasons = []
        if not self._is_wanted(record.status, by_archive=False):
            reasons.append(
                f"It is {record.status}, and Begin asks for records that are {self.records}."
            )
        values = flat(record.values, self.special)
        return [*reasons, *self._unmet(self.rules, values, self._about(changes), shows)]

    def _about(self, changes: Mapping[str, Any] | None) -> Context:
        return Context(self.context.now, self.context.zone, changes)

    def _is_wanted(self, state: str, *, by_archive: bool) -> bool:
        if by_archive:
            return state == DEACTIVATED
        return self.records in ("all", state)

    def _unmet(
        self,
        rules: Any,
        values: Mapping[str, Any],
        context: Context,
        shows: Callable[[str], bool],
    ) -> list[str]:
        rule = compile_rules(rules, fields=self.types, on_changes=self.own)
        if rule(values, context):
            return []
        if isinstance(rules, Mapping) and "field" in rules:
            return [_row_in_words(rules, values, shows)]
        if isinstance(rules, list):
            rules = {"all": rules}
        reasons = []
        for part in rules.get("all") or []:
            reasons += self._unmet(part, values, context, shows)
        unmet = [self._unmet(part, values, context, shows) for part in rules.get("any") or []]
        if unmet and all(unmet):
            told = " ".join(reason for part in unmet for reason in part)
            reasons.append(f"None of these holds, and one of them has to: {told}")
        return reasons


def judge_of(workflow: Workflow, begin: BeginPart, *, now: datetime, zone: tzinfo) -> Judge:
    """The judge of a version's Begin. One query for custom fields; rules are compiled once.

    Raises RuleInvalid where a field that the rules name is gone.
    """
    custom = list(CustomField.objects.all())
    types = fields_of(workflow.object, custom, vendor_keys_of(workflow.application))
    own = own_fields_of(workflow.object, custom)
    return judge_with(begin, types=types, own=own, now=now, zone=zone)


def judge_with(
    begin: BeginPart,
    *,
    types: Mapping[str, str],
    own: frozenset[str],
    now: datetime,
    zone: tzinfo | None = None,
) -> Judge:
    """The judge where the fields are known already. No query. Raises RuleInvalid."""
    names = frozenset(fields_in(begin.rules))
    return Judge(
        # Where only archiving starts it, it is for the deactivated, by hand and in plans too.
        records=DEACTIVATED if set(begin.actions) == {"archive"} else begin.records,
        rules=begin.rules,
        fields=names,
        special=special_of(names),
        types=types,
        own=own,
        rule=_compiled(write_json(begin.rules), frozenset(types.items()), own),
        context=Context(now=now, zone=zone or timezone.get_default_timezone()),
        asks_changes=any(row.get("operator") in ON_CHANGES for _at, row in rows_in(begin.rules)),
    )


@lru_cache(maxsize=512)
def _compiled(rules: str, types: frozenset[tuple[str, str]], own: frozenset[str]) -> Rule:
    return compile_rules(json.loads(rules), fields=dict(types), on_changes=own)


def fields_in(rules: Any) -> Iterator[str]:
    """Every field that rules name, right or wrong, however deep they are nested."""
    waiting = [rules]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, Mapping):
            if isinstance(name := part.get("field"), str):
                yield name
            waiting += [part[group] for group in _GROUPS if group in part]


def rows_in(rules: Any, at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every row of rules with its place, such as `all[1].any[0]`."""
    if isinstance(rules, list):
        for number, part in enumerate(rules):
            yield from rows_in(part, f"{at}[{number}]")
    elif isinstance(rules, Mapping):
        if "field" in rules:
            yield at, rules
        for group in _GROUPS:
            if group in rules:
                yield from rows_in(rules[group], f"{at}.{group}" if at else group)


def special_of(names: Iterable[str]) -> Sequence[str]:
    """Those of these fields that are not simply values of the record."""
    return sorted({name for name in names if "." in name or name == "roles"})


def flat(
    values: Mapping[str, Any], special: Sequence[str], written: Mapping[str, Any] = _NOTHING
) -> Mapping[str, Any]:
    """A record's values as rules look them up: `person.title` by its whole name, roles by name.

    `special` are the fields to look for, as `special_of` gives them.
    """
    own = {**values, **written} if written else values
    if not special:
        return own
    found = dict(own)
    for name in special:
        if name == "roles":
            found[name] = _role_names(own.get(name))
            continue
        if name in written:
            continue
        group, _, rest = name.partition(".")
        part = own.get(group)
        found[name] = part.get(rest) if isinstance(part, Mapping) else None
    return found


def _role_names(roles: Any) -> Any:
    if not isinstance(roles, list):
        return roles
    return [one.get("role") if isinstance(one, Mapping) else one for one in roles]


def _by_both_names(record: Record, written: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a person `title` is `person.title` too; an account's fields are not its person's."""
    if not written or record.object != Workflow.Object.PERSON:
        return written
    return {**written, **{f"person.{name}": value for name, value in written.items()}}


def _state(record: Record, written: Mapping[str, Any]) -> str:
    if "status" not in written:
        return record.status
    return DEACTIVATED if written["status"] == DEACTIVATED else ACTIVE


def _row_in_words(
    row: Mapping[str, Any], values: Mapping[str, Any], shows: Callable[[str], bool]
) -> str:
    name, operator = str(row.get("field")), str(row.get("operator"))
    wanted = row.get("value")
    said = f"{name} {operator.replace('_', ' ')}"
    if wanted not in (None, ""):
        said = f"{said} {_quoted(wanted)}"
    if operator in {"changed", "changed_to"}:
        return f"The rule “{said}” is judged by the event that starts the workflow."
    if not shows(name.rpartition(".")[2]):
        return f"The rule “{said}” does not hold."
    found = values.get(name)
    now = "is blank" if found in (None, "", []) else f"is {_quoted(found)}"
    return f"The rule “{said}” does not hold: {name} {now}."


def _quoted(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_quoted(one) for one in value)
    text = str(value)
    return f'"{text if len(text) <= 100 else text[:100] + "…"}"'  # noqa: PLR2004 - of one value
