"""What a user may write into a workflow: requests and credentials (M-25), fields (M-36)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import User

from integrations.models import Credentials
from integrations.presets.account import ANY_CREDENTIALS
from workflows.api.settings import is_own, sends
from workflows.definition import BEGIN, BlockPart, Definition
from workflows.errors import Mistake
from workflows.judging import fields_in
from workflows.sight import hidden_from, made_of, plain, read_by

OWN_REQUEST = "workflows.own_request"


def may_own_request(user: User | None) -> bool:
    """Whether they may write own requests, and change address or method; nobody is a command."""
    return user is None or user.has_perm(OWN_REQUEST)


def what_is_not_theirs(definition: Definition, kept: Definition, user: User) -> Iterator[Mistake]:
    """What a save by this user adds or changes without being allowed to. At most six queries.

    `kept` is what is saved now: whatever is there may stay as it is.
    """
    before = {block.key: block for block in kept.blocks}
    changed = [block for block in definition.blocks if block != before.get(block.key)]
    if not may_own_request(user):
        for block in changed:
            yield from _wrong_request(block, before.get(block.key))
    yield from _wrong_credentials(changed, before, user)
    yield from _wrong_sight(definition, kept, user)


def _wrong_sight(definition: Definition, kept: Definition, user: User) -> Iterator[Mistake]:
    """What reads a field that they may not see: it could be counted, mailed or sent to them."""
    hidden = hidden_from(user)
    if not hidden:
        return
    unseen = made_of(hidden, definition)
    before = {block.key: block for block in kept.blocks}
    rules = definition.begin.rules
    if rules != kept.begin.rules:
        yield from _wrong_rules(BEGIN, "rules", rules, hidden)
    for block in definition.blocks:
        was = before.get(block.key)
        if was is not None and (was.kind, was.settings) == (block.kind, block.settings):
            continue
        rules = block.settings.get("rules")
        if was is None or was.settings.get("rules") != rules:
            yield from _wrong_rules(block.key, "settings.rules", rules, unseen)
        at = next(((at, name) for at, name in read_by(block) if name in unseen), None)
        if at is not None:
            yield Mistake(
                block.key,
                at[0],
                f'You may not see what is in "{at[1]}", so you cannot let a block read it, or '
                "change a block that does. An IT admin can.",
            )


def _wrong_rules(key: str, field: str, rules: Any, unseen: frozenset[str]) -> Iterator[Mistake]:
    """Whoever counts what matches could tell the values of a field that they may not see."""
    named = {name for name in fields_in(rules) if plain(name) in unseen}
    if named:
        told = ", ".join(f'"{name}"' for name in sorted(named))
        yield Mistake(
            key,
            field,
            f"You may not see {told}, so you cannot write or change rules about it. An IT "
            "admin can.",
        )


def _wrong_request(block: BlockPart, before: BlockPart | None) -> Iterator[Mistake]:
    """An own request is guarded as a whole, a preset's request in its address and method."""
    said = "an IT admin can do that, or give you the permission for own requests."
    own = _own_part(block)
    if not own or (before is not None and own == _own_part(before)):
        return
    if is_own(block):
        told = f"You cannot write or change a request without a preset; {said}"
        yield Mistake(block.key, "settings.request", told)
        return
    was = _own_part(before) if before is not None else {}
    for name in ("method", "url"):
        if own.get(name) and (own.get(name) != was.get(name) or before is None):
            word = "address" if name == "url" else "method"
            told = f"You cannot change the {word} of a preset's request; {said}"
            yield Mistake(block.key, f"settings.request.{name}", told)
    if before is not None and before.preset != block.preset:
        told = (
            "The request of this block has an address or method of its own. You cannot take that "
            f"over to another preset; {said}"
        )
        yield Mistake(block.key, "preset", told)


def _own_part(block: BlockPart) -> dict[str, Any]:
    """What of a block's request only some may write, with the preset that it belongs to."""
    request = block.settings.get("request")
    if not request:
        return {}
    if is_own(block):
        return {"request": request, "credentials": block.credentials}
    parts = request if isinstance(request, dict) else {"url": request}
    mine = {name: parts[name] for name in ("method", "url") if parts.get(name)}
    return {**mine, "preset": block.preset} if mine else {}


def _wrong_credentials(
    changed: list[BlockPart], before: dict[str, BlockPart], user: User
) -> Iterator[Mistake]:
    """Credentials of no group of theirs: they may stay where they are, with what they send."""
    wanted = [block for block in changed if block.credentials]
    if not wanted or user.has_perm(ANY_CREDENTIALS):
        return
    named = Credentials.objects.filter(name__in={block.credentials for block in wanted})
    exist = set(named.values_list("name", flat=True))
    mine = named.filter(groups__in=user.groups.values("pk"))
    allowed = set(mine.values_list("name", flat=True))
    for block in wanted:
        was = before.get(block.key)
        stays = was is not None and sends(was) == sends(block)
        if block.credentials in exist - allowed and not stays:
            yield Mistake(
                block.key,
                "credentials",
                f'None of your groups may use the credentials "{block.credentials}". Choose '
                "others, or have one of your groups added under Configuration > Security > "
                "Credentials > Groups.",
            )
