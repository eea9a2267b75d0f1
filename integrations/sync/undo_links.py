"""Which links stand for a record only since the run that is undone, and may part from it."""

from __future__ import annotations

from collections.abc import Collection

from integrations.sync.undo_facts import Facts, KnownLink
from integrations.sync.undo_rows import Effect, LinkUse
from people.models import Event


def links_to_take_back(effect: Effect, facts: Facts) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids of links that stand for the record since the run, and those that it had made."""
    uses = {use.external_id: use for use in effect.links}
    mine = [link for link in facts.links.get(effect.target_id, []) if link.own_vendor]
    made = [link for link in mine if _was_made(link, uses.get(link.external_id))]
    joined = [link for link in mine if _was_joined(uses.get(link.external_id), facts)]
    parted = dict.fromkeys(link.pk for link in (*made, *joined))
    return tuple(parted), tuple(link.pk for link in made)


def _was_made(link: KnownLink, use: LinkUse | None) -> bool:
    return use is not None and use.made and link.new


def _was_joined(use: LinkUse | None, facts: Facts) -> bool:
    return use is not None and (use.joined or use.external_id in facts.joined)


def why_linked(effect: Effect, facts: Facts, kept_users: Collection[int]) -> str:
    """Why a link stays: others rely on it, or a newer sync wrote through it."""
    own = [link for link in facts.links.get(effect.target_id, []) if link.own_vendor]
    if any(link.shared for link in own):
        return "another integration or a person relies on it"
    if effect.object == "person" and any(link.saas_user_id in kept_users for link in own):
        return "the account of that record stays"
    newer = [
        event
        for event in facts.touched(effect.target_id).values()
        if event.source == Event.Source.SYNC
    ]
    return newer[-1].in_words if newer else ""
