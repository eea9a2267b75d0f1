"""What Validate says of a SaaS User Role block, each mistake on its field."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.errors import UnknownPreset
from integrations.manifest_presets import Preset
from integrations.registry import Vendor, get_preset, vendors
from workflows.api.check import check_credentials
from workflows.api.check_inputs import check_inputs
from workflows.block_checks import unknown_settings
from workflows.definition import BlockPart
from workflows.errors import Mistake
from workflows.facts import Facts

_SWITCHES = ("deactivate_user", "deactivate_not_found")


def check_block(block: BlockPart, facts: Facts) -> Iterator[Mistake]:
    """Every mistake in the settings of the block, each on its field. Pure."""
    yield from unknown_settings(block, ("inputs", *_SWITCHES))
    if facts.object != "saas_user":
        yield Mistake(
            block.key,
            "kind",
            "This block reads roles of SaaS users, and this workflow is about people. Make a "
            "workflow on Software SaaS Users for it.",
        )
        return
    if not facts.application_has_users:
        yield Mistake(
            block.key,
            "kind",
            f"{facts.application} has no SaaS users yet, so there is nobody whose role could be "
            "read: run the user integration with User plus SaaS User first.",
        )
    found = _find(block)
    yield from _preset(block, facts, found)
    vendor = found[0] if found is not None else None
    yield from check_credentials(block, facts, facts.credentials.get(block.credentials), vendor)
    yield from _switches(block, found)
    if found is not None and found[1].roles is not None:
        yield from check_inputs(block, facts, found[1], found[0])


def _find(block: BlockPart) -> tuple[Vendor, Preset] | None:
    try:
        return get_preset(block.preset)
    except UnknownPreset:
        return None


def _preset(
    block: BlockPart, facts: Facts, found: tuple[Vendor, Preset] | None
) -> Iterator[Mistake]:
    mine = vendors().get(facts.application_vendor)
    offered = ", ".join(one.label for one in mine.presets.values() if one.roles) if mine else ""
    choose = f"Choose {offered}." if offered else "Choose one of the list."
    if not block.preset:
        yield Mistake(block.key, "preset", f"Say how the roles are read. {choose}")
    elif found is None:
        yield Mistake(block.key, "preset", f'There is no preset "{block.preset}". {choose}')
    elif found[1].roles is None:
        yield Mistake(
            block.key, "preset", f"{found[1].label} reads no roles of SaaS users. {choose}"
        )
    elif found[0].key != facts.application_vendor:
        yield Mistake(
            block.key,
            "preset",
            f"{found[1].label} reads roles at {found[0].label}, but this workflow is about the "
            f"users of {facts.application}. {choose}",
        )


def _switches(block: BlockPart, found: tuple[Vendor, Preset] | None) -> Iterator[Mistake]:
    for name in _SWITCHES:
        if not isinstance(block.settings.get(name, False), bool):
            said = "This is a switch. Write true or false, without quotes."
            yield Mistake(block.key, f"settings.{name}", said)
    by_absence = found is not None and found[1].deactivates == "not_found"
    if found is not None and by_absence and block.settings.get("deactivate_not_found"):
        yield Mistake(
            block.key,
            "settings.deactivate_not_found",
            f"{found[0].label} has no such choice: Deactivate User itself deactivates accounts "
            "that are not found there. Switch this one off.",
        )
