"""A company whose rows other processes see, and processes that work on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from integrations.models import Integration, WorkingProcess
from integrations.sandbox.server import Sandbox
from tests.integrations.bad_input.processes import ROOT, environment
from tests.integrations.sync.worlds import EMPLOYEES, NO_LIMIT, World, without

REDIS = "redis://127.0.0.1:6379/6"  # the trials empty another one, at any moment
CLOSED = "redis://127.0.0.1:1/5"
CELERY = (
    "-m", "celery", "--app", "config", "--quiet", "worker", "--pool", "threads",
    "--concurrency", "4", "--without-gossip", "--without-mingle", "--without-heartbeat",
)  # fmt: skip
TICK = ("manage.py", "run_due", "--loop")


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> bool:
    """Whether it came to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    limits = {"aha": NO_LIMIT, "bamboohr": NO_LIMIT}
    with Sandbox(people=0, seed=1, settings=limits) as running:
        settings.EGRESS_EXTRA_HOSTS = [running.url.removeprefix("http://")]
        yield running


@pytest.fixture
def world(transactional_db: None, sandbox: Sandbox) -> World:
    return World(sandbox)


@pytest.fixture
def integrations(world: World) -> list[Integration]:
    """Four integrations over the same ten people, each with credentials of its own."""
    for number in range(10):
        world.employ(f"p{number}")
    mappings = without(EMPLOYEES, "status", "deactivation_date")
    return [world.integration("bamboohr", mappings=mappings) for _number in range(4)]


@pytest.fixture
def queue_folder(settings: Any, tmp_path: Path) -> Path:
    """A broker in the file system that only this test uses; gives the folder of messages."""
    options = {
        "data_folder_in": "messages",
        "data_folder_out": "messages",
        "processed_folder": "taken",
        "control_folder": "control",
    }
    folder = tmp_path / "queue"
    for name in set(options.values()):
        (folder / name).mkdir(parents=True)
    settings.CELERY_BROKER_URL = "filesystem://localhost"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {
        key: str(folder / name) for key, name in options.items()
    }
    return folder / "messages"


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts programs on the database of the tests; what they write goes to a file."""
    running: list[subprocess.Popen[bytes]] = []
    # Also for what a tick of this process starts.
    for name, value in environment(DATA_DIR=str(tmp_path)).items():
        monkeypatch.setenv(name, value)

    def begin(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
        connections.close_all()
        with (tmp_path / f"output-{len(running)}").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **more},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


def worker_is_there() -> bool:
    return WorkingProcess.objects.filter(kind="worker").exists()
