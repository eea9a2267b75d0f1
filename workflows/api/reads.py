"""Calls of an API block that only read: sent on threads, and tried again where that may help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from integrations.client import VendorClient
from integrations.presets.call import PresetCall
from integrations.presets.many import read_many
from integrations.presets.outcome import Kind
from integrations.presets.read import Reading
from workflows.api.opening import ONLY_A_PERSON, Ready
from workflows.api.outcomes import (
    as_failure,
    evaluate,
    missing,
    not_sent,
    request_shown,
    wait_for_vendor,
    with_mapped,
)
from workflows.api.preparing import Prepared
from workflows.kinds import Item, Outcome, stops

_AWAY = frozenset({Kind.LATER, Kind.NOT_SENT, Kind.UNKNOWN})
_NOT_NAMED = frozenset({"set-cookie", "set-cookie2"})


def read_all(ready: Ready, prepared: Sequence[Prepared], client: VendorClient) -> list[Outcome]:
    """What each item's answer comes to, in order."""
    calls = [one for one in prepared if isinstance(one, PresetCall)]
    readings = iter(read_many(calls, ready.preset, client) if calls else ())
    return [
        _of_reading(ready, item, one, next(readings))
        if isinstance(one, PresetCall)
        else not_sent(ready, item, one)
        for item, one in zip(ready.step.items, prepared, strict=True)
    ]


def _of_reading(ready: Ready, item: Item, call: PresetCall, reading: Reading) -> Outcome:
    told = reading.outcome
    if told.code in ONLY_A_PERSON:
        return stops(told.note, code=told.code)
    request = request_shown(ready, call.request)
    if told.kind in _AWAY:
        return wait_for_vendor(
            ready,
            item,
            told.note,
            code=told.code,
            status=told.status,
            retry_after=told.retry_after,
            request=request,
        )
    headers = {
        name: text
        for name, text in (told.headers or {}).items()
        if name.casefold() not in _NOT_NAMED
    }
    answer: dict[str, Any] = {"response_headers": headers}
    if told.kind == Kind.DONE:
        mapped = evaluate(ready.settings.positive, {**answer, "response": reading.answer})
        note = " ".join(filter(None, [told.note, missing(ready.settings.positive, mapped)]))
        done = Outcome(
            status=told.status, note=note, request=request, answer=told.kept, code=told.code
        )
        return with_mapped(ready, done, mapped)
    failure = {"reason": told.note, "code": told.code, "status": told.status}
    body = {} if told.response is None else {"response": told.response}
    mapped = evaluate(ready.settings.negative, {**answer, **body, "failure": failure})
    return as_failure(
        ready,
        told.note or f"{ready.label} refused the call.",
        code=told.code or "refused",
        status=told.status,
        mapped=mapped,
        request=request,
    )
