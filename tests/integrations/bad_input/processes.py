"""A run that is done in a process of its own, as the worker does it: to be watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, re, sys
import django
django.setup()
from integrations.sync import execute
def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024
before = memory("VmRSS")
run = execute(int(sys.argv[1]))
print(json.dumps({"state": run.state, "code": run.error_code, "message": run.error_message,
                  "before": before, "peak": memory("VmHWM")}))
"""


def environment(**more: str) -> dict[str, str]:
    """The variables with which a process of ours works on the database of the tests."""
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "EGRESS_EXTRA_HOSTS": ",".join(settings.EGRESS_EXTRA_HOSTS),
        **more,
    }


def database_url() -> str:
    """The address of the database of the tests, for a child process."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    secret = f":{quote(str(given['PASSWORD']))}" if given["PASSWORD"] else ""
    place = f"{given['HOST']}:{given['PORT'] or 5432}/{given['NAME']}"
    return f"postgres://{given['USER']}{secret}@{place}"


def execute_apart(run_id: int) -> dict[str, Any]:
    """Do a queued run in a child process: its state, code, message, and memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(run_id)],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
