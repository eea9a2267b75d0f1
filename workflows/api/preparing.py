"""Making the calls of a batch ready: inputs filled in for each item, then the preset's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations import templates
from integrations.client import VendorClient
from integrations.errors import IntegrationsError, PresetRefused, Problem, TemplateError
from integrations.presets.call import PresetCall
from integrations.presets.many import Wanted, prepare_many
from workflows.api.opening import Ready
from workflows.kinds import Item

Prepared = PresetCall | IntegrationsError


def prepare(ready: Ready, items: Sequence[Item], client: VendorClient | None) -> list[Prepared]:
    """One call for each item, or why there is none. Without a client nothing is sent."""
    filled: list[Wanted | PresetRefused] = [_wanted(ready, item) for item in items]
    wanted = [one for one in filled if isinstance(one, Wanted)]
    made = iter(
        prepare_many(
            ready.preset_id,
            ready.preset,
            ready.account,
            wanted,
            client=client,
            variables=ready.step.variables,
        )
        if wanted
        else ()
    )
    return [next(made) if isinstance(one, Wanted) else one for one in filled]


def _wanted(ready: Ready, item: Item) -> Wanted | PresetRefused:
    """The inputs of an item filled in; what is absent is unset (F-36)."""
    values = ready.step.values(item)
    inputs: dict[str, Any] = {}
    for name, template in ready.settings.inputs.items():
        if name not in ready.preset.inputs:
            continue
        try:
            inputs[name] = _filled(template, values)
        except TemplateError as problem:
            label = ready.preset.inputs[name].label
            message = f"{ready.preset.label} was not sent: {label}: {problem.message}."
            return PresetRefused([Problem(f"inputs.{name}", message)])
    more = {name: values[name] for name in ("variables", "failure")}
    return Wanted(item.record.target, inputs, more)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    found = templates.render_tree(template, values, absent="blank")
    return [one for one in found if one is not None] if isinstance(found, list) else found
