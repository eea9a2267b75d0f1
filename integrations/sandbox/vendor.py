"""What a vendor's side of the sandbox is, and how it is found in the vendor folders."""

import hashlib
import importlib
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

import integrations.vendors
from integrations.sandbox.limits import Limiter, Window
from integrations.sandbox.messages import JSON, Answer, Request
from integrations.sandbox.people import Company, Worker

Handler = Callable[..., Answer]
Settings = dict[str, Any]

LONGEST_NUMBER = 18

COMMON_SETTINGS: Settings = {
    "per_minute": 300,  # accepted requests in any 60 s; null for no limit
    "per_second": None,
    "today": None,  # YYYY-MM-DD; null for the real date
}


class Commit(Protocol):
    """Writes one effect to the ledger; called while the vendor's lock is held."""

    def __call__(self, vendor: str, *, op: str, key: str, target: str, names: list[str]) -> None:
        """Write the effect."""


@dataclass(frozen=True, slots=True)
class World:
    """What every vendor's side shares: the company, the clock and the ledger."""

    company: Company
    now: Callable[[], datetime]
    commit: Commit
    secrets_seed: int


class RecordChange(BaseModel):
    """Values of one record to set; `tables` replaces whole histories where a vendor has them."""

    model_config = ConfigDict(extra="forbid")

    id: str
    set: dict[str, Any] = Field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)


class StateChange(BaseModel):
    """A change of the vendor's world from outside its API. It is no effect, so in no ledger."""

    model_config = ConfigDict(extra="forbid")

    vendor: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    change: list[RecordChange] = Field(default_factory=list)
    delete: list[str] = Field(default_factory=list)
    add: list[dict[str, Any]] = Field(default_factory=list)


class UnknownRecordError(LookupError):
    """A change from outside names a record or setting that the vendor's side does not have."""


class RefusedError(Exception):
    """A request that the vendor refuses: raised by what answers it, with the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path of the vendor's API, and the name of what answers it."""

    method: str
    pattern: re.Pattern[str]
    handler: str


