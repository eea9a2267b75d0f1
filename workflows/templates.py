"""Templates in workflows, checked before anything runs: their grammar, and the names they use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from integrations.errors import TemplateError, did_you_mean
from integrations.filters import FILTERS, gives_default
from integrations.plain_json import MOST_NESTED, TOO_NESTED, is_too_nested
from integrations.templates import Placeholder, Template, parse
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts

FAILURE_NAMES = ("reason", "code", "status")
APPLICATION_NAMES = ("name", "vendor", "tenant")
RESERVED = frozenset(
    {"response", "response_headers", "variables", "failure", "person", "application"}
)
"""First names that are no field of the record (M-25)."""
ITEM_VARIABLE = r"[A-Za-z0-9_]{1,60}"
"""What may stand for x where a block sets `variables.x`."""

_DEPTH = MOST_NESTED + 3  # around a body stand its settings
_SECRETS = frozenset(
    {"credential", "credentials", "secret", "secrets", "token", "password", "api_key"}
)

More = Mapping[str, Collection[str] | None]
"""Further groups that a place knows: {"inputs": ["license_key"]}; None where any name will do."""

_ANSWER: More = {"response": None, "response_headers": None}


def known_names(facts: Facts) -> frozenset[str]:
    """What a template may name here, as people write it: `email`, `variables.Aha.Subdomain`."""
    names = {*facts.fields, *facts.vendor_keys}
    names |= {f"variables.{one}" for one in (facts.variables | facts.item_variables)}
    if facts.after_failure:
        names |= {f"failure.{one}" for one in FAILURE_NAMES}
    return frozenset(names)


def check_template(
    text: Any,
    facts: Facts,
    block: BlockPart,
    field: str,
    *,
    response: bool = False,
    more: More | None = None,
) -> Iterator[Mistake]:
    """Every mistake in one template: braces, filters, unknown names, each with its position.

    `response` where `{{ response }}` is known. What is no text holds no template.
    """
    if not isinstance(text, str):
        return
    try:
        template = parse(text)
    except TemplateError as problem:
        yield Mistake(block.key, field, _in_words(problem), problem.position)
        return
    groups: More = {**_ANSWER, **(more or {})} if response else more or {}
    for one in template.placeholders:
        yield from _check_name(one, facts, Mistake(block.key, field, "", one.position), groups)


def check_tree(
    tree: Any,
    facts: Facts,
    block: BlockPart,
    field: str,
    *,
    response: bool = False,
    more: More | None = None,
) -> Iterator[Mistake]:
    """`check_template` for every text of a tree of dicts and lists; `field` grows by the place."""
    if is_too_nested(tree):
        yield Mistake(block.key, field, TOO_NESTED)
        return
    for at, part in _leaves(tree, field, 0):
        if isinstance(part, _NameWithBraces):
            yield Mistake(
                block.key,
                at,
                f'The name "{_short(part)}" holds "{{{{". Only values are filled in, names are '
                "sent as they are: put the placeholder into the value.",
            )
        else:
            yield from check_template(part, facts, block, at, response=response, more=more)


def placeholders_in(tree: Any) -> Iterator[Placeholder]:
    """The placeholders of every text of a tree that can be read; what cannot is left out."""
    for _at, one in placed_in(tree, ""):
        yield one


def placed_in(tree: Any, field: str) -> Iterator[tuple[str, Placeholder]]:
    """`placeholders_in`, each with the place of its text; `field` is the place of the tree."""
    for at, part in _leaves(tree, field, 0):
        if isinstance(part, str) and "{{" in part:
            for one in _parsed(part).placeholders:
                yield at, one


def fields_named(tree: Any, *, needed: bool = False) -> frozenset[str]:
    """The fields of the record that a tree names; with `needed` those without a default only."""
    found = placeholders_in(tree)
    return frozenset(
        str(one.steps[0])
        for one in found
        if one.steps[0] not in RESERVED and not (needed and gives_default(one.filters))
    )


# One name.


def _check_name(one: Placeholder, facts: Facts, at: Mistake, more: More) -> Iterator[Mistake]:
    first, rest = str(one.steps[0]), _dotted(one)
    if first in more:
        yield from _said(at, _about_group(first, rest, more[first]))
    elif first in _ANSWER:
        yield from _said(at, _no_response(first))
    elif first == "variables":
        known = facts.variables | facts.item_variables
        yield from _said(at, _about_variable(rest, known))
    elif first == "failure":
        yield from _said(at, _about_failure(rest, facts))
    elif first == "application":
        yield from _said(at, _about_group(first, rest, APPLICATION_NAMES))
    elif first == "person":
        known = frozenset(
            name.removeprefix("person.") for name in facts.fields if name.startswith("person.")
        ) or frozenset(name for name in facts.fields if "." not in name)
        yield from _said(at, _about_group(first, rest, known))
    elif first not in facts.fields:
        yield from _about_unknown(one, facts, at)
    elif len(one.steps) > 1 and facts.fields[first] != "json":
        yield from _said(
            at,
            f'"{first}" is a single value, so there is nothing like "{one.path}" in it. '
            f"Write {{{{ {first} }}}}.",
        )


def _said(at: Mistake, message: str) -> Iterator[Mistake]:
    if message:
        yield Mistake(at.block, at.field, message, at.position, at.warning)


def _dotted(one: Placeholder) -> str:
    """What stands behind the first name: `Aha.Subdomain` of `variables.Aha.Subdomain`."""
    return ".".join(str(step) for step in one.steps[1:])


def _about_group(first: str, rest: str, known: Collection[str] | None) -> str:
    if known is None:
        return ""
    if not rest:
        return f'Say which value of "{first}" is meant, such as {_example(first, known)}.'
    if _begins_with_one_of(rest, known):
        return ""
    hint = did_you_mean(rest, known) or f" There is: {_listed(known)}."
    return f'"{first}" has no "{rest}".{hint}'


def _about_variable(rest: str, known: Collection[str]) -> str:
    if rest and _begins_with_one_of(rest, known):
        return ""
    if not rest:
        return 'Say which variable is meant, such as "{{ variables.Aha.Subdomain }}".'
    hint = did_you_mean(rest, known)
    return (
        f'There is no variable "{rest}".{hint} Add it under Configuration > General > Global '
        f'Settings, or let an earlier block of this workflow set "variables.{rest}".'
    )


def _about_failure(rest: str, facts: Facts) -> str:
    if not facts.after_failure:
        return (
            '"failure" is known only behind the exit "failure" of an earlier block: on this way '
            "nothing has failed yet. Take it out, or lead a failure exit here."
        )
    return (
        _about_group("failure", rest, FAILURE_NAMES)
        if rest
        else (
            'Say what of the failure is meant: "{{ failure.reason }}", "{{ failure.code }}" or '
            '"{{ failure.status }}".'
        )
    )


def _no_response(first: str) -> str:
    return (
        f'"{first}" is known in the Response tab of an API block only. Store what you need there '
        "in a field or a variable, and name that here."
    )


def _about_unknown(one: Placeholder, facts: Facts, at: Mistake) -> Iterator[Mistake]:
    first = str(one.steps[0])
    if first in facts.vendor_keys:
        if facts.object == "person":
            message = (
                f'People have no field "{first}", so it is empty for everybody. Add a people '
                "field of this name, and let the user integration of this vendor fill it."
            )
            yield Mistake(at.block, at.field, message, at.position, warning=True)
        return
    if first.casefold() in _SECRETS:
        message = (
            f'Templates cannot name "{first}": credentials are added to a request after it was '
            "filled in, and nothing else may use them. Choose the credentials of the block instead."
        )
    else:
        plain = [name for name in known_names(facts) if "." not in name]
        message = (
            f'There is no field "{first}".{did_you_mean(first, plain)} Use the name of a field of '
            f"{_object_in_words(facts)}."
        )
    yield Mistake(at.block, at.field, message, at.position)


def _object_in_words(facts: Facts) -> str:
    if facts.object == "person":
        return "people, or add it as a people field first"
    return f"the users of {facts.application or 'the application'}, or add it as a field first"


def _begins_with_one_of(rest: str, known: Collection[str]) -> bool:
    return rest in known or any(rest.startswith(f"{name}.") for name in known)


def _example(first: str, known: Collection[str]) -> str:
    return f'"{{{{ {first}.{min(known, default="name")} }}}}"'


def _listed(known: Collection[str]) -> str:
    shown = sorted(known)[:8]
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return ", ".join(shown) + more if shown else "nothing"


# Trees.


class _NameWithBraces(str):
    __slots__ = ()


def _leaves(tree: Any, field: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every value of a tree with its place; what is deeper than can be kept is left out."""
    if depth > _DEPTH:
        return
    if isinstance(tree, Mapping):
        for key, part in tree.items():
            name = str(key)
            at = f"{field}.{name}" if name.isidentifier() else f'{field}["{_short(name)}"]'
            if "{{" in name:
                yield at, _NameWithBraces(name)
            yield from _leaves(part, at, depth + 1)
    elif isinstance(tree, list | tuple):
        for number, part in enumerate(tree):
            yield from _leaves(part, f"{field}[{number}]", depth + 1)
    else:
        yield field, tree


def _parsed(text: str) -> Template:
    try:
        return parse(text)
    except TemplateError:
        return Template(())


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - of a name in a message


def _in_words(problem: TemplateError) -> str:
    reason, at = problem.reason, f" (character {problem.position})"
    said = f"{reason[:1].upper()}{reason[1:]}"
    if reason.startswith("there is no filter"):
        return f"{said} Use one of: {', '.join(FILTERS)}{at}."
    if reason.startswith("the filter"):
        return f"{said}{at}."
    mend = "two braces on both sides" if reason[:2] == "{{" else "one name"
    return f"{said}, at character {problem.position}. Write {mend}, as in {{{{ email }}}}."
