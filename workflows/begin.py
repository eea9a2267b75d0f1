"""Mistakes in Begin: actions, schedule, records, rules; and in rules of blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from integrations.errors import RuleInvalid, RuleProblem, ScheduleInvalid, did_you_mean
from integrations.rule_operators import ON_CHANGES
from integrations.rules import MOST_RULES, compile_rules
from integrations.schedules import read_schedule
from workflows.definition import (
    ACTIONS,
    ALSO,
    BEGIN,
    EVENT_ACTIONS,
    RECORDS,
    BeginPart,
    Definition,
)
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.rules import rows_in

_SUBJECTS = {"value": "The value", "operator": "The operator", "field": "The field"}
_CONTINUED = ("is ", "stands ", "unknown key")


def check_begin(definition: Definition, facts: Facts) -> Iterator[Mistake]:
    """Every mistake in Begin but where it leads to, which the graph knows."""
    begin = definition.begin
    yield from _check_actions(begin)
    yield from _check_schedule(begin)
    if begin.records not in RECORDS:
        yield _mistake(
            "records",
            f'"{begin.records}" is no choice of records.{did_you_mean(begin.records, RECORDS)} '
            f"Choose one of: {', '.join(RECORDS)}.",
        )
    yield from _check_also(begin)
    yield from _check_rules(begin, facts)
    yield from _check_users(definition, facts)
    yield from _check_local(definition, facts)


def _check_actions(begin: BeginPart) -> Iterator[Mistake]:
    if not begin.actions:
        yield _mistake(
            "actions",
            "Begin has no action, so the workflow would never start. Choose at least one of: "
            f"{', '.join(ACTIONS)}.",
        )
    for action in begin.actions:
        if action not in ACTIONS:
            yield _mistake(
                "actions",
                f'There is no action "{action}".{did_you_mean(str(action), ACTIONS)} Choose among: '
                f"{', '.join(ACTIONS)}.",
            )


def _check_schedule(begin: BeginPart) -> Iterator[Mistake]:
    if "schedule" not in begin.actions:
        if begin.schedule:
            yield _mistake(
                "schedule",
                'There is a schedule, but "schedule" is none of the actions, so it would never '
                "start the workflow. Add the action, or remove the schedule.",
            )
        return
    if not begin.schedule:
        yield _mistake(
            "schedule",
            'The action "schedule" is chosen, but there is no schedule. Say when the workflow '
            "starts, such as every day at 06:00.",
        )
        return
    try:
        read_schedule(begin.schedule)
    except ScheduleInvalid as problem:
        for one in problem.problems:
            at = f"schedule.{one.field}" if one.field else "schedule"
            whole = not one.field or one.message.startswith("there is no")
            subject = "" if whole else f'"{one.field}" '
            yield _mistake(at, _sentence(f"{subject}{one.message}"))


def _check_also(begin: BeginPart) -> Iterator[Mistake]:
    for word in begin.also:
        if word not in ALSO:
            yield _mistake(
                "also",
                f'"{word}" is no source of events.{did_you_mean(str(word), ALSO)} Choose among: '
                f"{', '.join(ALSO)}.",
            )
    if begin.also and not set(begin.actions) & set(EVENT_ACTIONS):
        yield _mistake(
            "also",
            "Further events are chosen, but none of the actions new, edit and archive, so no event "
            "starts the workflow. Add one of these actions, or choose no further events.",
            warning=True,
        )


def _check_rules(begin: BeginPart, facts: Facts) -> Iterator[Mistake]:
    found = list(
        check_rules(begin.rules, facts.fields, facts.own_fields, Mistake(BEGIN, "rules", ""))
    )
    yield from found
    if found or set(begin.actions) & set(EVENT_ACTIONS):
        return
    for at, row in rows_in(begin.rules):
        name, operator = str(row["field"]), str(row["operator"])
        if operator in ON_CHANGES:
            yield _mistake(
                f"{_place(at, 'rules')}.operator",
                f'The rule "{name} {operator.replace("_", " ")}" is judged by the event that '
                "starts the workflow. No event starts this one, so the rule never holds. Add the "
                "action edit, or use another operator.",
                warning=True,
            )


def check_rules(
    rules: Any, types: Mapping[str, str], own: frozenset[str], at: Mistake
) -> Iterator[Mistake]:
    """Every mistake in rules over fields of these types; `at` is the setting that holds them.

    `own` are the fields whose changes the record's own events tell.
    """
    try:
        compile_rules(rules, fields=types, on_changes=own)
    except RuleInvalid as problem:
        for one in problem.problems:
            yield replace(at, field=_place(one.where, at.field), message=rule_in_words(one))
        return
    number = sum(1 for _row in rows_in(rules))
    if number > MOST_RULES:
        yield replace(at, message=f"There are {number} rules; at most {MOST_RULES} are taken.")


def _check_users(definition: Definition, facts: Facts) -> Iterator[Mistake]:
    """C-23; the block that reads roles says it by itself."""
    if facts.object == "person" or facts.application_has_users:
        return
    if any(block.kind == "saas_user_role" for block in definition.blocks):
        return
    yield Mistake(
        "",
        "application",
        f"{facts.application or 'The application'} has no SaaS users yet. Run the user integration "
        "with User plus SaaS User first, and then activate this workflow.",
    )


def _check_local(definition: Definition, facts: Facts) -> Iterator[Mistake]:
    """Secrets that only commands can read go with starts by command only (M-35)."""
    others = [action for action in definition.begin.actions if action != "manual"]
    if not others:
        return
    for block in definition.blocks:
        known = facts.credentials.get(block.credentials)
        if known is not None and known.local:
            yield Mistake(
                block.key,
                "credentials",
                f'The secret of the credentials "{known.name}" is not stored here: only a command '
                "on the machine that has it can read it. Such a workflow is started by the command "
                f"run_workflow alone, but Begin also has: {', '.join(others)}. Leave only the "
                "action manual, or choose credentials that are stored sealed.",
            )


def _place(where: str, field: str) -> str:
    if where in {"", "rules"}:
        return field
    return f"{field}{where}" if where.startswith("[") else f"{field}.{where}"


def rule_in_words(problem: RuleProblem) -> str:
    """A mistake in rules as a whole sentence."""
    last = problem.where.rpartition(".")[2]
    if problem.message.startswith("unknown key"):
        hint = problem.message.removeprefix("unknown key.")
        return f'A rule has no "{last}".{hint} Give it a field, an operator and a value.'
    if problem.message.startswith("there is no field"):
        return f"{_sentence(problem.message)} Choose a field of the record."
    if problem.message.startswith(_CONTINUED):
        subject = _SUBJECTS.get(last, "What stands here" if "[" in last else f'"{last}"')
        return _sentence(f"{subject} {problem.message}")
    return _sentence(problem.message)


def _sentence(text: str) -> str:
    ended = text if text.endswith((".", "?", "!")) else f"{text}."
    return f"{ended[:1].upper()}{ended[1:]}"


def _mistake(field: str, message: str, *, warning: bool = False) -> Mistake:
    return Mistake(BEGIN, field, message, warning=warning)
