"""The counters of removals that blocks of a workflow go by, and what they allow now (M-15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Count

from integrations.guard import Room, tenant_room
from workflows.calls import Call, read_calls
from workflows.facts import read_facts
from workflows.models import RunItem, Workflow, WorkflowVersion
from workflows.removals import room_of
from workflows.versions import read_definitions


def rooms_by_block(
    workflow: Workflow, keys: Iterable[str], calls: Iterable[Call], now: datetime
) -> dict[str, Room]:
    """What the counter of each of these blocks allows now, by the block's key.

    A call that changes something counts at the account that it goes to; any other removal counts
    here. Three queries for each counter.
    """
    accounts = {call.key: (call.vendor_key, call.tenant) for call in calls if call.changes}
    known: dict[tuple[str, str] | None, Room] = {}
    found = {}
    for key in keys:
        account = accounts.get(key)
        if account not in known:
            known[account] = (
                tenant_room(*account, now) if account is not None else room_of(workflow, now)
            )
        found[key] = known[account]
    return found


def rooms_exceeded(
    workflow: Workflow, item_ids: Collection[int], now: datetime
) -> list[tuple[Room, int]]:
    """Each counter whose limit so many held items are more than, with how many count there.

    Some fifteen queries, and three for each counter; none where there is no item.
    """
    if not item_ids:
        return []
    items = RunItem.objects.filter(pk__among=list(item_ids)).order_by()
    held: dict[int, dict[str, int]] = {}
    for version, block, number in items.values_list("version", "block").annotate(n=Count("pk")):
        held.setdefault(version, {})[block] = number
    facts = read_facts(workflow)
    numbers: Counter[Room] = Counter()
    definitions = read_definitions(WorkflowVersion.objects.filter(pk__in=held))
    for version, definition in definitions.items():
        rooms = rooms_by_block(workflow, held[version], read_calls(definition, facts), now)
        for block, number in held[version].items():
            numbers[rooms[block]] += number
    return [(room, number) for room, number in numbers.items() if number > room.limit]
