"""The demo company of `make run`: its vendors on loopback, its integrations, its sign-ins."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management.base import CommandError
from django.db import connections

from config.demo_workflows import APPLICATIONS, role_workflow
from config.groups import HR_VIEWER, IT_ADMIN
from config.supervisor import Program, Supervisor
from integrations import configuration, services
from integrations.errors import AlreadyRunning, NotReady
from integrations.models import Credentials, Integration, SyncRun
from workflows.errors import CannotStart
from workflows.models import Workflow, WorkflowRun
from workflows.starts import start_run

PEOPLE = 500
_PORTS = range(8100, 8200)
_SANDBOX_WITHIN, _SYNC_WITHIN, _ROLES_WITHIN = 30, 120, 60  # seconds
_GROUP_OF = {"admin": IT_ADMIN, "hr": HR_VIEWER}


@dataclass(frozen=True)
class Company:
    """The vendors' side that runs now: `vendors` is {key: base URL, inputs, credentials}."""

    origin: str
    vendors: dict[str, dict[str, Any]]
    sign_ins: dict[str, str]
    is_new: bool


def check_is_possible() -> None:
    """Raise CommandError where a demo company would stand among real data."""
    if not settings.EGRESS_ALLOW_HTTP:
        raise CommandError("The demo is for local settings; these refuse plain http.", returncode=2)
    if not _notes_file().exists() and User.objects.exists():
        raise CommandError(
            "This database has users already, and the demo company would stand among real data. "
            "Choose an empty one with DATABASE_URL and DATA_DIR, or start without --demo.",
            returncode=2,
        )


def open_sandbox(supervisor: Supervisor) -> Company:
    """Start the vendors' side, on the port of the last time when it is free, and wait for it."""
    notes = _read_notes()
    port = _free_port(notes.get("port"))
    host = f"127.0.0.1:{port}"
    # Credentials may name this host, here and in the programs that are started next.
    hosts = [*settings.EGRESS_EXTRA_HOSTS, host]
    settings.EGRESS_EXTRA_HOSTS = hosts
    os.environ["EGRESS_EXTRA_HOSTS"] = ",".join(hosts)
    answer = settings.DATA_DIR / "sandbox-answer.json"
    answer.unlink(missing_ok=True)
    supervisor.start(_sandbox(port, answer))
    if not supervisor.wait(lambda: _read_json(answer) != {}, seconds=_SANDBOX_WITHIN):
        raise CommandError("The demo's vendors did not start; the reason stands above.")
    if notes.get("port") not in {None, port}:
        _move_credentials(f"http://127.0.0.1:{notes['port']}", f"http://{host}")
    _write_notes(port=port)
    described = _read_json(answer)
    return Company(
        origin=described["control"],
        vendors=described["vendors"],
        sign_ins=make_users(settings.DATA_DIR / "demo-sign-ins.txt"),
        is_new=not notes.get("loaded"),
    )


def load(company: Company, supervisor: Supervisor, *, report: Callable[[str], None]) -> None:
    """Make the integrations once, then run each that never ran; the worker does the work."""
    if company.is_new:
        report(f"Loading a company of {PEOPLE} people over HTTP from its vendors ...")
        file = settings.DATA_DIR / "demo.yaml"
        file.write_text(_yaml(company), encoding="utf-8")
        for name, value in _secrets(company).items():
            os.environ[name] = value
        try:
            configuration.apply_file(file, by="admin")
        finally:
            for name in _secrets(company):
                del os.environ[name]
        _write_notes(loaded=True)
    never_ran = Integration.objects.filter(state=Integration.State.ACTIVE, runs=None)
    for integration in never_ran.order_by("priority", "pk"):
        _run(integration, supervisor, report=report)
    if company.is_new:
        _read_roles(company, supervisor, report=report)


def _read_roles(company: Company, supervisor: Supervisor, *, report: Callable[[str], None]) -> None:
    """Run the workflows that read roles once, so that the first look finds runs with results."""
    names = [role_workflow(vendor) for vendor in APPLICATIONS if vendor in company.vendors]
    runs: list[WorkflowRun] = []
    for workflow in Workflow.objects.filter(name__in=names, state=Workflow.State.ACTIVE):
        try:
            manual = WorkflowRun.Trigger.MANUAL
            runs.append(start_run(workflow, trigger=manual, started_by="admin", ids=None))
        except CannotStart as error:
            report(f"  {workflow}: {error.message}")

    def are_over() -> bool:
        connections["default"].close()
        for run in runs:
            run.refresh_from_db(fields=["state"])
        return all(run.state not in WorkflowRun.ACTIVE_STATES for run in runs)

    supervisor.wait(are_over, seconds=_ROLES_WITHIN)
    for run in runs:
        run.refresh_from_db()
        report(f"  {run.name}: {run.get_state_display().lower()}, {run.matched} records")


