"""docs/adding-a-vendor.md, followed line by line in a copy of the project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "adding-a-vendor.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "examples" / "sixth_vendor"
FOLDER = EXAMPLE / "clockwork"
# What a checkout has that these commands need.
PARTS = (
    "config",
    "integrations",
    "people",
    "saas",
    "workflows",
    "static",
    "templates",
    "tests",
    "docs",
)
FILES = ("manage.py", "pyproject.toml")
RECORD = "ann@acme.example"
PREPARE = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
User.objects.create_superuser("admin")
"""


@dataclass
class Project:
    """A copy of the project with a database of its own, and what its commands printed."""

    root: Path
    variables: dict[str, str]

    def run(self, *arguments: str, ends: int = 0) -> str:
        """Run Python here; its output. It must end with this status."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=1_200,
            check=False,
        )
        assert done.returncode == ends, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def manage(self, *arguments: str, ends: int = 0) -> str:
        """Run a command of manage.py."""
        return self.run("manage.py", *arguments, ends=ends)

    @contextmanager
    def sandbox(self) -> Iterator[dict[str, Any]]:
        """The vendors' side while the block lasts: what the command printed."""
        command = [sys.executable, "manage.py", "sandbox", "--port", "0", "--people", "60"]
        with subprocess.Popen(
            command, cwd=self.root, env=self.variables, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                yield json.loads(process.stdout.readline())
            finally:
                process.terminate()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project as it is, before the vendor; PYTEST_* of this run are not handed on."""
    root = tmp_path / "project"
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, root / file)
    (tmp_path / "data").mkdir()
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "ROLECALL_IGNORE_ENV_FILE": "1",
        "SECRETS_FILE": str(tmp_path / "secrets.env"),
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'data' / 'db.sqlite3'}",
    }
    return Project(root, variables)


def blocks(name: str) -> str:
    """Every block of the page that belongs to a file, one after the other."""
    found = re.findall(rf"^```\w+ {re.escape(name)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return "\n".join(found)


def lines(text: str) -> list[str]:
    """A text without its blank lines, which blocks of a page begin and end with."""
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "file",
    [
        *(path for path in sorted(FOLDER.iterdir()) if path.suffix in {".yaml", ".md", ".py"}),
        EXAMPLE / "clockwork.md",
        EXAMPLE / "clockwork.yaml",
    ],
    ids=lambda file: file.name,
)
def test_the_page_shows_every_file_from_beginning_to_end(file: Path):
    assert lines(blocks(file.name)) == lines(file.read_text(encoding="utf-8"))


def test_following_the_page_makes_a_vendor(project: Project):
    """Folder, check, sandbox, sync, presets with and without --plan, recorded calls, contract."""
    shutil.copytree(FOLDER, project.root / "integrations" / "vendors" / "clockwork")
    (project.root / "docs" / "vendors").mkdir(exist_ok=True)
    shutil.copy(EXAMPLE / "clockwork.md", project.root / "docs" / "vendors" / "clockwork.md")

    printed = project.manage("check_vendors", "clockwork")
    project.run("-m", "tests.integrations.vendors.record", "clockwork")
    with project.sandbox() as sandbox:
        load(project, sandbox)
        call_presets(project, sandbox)
    tested = project.run(
        *("-m", "pytest", "-q", "-p", "no:randomly", "tests/integrations/vendors/contract"),
        *("-k", "clockwork", "-p", "no:cacheprovider"),
    )
    assert int(re.findall(r"(\d+) passed", tested)[0]) > 60
    assert "failed" not in tested
    assert "Clockwork members" in printed
    assert "clockwork.suspend_member" in printed


def load(project: Project, sandbox: dict[str, Any]) -> None:
    """Section 8: credentials and an integration from a file, and a sync."""
    side = sandbox["vendors"]["clockwork"]
    port = sandbox["control"].rpartition(":")[2]
    project.variables |= {
        "CLOCKWORK_KEY": side["credentials"]["secrets"]["value"],
        "EGRESS_EXTRA_HOSTS": f"127.0.0.1:{port}",
    }
    text = (EXAMPLE / "clockwork.yaml").read_text(encoding="utf-8")
    (project.root / "clockwork.yaml").write_text(
        text.replace("127.0.0.1:8100", f"127.0.0.1:{port}")
    )
    state = sandbox["control"] + "/__state"
    added = {"vendor": "clockwork", "add": [{"id": "m-4000", "email": RECORD, "name": "Ann Lee"}]}
    with urlopen(state, data=json.dumps(added).encode()):  # noqa: S310 - our own sandbox
        pass

    project.run("-c", PREPARE)
    project.manage("config", "apply", "clockwork.yaml")
    run = json.loads(project.manage("sync", "Clockwork members", "--json"))["runs"][0]

    assert run["state"] == "done", run
    assert run["counts"]["seen"] > 50
    assert run["counts"]["roles"]["added"] == run["counts"]["saas_users"]["created"]


def call_presets(project: Project, sandbox: dict[str, Any]) -> None:
    """Section 10: the plan sends nothing, the call suspends, the read shows it."""
    on = ("--credentials", "Clockwork sandbox", "--record", "m-4000")

    planned = project.manage("call_preset", "clockwork.suspend_member", *on, "--plan")
    assert "members/m-4000/suspend" in planned
    assert suspended(sandbox) == []
    reason = ("--input", "reason=On leave until May")
    project.manage("call_preset", "clockwork.suspend_member", *on, *reason)
    assert suspended(sandbox) == ["m-4000"]
    shown = project.manage("call_preset", "clockwork.get_member", *on)
    assert "Ann Lee" in shown


def suspended(sandbox: dict[str, Any]) -> list[str]:
    """The members whom the sandbox has as suspended."""
    with urlopen(f"{sandbox['control']}/__state?vendor=clockwork") as answer:  # noqa: S310 - ours
        members = json.load(answer)["members"]
    return [one["id"] for one in members if one["suspended"]]
