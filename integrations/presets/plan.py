"""Preparing a preset's call: everything is found, checked and filled in before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from itertools import takewhile
from typing import Any

from django.contrib.auth.models import User

from integrations.client import VendorClient
from integrations.errors import PresetRefused, Problem
from integrations.filters import as_text
from integrations.manifest_parts import tree_placeholders
from integrations.manifest_presets import Preset
from integrations.models import Credentials
from integrations.presets.account import Account, account_of, check_may_use
from integrations.presets.addresses import check_address, named_in, own_words
from integrations.presets.call import PresetCall, Rendered, Target
from integrations.presets.inputs import check_inputs, takes_access, warnings_about
from integrations.presets.look_up import find
from integrations.presets.own import OWN_REQUEST
from integrations.presets.records import find_record
from integrations.presets.render import LOOKED_UP, fill_request, fill_text, placed_values
from integrations.presets.spare import Meant, why_spared
from integrations.registry import get_preset
from integrations.services import variables
from integrations.values import write_json

_NOTHING = Rendered("GET", "")


def prepare(
    preset_id: str,
    credentials: Credentials,
    record_key: str,
    given: Mapping[str, Any],
    *,
    user: User | None = None,
    plan: bool = False,
) -> PresetCall:
    """Make a call ready for one record. Some fifteen queries.

    `given` holds inputs of the preset and of the vendor (its sub-domain). What the preset looks up
    is asked for now, and whose the credentials are; with `plan` nothing is sent at all.
    Raises PresetRefused with every problem that was found, UnknownPreset, VendorError from reads.
    """
    preset, account = _preset_for(preset_id, credentials, given)
    check_may_use(credentials, user)
    with nullcontext(None) if plan else account.open() as client:
        if client is not None:
            account = account.asked(client)
        target = find_record(account.vendor, preset, record_key, tenant=account.tenant)
        return prepare_for(preset_id, preset, account, target, given, client=client)


def prepare_for(
    preset_id: str,
    preset: Preset,
    account: Account,
    target: Target,
    given: Mapping[str, Any],
    *,
    client: VendorClient | None,
) -> PresetCall:
    """The same for a record that was found already; without a client nothing is sent.

    Raises PresetRefused, VendorError. Up to six queries; a call per value that is looked up, one
    for whose the credentials are.
    """
    values = all_values(account, target, variables())
    values["inputs"] = check_inputs(preset, own_inputs(preset, account, given), values)
    values["looked_up"] = look_up_values(preset, values, client)
    call = render_call(preset_id, preset, account, target, values)
    if call.takes_access:
        check_protected(preset, account, call, client=client)
    return call


def all_values(
    account: Account,
    target: Target,
    named: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What templates of a call may name, without inputs and looked-up values. No query."""
    return {**target.values, **(more or {}), "account": dict(account.inputs), "variables": named}


