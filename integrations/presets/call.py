"""What a preset comes to for one record: the rendered request, before anything is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.pagination import Position


@dataclass(frozen=True)
class Rendered:
    """A request filled in, relative to the base URL and unsigned; it holds no secret."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def as_json(self) -> dict[str, Any]:
        """What an operation keeps, to send it again and to show it."""
        return {
            "method": self.method,
            "path": self.path,
            "params": dict(self.params),
            "headers": dict(self.headers),
            "body": self.body,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Rendered:
        """The reverse of `as_json`."""
        return cls(**{name: kept[name] for name in ("method", "path", "params", "headers", "body")})

    def at(self, position: Position, *, sent_in: str) -> Rendered:
        """The same request for another page of its answer."""
        if not position.values:
            return self
        if sent_in == "params":
            return replace(self, params={**self.params, **position.values})
        body = dict(self.body or {})
        if sent_in == "json":
            return replace(self, body={**body, **position.values})
        variables = {**(body.get("variables") or {}), **position.values}
        return replace(self, body={**body, "variables": variables})

    @property
    def hash(self) -> str:
        """Same request, same hash."""
        text = json.dumps(self.as_json(), sort_keys=True, default=str)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Target:
    """The record that a preset is called for; `values` are what its templates may name."""

    kind: str  # person or saas_user
    id: int
    label: str
    values: Mapping[str, Any] = field(repr=False)
    person_id: int | None = None
    saas_user_id: int | None = None


@dataclass(frozen=True)
class PresetCall:
    """One call, ready to be sent.

    `takes_access`: it may take somebody's access away, so it counts towards the guard (M-15).
    `values` is everything that templates may name (record fields, inputs, looked_up, account,
    variables, items), for the look-up of the effect; `needed` is what of it that look-up names, as
    plain JSON, to be kept with an operation. `target` and `effect` are empty for a read. `warnings`
    are sentences for whoever asks for the call.
    """

    preset_id: str
    credentials_id: int
    credentials_name: str
    tenant: str
    vendor_inputs: Mapping[str, str]
    record: Target
    request: Rendered
    values: Mapping[str, Any] = field(repr=False)
    target: str = ""
    effect: str = ""
    takes_access: bool = False
    needed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()
