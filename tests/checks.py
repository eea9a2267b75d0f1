"""The parts of `make check` that are more than one command: `deploy`, `lock`, `audit`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

AUDIT_WITHIN = 120  # seconds
ROOT = Path(__file__).resolve().parent.parent


def deploy() -> int:
    """Django's deployment checks under production settings, with made-up values."""
    with tempfile.TemporaryDirectory(prefix="rolecall-check-") as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "ROLECALL_IGNORE_ENV_FILE": "1",
            "SECRET_KEY": "made-up-for-the-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF",
            "FERNET_KEYS": "bWFkZS11cC1mb3ItdGhlLWNoZWNrLTAxMjM0NTY3ODk=",
            "DATABASE_URL": f"sqlite:///{folder}/check.sqlite3",
            "ALLOWED_HOSTS": "rolecall.example.com",
            "PUBLIC_URL": "https://rolecall.example.com",
            "DATA_DIR": folder,
        }
        command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def lock() -> int:
    """Every name of a .in file is pinned with hashes in its .txt, and fits what the .in asks."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    problems = []
    for stem in ("requirements", "requirements-dev"):
        text = (ROOT / f"{stem}.txt").read_text(encoding="utf-8")
        pins = {
            canonicalize_name(name): version
            for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", text, re.MULTILINE)
        }
        if text.count("--hash=sha256:") < len(pins):
            problems.append(f"{stem}.txt has pins without hashes")
        for line in (ROOT / f"{stem}.in").read_text(encoding="utf-8").splitlines():
            wanted = line.split("#")[0].strip()
            if not wanted or wanted.startswith("-"):
                continue
            requirement = Requirement(wanted)
            pinned = pins.get(canonicalize_name(requirement.name))
            if pinned is None or not requirement.specifier.contains(pinned, prereleases=True):
                problems.append(f"{stem}.txt pins {requirement.name} {pinned}, {wanted} is asked")
    for problem in problems:
        print(f"{problem}: run `make lock`")
    if not problems:
        print("Lock: every requirement is pinned, with hashes.")
    return 1 if problems else 0


def audit() -> int:
    """Known weaknesses of what is pinned; said, and not failed, when nobody can be asked."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner", "off", "--timeout", "10", "--format", "json"]
    command += ["-r", "requirements-dev.txt"]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=AUDIT_WITHIN
        )
        packages = json.loads(ended.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"Audit: left out, there was no answer within {AUDIT_WITHIN} s.")
        return 0
    except ValueError:
        reason = (ended.stderr.strip().splitlines() or ["no reason was given"])[-1]
        print(f"Audit: left out, known weaknesses could not be asked for ({reason[:200]}).")
        return 0
    asked = [package for package in packages if "vulns" in package]
    weak = [(package, weakness) for package in asked for weakness in package["vulns"]]
    for package, weakness in weak:
        fixed = ", ".join(weakness["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {weakness['id']}, mended in {fixed}")
    print(
        f"Audit: {len(asked)} of {len(packages)} packages could be asked about, {len(weak)} weak."
    )
    return 1 if weak else 0


if __name__ == "__main__":
    raise SystemExit({"deploy": deploy, "lock": lock, "audit": audit}[sys.argv[1]]())
