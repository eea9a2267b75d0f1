"""What a preset comes to for one record: the rendered request, before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


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

    @property
    def hash(self) -> str:
        """Same request, same hash."""
        text = orjson.dumps(self.as_json(), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
        return hashlib.sha256(text).hexdigest()


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

    `values` is everything that templates may name (record fields, inputs, looked_up, account,
    variables), kept for the look-up of the effect. `target` and `effect` are empty for a read.
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
