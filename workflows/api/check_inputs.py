"""What Validate says of the inputs of an API block: those of the preset and of the vendor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from integrations.errors import InputInvalid, PresetRefused, did_you_mean
from integrations.manifest_parts import Input
from integrations.manifest_presets import Preset, PresetInput
from integrations.presets.inputs import check_inputs as check_values
from integrations.presets.inputs import warnings_about
from integrations.registry import Vendor
from workflows.api.settings import read_settings
from workflows.block_checks import is_blank, is_constant
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts
from workflows.templates import check_tree, placeholders_in


def check_inputs(
    block: BlockPart, facts: Facts, preset: Preset, vendor: Vendor
) -> Iterator[Mistake]:
    """What is missing, unknown, or cannot be; templates are judged again when they are filled."""
    given = read_settings(block).inputs
    known = [*preset.inputs, *vendor.inputs]
    for name in given:
        if name not in known:
            yield Mistake(
                block.key,
                f"settings.inputs.{name}",
                f'{preset.label} has no input "{name}".{did_you_mean(str(name), known)} '
                f"It has: {', '.join(known) or 'none'}.",
            )
    for name, one in preset.inputs.items():
        yield from _input(block, facts, preset, one, given.get(name), is_given=name in given)
    for name, field in vendor.inputs.items():
        yield from _vendor_input(block, facts, vendor, field, given.get(name))


def _input(
    block: BlockPart,
    facts: Facts,
    preset: Preset,
    one: PresetInput,
    value: Any,
    *,
    is_given: bool,
) -> Iterator[Mistake]:
    at = f"settings.inputs.{one.key}"
    if is_blank(value):
        if one.required and (is_given or one.default is None):
            said = f"{one.label} is needed. Fill it in. {one.help}"
            yield Mistake(block.key, at, said.strip())
        return
    templates = list(check_tree(value, facts, block, at))
    yield from templates
    if templates:
        return
    constants = _constants(value)
    if constants is None:
        return
    try:
        read = check_values(
            preset.model_copy(update={"inputs": {one.key: one}}), {one.key: constants}, {}
        )
    except PresetRefused as problem:
        for found in problem.problems:
            yield Mistake(block.key, at, found.message)
        return
    for sentence in warnings_about(preset, read):
        yield Mistake(block.key, at, sentence, warning=True)


def _constants(value: Any) -> Any:
    """What of a value is the same for every record; None where nothing is."""
    if isinstance(value, list | tuple):
        return [part for part in value if is_constant(part)] or None
    return value if is_constant(value) else None


def _vendor_input(
    block: BlockPart, facts: Facts, vendor: Vendor, field: Input, value: Any
) -> Iterator[Mistake]:
    """Such as a sub-domain: one for all records, typed here, or known from elsewhere (AH-11)."""
    at = f"settings.inputs.{field.key}"
    if is_blank(value):
        yield from _without_vendor_input(block, facts, vendor, field, at)
        return
    if not isinstance(value, str):
        yield Mistake(block.key, at, f"{field.label} is a text. {field.help}".strip())
        return
    mistakes = list(check_tree(value, facts, block, at))
    yield from mistakes
    holes = list(placeholders_in(value))
    if mistakes:
        return
    if any(one.steps[0] != "variables" for one in holes):
        yield Mistake(
            block.key,
            at,
            f"{field.label} is the same for every record, so it can name global variables only, "
            'such as "{{ variables.Aha.Subdomain }}".',
        )
    elif not holes:
        try:
            field.normalise(value)
        except InputInvalid as problem:
            yield Mistake(block.key, at, problem.message)


def _without_vendor_input(
    block: BlockPart, facts: Facts, vendor: Vendor, field: Input, at: str
) -> Iterator[Mistake]:
    credentials = facts.credentials.get(block.credentials)
    known = credentials is not None and field.key in credentials.inputs
    if not field.required or known or field.variable in facts.variables:
        return
    variable = f", or add the global variable {field.variable}" if field.variable else ""
    yield Mistake(
        block.key,
        at,
        f"{vendor.label} needs the {field.label}. Type it here{variable}. {field.help}".strip(),
    )