def route(method: str, template: str) -> Callable[[Handler], Handler]:
    """Mark a method of a `VendorSide` as answering `template`, e.g. `/users/{user_id}`."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))

    def mark(handler: Handler) -> Handler:
        marks = vars(handler).setdefault("routes", [])
        marks.append(Route(method=method, pattern=pattern, handler=handler.__name__))
        return handler

    return mark


class VendorSide(ABC):
    """One vendor: its records, its API, its refusals. Every public method takes the lock."""

    base_path: ClassVar[str]
    default_settings: ClassVar[Settings] = {}
    samples: ClassVar[Mapping[str, Request]] = {}
    page_parameter: ClassVar[str | None] = None
    routes: ClassVar[tuple[Route, ...]] = ()

    def __init_subclass__(cls) -> None:
        members = (one for base in reversed(cls.__mro__) for one in vars(base).values())
        cls.routes = tuple(mark for one in members for mark in getattr(one, "routes", ()))

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.lock = threading.RLock()
        self.limiter = Limiter()
        self.settings: Settings = {**COMMON_SETTINGS, **self.default_settings}
        self.version = 0

    # What a vendor folder writes.

    @abstractmethod
    def inputs(self) -> dict[str, str]:
        """Inputs of the integration that leads here, such as the sub-domain."""

    @abstractmethod
    def credentials(self) -> dict[str, Any]:
        """`{"type", "settings", "secrets"}` as a configuration file has them."""

    @abstractmethod
    def signed(self) -> dict[str, str]:
        """Headers, in lower case, of a request that is signed rightly."""

    @abstractmethod
    def hire(self, worker: Worker) -> None:
        """Take in one worker of the company; called by number, before the first request."""

    @abstractmethod
    def refusal(self, request: Request) -> Answer | None:
        """None for a request that is signed rightly, else what the vendor answers."""

    @abstractmethod
    def too_many(self, seconds: int) -> Answer:
        """The answer over the rate limit."""

    @abstractmethod
    def not_found(self, request: Request) -> Answer:
        """The answer for a path that the API does not have."""

    @abstractmethod
    def wrong_account(self, request: Request) -> Answer:
        """The answer when the account (sub-domain) does not exist."""

    @abstractmethod
    def has_record(self, record_id: str) -> bool:
        """Whether there is a record with this id."""

    @abstractmethod
    def change_record(self, change: RecordChange) -> None:
        """Set values of a record that there is."""

    @abstractmethod
    def add_record(self, values: dict[str, Any]) -> str:
        """Add a record with these values, whatever the API would refuse; its id."""

    @abstractmethod
    def delete_record(self, record_id: str) -> None:
        """Take a record away that there is; only the vendor's list of deletions keeps it."""

    @abstractmethod
    def kept(self) -> dict[str, Any]:
        """Every record as JSON types, for the state file and `GET /__state`."""

    @abstractmethod
    def keep(self, kept: dict[str, Any]) -> None:
        """Take over what `kept` gave; the reverse of it."""

    def settle(self) -> None:  # noqa: B027 - most vendors have nothing to add
        """Called once after the last worker: accounts that belong to nobody, and so on."""

    def aside(self, request: Request) -> Answer | None:  # noqa: B027 - most have nothing
        """The answer of what stands beside the API, such as a token server; else None."""

    def addresses(self) -> dict[str, str]:
        """Settings of the credentials that are addresses, as paths below the vendor's name."""
        return {}

    def finished(self, request: Request, answer: Answer) -> Answer:
        """Last touch on every answer of an existing account: formats and common headers."""
        del request
        return answer

    # What all vendors share.

    def answer(self, request: Request) -> Answer:
        """Answer as the vendor would: account, signature, rate, path, in this order."""
        with self.lock:
            beside = self.aside(request)
            if beside is not None:
                return beside
            path = self.inside(request.path)
            if path is None:
                return self.wrong_account(request)
            return self.finished(request, self._guarded(request, path))

    def look(self, request: Request) -> Answer:
        """Answer without counting the request against the rate limit."""
        with self.lock:
            path = self.inside(request.path)
            if path is None:
                return self.wrong_account(request)
            refusal = self.refusal(request)
            return self.finished(request, refusal or self._routed(request, path))

    def good_answer(self, path: str) -> Answer:
        """A whole, right answer of one path of the API, e.g. `users`; see `samples`."""
        sample = self.samples.get(path) or Request(method="GET", path=f"{self.base_path}/{path}")
        headers = {"accept": JSON, **sample.headers, **self.signed()}
        return self.look(replace(sample, headers=headers))

    def page_of(self, request: Request) -> int | None:
        """Number of the page that is asked for; None where the vendor has no numbers."""
        if self.page_parameter is None:
            return None
        text = request.parameter(self.page_parameter) or "1"
        return int(text) if text.isdecimal() and len(text) < LONGEST_NUMBER else 1

    def with_page(self, request: Request, page: int) -> Request:
        """The same request for another page."""
        return request.with_parameter(self.page_parameter or "page", str(page))

    def called(self, request: Request) -> str:
        """What is called besides the path, such as a GraphQL operation; faults see `path#name`."""
        del request
        return ""

    def inside(self, path: str) -> str | None:
        """The path below `base_path`, or None for another account's."""
        if path == self.base_path or path.startswith(self.base_path + "/"):
            return path[len(self.base_path) :] or "/"
        return None

    def _guarded(self, request: Request, path: str) -> Answer:
        refusal = self.refusal(request)
        if refusal is not None:
            return refusal
        wait = self.limiter.refuse_for(self.world.now().timestamp(), self.windows())
        if wait is not None:
            return self.too_many(wait)
        return self._routed(request, path)

    def _routed(self, request: Request, path: str) -> Answer:
        for known in self.routes:
            match = known.pattern.fullmatch(path)
            if match and known.method == request.method:
                handler: Handler = getattr(self, known.handler)
                try:
                    return handler(request, **match.groupdict())
                except RefusedError as refused:
                    return refused.answer
        return self.not_found(request)

    def windows(self) -> tuple[Window, ...]:
        """Rate limits as the settings say them now."""
        return (
            Window(calls=self.settings["per_minute"], seconds=60),
            Window(calls=self.settings["per_second"], seconds=1),
        )

    def today(self) -> str:
        """The vendor's date, `YYYY-MM-DD`: the setting, else the clock's date in UTC."""
        setting: str | None = self.settings["today"]
        return setting or self.world.now().astimezone(UTC).date().isoformat()

    def secret(self, purpose: str) -> str:
        """A credential of the sandbox: the same for the same seed, good for nothing else."""
        text = f"{self.world.secrets_seed}:{self.name}:{purpose}"
        return "sandbox-" + hashlib.sha256(text.encode()).hexdigest()[:40]

    def commit(self, op: str, *, key: str, target: str, names: list[str]) -> None:
        """Note that a request changed something: the ledger has it before the answer leaves."""
        self.version += 1
        self.world.commit(self.name, op=op, key=key, target=target, names=names)

    def apply(self, change: StateChange) -> list[str]:
        """Change the world from outside; ids of added records.

        Raises `UnknownRecordError` or `ValueError` before anything is changed.
        """
        with self.lock:
            self._check(change)
            self.settings.update(change.settings)
            for one in change.change:
                self.change_record(one)
            for record_id in change.delete:
                self.delete_record(record_id)
            self.version += 1
            return [self.add_record(values) for values in change.add]

    def _check(self, change: StateChange) -> None:
        for name in change.settings:
            if name not in self.settings:
                known = ", ".join(sorted(self.settings))
                raise UnknownRecordError(f"{self.name} has no setting {name!r}; it has {known}")
        today = change.settings.get("today")
        if today is not None:
            date.fromisoformat(today)
        for record_id in [*(one.id for one in change.change), *change.delete]:
            if not self.has_record(record_id):
                raise UnknownRecordError(f"{self.name} has no record {record_id!r}")

    def dump(self) -> dict[str, Any]:
        """Settings and records as JSON types."""
        with self.lock:
            return {"settings": dict(self.settings), **self.kept()}

    def restore(self, dumped: dict[str, Any]) -> None:
        """Take over what `dump` gave."""
        with self.lock:
            records = dict(dumped)
            self.settings.update(records.pop("settings"))
            self.keep(records)
            self.version += 1


def find_vendor_names() -> Iterator[str]:
    """Names of the vendor folders that hold a `sandbox.py`, in alphabetical order."""
    for folder in sorted(Path(path) for path in integrations.vendors.__path__):
        for module in sorted(folder.glob("*/sandbox.py")):
            yield module.parent.name


def open_vendor(name: str, world: World) -> VendorSide:
    """The side of one vendor: the class `Vendor` of its folder's `sandbox.py`."""
    module = importlib.import_module(f"integrations.vendors.{name}.sandbox")
    side: VendorSide = module.Vendor(name, world)
    return side
