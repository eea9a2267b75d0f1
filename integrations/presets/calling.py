"""Calling a preset for one record, whatever kind it is: what commands and pages call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import User

from integrations.errors import IntegrationsError, OverLimit
from integrations.guard import Room
from integrations.manifest_presets import Preset
from integrations.models import Credentials, Operation
from integrations.operations.guarding import room_for_call
from integrations.operations.perform import perform
from integrations.presets.account import Account, account_for_call
from integrations.presets.call import PresetCall, Rendered
from integrations.presets.plan import prepare
from integrations.presets.read import Reading, external_id_of, read
from integrations.presets.render import fill_request, shown
from integrations.services import access_for


@dataclass(frozen=True)
class Called:
    """What became of one call: a row of the journal, or what was read; or why it is held."""

    call: PresetCall
    preset: Preset
    operation: Operation | None = None
    reading: Reading | None = None
    held: str = ""


def plan_call(
    preset_id: str,
    credentials: Credentials,
    record: str,
    given: Mapping[str, Any],
    *,
    user: User | None = None,
) -> tuple[PresetCall, Preset, dict[str, Any] | None]:
    """What would be sent, masked, without sending anything (GT-20).

    Raises PresetRefused and what `prepare` raises. Some fifteen queries.
    """
    with suppress(IntegrationsError):
        access_for(credentials)  # so that a secret that was typed as an input is masked
    call = prepare(preset_id, credentials, record, given, user=user, plan=True)
    account = account_for_call(credentials, call)
    preset = account.vendor.preset(preset_id.partition(".")[2])
    if call.takes_access and (held := _why_held(account)):
        call = replace(call, warnings=(*call.warnings, f"It would be held: {held}"))
    request = call.request if preset.request else _role_request(account, preset, call)
    return call, preset, shown(request, base_url=account.base_url) if request else None


def call_now(
    preset_id: str,
    credentials: Credentials,
    record: str,
    given: Mapping[str, Any],
    *,
    key: str,
    started_by: str,
    user: User | None = None,
) -> Called:
    """Call a preset for one record and wait for its end, or until a worker has to carry it on.

    What takes access away counts as a selection by hand: over the limit of 24 hours nothing is
    sent (M-15). The same `key` never brings about a second effect. Not in a transaction.
    Raises PresetRefused and what `prepare` raises.
    """
    call = prepare(preset_id, credentials, record, given, user=user)
    account = account_for_call(credentials, call)
    preset = account.vendor.preset(preset_id.partition(".")[2])
    if preset.change is None:
        with account.open() as client:
            return Called(call, preset, reading=read(call, preset, client))
    guarded = call.takes_access
    try:
        operation = perform(call, key=key, started_by=started_by, guarded=guarded, limited=guarded)
    except OverLimit as problem:
        return Called(call, preset, held=problem.message)
    return Called(call, preset, operation=operation)


def _role_request(account: Account, preset: Preset, call: PresetCall) -> Rendered | None:
    """The look-up with which roles are read, where there is one."""
    load = account.vendor.load(preset.roles or "")
    external_id = external_id_of(call, preset, load)
    if load.lookup is None:
        return None
    values = {**account.inputs, "id": external_id, "ids": [external_id]}
    return fill_request(load.lookup.request, values)


def _why_held(account: Account) -> str:
    room: Room = room_for_call(account.vendor.key, account.tenant)
    return "" if room.allows(1) else room.in_words(1)
