"""The sandbox: every vendor folder's side behind one loopback HTTP server."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from integrations.sandbox.faults import FaultBook
from integrations.sandbox.ledger import Ledger, RequestLog
from integrations.sandbox.people import Company
from integrations.sandbox.state import StateFile, StateKeeper
from integrations.sandbox.transport import HOST, SandboxServer
from integrations.sandbox.vendor import (
    StateChange,
    UnknownRecordError,
    VendorSide,
    World,
    find_vendor_names,
    open_vendor,
)


def real_now() -> datetime:
    """The real clock, in UTC."""
    return datetime.now(UTC)


class Sandbox:
    """The vendors of one company; a context manager that serves in threads of this process.

    `settings` overrides settings of a vendor by name, e.g. `{"aha": {"per_second": None}}`.
    `today` anchors the dates of the people; the vendors' own "today" follows `now`. With a
    `state_file` that exists, people, seed and all records come from there.
    """

    def __init__(
        self,
        *,
        people: int = 500,
        seed: int = 1,
        port: int = 0,
        ledger_file: Path | None = None,
        state_file: Path | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        now: Callable[[], datetime] = real_now,
        today: date | None = None,
    ) -> None:
        self.now = now
        self.secrets_seed = seed
        self.company = Company(people=people, seed=seed, today=today or now().date())
        self.settings = settings or {}
        self.faults = FaultBook()
        self.closed_until: dict[str, float] = {}
        self.stopping = threading.Event()
        self.url = ""
        self.state: dict[str, VendorSide] = {}
        self._port = port
        self._server: SandboxServer | None = None
        self._file = StateFile(state_file) if state_file else None
        self._keeper: StateKeeper | None = None
        kept = self._file.read() if self._file else None
        self.ledger = Ledger(ledger_file)
        if kept is None:
            self._found()
        else:
            self._restore(kept)
        self.log = RequestLog(secrets=self._secrets())

    # The world.

    def _open(self) -> dict[str, VendorSide]:
        world = World(
            company=self.company,
            now=self.now,
            commit=self._commit,
            secrets_seed=self.secrets_seed,
        )
        sides = {name: open_vendor(name, world) for name in find_vendor_names()}
        for name, values in self.settings.items():
            sides[name].apply(StateChange(vendor=name, settings=dict(values)))
        return sides

    def _found(self) -> None:
        """Make the company and let every vendor take in every worker."""
        sides = self._open()
        for worker in self.company.workers():
            for side in sides.values():
                side.hire(worker)
        for side in sides.values():
            side.settle()
        self.state = sides

    def _restore(self, kept: dict[str, Any]) -> None:
        self.secrets_seed = kept["secrets_seed"]
        company = kept["company"]
        self.company = Company(
            people=company["people"],
            seed=company["seed"],
            today=date.fromisoformat(company["today"]),
        )
        self._found_missing(kept["vendors"])

    def _found_missing(self, kept: dict[str, Any]) -> None:
        """Vendors of the file as it has them; vendors that came since are filled anew."""
        sides = self._open()
        fresh = [side for name, side in sides.items() if name not in kept]
        for worker in self.company.workers() if fresh else ():
            for side in fresh:
                side.hire(worker)
        for side in fresh:
            side.settle()
        for name in sides.keys() & kept.keys():
            sides[name].restore(kept[name])
        self.state = sides

    def _commit(self, vendor: str, *, op: str, key: str, target: str, names: list[str]) -> None:
        moment = self.now().timestamp()
        self.ledger.write(vendor, op=op, key=key, target=target, names=names, t=moment)
        self._note_change()

    def _note_change(self) -> None:
        if self._keeper is not None:
            self._keeper.note_change()

    def _secrets(self) -> tuple[str, ...]:
        return tuple(
            secret
            for side in self.state.values()
            for secret in side.credentials()["secrets"].values()
        )

    def reset(self, *, people: int | None = None, seed: int | None = None) -> None:
        """Make the company anew, or another one; forget faults and requests, keep the ledger."""
        self.company = Company(
            people=self.company.people if people is None else people,
            seed=self.company.seed if seed is None else seed,
            today=self.company.today,
        )
        self.faults.clear()
        self.closed_until.clear()
        self._found()
        self.log.clear()
        self._note_change()

    def change(self, change: StateChange) -> dict[str, list[str]]:
        """Change one vendor's world; without a vendor, settings of all. Ids of added records."""
        names = list(self.state) if change.vendor is None else [change.vendor]
        if change.vendor is None and (change.change or change.delete or change.add):
            raise UnknownRecordError("Changed records need a vendor")
        if change.vendor is not None and change.vendor not in self.state:
            raise UnknownRecordError(f"The sandbox has no vendor {change.vendor!r}")
        added = {name: self.state[name].apply(change) for name in names}
        self._note_change()
        return added

    def dump(self) -> dict[str, Any]:
        """The whole state as JSON types, as the state file has it."""
        return {
            "secrets_seed": self.secrets_seed,
            "company": {
                "people": self.company.people,
                "seed": self.company.seed,
                "today": self.company.today.isoformat(),
            },
            "vendors": {name: side.dump() for name, side in self.state.items()},
        }

    # Addresses.

    def base_url(self, vendor: str) -> str:
        """Where the vendor's API is, with the account in it."""
        return f"{self.url}/{vendor}{self.state[vendor].base_path}"

    def credentials(self, vendor: str) -> dict[str, Any]:
        """`{"type", "settings", "secrets"}` of the vendor, addresses filled in."""
        side = self.state[vendor]
        given = side.credentials()
        places = {name: f"{self.url}/{vendor}{path}" for name, path in side.addresses().items()}
        return {**given, "settings": {**given["settings"], **places}}

    def describe(self) -> dict[str, Any]:
        """What the command prints: the control address, and base URL, inputs, credentials."""
        return {
            "control": self.url,
            "vendors": {
                name: {
                    "base_url": self.base_url(name),
                    "inputs": side.inputs(),
                    "credentials": self.credentials(name),
                }
                for name, side in self.state.items()
            },
        }

    # Serving.

    def start(self) -> None:
        """Bind and serve; `url` is known from here on."""
        self.stopping.clear()
        self._server = SandboxServer(self, self._port)
        self.url = f"http://{HOST}:{self._server.server_port}"
        if self._file is not None:
            self._keeper = StateKeeper(self._file, self.dump)
            self._keeper.start()
        self._server.start()

    def stop(self) -> None:
        """Close every connection, write the state, end every thread; safe to repeat."""
        self.stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None
        self.ledger.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
