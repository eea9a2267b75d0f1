"""The vendor calls that a definition makes, told without a record: method, host, needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from integrations.errors import DefinitionInvalid, IntegrationsError, TransformFailed
from integrations.manifest_load import Load
from integrations.manifest_presets import OUR_NAMES, Preset
from integrations.models import Credentials
from integrations.registry import Vendor, get_vendor
from integrations.values import read_boolean
from workflows.api.settings import full_preset, read_settings
from workflows.definition import BlockPart, Definition
from workflows.facts import CredentialsFact, Facts
from workflows.kinds import find_kind
from workflows.templates import RESERVED, fields_named


@dataclass(frozen=True)
class Switch:
    """A switch that is set so that it takes something away, and what of an account it would end."""

    label: str
    value: bool
    ends: Literal["active", "administrator"]


@dataclass(frozen=True)
class Call:
    """What one block sends. `method` is empty where a whole listing or look-up is read.

    `needs` are fields of the record without which nothing is sent.
    """

    key: str
    label: str
    kind: str
    preset: str
    method: str
    vendor: str
    vendor_key: str
    tenant: str
    host: str
    credentials: str
    changes: bool
    destructive: bool
    needs: frozenset[str] = frozenset()
    switches: tuple[Switch, ...] = ()
    loads: tuple[Load, ...] = ()

    @property
    def verb(self) -> str:
        """`calls DELETE on`, or `reads roles from`."""
        return f"calls {self.method} on" if self.method else "reads roles from"


def read_calls(definition: Definition, facts: Facts) -> list[Call]:
    """Every call, in the order of the blocks; what cannot be called is left out. One query."""
    names = {block.credentials for block in definition.blocks if block.credentials}
    rows = {row.name: row for row in Credentials.objects.filter(name__in=names)}
    calls = []
    for block in definition.blocks:
        kind = find_kind(block.kind)
        known, row = facts.credentials.get(block.credentials), rows.get(block.credentials)
        if kind is None or not kind.calls or known is None or row is None:
            continue
        try:
            calls.append(_call(block, known, row))
        except (DefinitionInvalid, IntegrationsError, ValueError):
            continue  # Validate says what is wrong with it
    return calls


def _call(block: BlockPart, known: CredentialsFact, row: Credentials) -> Call:
    kind = find_kind(block.kind)
    vendor = get_vendor(row.vendor).corrected(row.overrides)
    preset = _preset(block, vendor)
    return Call(
        key=block.key,
        label=block.label,
        kind=block.kind,
        preset=preset.label,
        method=preset.request.method if preset.request is not None else "",
        vendor=vendor.label,
        vendor_key=vendor.key,
        tenant=known.tenant,
        host=_host(vendor, known, row),
        credentials=row.name,
        changes=kind is not None and kind.changes_vendor(block),
        destructive=kind is not None and kind.is_destructive(block),
        needs=_needs(block, preset),
        switches=tuple(_switches(block, preset)),
        loads=tuple(vendor.loads.values()),
    )


def _preset(block: BlockPart, vendor: Vendor) -> Preset:
    if block.kind == "api":
        return full_preset(block, vendor)
    return vendor.preset(block.preset.partition(".")[2])


def _host(vendor: Vendor, known: CredentialsFact, row: Credentials) -> str:
    try:
        url = row.base_url or vendor.base_url(known.inputs)
    except IntegrationsError:
        return ""
    return urlsplit(url).hostname or ""


def _needs(block: BlockPart, preset: Preset) -> frozenset[str]:
    """Fields of the record whose blank keeps the call from being sent."""
    found = set(fields_named(list(_needed_trees(block, preset)), needed=True))
    given = read_settings(block).inputs
    for name, one in preset.inputs.items():
        if one.required:
            found |= fields_named(given.get(name, one.default), needed=True)
    found |= set(preset.if_empty) & preset.named
    return frozenset(found - OUR_NAMES - RESERVED)


def _needed_trees(block: BlockPart, preset: Preset) -> Iterator[Any]:
    request, change = preset.request, preset.change
    if request is not None:
        yield [request.path, request.params]
        if change is None or change.takes_access or change.destructive:
            yield [request.body, request.variables]
    if change is not None:
        yield [change.target, change.effect]
    for one in preset.looked_up.values():
        yield [one.request.path, one.request.params, one.request.body, one.equals]


def _switches(block: BlockPart, preset: Preset) -> Iterator[Switch]:
    given = read_settings(block).inputs
    for name, one in preset.inputs.items():
        raw = given.get(name)
        if one.warns is None or one.ends is None or (isinstance(raw, str) and "{{" in raw):
            continue
        try:
            value = read_boolean(raw)
        except TransformFailed:
            continue  # left unchanged, or Validate says what is wrong with it
        if value is one.warns:
            yield Switch(one.label, one.warns, one.ends)
