"""Preparing and reading for many records at once: queries per batch, calls on threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from integrations.client import VendorClient
from integrations.errors import IntegrationsError
from integrations.manifest_presets import Preset
from integrations.presets.account import Account
from integrations.presets.call import PresetCall, Target
from integrations.presets.inputs import check_inputs
from integrations.presets.plan import (
    all_values,
    look_up_values,
    meant_by,
    own_inputs,
    render_call,
    spared,
)
from integrations.presets.read import Reading, read
from integrations.presets.records import at_application
from integrations.presets.spare import takes_accounts, why_each_is_spared
from integrations.threads import on_threads

Given = TypeVar("Given")
Result = TypeVar("Result")
Values = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """One record, and the inputs that are given for it.

    `values` are more that templates may name, such as `failure`, or `variables` that go before the
    global ones.
    """

    target: Target
    inputs: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


def prepare_many(
    preset_id: str,
    preset: Preset,
    account: Account,
    wanted: Sequence[Wanted],
    *,
    client: VendorClient | None,
    variables: Mapping[str, Any],
) -> list[PresetCall | IntegrationsError]:
    """A call for each record, in order, or why there is none: PresetRefused, VendorError.

    Two queries in all; six more where access is taken away. Without a client nothing is sent; with
    one, a call per value that is looked up, one for whose the credentials are where access is
    taken, and one where only the vendor says which account it is. Not in a transaction.
    """
    try:
        known = account if client is None else account.asked(client)
    except IntegrationsError as problem:
        return [problem for _one in wanted]
    targets = at_application(
        known.vendor, [one.target for one in wanted], application=known.application()
    )
    batch = _Batch(preset_id, preset, known, client, variables)
    filled = [
        _tried(partial(batch.fill, one, target))
        for one, target in zip(wanted, targets, strict=True)
    ]
    prepared = [
        _then(one, partial(batch.render, target))
        for one, target in zip(batch.look_up(filled), targets, strict=True)
    ]
    return batch.without_protected(prepared)


def read_many(calls: Sequence[PresetCall], preset: Preset, client: VendorClient) -> list[Reading]:
    """Send reads on threads, in order. Raises nothing for what the vendor does.

    One call each, or one per page; no query. Presets of roles are not for this.
    """
    found: dict[int, Reading] = dict(
        on_threads(
            lambda call: read(call, preset, client.beside()), calls, most=client.useful_threads
        )
    )
    return [found[place] for place in range(len(calls))]


@dataclass(frozen=True)
class _Batch:
    """What all calls of one batch have in common."""

    preset_id: str
    preset: Preset
    account: Account
    client: VendorClient | None
    variables: Mapping[str, Any]

    def fill(self, one: Wanted, target: Target) -> Values:
        """What its templates may name, inputs included. Raises PresetRefused."""
        own = one.values.get("variables") or {}
        more = {name: part for name, part in one.values.items() if name != "variables"}
        values = all_values(self.account, target, {**self.variables, **own}, more)
        given = own_inputs(self.preset, self.account, one.inputs)
        return values | {"inputs": check_inputs(self.preset, given, values)}

    def look_up(self, filled: Sequence[Values | IntegrationsError]) -> list[Any]:
        """The same with what reads give first (M-28), on threads."""
        if not self.preset.looked_up or self.client is None:
            return [_then(one, self._looked_up) for one in filled]
        places = [place for place, one in enumerate(filled) if isinstance(one, dict)]
        both = list(filled)
        for at, found in on_threads(
            lambda place: _then(filled[place], self._looked_up),
            places,
            most=self.client.useful_threads,
        ):
            both[places[at]] = found
        return both

    def _looked_up(self, values: Values) -> Values:
        client = self.client.beside() if self.client is not None else None
        return values | {"looked_up": look_up_values(self.preset, values, client)}

    def render(self, target: Target, values: Values) -> PresetCall:
        """The call filled in. Raises PresetRefused."""
        return render_call(self.preset_id, self.preset, self.account, target, values)

    def without_protected(
        self, prepared: Sequence[PresetCall | IntegrationsError]
    ) -> list[PresetCall | IntegrationsError]:
        """The same without calls that would take access from whom nothing removes (M-15)."""
        result = list(prepared)
        change = self.preset.change
        takes = [
            (place, call)
            for place, call in enumerate(prepared)
            if isinstance(call, PresetCall) and call.takes_access
        ]
        if not takes or change is None:
            return result
        try:
            owner = self.client.owner_id() if self.client is not None else None
        except IntegrationsError as problem:
            for place, _call in takes:
                result[place] = problem
            return result
        reasons = why_each_is_spared(
            self.account,
            [meant_by(self.preset, call) for _place, call in takes],
            owner=owner,
            takes_accounts=takes_accounts(change),
        )
        for (place, call), reason in zip(takes, reasons, strict=True):
            if reason:
                result[place] = spared(self.preset, call, reason)
        return result


def _tried(do: Callable[[], Result]) -> Result | IntegrationsError:
    """What it gives, or the problem: one bad record spoils no other."""
    try:
        return do()
    except IntegrationsError as problem:
        return problem


def _then(
    one: Given | IntegrationsError, do: Callable[[Given], Result]
) -> Result | IntegrationsError:
    return one if isinstance(one, IntegrationsError) else _tried(lambda: do(one))
