"""What else a process does in a trial of locks: small writes, syncs, and pages that are read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSE_SECONDS = 0.1  # between two syncs, or two rounds of pages: the writers make none


class Receipt:
    """What one process did and met; written to a file at its end."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self.done = 0
        self.wrong: list[str] = []
        self.longest = 0.0

    def note(self, do: Callable[[], str | None]) -> None:
        """Do one piece; what it says or raises was wrong with it."""
        began = time.monotonic()
        try:
            said = do()
        except Exception as error:  # noqa: BLE001 - every error that surfaces is counted
            said = f"{type(error).__name__}: {error}"
        self.longest = max(self.longest, time.monotonic() - began)
        if said:
            self.wrong.append(said)
        else:
            self.done += 1

    def write(self) -> None:
        """Leave it for the trial."""
        content = {"done": self.done, "wrong": self.wrong[:50], "longest": self.longest}
        self._file.write_text(json.dumps(content))


def write(job: dict[str, Any]) -> None:
    """Save people by hand, as a form does: a title that counts up, each with its event."""
    from people.by_hand import save_person
    from people.models import Person

    people = list(Person.objects.filter(pk__in=job["people"]))
    receipt = Receipt(job["receipt"])
    for number in range(1, job["writes"] + 1):
        person = people[number % len(people)]
        title = f"{job['name']} {number}"

        def save(person: Person = person, title: str = title) -> None:
            save_person(person, {"title": title}, actor=job["name"])

        receipt.note(save)
    receipt.write()


def sync(job: dict[str, Any]) -> None:
    """Run an integration again and again until told to stop; every record is looked at anew."""
    from integrations import services
    from integrations.models import Integration, SyncRun
    from integrations.sync import execute

    receipt = Receipt(job["receipt"])
    well = {SyncRun.State.DONE, SyncRun.State.PARTIAL}

    def once() -> str | None:
        integration = Integration.objects.get(pk=job["integration"])
        services.look_again(integration)
        queued = integration.runs.filter(state=SyncRun.State.QUEUED).first()
        run = execute((queued or services.queue_run(integration, by="trial")).pk)
        return None if run.state in well else f"{run.state}: {run.error_message}"

    _until_told(job, lambda: receipt.note(once))
    receipt.write()


def read(job: dict[str, Any]) -> None:
    """Open pages as a signed-in admin until told to stop."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}  # nothing was collected
    receipt = Receipt(job["receipt"])
    browser = Client(raise_request_exception=False)
    receipt.note(lambda: browser.force_login(User.objects.get(username="runner")))
    pages = ["/admin/people/person/", "/admin/integrations/syncrun/", "/readyz"]

    def once() -> None:
        for page in pages:
            answer = browser.get(page, headers={"host": "127.0.0.1"})
            if answer.status_code != 200:  # noqa: PLR2004 - HTTP's OK
                raise RuntimeError(f"{page} answered {answer.status_code}")

    _until_told(job, lambda: receipt.note(once))
    receipt.write()


def _until_told(job: dict[str, Any], do: Callable[[], None]) -> None:
    stop = Path(job["stop"])
    while not stop.exists():
        do()
        time.sleep(PAUSE_SECONDS)


CHORES: dict[str, Callable[[dict[str, Any]], None]] = {"write": write, "sync": sync, "read": read}
