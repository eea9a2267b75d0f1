"""Condition: two ways, by rules that are judged on the record as it is now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from integrations.errors import RuleInvalid
from people.models import CustomField
from workflows.begin import check_rules, rule_in_words
from workflows.block_checks import unknown_settings
from workflows.definition import BeginPart, BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts, fields_of, own_fields_of, vendor_keys_of
from workflows.judging import Judge, fields_in, judge_with
from workflows.kinds import BlockKind, Outcome, Planned, Step, stops
from workflows.templates import FAILURE_NAMES

_VARIABLES = "variables."
_FAILURE = {f"failure.{one}": "integer" if one == "status" else "text" for one in FAILURE_NAMES}


class Kind(BlockKind):
    key = "condition"
    label = "Condition"
    icon = "call_split"
    help = (
        "Divides the way: by yes where the rules hold for the record as it is now, else by no. "
        "Rules name fields of the record, variables such as variables.note, and behind a failure "
        "exit failure.code, failure.reason and failure.status."
    )
    exits = ("yes", "no")

    def batch(self, block: BlockPart) -> int:
        return 5_000

    def check(self, block: BlockPart, facts: Facts) -> Iterator[Mistake]:
        yield from unknown_settings(block, ("rules",))
        rules = block.settings.get("rules")
        if not any(True for _field in fields_in(rules)):
            yield Mistake(
                block.key,
                "settings.rules",
                "Write at least one rule: a field, an operator and a value. Without one every "
                "record would leave by yes.",
            )
        at = Mistake(block.key, "settings.rules", "")
        yield from check_rules(rules, _fields(facts), facts.own_fields, at)

    def run(self, step: Step) -> Sequence[Outcome]:
        try:
            judge = _judge(step)
        except RuleInvalid as invalid:
            return [stops(_unreadable(step, invalid), code="rule_invalid") for _item in step.items]
        return [
            Outcome(exit="yes", note="The rules hold.")
            if judge.holds(step.values(item), changes=item.event_changes)
            else Outcome(exit="no", note="The rules do not hold.")
            for item in step.items
        ]

    def plan(self, step: Step) -> Sequence[Planned]:
        try:
            judge = _judge(step)
        except RuleInvalid as invalid:
            problem = _unreadable(step, invalid)
            return [
                Planned("choose", "Would stop the workflow.", "no", problem=problem)
                for _item in step.items
            ]
        return [
            Planned("choose", "The rules hold: yes.", "yes")
            if judge.holds(step.values(item), changes=item.event_changes)
            else Planned("choose", "The rules do not hold: no.", "no")
            for item in step.items
        ]


def _fields(facts: Facts) -> dict[str, str]:
    """What rules may name at this place, with types."""
    known = facts.variables | facts.item_variables
    failure = _FAILURE if facts.after_failure else {}
    return {**facts.fields, **{f"{_VARIABLES}{name}": "text" for name in known}, **failure}


def _judge(step: Step) -> Judge:
    """The rules, compiled. One query. Raises RuleInvalid where a field is gone."""
    workflow, rules = step.workflow, step.block.settings.get("rules") or {}
    custom = list(CustomField.objects.all())
    fields = fields_of(workflow.object, custom, vendor_keys_of(workflow.application))
    variables = {name: "text" for name in fields_in(rules) if name.startswith(_VARIABLES)}
    return judge_with(
        BeginPart(records="all", rules=rules),
        types={**fields, **variables, **_FAILURE},
        own=own_fields_of(workflow.object, custom),
        now=step.now,
        zone=step.zone,
    )


def _unreadable(step: Step, invalid: RuleInvalid) -> str:
    said = " ".join(rule_in_words(one) for one in invalid.problems)
    return (
        f'The rules of the block "{step.block.label}" cannot be judged any more. {said} Mend them, '
        "then activate the workflow."
    )
