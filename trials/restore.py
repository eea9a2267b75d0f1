"""Backups that are killed, and restores of an old one: nothing is lost, nothing is done twice.

Backups are killed without a word while others write. A copy of a day ago is restored: previews are
all that runs, nobody is removed, and what comes back is what the vendors say. The artefact is
searched for keys and secrets.
"""

from __future__ import annotations

import base64
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from trials.database import fork, kill, own_database
from trials.report import Promise, finish, make_parser, progress

PEOPLE, SHORT_PEOPLE = 2_000, 30
KILLS, SHORT_KILLS = 20, 3
_RTO_SECONDS = 15 * 60
_SEED = 43


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial on a database of its own, against vendors on loopback."""
    options = make_parser(__doc__).parse_args(arguments)
    short = options.short
    with own_database("restore"), tempfile.TemporaryDirectory(prefix="rolecall-trial-") as folder:
        from django.conf import settings

        from integrations.sandbox.server import Sandbox
        from tests.integrations.sync.worlds import NO_LIMIT

        limits = {"aha": NO_LIMIT, "bamboohr": NO_LIMIT}
        with Sandbox(people=0, seed=1, settings=limits) as sandbox:
            settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
            settings.EGRESS_ALLOW_HTTP = True
            company = _Company(sandbox, SHORT_PEOPLE if short else PEOPLE)
            promises = [
                _try_kills(Path(folder), SHORT_KILLS if short else KILLS),
                *_try_restore(company, Path(folder)),
            ]
    return finish("Backups and restores (F-41, F-43, S-03, G-22)", promises, as_json=options.json)


class _Company:
    """Employees and accounts at the vendors, both loaded once."""

    def __init__(self, sandbox: Any, people: int) -> None:
        from tests.integrations.sync.worlds import World, sync

        self.world = World(sandbox)
        self.employees = self.world.bamboohr.add_all(
            [self.world.employee(f"p{one}") for one in range(people)]
        )
        self.world.aha.add_all(
            [
                {"first_name": f"p{one}", "last_name": "X", "email": f"p{one}@acme.example"}
                for one in range(people // 2)
            ]
        )
        self.integrations = [
            self.world.integration("bamboohr", name="BambooHR", missing_people="deactivate"),
            self.world.integration("aha", name="Aha!", priority=90),
        ]
        for one in self.integrations:
            sync(one)

    def a_day(self) -> None:
        """Newcomers, leavers, titles; and both syncs."""
        from tests.integrations.sync.worlds import sync

        world, ids = self.world, self.employees
        world.bamboohr.add_all([world.employee(f"n{one}") for one in range(len(ids) // 10)])
        world.bamboohr.change_all({one: {"jobTitle": "Head"} for one in ids[: len(ids) // 5]})
        world.bamboohr.change_all({one: {"status": "Inactive"} for one in ids[-2:]})
        for one in self.integrations:
            sync(one)

    def secrets(self) -> list[str]:
        """All that must not stand in a backup."""
        from django.conf import settings

        vendors = ("aha", "bamboohr")
        given = [self.world.sandbox.credentials(one)["secrets"]["value"] for one in vendors]
        return [*given, settings.SECRET_KEY, *settings.FERNET_KEYS]


def _try_kills(folder: Path, kills: int) -> Promise:
    """Kill backups on their way, while another process writes."""
    from django.utils import timezone

    from integrations.keeping.backup import write_backup

    file = folder / "killed.zip"
    began = time.monotonic()
    write_backup(file, now=timezone.now())
    took = time.monotonic() - began
    file.unlink()
    chance = random.Random(_SEED)  # noqa: S311 - moments, no secret
    writer = fork(_write_for_ever)
    broken, whole = [], 0
    try:
        for one in range(kills):
            pid = fork(partial(_back_up, file))
            time.sleep(chance.uniform(0, took * 1.5))
            kill(pid)
            if file.exists():
                whole += 1
                broken += _faults_of(file)
                file.unlink()
            progress(f"{one + 1} backups killed")
        write_backup(file, now=timezone.now())
        broken += _faults_of(file)
        broken += ["a part was left"] * file.with_name("killed.zip.part").exists()
    finally:
        kill(writer)
    return Promise(
        "a killed backup is absent or whole", kills, broken,
        {"whole": whole, "a backup takes s": took},
    )  # fmt: skip


def _back_up(file: Path) -> None:
    from django.utils import timezone

    from integrations.keeping.backup import write_backup

    write_backup(file, now=timezone.now())


def _write_for_ever() -> None:
    from people.models import Event

    while True:
        Event.objects.create(object="person", object_id=1, kind="edit", source="admin", actor="x")
        time.sleep(0.005)


def _faults_of(file: Path) -> list[str]:
    from integrations.errors import BackupRefused
    from integrations.keeping.archive import check_table, open_archive

    try:
        with open_archive(file) as (archive, manifest):
            for entry in manifest.tables:
                check_table(archive, entry)
    except BackupRefused as problem:
        return [problem.message]
    return []


def _try_restore(company: _Company, folder: Path) -> list[Promise]:
    """Restore the copy of a day ago, preview, say go, sync."""
    from django.utils import timezone

    from integrations.installation import resume_installation
    from integrations.keeping.backup import write_backup
    from integrations.keeping.restore import restore_backup
    from tests.integrations.sync.worlds import run_sync, sync

    copy = folder / "yesterday.zip"
    write_backup(copy, now=timezone.now())
    company.a_day()
    expected = _people()
    began = time.monotonic()
    done = restore_backup(copy, replace=True, by="trial", now=timezone.now())
    took = time.monotonic() - began
    first = [_first_run(one) for one in company.integrations]
    previews = [run_sync(one, kind="preview") for one in company.integrations]
    before_go = _removed()
    wrote = [] if _people() == _people_of(copy) else ["a preview wrote"]
    resume_installation(by="trial")
    for one in company.integrations:
        sync(one)
    effects = [f"{effect.vendor} {effect.op}" for effect in company.world.sandbox.ledger]
    return [
        Promise("restored", done.manifest.rows, _slow(took), {"restored in s": took}),
        Promise("only previews run before go", len(first) + len(previews),
                [one for one in first if one] + wrote),
        Promise("removed by itself", len(expected), ["somebody was removed"] * before_go),
        Promise("afterwards as the vendors say", len(expected), _differences(expected, _people())),
        Promise("effects at vendors", len(first), effects),
        _search(copy, company.secrets()),
    ]  # fmt: skip


def _slow(seconds: float) -> list[str]:
    return [f"it took {seconds:.0f} s"] * (seconds > _RTO_SECONDS)


def _first_run(integration: Any) -> str:
    """What went wrong when a sync was asked for while paused; nothing when it was refused."""
    from integrations.errors import InstallationPaused
    from tests.integrations.sync.worlds import run_sync

    try:
        run = run_sync(integration)
    except InstallationPaused:
        return ""
    return f"{run} began as {run.kind}"


def _people() -> dict[str, tuple[str, str]]:
    from people.models import Person

    rows = Person.objects.values_list("email", "status", "title")
    return {email: (status, title) for email, status, title in rows}


def _people_of(copy: Path) -> dict[str, tuple[str, str]]:
    """What the copy says about people, read from its file."""
    from integrations.keeping.archive import open_archive, read_lines

    with open_archive(copy) as (archive, manifest):
        entry = next(one for one in manifest.tables if one.name == "people_person")
        at = [list(entry.columns).index(name) for name in ("email", "status", "title")]
        rows = [[row[one] for one in at] for row in read_lines(archive, entry)]
    return {email: (status, title) for email, status, title in rows}


def _removed() -> int:
    from people.models import Person

    return Person.objects.filter(status=Person.Status.DEACTIVATED).count()


def _differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return sorted(one for one in {*expected, *found} if expected.get(one) != found.get(one))


def _search(copy: Path, secrets: Sequence[str]) -> Promise:
    """Look for each secret in the file and in what is packed in it, in several spellings."""
    with zipfile.ZipFile(copy) as archive:
        content = b"\n".join(
            [copy.read_bytes(), *(archive.read(one) for one in archive.namelist())]
        )
    found = []
    for number, secret in enumerate(secrets):
        raw = secret.encode()
        spellings = {raw, raw.hex().encode(), base64.b64encode(raw)[:-4], raw[::-1]}
        found += [f"secret {number} stands in it" for one in spellings if one in content]
    control = [] if b"acme.example" in content else ["the search finds nothing at all"]
    return Promise("keys and secrets in the file", len(secrets), found + control)


if __name__ == "__main__":
    sys.exit(main())
