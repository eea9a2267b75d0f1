"""A sandbox company with both integrations configured, for the tests of the commands."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from integrations.configuration import apply_text
from integrations.sandbox.server import Sandbox
from people.models import PersonRole

CONFIGURATION = """\
people_fields: [{{label: Aha User Id}}]
credentials:
  - name: Aha production
    vendor: aha
    secrets: {{value: {{env: AHA_KEY}}}}
    base_url: {aha}
  - name: BambooHR production
    vendor: bamboohr
    secrets: {{value: {{env: BAMBOOHR_KEY}}}}
    base_url: {bamboohr}
integrations:
  - name: BambooHR employees
    vendor: bamboohr
    load: employees
    user_selection: user_only
    priority: 10
    credentials: BambooHR production
    run_as: it-admin
    inputs: {{subdomain: acme}}
    filters: {{all: [{{field: work_email, operator: is_not_empty}}]}}
    mappings:
      - {{source: work_email, target: email, sync_key: 2}}
      - {{source: work_email, target: username}}
      - {{source: employee_number, target: employee_id, sync_key: 1}}
      - {{source: first_name, target: first_name}}
      - {{source: last_name, target: last_name}}
      - {{source: department, target: department}}
      - {{source: supervisor_eid, target: manager}}
      - {{source: hire_date, target: hire_date}}
      - {{constant: Employee, target: role, policy: on_create}}
    state: active
  - name: Aha! User Load
    vendor: aha
    load: users
    application: Aha!
    credentials: Aha production
    run_as: it-admin
    inputs: {{subdomain: acme}}
    mappings:
      - {{source: email, target: email, sync_key: 1}}
      - {{source: email, target: username}}
      - {{source: id, target: aha_user_id}}
    state: active
"""


def signal_when_asked(company: Sandbox, fault: int, number: int) -> threading.Thread:
    """Send this process a signal as soon as the fault has fired: the run is in the midst of it."""

    def wait_and_send() -> None:
        while not company.faults.fired(fault):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait_and_send, daemon=True)
    thread.start()
    return thread


@dataclass
class Ended:
    """How a command ended and what it wrote on standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command as a shell would see it."""

    def run_command(*arguments: str) -> Ended:
        code = 0
        capsys.readouterr()
        try:
            call_command(*arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        except CommandError as error:
            return Ended(error.returncode, capsys.readouterr().out, str(error))
        written = capsys.readouterr()
        return Ended(code, written.out, written.err)

    return run_command


@pytest.fixture
def company(
    it_admin: User,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> Iterator[Sandbox]:
    """Fifty people at both vendors, both integrations launched."""
    # A test that commits leaves no rows behind, those of migrations neither.
    PersonRole.objects.get_or_create(name="Employee")
    with Sandbox(people=50, seed=1) as sandbox:
        urls = {vendor: sandbox.base_url(vendor) for vendor in ("aha", "bamboohr")}
        settings.EGRESS_EXTRA_HOSTS = [url.split("/")[2] for url in urls.values()]
        for vendor in urls:
            secret = sandbox.credentials(vendor)["secrets"]["value"]
            monkeypatch.setenv(f"{vendor.upper()}_KEY", secret)
        apply_text(CONFIGURATION.format(**urls), by="it-admin")
        yield sandbox
