"""Update: sets fields of the record, and variables of this run, to constants or templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.errors import TemplateError, did_you_mean
from integrations.templates import render_tree
from people.queries import Target
from workflows.block_checks import is_constant, unknown_settings
from workflows.definition import BlockPart
from workflows.errors import Mistake, Unfit
from workflows.facts import NEVER_WRITTEN, Facts
from workflows.fitting import VARIABLE, fit, fit_variable, variable_name
from workflows.kinds import BlockKind, Item, Outcome, Planned, Step, failed, stops
from workflows.targets import writable_targets
from workflows.templates import check_tree
from workflows.written import Managers, NotWritten, find_managers, manager_named

_SHOWN = 60  # characters of a value in a sentence


class Kind(BlockKind):
    key = "update"
    label = "Update"
    icon = "edit"
    help = (
        "Sets fields of the record, or variables for later blocks. A blank value clears the field. "
        "If one value does not fit its field, nothing is written and the exit is failure."
    )

    def batch(self, block: BlockPart) -> int:
        return 2_000

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        yield from unknown_settings(block, ("set",))
        wanted = block.settings.get("set")
        if not isinstance(wanted, Mapping) or not wanted:
            yield Mistake(
                block.key,
                "settings.set",
                "Nothing is set here. Choose at least one field, and the value that it gets.",
            )
            return
        for target, value in wanted.items():
            yield from _check_target(block, facts, str(target), value)

    def defines(self, block: BlockPart) -> frozenset[str]:
        names = (variable_name(str(target)) for target in _wanted(block))
        return frozenset(name for name in names if name)

    def run(self, step: Step) -> Sequence[Outcome]:
        targets = writable_targets(step.workflow)
        if gone := _gone(step.block, targets):
            return [stops(gone, code="field_gone") for _item in step.items]
        return [_outcome(step, item, targets) for item in step.items]

    def plan(self, step: Step) -> Sequence[Planned]:
        targets = writable_targets(step.workflow)
        if gone := _gone(step.block, targets):
            stopped = Planned("update", "Would stop the workflow.", "failure", problem=gone)
            return [stopped for _item in step.items]
        found = [_values(step, item, targets) for item in step.items]
        managers = find_managers([one.sets for one in found])
        return [
            _planned(item, _with_manager(item, values, managers), targets)
            for item, values in zip(step.items, found, strict=True)
        ]


def _wanted(block: BlockPart) -> Mapping[str, Any]:
    wanted = block.settings.get("set")
    return wanted if isinstance(wanted, Mapping) else {}


# Checking.


def _check_target(block: BlockPart, facts: Facts, target: str, value: Any) -> Iterator[Mistake]:
    at = f"settings.set.{target}"
    problem = _about_target(target, facts)
    if problem:
        yield Mistake(block.key, at, problem)
        return
    yield from check_tree(value, facts, block, at)
    if isinstance(value, str) and not is_constant(value):
        return
    holds_trees = target.startswith(VARIABLE) or facts.writable[target].type == "long_text"
    if holds_trees and isinstance(value, Mapping | list):
        return
    try:
        _fitted(target, value, facts.writable)
    except Unfit as unfit:
        yield Mistake(block.key, at, unfit.message)


def _about_target(target: str, facts: Facts) -> str:
    if target.startswith(VARIABLE):
        if variable_name(target):
            return ""
        return (
            f'"{target[:_SHOWN]}" is no good name of a variable: after "variables." come letters '
            "without accents, digits and underscores, at most 60."
        )
    if target in facts.writable:
        return ""
    if target in {*NEVER_WRITTEN, "roles"} and target in facts.fields:
        return (
            f'A workflow never writes "{target}": it says who or what the record is. Let an '
            "integration load it, or change it by hand."
        )
    known = [*facts.writable, *(f"{VARIABLE}{name}" for name in sorted(facts.item_variables))]
    return (
        f'There is no field "{target[:_SHOWN]}" that can be written.{did_you_mean(target, known)} '
        "Take a field of the record, a field that you added, or a variable such as "
        '"variables.note".'
    )


# Doing it.


@dataclass
class _Values:
    """What one record gets; with a problem it gets nothing."""

    sets: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _gone(block: BlockPart, targets: Mapping[str, Target]) -> str:
    """A sentence, where a field was deleted after the workflow had been activated."""
    gone = [one for one in _wanted(block) if one not in targets and not one.startswith(VARIABLE)]
    if not gone:
        return ""
    named = ", ".join(f'"{one}"' for one in gone)
    return (
        f'The block "{block.label}" writes {named}, which does not exist any more, or cannot be '
        "written. Add the field again, or take it out of the block; then activate the workflow."
    )


def _outcome(step: Step, item: Item, targets: Mapping[str, Target]) -> Outcome:
    values = _values(step, item, targets)
    if values.problems:
        return failed(" ".join(values.problems), code="value_does_not_fit")
    named = [*values.sets, *(f"{VARIABLE}{name}" for name in values.variables)]
    return Outcome(
        sets=values.sets,
        variables=values.variables,
        note=f"Set {', '.join(named)}."[:500],
    )


def _with_manager(item: Item, values: _Values, managers: Managers) -> _Values:
    """With the manager's e-mail instead of the reference, as it would be written."""
    if reference := values.sets.get("manager"):
        try:
            values.sets["manager"] = manager_named(managers, reference, item.record.id)
        except NotWritten as problem:
            values.problems.append(str(problem))
    return values


def _planned(item: Item, values: _Values, targets: Mapping[str, Target]) -> Planned:
    if values.problems:
        problem = " ".join(values.problems)
        return Planned("update", "Would write nothing.", "failure", problem=problem)
    before = item.record.values
    changes = {
        name: [before.get(name), value]
        for name, value in values.sets.items()
        if _as_written(before.get(name), targets[name]) != value
    }
    named = [*changes, *(f"{VARIABLE}{name}" for name in values.variables)]
    return Planned(
        "update",
        f"Sets {', '.join(named)}." if named else "Changes nothing: the values are there already.",
        "success",
        changes=changes,
        variables=values.variables,
    )


def _as_written(value: Any, target: Target) -> Any:
    """A value of now in the shape of new ones, so that the same moment is no change."""
    if target.type == "manager":
        return value
    try:
        return fit(value, target)
    except Unfit:
        return value


def _values(step: Step, item: Item, targets: Mapping[str, Target]) -> _Values:
    known = step.values(item)
    values = _Values()
    for target, template in _wanted(step.block).items():
        try:
            value = _fitted(target, render_tree(template, known, absent="blank"), targets)
        except Unfit as unfit:
            values.problems.append(unfit.message)
        except TemplateError as problem:
            values.problems.append(f'"{target}" cannot be filled in: {problem.message}.')
        else:
            _into(values, target)[target.removeprefix(VARIABLE)] = value
    return values


def _into(values: _Values, target: str) -> dict[str, Any]:
    return values.variables if target.startswith(VARIABLE) else values.sets


def _fitted(target: str, value: Any, targets: Mapping[str, Target]) -> Any:
    if target.startswith(VARIABLE):
        return fit_variable(value, variable_name(target))
    return fit(value, targets[target])
