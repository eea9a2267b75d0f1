"""Calls of an API block that change something: through the journal, and past the guard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.client import VendorClient
from integrations.errors import OverLimit
from integrations.models import Operation
from integrations.operations.batch import Asked, perform_many
from integrations.operations.guarding import room_for_call
from integrations.operations.mapped import Maps
from integrations.operations.repeats import newest_calls
from integrations.operations.rows import must_not_be_repeated, row_of
from integrations.presets.call import PresetCall
from workflows.api.opening import CannotWork, Ready, check_account
from workflows.api.outcomes import (
    as_failure,
    held,
    not_now,
    not_sent,
    of_earlier,
    of_operation,
)
from workflows.api.preparing import prepare
from workflows.api.settings import takes_by_body
from workflows.engine.pausing import may_send
from workflows.kinds import Item, Outcome, operation_key, stops
from workflows.together import NOBODY, Others, others_of, waits_for_others


def _operations(ready: Ready) -> dict[int, Operation]:
    """Calls that were asked for already, by item; a newer one that a person asked for counts.

    One query, two where some were refused.
    """
    keys = {ready.step.operation_key(item): item.id for item in ready.step.items}
    return {keys[key]: row for key, row in newest_calls(keys).items()}


def _earlier_ones(ready: Ready) -> dict[int, list[Operation]]:
    """Calls of earlier tries that went through, by item, the newest first.

    Those that a person asked for again by name are among them. Up to two queries.
    """
    step = ready.step
    keys = {
        operation_key(item.id, step.block.key, number): item.id
        for item in step.items
        for number in range(item.retry)
    }
    known = newest_calls(keys) if keys else {}
    done = [(row, keys[key]) for key, row in known.items() if row.state == Operation.State.DONE]
    found: dict[int, list[Operation]] = {}
    for row, item_id in sorted(done, key=lambda one: one[0].pk, reverse=True):
        found.setdefault(item_id, []).append(row)
    return found


def _is_same(row: Operation, call: PresetCall) -> bool:
    """Whether a call that went through did what this one asks for, and must not be done twice."""
    if row.preset != call.preset_id:
        return False
    if row.request_hash == call.request.hash:
        return True
    asked = row_of(call, key=row.key, started_by="", guarded=False, now=row.created_at)
    return asked.effect == row.effect and must_not_be_repeated(row)


def _is_to_be_sent(row: Operation | None) -> bool:
    """Whether the block itself has it sent: not what has ended, nor what a person asked for."""
    return row is None or (row.state not in Operation.ENDED_STATES and not row.retry)


def change_all(ready: Ready, client: VendorClient) -> list[Outcome]:
    """What each item's call comes to, in order. Not in a transaction; safe to repeat."""
    known, earlier = _operations(ready), _earlier_ones(ready)
    todo = [item for item in ready.step.items if _is_to_be_sent(known.get(item.id))]
    prepared = dict(zip((item.id for item in todo), prepare(ready, todo, client), strict=True))
    outcomes: dict[int, Outcome] = {}
    free: list[tuple[Item, PresetCall]] = []
    by_run: dict[int, list[tuple[Item, PresetCall]]] = {}
    for item in ready.step.items:
        row, one = known.get(item.id), prepared.get(item.id)
        if isinstance(one, PresetCall):
            before = earlier.get(item.id, ())
            end = None if row is not None else _before_sending(ready, item, one, before)
            if end is not None:
                outcomes[item.id] = end
            elif row is None and one.takes_access and not item.approved_by:
                by_run.setdefault(item.run_id, []).append((item, one))
            else:
                free.append((item, one))
        elif row is not None:
            outcomes[item.id] = of_operation(ready, row)
        elif one is not None:
            outcomes[item.id] = not_sent(ready, item, one)
    outcomes |= _perform(ready, client, free, guarded=False)
    others = others_of(ready.step, by_run) if by_run else {}
    for run_id, pairs in by_run.items():
        outcomes |= _guarded(ready, client, pairs, others.get(run_id, NOBODY))
    return [outcomes[item.id] for item in ready.step.items]


