"""Calling a preset that only reads: one answer, a listing, or the roles of one account."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from integrations.answers import Answer
from integrations.client import VendorClient
from integrations.errors import PresetRefused, Problem, VendorError
from integrations.manifest_load import Load
from integrations.manifest_presets import Preset
from integrations.mapping.mapper import Mapper
from integrations.mapping.sources import Constants
from integrations.models import LinkState
from integrations.presets.answers import at
from integrations.presets.call import PresetCall
from integrations.presets.look_up import read_all
from integrations.presets.outcome import Kind, Outcome, judge_call
from integrations.sync.prove import Prover, Verdict

_GOOD = 200


@dataclass(frozen=True)
class RoleReading:
    """What the vendor says of one account. `rows` are (role, scope id, scope), the primary first.

    `found` is False only by the vendor's word that there is no such account (C-25). `rows` is None
    where the answer says nothing about roles; `status` is `active`, `deactivated`, or None.
    """

    found: bool
    rows: tuple[tuple[str, str, str], ...] | None = None
    status: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a read ended; `answer` is what `response` means in mappings, whole and not masked."""

    outcome: Outcome
    answer: Any = field(default=None, repr=False)
    roles: RoleReading | None = None


def read(call: PresetCall, preset: Preset, client: VendorClient) -> Reading:
    """Send a preset that changes nothing. Raises nothing for what the vendor does.

    One call, or one per page; for roles up to three, and one query.
    """
    if preset.change is not None:
        raise ValueError(f"{call.preset_id} changes something; it goes through the journal.")
    if preset.roles is not None:
        return _read_roles(call, preset, client.vendor.load(preset.roles), client)
    result: Answer | VendorError
    try:
        result = _answer(call, preset, client)
    except VendorError as problem:
        result = problem
    outcome = judge_call(client.vendor, preset, result)
    done = isinstance(result, Answer) and outcome.kind == Kind.DONE
    return Reading(outcome, result.json if done and isinstance(result, Answer) else None)


def _answer(call: PresetCall, preset: Preset, client: VendorClient) -> Answer:
    request, told = call.request, preset.answer
    if preset.paged_as is not None:
        load = client.vendor.load(preset.paged_as)
        listed = list(read_all(client, load, request, told.records))
        kept = [record for record in listed if _is_meant(record, told.only_flags)]
        return Answer(_GOOD, {}, kept, "application/json", 0)
    return client.call(
        request.method,
        request.path,
        params=request.params,
        headers=request.headers,
        json=request.body,
        safe_to_repeat=True,
    )


def _is_meant(record: Any, flags: tuple[str, ...]) -> bool:
    """Whether one of the flags is true; without flags every record is meant."""
    return not flags or any(at(record, flag) is True for flag in flags)


# Roles.


def external_id_of(call: PresetCall, preset: Preset, load: Load) -> str:
    """The id at the vendor of the account that is asked about. Raises PresetRefused without one."""
    name = load.record_key or "external_id"
    found = call.values.get(name) or call.values.get("external_id")
    if not found or not str(found).strip():
        hint = preset.if_empty.get(name, "Run the user integration with User plus SaaS User first.")
        raise PresetRefused(
            [
                Problem(
                    name,
                    f'{preset.label} was not sent: the field "{name}" of {call.record.label} is '
                    f"empty. {hint}",
                )
            ]
        )
    return str(found).strip()


def _read_roles(call: PresetCall, preset: Preset, load: Load, client: VendorClient) -> Reading:
    external_id = external_id_of(call, preset, load)
    control = _control(client, call.tenant, external_id) or external_id
    try:
        proof = Prover(client, load, control=control).read([external_id])[external_id]
    except VendorError as problem:
        return Reading(judge_call(client.vendor, preset, problem))
    label = client.vendor.label
    if proof.verdict == Verdict.GONE:
        note = f"{label} has no account with the ID {external_id}."
        return Reading(Outcome(Kind.DONE, "not_found", note), roles=RoleReading(found=False))
    if proof.verdict != Verdict.THERE:
        note = f"{label} did not say it: {proof.problem}"
        return Reading(Outcome(Kind.UNKNOWN, "not_proven", note))
    roles = roles_of(load, proof.record)
    return Reading(Outcome(Kind.DONE), proof.record, roles)


def roles_of(load: Load, record: Any) -> RoleReading:
    """Roles and status that a record means, by the rules of the load (M-29). No query."""
    constants = Constants(credentials="", source="", inputs={})
    mapped = Mapper(load, (), constants=constants, role_names=frozenset()).map(record)
    told = json.loads(mapped.payload) if mapped is not None else {}
    rows = told.get("r")
    return RoleReading(
        found=True,
        rows=None if rows is None else tuple(tuple(row[:3]) for row in rows),
        status=told.get("s"),
    )


def _control(client: VendorClient, tenant: str, external_id: str) -> str | None:
    """The id of another account that was seen last, for the look-up to be checked by. One query."""
    seen = LinkState.objects.filter(
        link__vendor=client.vendor.key, link__tenant=tenant, missing_on=None
    ).exclude(link__external_id=external_id)
    newest = seen.order_by("-seen_at", "-pk").values_list("link__external_id", flat=True)
    return newest.first()
