"""A company and its vendors, loaded here as an admin would: launched integrations, real syncs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from integrations import services
from integrations.models import Credentials, GlobalVariable, Integration, SyncRun
from integrations.sandbox.server import Sandbox
from integrations.sandbox.vendor import RecordChange, StateChange
from people.models import Person, PersonRole
from saas.models import Application, SaaSUser
from tests.integrations.sync.worlds import run_sync
from tests.makers import make_custom_field, make_mapping, make_sandbox_credentials, make_user

FAST: dict[str, dict[str, Any]] = {
    "aha": {"rate.per_minute": 100_000, "rate.per_second": 1000},
    "bamboohr": {"rate.per_second": 1000},
    "betterworks": {"rate.per_second": 1000},
    "goto": {"rate.per_second": 1000},
    "monday": {"rate.per_minute": 100_000, "rate.per_second": 1000},
}
LABELS = {"aha": "Aha!", "betterworks": "Betterworks", "goto": "GoTo", "monday": "monday.com"}
ID_FIELDS = {
    "aha": ("Aha User Id", "id"),
    "betterworks": ("Betterworks User Id", "id"),
    "goto": ("GoTo User Key", "user_key"),
    "monday": ("Monday User Id", "id"),
}
NAMES = {
    "aha": [{"source": "name", "target": "full_name"}],
    "betterworks": [{"source": "employee_id", "target": "employee_id", "policy": "when_filled"}],
    "goto": [],
    "monday": [{"source": "name", "target": "full_name"}],
}
EMPLOYEES: Sequence[Mapping[str, Any]] = (
    {"source": "employee_number", "target": "employee_id", "sync_key": 1},
    {"source": "work_email", "target": "email", "sync_key": 2},
    {"source": "work_email", "target": "username"},
    {"source": "first_name", "target": "first_name"},
    {"source": "last_name", "target": "last_name"},
    {"source": "job_title", "target": "title"},
    {"source": "termination_date", "target": "deactivation_date"},
    {"source": "status", "target": "status"},
)


class Company:
    """One company at the sandbox: which vendors it has is said by `load`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        PersonRole.objects.get_or_create(name="Employee")

    # Loading.

    def credentials(self, vendor: str) -> Credentials:
        """Those of the vendor; made at the first time."""
        found = Credentials.objects.filter(vendor=vendor).first()
        if found is not None:
            return found
        return make_sandbox_credentials(
            self.sandbox, vendor, f"{vendor} production", overrides=FAST[vendor]
        )

    def load(self, vendor: str) -> Integration:
        """Make the integration with its id field, launch it and let it sync."""
        integration = Integration.objects.create(
            name=f"{vendor} load",
            vendor=vendor,
            load="employees" if vendor == "bamboohr" else "users",
            credentials=self.credentials(vendor),
            inputs=self._inputs(vendor),
            user_selection="user_only" if vendor == "bamboohr" else "user_plus_saas_user",
            run_as=User.objects.filter(username="runner").first() or make_user("runner"),
            application=None if vendor == "bamboohr" else self._application(vendor),
            priority=10 if vendor == "bamboohr" else 50,
        )
        for mapping in EMPLOYEES if vendor == "bamboohr" else self._mappings(vendor):
            make_mapping(integration, **mapping)
        services.launch(integration, by="admin", test=False)
        self.sync(vendor)
        return integration

    def sync(self, vendor: str) -> SyncRun:
        """A sync that ended well."""
        run = run_sync(Integration.objects.get(vendor=vendor))
        assert run.state in {"done", "partial", "held"}, f"{run.state}: {run.error_message}"
        return run

    def _inputs(self, vendor: str) -> dict[str, str]:
        """By global variables where the vendor has inputs, as the source documents say."""
        for name, value in self.sandbox.state[vendor].inputs().items():
            key = f"{LABELS.get(vendor, vendor).strip('!')}.{name}"
            GlobalVariable.objects.get_or_create(key=key, defaults={"value": value})
        return self.sandbox.state[vendor].inputs()

    def _application(self, vendor: str) -> Application | None:
        return Application.objects.filter(vendor=vendor).first()

    def _mappings(self, vendor: str) -> list[dict[str, Any]]:
        label, source = ID_FIELDS[vendor]
        field = make_custom_field(label)
        return [
            {"source": "email", "target": "email", "sync_key": 1},
            {"source": "email", "target": "username"},
            {"source": source, "target": field.key},
            *NAMES[vendor],
        ]

    # The vendor's side.

    def join(self, vendor: str, **values: Any) -> str:
        """A new record at the vendor, as its own users would make it; the id."""
        return self.sandbox.change(StateChange(vendor=vendor, add=[values]))[vendor][0]

    def change(self, vendor: str, record: str, **values: Any) -> None:
        """Set values of a record at the vendor."""
        one = RecordChange(id=record, set=values)
        self.sandbox.change(StateChange(vendor=vendor, change=[one]))

    def leave(self, vendor: str, *records: str) -> None:
        """Take records away at the vendor."""
        self.sandbox.change(StateChange(vendor=vendor, delete=list(records)))

    def set(self, vendor: str, **settings: Any) -> None:
        """Change settings of the vendor's side."""
        self.sandbox.change(StateChange(vendor=vendor, settings=settings))

    def record(self, vendor: str, record: str) -> dict[str, Any]:
        """What the vendor holds under this id, however deep its state keeps it."""
        found = _find(self.sandbox.dump()["vendors"][vendor], record)
        assert found is not None, f"{vendor} has no record {record}"
        return found

    def effects(self, vendor: str = "") -> list[str]:
        """What vendors committed, token calls left out."""
        return [
            one.op
            for one in self.sandbox.ledger
            if not one.op.startswith("token.") and vendor in {"", one.vendor}
        ]

    def sent(self, *methods: str) -> list[str]:
        """`METHOD path` of what arrived, token calls left out."""
        return [
            f"{one.method} {one.path}"
            for one in self.sandbox.log
            if (not methods or one.method in methods) and "oauth" not in one.path
        ]


def _find(kept: Any, record: str) -> dict[str, Any] | None:
    if isinstance(kept, Mapping):
        if str(kept.get("id", kept.get("key", ""))) == record:
            return dict(kept)
        inside = kept.get(record)
        if isinstance(inside, Mapping):
            return dict(inside)
        kept = list(kept.values())
    if isinstance(kept, list):
        return next((one for part in kept if (one := _find(part, record)) is not None), None)
    return None


def person(email: str) -> Person:
    """The person with this e-mail."""
    return Person.objects.get(email=email)


def account(application: Application, external_id: str) -> SaaSUser:
    """The SaaS user with this id at the vendor."""
    return SaaSUser.objects.get(application=application, external_id=external_id)


class Shell:
    """Commands as a shell sees them: exit code and what was printed."""

    def __init__(self, capsys: Any) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._capsys.readouterr()
        code = 0
        try:
            call_command(*arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        except CommandError as error:
            return error.returncode, self._capsys.readouterr().out, str(error)
        written = self._capsys.readouterr()
        return code, written.out, written.err

    def report(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and the one run that `--json` tells of."""
        code, out, err = self(*arguments, "--json")
        assert out, err
        (run,) = json.loads(out)["runs"]
        return code, run