def _guarded(
    ready: Ready,
    client: VendorClient,
    pairs: Sequence[tuple[Item, PresetCall]],
    others: Others,
) -> dict[int, Outcome]:
    """Have calls of one run made, or all held, or all wait for those that are coming (M-15)."""
    try:
        if _waits(ready, pairs, others):
            now = ready.step.clock()
            return {item.id: waits_for_others(now) for item, _call in pairs}
        return _perform(ready, client, pairs, guarded=True)
    except OverLimit as problem:
        # All of the run are held, not only those too many.
        return {item.id: held(ready, call, problem.message, hash_of(call)) for item, call in pairs}


def _waits(ready: Ready, pairs: Sequence[tuple[Item, PresetCall]], others: Others) -> bool:
    """Whether these may go, but not with those that are coming.

    Raises OverLimit where they are too many with those that stay here already.
    """
    if others == NOBODY:
        return False
    tenant, number = pairs[0][1].tenant, len({call.target for _item, call in pairs})
    room = room_for_call(ready.account.vendor.key, tenant, now=ready.step.clock())
    if not room.allows(number + others.staying):
        raise OverLimit(room.in_words(number + others.staying))
    return not room.allows(number + others.staying + others.coming)


def _before_sending(
    ready: Ready, item: Item, call: PresetCall, earlier: Iterable[Operation]
) -> Outcome | None:
    """What keeps a call that was made ready from being sent; None where nothing does."""
    same = next((row for row in earlier if _is_same(row, call)), None)
    if same is not None:
        return of_earlier(ready, same)
    try:
        check_account(ready, call.tenant)
    except CannotWork as problem:
        return stops(str(problem), code="other_account")
    if not call.takes_access and takes_by_body(_own_body(ready, call), ready.account.vendor):
        return as_failure(
            ready,
            f"{ready.preset.label} was not sent: its body would take access away, which nobody "
            "could tell before it was filled in. Use the preset that does that.",
            code="not_sent",
        )
    if item.approved_by and item.held_hash and item.held_hash != hash_of(call):
        return held(ready, call, "It changed since it was approved.", hash_of(call))
    return None


def _own_body(ready: Ready, call: PresetCall) -> Any:
    """What of the body is the block's own, filled in; the preset's was judged with its inputs."""
    own, body = ready.settings.request.get("body"), call.request.body
    if not isinstance(own, Mapping) or not isinstance(body, Mapping):
        return body if own is not None else None
    filled = body.get("variables", body) if "query" in body else body
    return {name: filled.get(name) for name in own} if isinstance(filled, Mapping) else None


def _perform(
    ready: Ready,
    client: VendorClient,
    pairs: Iterable[tuple[Item, PresetCall]],
    *,
    guarded: bool,
) -> dict[int, Outcome]:
    """Have calls made, once for each item. Raises OverLimit where they are guarded."""
    wanted = list(pairs)
    if not wanted:
        return {}
    free = may_send({item.id: item.fence for item, _call in wanted})
    # Of a cancelled one nobody writes what becomes of it here.
    paused = not_now("Nothing was sent: the workflow was paused.")
    unsent = {item.id: paused for item, _call in wanted if item.id not in free}
    listed = [(item, call) for item, call in wanted if item.id in free]
    return unsent | _send(ready, client, listed, guarded=guarded)


def _send(
    ready: Ready,
    client: VendorClient,
    listed: Sequence[tuple[Item, PresetCall]],
    *,
    guarded: bool,
) -> dict[int, Outcome]:
    step, settings = ready.step, ready.settings
    maps = Maps(settings.positive, settings.negative)
    asked = [
        Asked(call, step.operation_key(item), guarded=guarded, maps=maps) for item, call in listed
    ]
    run_ids = sorted({item.run_id for item, _call in listed})
    which = "run" if len(run_ids) == 1 else "runs"
    rows = perform_many(
        asked,
        preset=ready.preset,
        client=client,
        started_by=f'workflow "{step.workflow.name}", {which} {", ".join(map(str, run_ids[:5]))}',
        limited=guarded,
        clock=step.clock,
    )
    return {
        item.id: of_operation(ready, row) for (item, _call), row in zip(listed, rows, strict=True)
    }


def hash_of(call: PresetCall) -> str:
    """Of what a person would approve: another one means that it changed (M-14)."""
    text = f"{call.preset_id}\n{call.tenant}\n{call.target}\n{call.request.hash}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
