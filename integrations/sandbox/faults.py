"""Faults that can be asked for, and which of them fire on a request."""

import base64
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from integrations.sandbox.messages import Request
from integrations.sandbox.poison import POISON

Kind = Literal[
    "status",
    "status_after",
    "html",
    "empty",
    "body",
    "redirect",
    "gzip_bomb",
    "reset",
    "blackhole",
    "delay",
    "slow_drip",
    "cut",
    "truncate",
    "wrong_type",
    "omit_field",
    "set_values",
    "poison",
    "shrink",
    "repeat_page",
    "stuck",
]

# Take the answer's place. Unless `commit` is true, the vendor never sees the request.
REPLACING = frozenset({"status", "status_after", "html", "empty", "body", "redirect", "gzip_bomb"})
# End the exchange without an answer; `commit` as above.
SILENT = frozenset({"reset", "blackhole"})

EmptyForm = Literal["list", "object", "null", "text", "nothing", "no_content", "envelope"]


class Fault(BaseModel):
    """One fault. The first block says when it fires, the rest is what its kind needs.

    `path` is a regular expression searched in `path?query` below the vendor's name; `after`
    lets so many matching requests through first; `count` is how often it fires, None for ever.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    vendor: str | None = None
    method: str | None = None
    path: str | None = None
    after: int = Field(default=0, ge=0)
    count: int | None = Field(default=None, ge=1)
    commit: bool = False

    status: int = Field(default=500, ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict)
    retry_after: int | None = None
    retry_after_as: Literal["seconds", "date"] = "seconds"
    body: str | None = None
    body_base64: str | None = None
    content_type: str | None = "application/json"
    form: EmptyForm = "list"
    location: str | None = None
    seconds: float = Field(default=1.0, ge=0)
    size: int = Field(default=10 * 1024**3, ge=1)
    page: int = Field(default=2, ge=1)
    field: str | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    rate: float = Field(default=0.1, ge=0, le=1)
    seed: int = 0
    only: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @field_validator("path")
    @classmethod
    def _path_compiles(cls, path: str | None) -> str | None:
        try:
            re.compile(path or "")
        except re.error as error:
            raise ValueError(f"{path!r} is no regular expression: {error}") from error
        return path

    @field_validator("only")
    @classmethod
    def _poison_is_known(cls, only: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(only) - set(POISON))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: known are {', '.join(POISON)}")
        return only

    def raw_body(self) -> bytes:
        """The body to send, from text or base64."""
        if self.body_base64 is not None:
            return base64.b64decode(self.body_base64)
        return (self.body or "").encode("utf-8", "surrogatepass")

    def commits(self) -> bool:
        """Whether the vendor handles the request although the answer is lost or another."""
        return self.commit or self.kind == "status_after"

    def matches(self, vendor: str, request: Request, target: str) -> bool:
        """Whether this is one of the requests that the fault is about."""
        return (
            self.vendor in {None, vendor}
            and self.method in {None, request.method}
            and (self.path is None or re.search(self.path, target) is not None)
        )


@dataclass(slots=True)
class Armed:
    """A fault and how far it is: requests it matched, requests it fired on."""

    number: int
    fault: Fault
    matched: int = 0
    fired: int = 0

    def take(self) -> bool:
        """Count one matching request; whether the fault fires on it."""
        self.matched += 1
        spent = self.fault.count is not None and self.fired >= self.fault.count
        if self.matched <= self.fault.after or spent:
            return False
        self.fired += 1
        return True


class FaultBook:
    """The faults that are armed. Several may fire on one request, in the order they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Armed] = []
        self._next = 1

    def add(self, kind: Kind, **values: Any) -> int:
        """Arm a fault; its number. `body` may be bytes here."""
        body = values.get("body")
        if isinstance(body, bytes):
            values = {**values, "body": None, "body_base64": base64.b64encode(body).decode()}
        return self.arm([Fault(kind=kind, **values)])[0]

    def arm(self, faults: Iterable[Fault]) -> list[int]:
        """Arm faults; their numbers."""
        with self._lock:
            numbers = []
            for fault in faults:
                self._armed.append(Armed(number=self._next, fault=fault))
                numbers.append(self._next)
                self._next += 1
            return numbers

    def take(self, vendor: str, request: Request, target: str) -> list[Fault]:
        """The faults that fire on this request; each counts it."""
        with self._lock:
            return [
                armed.fault
                for armed in self._armed
                if armed.fault.matches(vendor, request, target) and armed.take()
            ]

    def fired(self, number: int) -> int:
        """How often a fault fired."""
        return next((armed.fired for armed in self._armed if armed.number == number), 0)

    def clear(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._armed.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Every armed fault with its number and counts."""
        return [
            {
                "number": armed.number,
                "matched": armed.matched,
                "fired": armed.fired,
                "fault": armed.fault.model_dump(mode="json", exclude_defaults=True),
            }
            for armed in self._armed
        ]
