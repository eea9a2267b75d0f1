"""A process with Django ready that forks workers on demand: a start costs milliseconds.

Orders come as JSON lines on stdin; who began and who ended is told as JSON lines on stdout.
Every worker leads a process group of its own and opens its own connections.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.01
BATCH = 8  # A small company then has as many commits as a large one.


def main() -> None:
    import django

    django.setup()
    _import_what_workers_need()
    gc.freeze()
    alive: dict[int, int] = {}
    buffer = b""
    _tell(ready=True)
    while True:
        if select.select([0], [], [], POLL_SECONDS)[0]:
            read = os.read(0, 65_536)
            if not read:
                break
            buffer += read
            *orders, buffer = buffer.split(b"\n")
            for order in orders:
                job = json.loads(order)
                pid = _fork(job)
                alive[pid] = job["number"]
                _tell(number=job["number"], pid=pid)
        _reap(alive)
    for pid in alive:
        os.killpg(pid, signal.SIGKILL)


def _tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _reap(alive: dict[int, int]) -> None:
    while alive:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _tell(number=alive.pop(pid), ended=os.waitstatus_to_exitcode(status))


def _import_what_workers_need() -> None:
    from django.core.management import get_commands, load_command_class

    load_command_class(get_commands()["run_due"], "run_due")
    from django.conf import settings

    if "postgresql" in settings.DATABASES["default"]["ENGINE"]:
        import psycopg  # noqa: F401
    from integrations.registry import get_vendor

    get_vendor("aha")


def _fork(job: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        code = _work(job)
    except BaseException:  # noqa: BLE001 - a child must never return into the zygote's loop
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work(job: dict[str, Any]) -> int:
    """Do the chore of the job on its database: `manage.py run_due`, once, if it names none."""
    from django.conf import settings
    from django.db import connections

    from trials.killing.chores import CHORES

    connections.databases["default"] |= job["database"]
    settings.EGRESS_EXTRA_HOSTS = job["hosts"]
    if job.get("do"):
        CHORES[job["do"]](job)
        code = 0
    else:
        code = _run_due(job)
    connections.close_all()
    return code


def _run_due(job: dict[str, Any]) -> int:
    from django.core.management import call_command

    from trials.killing.commits import count_commits

    _work_in_small_batches()
    tally = count_commits(job["kill"]) if job["tally"] else None
    code = 0
    try:
        call_command("run_due")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    if tally is not None:
        Path(job["tally"]).write_text(str(tally.number))
    return code


def _work_in_small_batches() -> None:
    """Only here, and in the undisturbed run as well: what is compared did the same steps."""
    for name, module in list(sys.modules.items()):
        if name.startswith("integrations.") and getattr(module, "BATCH", None) is not None:
            module.BATCH = BATCH  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
