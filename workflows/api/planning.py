"""What an API block would do, for a preview: requests filled in and masked, nothing sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from integrations.errors import IntegrationsError
from integrations.operations.guarding import room_for_call
from integrations.presets.call import PresetCall
from integrations.services import access_for
from people.masking import mask
from workflows.api.opening import CannotWork, Ready, make_ready
from workflows.api.outcomes import request_shown
from workflows.api.preparing import prepare
from workflows.fitting import variable_name
from workflows.kinds import Item, Planned, Step

FROM_THE_ANSWER = "<from the answer>"


def plan_calls(step: Step) -> list[Planned]:
    """What would be sent for each item, masked. Nothing is sent, nothing is written."""
    try:
        ready = make_ready(step)
    except CannotWork as problem:
        return [_nothing(str(problem))] * len(step.items)
    with suppress(IntegrationsError):
        access_for(ready.credentials)  # so that a secret that was typed as an input is masked
    made = prepare(ready, step.items, None)
    calls = dict(zip((item.id for item in step.items), made, strict=True))
    over = _over_limit(ready, calls)
    return [
        _planned(ready, item, one, over.get(item.run_id, ""))
        if isinstance(one := calls[item.id], PresetCall)
        else _nothing(one.message)
        for item in step.items
    ]


def _nothing(problem: str) -> Planned:
    return Planned(action="call", summary="Nothing is sent.", exit="failure", problem=mask(problem))


def _over_limit(ready: Ready, calls: Mapping[int, Any]) -> dict[int, str]:
    """Why all calls of a run would be held, by run. Up to three queries."""
    taking = Counter(
        item.run_id
        for item in ready.step.items
        if isinstance(call := calls[item.id], PresetCall)
        and call.takes_access
        and not item.approved_by
    )
    if not taking:
        return {}
    room = room_for_call(ready.account.vendor.key, ready.account.tenant, now=ready.step.now)
    return {
        run: f"It would be held: {room.in_words(number)}"
        for run, number in taking.items()
        if not room.allows(number)
    }


def _readable(request: Mapping[str, Any]) -> dict[str, Any]:
    """With words in the address, not escapes, where nobody knows the value yet."""
    url = str(request.get("url", "")).replace(quote(FROM_THE_ANSWER, safe=""), FROM_THE_ANSWER)
    return {**request, "url": url}


def _planned(ready: Ready, item: Item, call: PresetCall, over: str) -> Planned:
    request = _readable(request_shown(ready, call.request))
    targets = [target for _template, target in ready.settings.positive]
    names = [name for name in map(variable_name, targets) if name]
    values = item.record.values
    return Planned(
        action="call",
        summary=mask(f"{ready.preset.label}: {request.get('method', '')} {request.get('url', '')}"),
        exit="success",
        request=request,
        changes={
            target: [values.get(target), FROM_THE_ANSWER]
            for target in targets
            if not variable_name(target)
        },
        variables=dict.fromkeys(names, FROM_THE_ANSWER),
        warnings=(*call.warnings, *([over] if over else [])),
    )
