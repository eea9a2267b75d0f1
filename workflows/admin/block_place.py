"""Reading what the page of one block stands on: the saved workflow, facts, what Validate found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import Group
from django.http import Http404

from integrations.errors import IntegrationsError
from integrations.manifest_presets import Preset
from integrations.models import Credentials
from integrations.registry import Vendor, get_preset, vendors
from integrations.services import variables
from people.visibility import hidden_by_object
from workflows.admin.pages import block_url
from workflows.definition import END, BlockPart, Definition
from workflows.editing import latest_version
from workflows.errors import Mistake
from workflows.facts import Facts, at_place, read_facts
from workflows.forms.connecting import new_key
from workflows.forms.place import Place
from workflows.forms.presets import OWN_REQUEST
from workflows.kinds import BlockKind, find_kind
from workflows.models import Workflow
from workflows.rights import may_own_request
from workflows.validation import check, facts_for
from workflows.versions import read_definition


@dataclass(frozen=True)
class Here:
    """A block's page: what its form stands on, and what was saved when it was opened.

    `number` is the version that was saved last. `saved_preset` names the preset of the saved block
    where the form has another.
    """

    row: Workflow
    kind: BlockKind
    place: Place
    number: int
    saved_preset: str = ""

    @property
    def choose_url(self) -> str:
        """Where another preset is chosen; empty where there is nothing to choose."""
        if not (self.kind.calls and self.place.writes):
            return ""
        return "?" if self.place.is_new else f"{block_url(self.row, self.place.key)}?choose=1"

    @property
    def vendor_docs(self) -> str:
        """Where the vendor describes its interface."""
        return self.place.vendor.manifest.docs if self.place.vendor else ""

    @property
    def offers_own(self) -> bool:
        """Whether this user may write a request without a preset in such a block (M-25)."""
        return self.kind.key == "api" and self.place.owns_requests


class _UnknownKind(BlockKind):
    """Of a block whose kind there is no more: its exits are those that were saved."""

    label = "Unknown kind"

    def __init__(self, block: BlockPart) -> None:
        self.key = block.kind  # type: ignore[misc]
        self.exits = tuple(block.exits)  # type: ignore[misc]


def here_of(
    row: Workflow,
    kind: BlockKind | None,
    *,
    user: Any,
    key: str = "",
    preset: str = "",
    writes: bool = True,
) -> Here:
    """Read it all. Some fifteen queries, however many blocks there are.

    `preset` is another one than the saved; Http404 for one that there is not, and for such a key.
    """
    version = latest_version(row)
    definition = read_definition(version)
    saved = definition.find(key) if key else None
    if key and saved is None:
        raise Http404
    block, chosen, vendor = _chosen(definition, saved, kind, preset)
    found = kind or find_kind(block.kind) or _UnknownKind(block)
    everywhere = read_facts(row, user=user, kept=definition)
    facts = _facts_at(everywhere, definition, key)
    is_saved = saved is not None and saved.preset == block.preset
    place = Place(
        workflow=row,
        definition=definition,
        block=block,
        key=key,
        kind=found,
        facts=facts,
        writes=writes,
        owns_requests=may_own_request(user),
        preset=chosen,
        preset_id=block.preset,
        vendor=vendor or _vendor_of(block, facts),
        credentials=_credentials(block) if found.calls else None,
        variables=variables() if found.calls else {},
        groups=_groups() if found.key == "approval" else (),
        hidden=frozenset().union(*hidden_by_object(user).values()),
        mistakes=_mistakes(definition, key, everywhere) if is_saved else (),
    )
    other = saved.preset if saved is not None and not is_saved else ""
    return Here(row, found, place, version.number, _label_of(other))


def _chosen(
    definition: Definition, saved: BlockPart | None, kind: BlockKind | None, preset: str
) -> tuple[BlockPart, Preset | None, Vendor | None]:
    """The block that the form begins with, and its preset; None where there is no such one."""
    block = saved
    if block is None:
        block = BlockPart(key="", kind=kind.key if kind else "")
        block = replace(block, exits=dict.fromkeys(kind.exits, END) if kind else {})
    wanted = "" if preset == OWN_REQUEST else preset or block.preset
    vendor, chosen = _find_preset(wanted)
    if preset and preset != OWN_REQUEST and chosen is None:
        raise Http404
    if wanted != block.preset:
        kept = {name: part for name, part in block.settings.items() if name != "request"}
        block = replace(block, preset=wanted, settings=kept)
    if saved is None:
        words = chosen.label if chosen else (kind.label if kind else "")
        block = replace(block, key=new_key(words, definition), name=words[:150])
    return block, chosen, vendor


def _find_preset(preset_id: str) -> tuple[Vendor | None, Preset | None]:
    try:
        return get_preset(preset_id) if preset_id else (None, None)
    except IntegrationsError:
        return None, None


def _vendor_of(block: BlockPart, facts: Facts) -> Vendor | None:
    """Of a request without a preset the vendor is that of its credentials."""
    fact = facts.credentials.get(block.credentials)
    return vendors().get(fact.vendor) if fact is not None else None


def _facts_at(facts: Facts, definition: Definition, key: str) -> Facts:
    """What is known where the block stands; of a new one, everything that may be."""
    if key:
        return facts_for(definition, key, facts)
    kinds = [(find_kind(one.kind), one) for one in definition.blocks]
    sets = [kind.defines(one) for kind, one in kinds if kind is not None]
    fails = any(kind is not None and "failure" in kind.exits for kind, _one in kinds)
    return at_place(facts, item_variables=frozenset().union(*sets), after_failure=fails)


def _mistakes(definition: Definition, key: str, facts: Facts) -> tuple[Mistake, ...]:
    """What Validate says of one block that is saved. No query."""
    return tuple(one for one in check(definition, facts) if one.block == key)


def _credentials(block: BlockPart) -> Credentials | None:
    return Credentials.objects.filter(name=block.credentials).first() if block.credentials else None


def _groups() -> tuple[str, ...]:
    return tuple(Group.objects.order_by("name").values_list("name", flat=True))


def _label_of(preset_id: str) -> str:
    _vendor, preset = _find_preset(preset_id)
    return preset.label if preset is not None else preset_id
