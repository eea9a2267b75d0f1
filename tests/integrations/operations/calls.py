"""Calls of real presets to the sandbox, with a clock that stands until it is moved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connections
from django.db.models import F

from integrations.models import Credentials, Operation
from integrations.models.pace import Pace
from integrations.operations.perform import perform
from integrations.presets.call import PresetCall, Target
from integrations.presets.render import fill_request, fill_text
from integrations.registry import get_preset
from integrations.sandbox.ledger import Effect
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import StateChange
from tests.makers import make_credentials

NO_LIMIT = {"per_minute": None, "per_second": None}
FAST = {"rate.per_second": 1000}
BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
_number = count(1)


class Clock:
    """Shows the same moment until somebody moves it."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float) -> datetime:
        """Move it, past the pauses that vendors asked for as well; gives the moment."""
        self.now += timedelta(seconds=seconds)
        Pace.objects.update(not_before=F("not_before") - seconds)
        return self.now


@dataclass
class Desk:
    """One set of credentials at the sandbox's Betterworks, and calls made with it."""

    sandbox: Sandbox
    clock: Clock = field(default_factory=Clock)
    vendor: str = "betterworks"
    tenant: str = "main"

    def __post_init__(self) -> None:
        given = self.sandbox.credentials(self.vendor)
        self.credentials: Credentials = make_credentials(
            f"{self.vendor} {next(_number)}",
            vendor=self.vendor,
            type=given["type"],
            settings=given["settings"],
            secret=given["secrets"]["value"],
            base_url=self.sandbox.base_url(self.vendor),
            tenant="main",
            overrides=FAST,
        )

    def call(self, preset: str, values: Mapping[str, Any], **record: Any) -> PresetCall:
        """A call of a preset as the preset engine makes it."""
        preset_id = f"{self.vendor}.{preset}"
        _vendor, found = get_preset(preset_id)
        assert found.request is not None
        assert found.change is not None
        inputs = dict.fromkeys(found.inputs) | dict(values.get("inputs", {}))
        account = self.sandbox.state[self.vendor].inputs()
        known = {**values, "inputs": inputs, "account": account}
        return PresetCall(
            preset_id=preset_id,
            credentials_id=self.credentials.pk,
            credentials_name=self.credentials.name,
            tenant=self.tenant,
            vendor_inputs=account,
            record=Target(
                "person", 1, str(values.get("email", "somebody")), values=known, **record
            ),
            request=fill_request(found.request, known, preset=found),
            values=known,
            target=fill_text(found.change.target, known, preset=found),
            effect=fill_text(found.change.effect, known, preset=found),
            needed=known,
        )

    def create(self, email: str, **names: str) -> PresetCall:
        """Make an account: never to be repeated, but the vendor refuses a second one."""
        inputs = {"first_name": "Ann", "last_name": "Lee", **names}
        return self.call("create_user", {"email": email, "inputs": inputs})

    def department(self, name: str) -> PresetCall:
        """Make a department: never to be repeated, and the vendor takes a second one."""
        return self.call("create_department", {"inputs": {"name": name}})

    def update(self, email: str, **values: str) -> PresetCall:
        """Set values, which may be repeated."""
        return self.call("update_user", {"email": email, "inputs": values})

    def deactivate(self, user_id: str, **record: Any) -> PresetCall:
        """Take an account away, which may be repeated."""
        return self.call("deactivate_user", {"betterworks_user_id": user_id}, **record)

    def perform(self, call: PresetCall, key: str = "", *, guarded: bool = False) -> Operation:
        """Have it made; a key of its own unless one is given."""
        key = key or f"test:{next(_number)}"
        return perform(call, key=key, started_by="ann", guarded=guarded, clock=self.clock)

    def add(self, email: str, **values: Any) -> str:
        """An account that there is already; its id."""
        record = {"email": email, "first_name": "Ann", "last_name": "Lee", **values}
        change = StateChange(vendor=self.vendor, add=[record])
        return self.sandbox.change(change)[self.vendor][0]

    def set(self, **settings: Any) -> None:
        """Change settings of the vendor's side."""
        self.sandbox.change(StateChange(vendor=self.vendor, settings=settings))

    def fault(self, kind: Any, **values: Any) -> None:
        """Spoil answers to calls that change something."""
        values.setdefault("method", "POST")
        self.sandbox.faults.add(kind, vendor=self.vendor, **values)

    def effects(self, op: str = "") -> list[Effect]:
        """What the vendor committed."""
        return [one for one in self.sandbox.ledger if op in {"", one.op}]

    def sent(self, method: str = "POST") -> int:
        """How many requests of this method arrived."""
        return len([one for one in self.sandbox.log if one.method == method])


def at_once(threads: int, do: Callable[[int], Any]) -> list[Any]:
    """Do something in threads that begin together; what each gave."""
    gate = threading.Barrier(threads)
    gave: dict[int, Any] = {}

    def run(number: int) -> None:
        try:
            gate.wait()
            gave[number] = do(number)
        finally:
            connections.close_all()

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    assert len(gave) == threads
    return list(gave.values())