def own_inputs(preset: Preset, account: Account, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was given, the inputs of the preset; the others are the vendor's."""
    own = {name: value for name, value in given.items() if name not in account.vendor.inputs}
    return {**own, **_shared(preset, given)}


def _shared(preset: Preset, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is meant for the preset though the vendor has an input of that name too."""
    return {name: given[name] for name in preset.inputs if name in given}


def _preset_for(
    preset_id: str, credentials: Credentials, given: Mapping[str, Any]
) -> tuple[Preset, Account]:
    vendor, preset = get_preset(preset_id)
    if credentials.vendor != vendor.key:
        raise PresetRefused(
            [
                Problem(
                    "credentials",
                    f'The credentials "{credentials}" are not for {vendor.label}; choose others.',
                )
            ]
        )
    account_inputs = {
        name: as_text(given[name]) for name in vendor.inputs if given.get(name) is not None
    }
    account = account_of(credentials, account_inputs)
    return account.vendor.preset(preset.key), account


def look_up_values(
    preset: Preset, values: dict[str, Any], client: VendorClient | None
) -> dict[str, dict[str, Any]]:
    """What reads give before the call, from exactly one match each (M-28). Raises VendorError."""
    found: dict[str, dict[str, Any]] = {}
    problems = []
    for name, spec in preset.looked_up.items():
        known = {**values, "looked_up": found}
        for tree in (spec.request.path, spec.request.params, spec.request.body, spec.equals):
            _check_filled(preset, tree, known)
        if client is None:
            found[name] = dict.fromkeys(spec.values, LOOKED_UP)
            continue
        matches = find(client, spec, known)
        if len(matches) == 1:
            found[name] = matches[0]
            continue
        several = spec.many or f"{len(matches)} records match; nothing was sent."
        problems.append(
            Problem(f"looked_up.{name}", f"{spec.label}: {several if matches else spec.none}")
        )
        break  # what follows may need it
    if problems:
        raise PresetRefused(problems)
    return found


def _check_filled(preset: Preset, tree: Any, values: Mapping[str, Any]) -> None:
    """Say which field of the record is empty before a look-up says it less well."""
    for placeholder in tree_placeholders(tree):
        fill_text(f"{{{{ {placeholder.path} }}}}", values, preset=preset)


def render_call(
    preset_id: str, preset: Preset, account: Account, target: Target, values: dict[str, Any]
) -> PresetCall:
    """Fill in a call. No query. Raises PresetRefused with every problem that was found."""
    if preset.batch is not None:
        values["items"] = [fill_text(preset.batch.item, values, preset=preset)]
    problems: list[Problem] = []
    request, words = _NOTHING, ["", ""]
    try:
        if preset.request is not None:
            request = fill_request(preset.request, values, preset=preset)
    except PresetRefused as problem:
        problems.extend(problem.problems)
    for number, template in enumerate(
        (preset.change.target, preset.change.effect) if preset.change else ()
    ):
        try:
            words[number] = fill_text(template, values, preset=preset)
        except PresetRefused as problem:
            problems.extend(one for one in problem.problems if one not in problems)
    if problems:
        raise PresetRefused(problems)
    if preset.key == OWN_REQUEST:
        preset_id = f"{account.vendor.key}.{OWN_REQUEST}"
        words = own_words(request) if preset.change else words
        check_address(account, request)
    return PresetCall(
        preset_id=preset_id,
        credentials_id=account.credentials.pk,
        credentials_name=account.credentials.name,
        tenant=account.tenant,
        vendor_inputs=account.inputs,
        record=target,
        request=request,
        values=values,
        target=words[0],
        effect=words[1],
        takes_access=takes_access(preset, values["inputs"]),
        needed=_needed(preset, values),
        warnings=tuple(warnings_about(preset, values["inputs"])),
    )


def _needed(preset: Preset, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the look-up of the effect names, as plain JSON, to be kept with the operation."""
    look_up = preset.change.look_up if preset.change else None
    if look_up is None:
        return {}
    asked = look_up.request
    trees = [asked.path, asked.params, asked.headers, asked.body, asked.variables, look_up.equals]
    found: dict[str, Any] = {}
    for placeholder in tree_placeholders(trees):
        steps = tuple(takewhile(lambda step: isinstance(step, str), placeholder.steps))
        *groups, name = map(str, steps)
        place = found
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = replace(placeholder, steps=steps, filters=()).value(values, "blank")
    kept: dict[str, Any] = json.loads(write_json(found))
    return kept


# Whom such a call spares (M-15, F-27).


def check_protected(
    preset: Preset, account: Account, call: PresetCall, *, client: VendorClient | None
) -> None:
    """Refuse to take access from whom nothing removes. Raises PresetRefused, VendorError.

    One call to a vendor that says whose the credentials are, none without a client. Six queries.
    """
    owner = client.owner_id() if client is not None else None
    reason = why_spared(account, meant_by(preset, call), owner=owner)
    if reason:
        raise spared(preset, call, reason)


def meant_by(preset: Preset, call: PresetCall) -> Meant:
    """Whom a call is about: every value that it names counts. No query."""
    placed = {as_text(value).strip() for value in placed_values(preset, call.values)}
    looked_up = call.values.get("looked_up", {})
    named = placed | {as_text(value) for found in looked_up.values() for value in found.values()}
    if preset.key == OWN_REQUEST:
        named |= named_in(call.request)
    return Meant(
        frozenset(named - {"", LOOKED_UP}), call.record.person_id, call.record.saas_user_id
    )


def spared(preset: Preset, call: PresetCall, reason: str) -> PresetRefused:
    """The refusal to take access from somebody, with the reason."""
    problem = f"{preset.label} was not sent for {call.record.label}. {reason}"
    return PresetRefused([Problem("record", problem)])
