"""The settings of an API block, read from its definition; and which preset they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from integrations.errors import UnknownPreset
from integrations.manifest_presets import Preset
from integrations.presets.own import own_request_preset, with_request
from integrations.registry import Vendor, preset_ids, vendors
from integrations.templates import parse
from workflows.definition import BlockPart
from workflows.fitting import variable_name

OWN = "own_request"
"""The name of the preset that stands for a request without one."""
READ_METHODS = frozenset({"GET", "HEAD"})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
PARTS = ("method", "url", "params", "headers", "body")
TELLS = ("positive", "negative")


@dataclass(frozen=True)
class ApiSettings:
    """`inputs` are values or templates, `request` what differs from the preset.

    `positive` and `negative` are (template, target) of the Response tab.
    """

    inputs: Mapping[str, Any]
    request: Mapping[str, Any]
    positive: tuple[tuple[str, str], ...] = ()
    negative: tuple[tuple[str, str], ...] = ()

    @property
    def targets(self) -> frozenset[str]:
        """Everything that the Response tab may write."""
        return frozenset(target for _template, target in (*self.positive, *self.negative))


def read_settings(block: BlockPart) -> ApiSettings:
    """What of the settings can be used; the rest is reported by Validate."""
    response = _mapping(block.settings.get("response"))
    return ApiSettings(
        inputs=_mapping(block.settings.get("inputs")),
        request=_mapping(block.settings.get("request")),
        positive=tuple(_pairs(response.get("positive"))),
        negative=tuple(_pairs(response.get("negative"))),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _pairs(rows: Any) -> Iterator[tuple[str, str]]:
    for row in rows if isinstance(rows, list | tuple) else ():
        if isinstance(row, Mapping) and row.get("from") is not None and row.get("to"):
            source = row["from"]
            yield source if isinstance(source, str) else str(source), str(row["to"])


def variables_set(block: BlockPart) -> frozenset[str]:
    """The item variables that its Response tab may set."""
    names = map(variable_name, read_settings(block).targets)
    return frozenset(name for name in names if name)


# The preset.


def is_own(block: BlockPart) -> bool:
    """Whether the whole request was written in the block, without a preset."""
    return not block.preset or block.preset.partition(".")[2] == OWN


def vendor_of_preset(block: BlockPart) -> Vendor | None:
    """The vendor that the preset names, if there is one of this name."""
    return vendors().get(block.preset.partition(".")[0]) if block.preset else None


def find_preset(block: BlockPart) -> Preset | None:
    """The preset by the block alone, before anything that differs; None where there is none."""
    if is_own(block):
        return own_request_preset(_method(block) or "GET")
    vendor = vendor_of_preset(block)
    return vendor.presets.get(block.preset.partition(".")[2]) if vendor is not None else None


def _method(block: BlockPart) -> str:
    method = str(read_settings(block).request.get("method") or "").upper()
    return method if method in METHODS else ""


def full_preset(block: BlockPart, vendor: Vendor) -> Preset:
    """The preset with what differs put into it. Raises UnknownPreset, PresetRefused.

    With a vendor as corrected for credentials, the preset is corrected too.
    """
    request = read_settings(block).request
    if is_own(block):
        given = str(request.get("method") or "GET")
        plain = own_request_preset(given, f"Own request to {vendor.label}")
        # The address that it gets makes no other call of it.
        return with_request(plain, request).model_copy(update={"label": plain.label})
    owner, _, key = block.preset.partition(".")
    if owner != vendor.key:
        raise UnknownPreset(block.preset, preset_ids())
    return _guarded(with_request(vendor.preset(key), request), request, vendor)


def sends(block: BlockPart) -> tuple[Any, ...]:
    """All that decides what is sent with whose credentials."""
    settings = block.settings
    given, request = settings.get("inputs") or {}, settings.get("request") or {}
    return (block.kind, block.preset, block.credentials, given, request)


def preset_id_of(vendor: Vendor, preset: Preset) -> str:
    """Its whole id, as the journal keeps it; a moved preset is an own request there."""
    return f"{vendor.key}.{preset.key}"


def changes_something(block: BlockPart) -> bool:
    """Whether its calls may change something at the vendor."""
    preset = find_preset(block)
    if preset is None:
        return True
    method = _method(block)
    if method and not is_own(block):
        return method not in READ_METHODS
    return preset.change is not None


def may_take_access(block: BlockPart) -> bool:
    """Whether its calls may take access away: by its preset, a switch, or what differs."""
    vendor, preset = vendor_of_preset(block), find_preset(block)
    if preset is None or not changes_something(block):
        return preset is None
    change, settings = preset.change, read_settings(block)
    if change is None or change.takes_access or change.destructive or moves(settings.request):
        return True
    given = (preset.inputs[name] for name in settings.inputs if name in preset.inputs)
    if any(one.warns is not None for one in given):
        return True
    return vendor is not None and takes_by_body(settings.request.get("body"), vendor)


def moves(request: Mapping[str, Any]) -> bool:
    """Whether it goes to another address, or by another method, than the preset."""
    return bool(request.get("url") or request.get("method"))


def _guarded(preset: Preset, request: Mapping[str, Any], vendor: Vendor) -> Preset:
    """Count it as one that takes access, where its body holds what such presets send (M-15)."""
    change = preset.change
    if change is None or change.takes_access or not takes_by_body(request.get("body"), vendor):
        return preset
    taking = change.model_copy(update={"takes_access": True, "destructive": True})
    return preset.model_copy(update={"change": taking})


def takes_by_body(body: Any, vendor: Vendor) -> bool:
    """Whether a body sets a key by which presets of the vendor take access away.

    Only the plain opposite of a switch is harmless: a template may turn out to be anything.
    """
    if body is None:
        return False  # finding the marks compares whole vendors: for each call, it would tell
    marks = _marks(vendor)
    return any(
        value is not None and any(value is not (not mark) for mark in marks[key])
        for key, value in _leaves(body)
        if key in marks
    )


@lru_cache(maxsize=64)
def _marks(vendor: Vendor) -> Mapping[str, frozenset[bool]]:
    """Switches in bodies of presets that take access {key: values}, and of inputs that may."""
    found: dict[str, set[bool]] = {}
    for preset in vendor.presets.values():
        change, request = preset.change, preset.request
        if change is None or request is None:
            continue
        risky = {name: one.warns for name, one in preset.inputs.items() if one.warns is not None}
        for key, value in _leaves(request.body):
            if isinstance(value, bool) and change.takes_access:
                found.setdefault(key, set()).add(value)
            for one in parse(value).placeholders if isinstance(value, str) else ():
                if one.steps[0] == "inputs" and one.steps[-1] in risky:
                    found.setdefault(key, set()).add(risky[str(one.steps[-1])])
    return {key: frozenset(values) for key, values in found.items()}


def _leaves(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for name, part in tree.items():
            yield from _leaves(part, str(name))
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from _leaves(part, key)
    else:
        yield key, tree