def _run(
    integration: Integration, supervisor: Supervisor, *, report: Callable[[str], None]
) -> None:
    try:
        run = services.queue_run(integration, by="admin")
    except (AlreadyRunning, NotReady) as error:
        report(f"  {integration.name}: {error}")
        return

    def is_over() -> bool:
        connections["default"].close()  # a wait must not keep a connection of a server
        run.refresh_from_db()
        return run.state not in SyncRun.ACTIVE_STATES

    if not supervisor.wait(is_over, seconds=_SYNC_WITHIN):
        report(f"  {run.name}: still {run.state}; its page shows how far it is.")
        return
    report(f"  {run.name}: {run.get_state_display().lower()}, {run.counts.get('seen', 0)} records")


def make_users(file: Path) -> dict[str, str]:
    """`admin` (IT admin) and `hr` (HR viewer); their passwords are made once and kept in `file`."""
    passwords = _read_sign_ins(file)
    if not passwords:
        passwords = {name: secrets.token_urlsafe(12) for name in _GROUP_OF}
        lines = "".join(f"{name} {password}\n" for name, password in passwords.items())
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as kept:
            kept.write(lines)
    for name, group in _GROUP_OF.items():
        is_admin = group == IT_ADMIN
        user, made = User.objects.get_or_create(
            username=name, defaults={"is_staff": True, "is_superuser": is_admin}
        )
        if made:
            user.set_password(passwords[name])
            user.save()
            user.groups.add(Group.objects.get(name=group))
    return passwords


def welcome(address: str, company: Company) -> str:
    """The block that a person reads when all is ready."""
    width = max(map(len, company.sign_ins))
    rows = [
        f"    {name:{width}}  {password}   {_GROUP_OF[name]}"
        for name, password in company.sign_ins.items()
    ]
    return "\n".join(
        [
            "",
            f"  Rolecall is ready: {address}/",
            "",
            *rows,
            "",
            "  Look at first:",
            "    People                     who works here; each page ends with its history",
            "    Applications               who has which role in which of the four",
            "    Integrations, Preview      what the next sync would do to whom, and why",
            "    Workflows, Runs            what was done for whom; drafts that wait for Activate",
            "",
            f"  The vendors are a sandbox on this machine: {company.origin}/__state",
            "  Ctrl-C stops everything; the next start finds the same data.",
            "",
        ]
    )


def _yaml(company: Company) -> str:
    from config.demo_company import configuration_of

    return yaml.safe_dump(configuration_of(company.vendors), sort_keys=False, allow_unicode=True)


def _secrets(company: Company) -> dict[str, str]:
    from config.demo_company import secret_variable

    return {
        secret_variable(vendor, name): value
        for vendor, side in company.vendors.items()
        for name, value in side["credentials"]["secrets"].items()
    }


def _sandbox(port: int, answer: Path) -> Program:
    return Program(
        "sandbox",
        (
            sys.executable, str(settings.BASE_DIR / "manage.py"), "sandbox", "--port", str(port),
            "--people", str(PEOPLE), "--state", str(settings.DATA_DIR / "sandbox.json"),
        ),
        output=answer,
    )  # fmt: skip


def _move_credentials(old: str, new: str) -> None:
    """Let credentials of the sandbox name its new address, those of its token server too."""
    for credentials in Credentials.objects.filter(base_url__startswith=f"{old}/"):
        credentials.base_url = new + credentials.base_url.removeprefix(old)
        credentials.settings = {
            name: new + value.removeprefix(old)
            if isinstance(value, str) and value.startswith(f"{old}/")
            else value
            for name, value in credentials.settings.items()
        }
        credentials.save(update_fields=["base_url", "settings"])


def _free_port(wanted: int | None) -> int:
    for port in [wanted, *_PORTS] if wanted else _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CommandError("No port between 8100 and 8199 is free for the demo's vendors.")


def _notes_file() -> Path:
    return Path(settings.DATA_DIR) / "demo.json"


def _read_notes() -> dict[str, Any]:
    return _read_json(_notes_file())


def _write_notes(**notes: Any) -> None:
    _notes_file().write_text(json.dumps(_read_notes() | notes), encoding="utf-8")


def _read_json(file: Path) -> dict[str, Any]:
    """What a file holds; nothing while it does not exist or is half written."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_sign_ins(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    pairs = (line.split() for line in file.read_text(encoding="utf-8").splitlines() if line)
    found = dict(pairs)
    return found if found.keys() == _GROUP_OF.keys() else {}
