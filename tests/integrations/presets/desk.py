"""Credentials, people and accounts at the sandbox's vendors, and what arrived there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from integrations import services
from integrations.models import Integration
from integrations.presets.call import PresetCall
from integrations.presets.plan import prepare
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from people.models import Person
from saas.models import Application, SaaSUser
from tests.makers import (
    make_application,
    make_custom_field,
    make_integration,
    make_person,
    make_saas_user,
    make_sandbox_credentials,
)

NO_LIMIT = {"per_minute": None, "per_second": None}
VENDORS = ("aha", "betterworks", "goto")
FAST = {
    "aha": {"rate.per_minute": 100_000, "rate.per_second": 1000},
    "betterworks": {"rate.per_second": 1000},
    "goto": {"rate.per_second": 1000},
}
ID_FIELDS = {
    "aha": "Aha User Id",
    "betterworks": "Betterworks User Id",
    "goto": "GoTo User Key",
}
_number = count(1)


class Desk:
    """One vendor with its credentials, its application, and a field for ids at the vendor."""

    def __init__(self, sandbox: Sandbox, vendor: str) -> None:
        self.sandbox = sandbox
        self.vendor = vendor
        self.credentials = make_sandbox_credentials(
            sandbox, vendor, f"{vendor} {next(_number)}", overrides=FAST[vendor]
        )
        self.secrets: list[str] = list(sandbox.credentials(vendor)["secrets"].values())
        self.inputs = sandbox.state[vendor].inputs()
        inputs = services.effective_inputs(vendor, self.inputs)
        self.tenant = next(iter(inputs.values()), "main")
        self.application: Application = make_application(
            f"{vendor} {next(_number)}", vendor=vendor, tenant=self.tenant
        )
        self.id_field = make_custom_field(ID_FIELDS[vendor]).key
        self.integration: Integration = make_integration(
            f"{vendor} load {next(_number)}",
            vendor=vendor,
            load="users",
            credentials=self.credentials,
            inputs=self.inputs,
            application=self.application,
            tenant=self.tenant,
            state="active",
        )

    def person(self, *, vendor_id: str | None = None, **fields: Any) -> Person:
        """A person; with an id at the vendor in the custom field, as a load puts it there."""
        custom = {self.id_field: vendor_id} if vendor_id else {}
        return make_person(custom={**custom, **fields.pop("custom", {})}, **fields)

    def account(self, person: Person | None = None, **values: Any) -> SaaSUser:
        """An account at the vendor and here."""
        email = values.pop("email", None) or (person.email if person else None)
        record = {"email": email, "first_name": "Ann", "last_name": "Example", **values}
        external_id = self.sandbox.change(StateChange(vendor=self.vendor, add=[record]))
        return make_saas_user(
            self.application,
            external_id=external_id[self.vendor][0],
            email=email or "",
            person=person,
        )

    def change(self, record_id: str, **values: Any) -> None:
        """Set values of a record at the vendor."""
        change = RecordChange(id=record_id, set=values)
        self.sandbox.change(StateChange(vendor=self.vendor, change=[change]))

    def prepare(
        self, preset: str, record: str, given: Mapping[str, Any] | None = None, **options: Any
    ) -> PresetCall:
        """Make a call of this vendor's preset ready."""
        preset_id = f"{self.vendor}.{preset}"
        return prepare(preset_id, self.credentials, record, given or {}, **options)

    def sent(self, *methods: str) -> list[str]:
        """`METHOD path` of what arrived at the vendor, token calls left out."""
        return [
            f"{one.method} {one.path}"
            for one in self.sandbox.log
            if (not methods or one.method in methods) and "oauth" not in one.path
        ]

    def effects(self) -> list[str]:
        """What the vendor committed."""
        return [one.op for one in self.sandbox.ledger if not one.op.startswith("token.")]
