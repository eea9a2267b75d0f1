"""What Validate says of an API block: its preset, its credentials, and the parts in other modules.

Pure: everything that has to be known of the world is in the facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from integrations.errors import DefinitionInvalid, PresetRefused, did_you_mean
from integrations.manifest_presets import Preset
from integrations.registry import Vendor, get_vendor, preset_ids, vendors
from workflows.api.check_inputs import check_inputs
from workflows.api.check_request import check_request
from workflows.api.check_response import check_response
from workflows.api.settings import (
    PARTS,
    find_preset,
    full_preset,
    is_own,
    sends,
    vendor_of_preset,
)
from workflows.block_checks import unknown_settings
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import CredentialsFact, Facts

_SETTINGS = ("inputs", "request", "response")


def check_block(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    """Every mistake in the settings of an API block, each on its field."""
    yield from unknown_settings(block, _SETTINGS)
    misshapen = list(_shapes(block))
    yield from misshapen
    found = facts.credentials.get(block.credentials)
    vendor = vendor_of_preset(block)
    if vendor is None and is_own(block) and found is not None:
        vendor = vendors().get(found.vendor)
    yield from check_credentials(block, facts, found, vendor)
    preset_mistakes = list(_preset(block, facts))
    yield from preset_mistakes
    if misshapen:
        return
    yield from check_response(block, facts)
    if vendor is None or preset_mistakes:
        return
    plain = find_preset(block)
    if plain is None:
        return
    request_mistakes = list(check_request(block, facts, plain, vendor))
    yield from request_mistakes
    yield from check_inputs(block, facts, plain, vendor)
    if not any(not one.warning for one in request_mistakes):
        yield from _whole(block, facts, vendor)


def _shapes(block: BlockPart) -> Iterator[Mistake]:
    for name in _SETTINGS:
        value = block.settings.get(name)
        if value is not None and not isinstance(value, Mapping):
            yield Mistake(
                block.key,
                f"settings.{name}",
                f'"{name}" has to hold names with their values, such as {{"first_name": "Ann"}}.',
            )


# Preset.


def _preset(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    if is_own(block):
        return
    vendor = vendor_of_preset(block)
    preset = find_preset(block)
    if vendor is None or preset is None:
        yield Mistake(
            block.key,
            "preset",
            f'There is no preset "{block.preset}".{did_you_mean(block.preset, preset_ids())} '
            "Choose one of the list; it may have been taken out of Rolecall.",
        )
        return
    if preset.roles is not None:
        yield Mistake(
            block.key,
            "preset",
            f"{preset.label} reads roles of SaaS users. Use the block SaaS User Role for it.",
        )
    elif facts.object not in preset.records:
        whom = "people" if facts.object == "person" else "SaaS users"
        yield Mistake(
            block.key, "preset", f"{preset.label} cannot be called for {whom}. Choose another one."
        )
    if facts.object == "saas_user" and vendor.key != facts.application_vendor:
        label = _label(facts.application_vendor)
        yield Mistake(
            block.key,
            "preset",
            f"{preset.label} is a call to {vendor.label}, but this workflow is about the users of "
            f"{facts.application}{f', which is at {label}' if label else ''}. Choose a preset of "
            "that vendor, or make a workflow on the other application.",
        )


def _whole(block: BlockPart, facts: Facts, vendor: Vendor) -> Iterator[Mistake]:
    """The preset with what differs: that it holds together, and which fields it names."""
    try:
        preset = full_preset(block, vendor)
    except PresetRefused as problem:
        for one in problem.problems:
            part = f".{one.field}" if one.field in PARTS else ""
            yield Mistake(block.key, f"settings.request{part}", one.message)
        return
    except DefinitionInvalid as problem:
        yield Mistake(block.key, "settings.request", problem.message)
        return
    except ValueError:
        yield Mistake(block.key, "settings.request", "This request cannot be sent like this.")
        return
    yield from _fields_named(block, facts, preset)


def _fields_named(block: BlockPart, facts: Facts, preset: Preset) -> Iterator[Mistake]:
    """Fields that the preset needs of the record and that nobody has here (GT-13)."""
    for name in sorted(preset.named):
        if name in facts.fields or name in _RESERVED:
            continue
        hint = preset.if_empty.get(name, "Let the user integration of this vendor fill it.")
        what = "People have" if facts.object == "person" else f"Users of {facts.application} have"
        yield Mistake(
            block.key,
            "preset",
            f'{preset.label} needs "{name}". {what} no field of this name, so no call would be '
            f"sent. {hint}",
            warning=name in facts.vendor_keys,
        )


_RESERVED = frozenset({"person", "application", "variables", "failure"})


# Credentials.


def check_credentials(
    block: BlockPart, facts: Facts, found: CredentialsFact | None, vendor: Vendor | None
) -> Iterator[Mistake]:
    """What is wrong with the credentials of a block that calls this vendor, if it is known."""
    if not block.credentials:
        of = f" of {vendor.label}" if vendor is not None else ""
        yield Mistake(
            block.key,
            "credentials",
            f"Choose the credentials{of} with which the call is made. They are added, and "
            "opened to groups, under Configuration > Security > Credentials.",
        )
    elif found is None:
        hint = did_you_mean(block.credentials, facts.credentials)
        yield Mistake(
            block.key,
            "credentials",
            f'There are no credentials "{block.credentials}" any more.{hint} Choose others.',
        )
    else:
        yield from _about_credentials(block, facts, found, vendor)


def _about_credentials(
    block: BlockPart, facts: Facts, found: CredentialsFact, vendor: Vendor | None
) -> Iterator[Mistake]:
    if vendor is not None and found.vendor != vendor.key:
        yield Mistake(
            block.key,
            "credentials",
            f'The credentials "{found.name}" are for {_label(found.vendor)}, and the call goes to '
            f"{vendor.label}. Choose credentials of {vendor.label}.",
        )
        return
    if found.missing:
        yield Mistake(block.key, "credentials", found.missing)
    if not found.may_be_used and not _is_kept(block, facts):
        yield Mistake(
            block.key,
            "credentials",
            f'You may not use the credentials "{found.name}". Choose others, or have one of your '
            "groups added to them under Configuration > Security > Credentials.",
        )
    if facts.object == "saas_user":
        yield from _about_account(block, facts, found, vendor)


def _about_account(
    block: BlockPart, facts: Facts, found: CredentialsFact, vendor: Vendor | None
) -> Iterator[Mistake]:
    """Of a workflow on SaaS users, calls go to the account of its application (M-21)."""
    if is_own(block) and vendor is not None and vendor.key != facts.application_vendor:
        yield Mistake(
            block.key,
            "credentials",
            f'The credentials "{found.name}" are for {vendor.label}, but this workflow is about '
            f"the users of {facts.application}. Choose credentials of that vendor.",
        )
        return
    tenant, field = found.tenant, "credentials"
    named = vendor.manifest.tenant.input if vendor is not None else None
    inputs = block.settings.get("inputs")
    given = inputs.get(named) if named and isinstance(inputs, Mapping) else None
    if vendor is not None and named and isinstance(given, str) and given and "{{" not in given:
        tenant, field = _normal(vendor, named, given), f"settings.inputs.{named}"
    if tenant and facts.application_tenant and tenant != facts.application_tenant:
        yield Mistake(
            block.key,
            field,
            f'This call would go to the account "{tenant}", but this workflow is about the users '
            f'of {facts.application}, which is the account "{facts.application_tenant}". Choose '
            "credentials of that account.",
        )


def _normal(vendor: Vendor, name: str, typed: str) -> str:
    try:
        return vendor.inputs[name].normalise(typed)
    except DefinitionInvalid:
        return ""
    except Exception:  # noqa: BLE001 - reported where inputs are checked
        return ""


def _is_kept(block: BlockPart, facts: Facts) -> bool:
    """Whether what it sends is as somebody who was allowed to saved it."""
    kept = facts.kept_blocks.get(block.key)
    return kept is not None and sends(kept) == sends(block)


def _label(vendor: str) -> str:
    return get_vendor(vendor).label if vendor in vendors() else vendor
