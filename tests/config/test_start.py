"""`start` as an operator meets it: a real process, its pages, its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Started:
    """A running `start`; what it prints goes to a file."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder / f"output-{self.port}"
        environment = {
            "PATH": os.environ["PATH"],
            "ROLECALL_IGNORE_ENV_FILE": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "DATA_DIR": str(folder),
            "SECRETS_FILE": str(folder / "secrets.env"),
            "STATIC_ROOT": str(folder / "static"),
            "PYTHONUNBUFFERED": "1",
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "start", "--port", str(self.port), *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 240) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.said
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(120)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    running: list[Started] = []

    def begin(*options: str) -> Started:
        running.append(Started(tmp_path, *options))
        return running[-1]

    yield begin
    for one in running:
        one.process.kill()
        one.process.wait()


def sign_in(port: int, name: str, password: str) -> str:
    """The page after signing in, as a browser gets it."""
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    address = f"http://127.0.0.1:{port}/admin/login/"
    browser.open(address)
    token = next(cookie.value for cookie in jar if cookie.name == "rolecall_csrf")
    form = {"username": name, "password": password, "csrfmiddlewaretoken": token}
    request = urllib.request.Request(
        address, urlencode(form).encode(), headers={"Referer": address}
    )
    with browser.open(request) as answer:
        page: str = answer.read().decode()
    return page


def test_a_first_start_makes_an_admin_who_can_sign_in_and_all_ends_at_once(
    start: Callable[..., Started],
):
    """S-26: and no process shows a secret in its command line."""
    started = start()
    started.wait_for(lambda: "Ready:" in started.said)
    password = re.search(r"^  password +(\S+)", started.said, re.MULTILINE)
    assert password

    page = sign_in(started.port, "admin", password[1])
    with urllib.request.urlopen(f"http://127.0.0.1:{started.port}/readyz") as answer:
        health = json.loads(answer.read())
    family = started.family()
    commands = " ".join(" ".join(process.cmdline()) for process in family)
    code = started.stop(signal.SIGINT)

    assert "/admin/logout/" in page
    assert "gunicorn" in commands
    assert "run_due --loop" in commands
    assert "celery --app config" in commands
    assert (health["database"], health["broker"]) == ("up", "reachable")
    assert set(health["workers"]) == {"number", "slots", "busy"}
    keys = (started.folder / "secrets.env").read_text()
    assert not any(line.split("=", 1)[-1] in commands for line in keys.split() if "=" in line)
    assert password[1] not in commands
    assert code == 0
    assert not any(process.is_running() for process in family)


def test_a_port_that_is_taken_is_said_before_anything_is_done(tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        ended = subprocess.run(
            [sys.executable, "manage.py", "start", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            check=False,
        )

    assert ended.returncode == 2
    assert f"Port {port} on 127.0.0.1 cannot be used" in ended.stderr
    assert not list((tmp_path / "data").glob("*.sqlite3"))


def test_the_demo_is_loaded_over_http_and_found_again(start: Callable[..., Started]):
    """Two starts on one folder: the same sign-ins, the same data, nothing loaded twice."""
    first = start("--demo")
    first.wait_for(lambda: "Ctrl-C stops" in first.said)
    page = sign_in(first.port, "hr", signed_ins(first)["hr"])
    before = figures(first.folder)
    first.stop()

    second = start("--demo")
    second.wait_for(lambda: "Ctrl-C stops" in second.said)

    assert "/admin/logout/" in page
    assert signed_ins(second) == signed_ins(first)
    assert figures(second.folder) == before
    assert before["people"] > 450
    assert before["accounts"] > 100
    assert before["runs"] == 5
    sign_ins = first.folder / "demo-sign-ins.txt"
    assert stat.S_IMODE(sign_ins.stat().st_mode) == 0o600
    sandbox = json.loads((first.folder / "sandbox-answer.json").read_text())
    secret = sandbox["vendors"]["aha"]["credentials"]["secrets"]["value"]
    commands = " ".join(" ".join(process.cmdline()) for process in second.family())
    assert secret not in commands
    assert secret not in (first.folder / "demo.yaml").read_text()


def signed_ins(started: Started) -> dict[str, str]:
    return dict(re.findall(r"^ +(admin|hr) +(\S+) ", started.said, re.MULTILINE))


def figures(folder: Path) -> dict[str, int]:
    tables = {
        "people": "people_person",
        "accounts": "saas_saasuser",
        "runs": "integrations_syncrun",
    }
    with sqlite3.connect(folder / "rolecall.sqlite3") as database:
        return {
            name: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for name, table in tables.items()
        }
