"""`manage.py start`: the whole product in one command."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from config import demo
from config.groups import IT_ADMIN
from config.supervisor import Program, Stopping, Supervisor
from people.masking import mask

WRONG_USAGE, FAILED = 2, 3
WORKER_THREADS = 8
_READY_WITHIN = 60  # seconds


class Command(BaseCommand):
    """Prepares the database and the static files, then keeps web, worker and tick running."""

    help = "Migrate, collect static files, then run web, worker and tick until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--threads", type=int, default=8, help="requests at the same time")
        parser.add_argument(
            "--demo", action="store_true", help="a demo company, with its vendors on loopback"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        bind, port = options["bind"], options["port"]
        check_port_is_free(bind, port)
        address = f"http://{f'[{bind}]' if ':' in bind else bind}:{port}"
        os.environ.setdefault("PUBLIC_URL", address)
        try:
            with Supervisor(self._say) as supervisor:
                self._prepare(demo_wanted=options["demo"])
                company = demo.open_sandbox(supervisor) if options["demo"] else None
                supervisor.start(web(bind, port, options["threads"]))
                supervisor.start(worker())
                supervisor.start(tick())
                if not supervisor.wait(lambda: answers(bind, port), seconds=_READY_WITHIN):
                    self._say("The web process does not answer yet; its reason stands above.")
                self._greet(address, supervisor, company)
                connections.close_all()
                supervisor.wait(lambda: False)
        except Stopping:
            self._say("Stopped.")

    def _prepare(self, *, demo_wanted: bool) -> None:
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except OperationalError as error:
            raise CommandError(
                f"The database cannot be used: {mask(str(error)).strip()}", returncode=FAILED
            ) from None
        call_command("collectstatic", verbosity=0, interactive=False)
        if demo_wanted:
            demo.check_is_possible()
        elif not User.objects.exists():
            password = make_first_admin()
            self._say(
                "There was no user yet, so one was made. The password is shown this once:\n"
                f"  user name  admin\n  password   {password}"
            )

    def _greet(self, address: str, supervisor: Supervisor, company: demo.Company | None) -> None:
        if company is None:
            self._say(f"Ready: {address}/  (Ctrl-C stops everything)")
            return
        demo.load(company, supervisor, report=self._say)
        self._say(demo.welcome(address, company))

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def check_port_is_free(bind: str, port: int) -> None:
    """Raise CommandError when another program listens there."""
    try:
        family, kind, protocol, _name, target = socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Port {port} on {bind} cannot be used ({error}). Stop the program that uses it, or "
            f"choose another port, for example --port {port + 1}.",
            returncode=WRONG_USAGE,
        ) from None


def make_first_admin() -> str:
    """Make the user `admin` in the group IT admin, who may do everything; give the password."""
    password = secrets.token_urlsafe(15)
    user = User.objects.create_superuser("admin", password=password)
    user.groups.add(Group.objects.get(name=IT_ADMIN))
    return password


def web(bind: str, port: int, threads: int) -> Program:
    """Gunicorn, one process with threads."""
    return Program(
        "web",
        (
            sys.executable, "-m", "gunicorn", "config.wsgi", "--config", "python:config.gunicorn",
            "--chdir", str(settings.BASE_DIR),
            "--bind", f"{f'[{bind}]' if ':' in bind else bind}:{port}", "--threads", str(threads),
        ),
    )  # fmt: skip


def worker() -> Program:
    """Celery's worker with threads: each does one piece of work at a time."""
    return Program(
        "worker",
        (
            sys.executable, "-m", "celery", "--app", "config", "--workdir", str(settings.BASE_DIR),
            "--quiet", "worker", "--pool", "threads", "--concurrency", str(WORKER_THREADS),
            "--without-gossip", "--without-mingle", "--without-heartbeat",
            "--loglevel", "WARNING",
        ),
    )  # fmt: skip


def tick() -> Program:
    """It makes due what is due, and wakes the worker."""
    return Program("tick", (sys.executable, manage_py(), "run_due", "--loop"))


def manage_py() -> str:
    return str(settings.BASE_DIR / "manage.py")


def answers(bind: str, port: int) -> bool:
    """Does the web process answer its health page?"""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(bind, bind)  # noqa: S104 - compared only
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True  # it answers; another status is not the supervisor's business
    except OSError:
        return False
