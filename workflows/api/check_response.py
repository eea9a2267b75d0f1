"""What Validate says of the Response tab: where values come from, and where they go (M-24)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.errors import TemplateError, did_you_mean
from integrations.templates import Placeholder, parse
from workflows.api.settings import TELLS
from workflows.block_checks import is_blank
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import NEVER_WRITTEN, Facts
from workflows.fitting import VARIABLE, variable_name
from workflows.templates import FAILURE_NAMES, check_template

_ANSWER = ("response", "response_headers")
_TREES = frozenset({"response", "response_headers"})


def check_response(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    """Every mistake in the mappings for success and for failure."""
    response = block.settings.get("response") or {}
    for tell in response:
        if tell not in TELLS:
            yield Mistake(
                block.key,
                f"settings.response.{tell}",
                f'The Response tab has no part "{tell}". It has: {", ".join(TELLS)}.',
            )
    for tell in TELLS:
        rows = response.get(tell)
        if rows is None:
            continue
        if not isinstance(rows, list | tuple):
            yield Mistake(
                block.key,
                f"settings.response.{tell}",
                'Give a list of mappings, each with "from" and "to".',
            )
            continue
        yield from _rows(block, facts, tell, rows)


def _rows(block: BlockPart, facts: Facts, tell: str, rows: Any) -> Iterator[Mistake]:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        at = f"settings.response.{tell}[{number}]"
        if not isinstance(row, Mapping) or set(row) - {"from", "to"}:
            yield Mistake(block.key, at, 'A mapping has "from" and "to", and nothing else.')
            continue
        yield from _source(block, facts, tell, row.get("from"), f"{at}.from")
        yield from _target(block, facts, row, f"{at}.to")
        target = str(row.get("to") or "")
        if target in seen:
            message = f'"{target}" is set twice. Keep one of the two mappings.'
            yield Mistake(block.key, f"{at}.to", message)
        seen.add(target)


def _source(block: BlockPart, facts: Facts, tell: str, template: Any, at: str) -> Iterator[Mistake]:
    if is_blank(template) or not isinstance(template, str):
        yield Mistake(
            block.key,
            at,
            'Say which value of the answer is stored: "{{ response }}" is all of it, '
            '"{{ response.id }}" a part.',
        )
        return
    try:
        holes = parse(template).placeholders
    except TemplateError:
        holes = ()
    strange = [one for one in holes if not _is_of_answer(one, tell)]
    for one in strange:
        yield Mistake(block.key, at, _not_of_answer(one, tell), one.position)
    if not strange:
        more = {"failure": FAILURE_NAMES} if tell == "negative" else None
        yield from check_template(template, facts, block, at, response=True, more=more)


def _is_of_answer(one: Placeholder, tell: str) -> bool:
    return one.steps[0] in _ANSWER or (tell == "negative" and one.steps[0] == "failure")


def _not_of_answer(one: Placeholder, tell: str) -> str:
    if one.steps[0] == "failure":
        return (
            '"failure" is known in the mappings for failure only: after a success nothing has '
            "failed."
        )
    also = ', "{{ failure.reason }}"' if tell == "negative" else ""
    return (
        f'A mapping stores what the vendor answered, so it cannot name "{one.path}". Use '
        f'"{{{{ response }}}}", a part such as "{{{{ response.id }}}}"{also}; an Update block '
        "stores other values."
    )


def _target(block: BlockPart, facts: Facts, row: Mapping[str, Any], at: str) -> Iterator[Mistake]:
    target = row.get("to")
    if is_blank(target) or not isinstance(target, str):
        yield Mistake(block.key, at, "Choose the field or the variable that it is stored in.")
    elif target.startswith(VARIABLE) or target == "variables":
        if not variable_name(target):
            yield Mistake(
                block.key,
                at,
                f'"{target[:80]}" cannot be the name of a variable. After "variables." come up to '
                "60 letters, digits and underscores, such as variables.license_key.",
            )
    elif target in facts.writable:
        yield from _type(block, facts, row, at)
    else:
        yield Mistake(block.key, at, _not_writable(target, facts))


def _not_writable(target: str, facts: Facts) -> str:
    if target in NEVER_WRITTEN or target == "roles" or target in facts.vendor_keys:
        return (
            f'A workflow never writes "{target}": it says who somebody is, or comes from a sync '
            "or a role look-up. Store it in a field of your own or a variable."
        )
    whose = "people" if facts.object == "person" else "SaaS users"
    return (
        f'There is no field "{target[:80]}" of {whose} to store it in.'
        f"{did_you_mean(target, facts.writable)} Add it as a new field, or store it in a variable, "
        "such as variables.answer."
    )


def _type(block: BlockPart, facts: Facts, row: Mapping[str, Any], at: str) -> Iterator[Mistake]:
    """A whole answer needs a long-text field (C-18)."""
    target = facts.writable[str(row["to"])]
    try:
        parts = parse(str(row.get("from") or "")).parts
    except TemplateError:
        return
    one = parts[0] if len(parts) == 1 else None
    whole = isinstance(one, Placeholder) and len(one.steps) == 1 and not one.filters
    of_answer = whole and isinstance(one, Placeholder) and one.steps[0] in _TREES
    if of_answer and target.type != "long_text":
        yield Mistake(
            block.key,
            at,
            f'"{target.label}" is no long-text field, and only such a field holds a whole answer. '
            "Choose a long-text field, or store a part of the answer.",
            warning=True,
        )
