"""The presets that a block may take: searched by vendor and name, with what each does in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations.manifest_presets import Preset
from integrations.registry import Vendor, vendors
from integrations.show import badge
from workflows.facts import Facts
from workflows.kinds import BlockKind

OWN_REQUEST = "own"
"""Stands for no preset in addresses."""
_ROLES = "saas_user_role"
_LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Offer:
    """One preset of the list."""

    id: str
    vendor: Vendor
    preset: Preset

    @property
    def does(self) -> SafeString:
        """Whether it reads, changes or takes access away."""
        return does(self.preset)

    @property
    def docs(self) -> str:
        """The vendor's own words about it (C-22)."""
        return self.preset.docs or self.vendor.manifest.docs


def offers(kind: BlockKind, facts: Facts, wanted: str = "") -> list[Offer]:
    """The presets of a kind for the workflow's object whose vendor or name holds every word."""
    words = wanted[:_LONGEST_SEARCH].casefold().split()
    return [one for one in _offered(kind, facts) if _matches(one, words)]


def does(preset: Preset) -> SafeString:
    """A badge: reads, changes, takes access away, destructive."""
    change = preset.change
    if change is None:
        return badge("Reads roles" if preset.roles else "Reads", "good")
    if change.destructive:
        return badge("Takes accounts away", "bad")
    if change.takes_access:
        return badge("Takes access away", "bad")
    return badge("Changes", "warn")


def needs(preset: Preset) -> SafeString | str:
    """What the credentials have to be."""
    return format_html("Needs {}.", preset.needs.rstrip(".")) if preset.needs else ""


def _offered(kind: BlockKind, facts: Facts) -> Iterator[Offer]:
    only = facts.application_vendor if facts.object == "saas_user" else ""
    for vendor in vendors().values():
        if only and vendor.key != only:
            continue
        for preset in vendor.presets.values():
            fits = bool(preset.roles) == (kind.key == _ROLES)
            if fits and facts.object in preset.records:
                yield Offer(f"{vendor.key}.{preset.key}", vendor, preset)


def _matches(one: Offer, words: list[str]) -> bool:
    text = f"{one.vendor.label} {one.preset.label} {one.id}".casefold()
    return all(word in text for word in words)
