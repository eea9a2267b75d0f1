"""Many small writes on SQLite at once, while two syncs run and pages are read (F-09).

Four processes save people by hand, through the product's own settings. No "database is locked" may
surface, and no write may be lost.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.killing.place import Place, environment, prepare_django
from trials.report import Promise, finish, make_parser

if TYPE_CHECKING:
    from trials.killing.workers import Worker, Zygote

WRITERS = 4
WRITES = 5_000
SHORT_WRITES = 300
PEOPLE_EACH = 5
LONGEST = 900.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial on a database of its own."""
    parser = make_parser(__doc__)
    parser.add_argument("--writes", type=int, default=WRITES, help="by each of four processes")
    options = parser.parse_args(arguments)
    writes = SHORT_WRITES if options.short else options.writes
    with tempfile.TemporaryDirectory(prefix="rolecall-locks-") as folder:
        promises = _try(Path(folder), writes)
    return finish("Writers that wait for each other on SQLite (F-09)", promises,
                  as_json=options.json)  # fmt: skip


def _try(folder: Path, writes: int) -> list[Promise]:
    (folder / "data").mkdir()
    prepare_django("sqlite", folder)
    from trials.killing.workers import Zygote
    from trials.killing.world import add_integration, make_company, make_sandbox

    place = Place("sqlite", folder)
    with make_sandbox() as sandbox:
        place.make_template()
        company = make_company(sandbox)
        integrations = [company.integration_id, add_integration(sandbox, "Aha! again").pk]
        place.close_template()
        with Zygote(environment("sqlite", folder, place.template), folder) as zygote:
            crowd = _Crowd(zygote, folder, place.template, sandbox.url)
            began = time.monotonic()
            people = _people(WRITERS * PEOPLE_EACH)
            for number in range(WRITERS):
                mine = people[number * PEOPLE_EACH : (number + 1) * PEOPLE_EACH]
                crowd.start("write", f"writer {number + 1}", people=mine, writes=writes)
            for integration in integrations:
                crowd.start("sync", f"sync {integration}", integration=integration)
            crowd.start("read", "pages")
            crowd.wait("write")
            seconds = time.monotonic() - began
            crowd.stop()
        return [*crowd.promises(seconds), _nothing_lost(crowd, people, writes)]


class _Crowd:
    """The processes that are at work on one database."""

    def __init__(self, zygote: Zygote, folder: Path, database: str, vendor: str) -> None:
        self._zygote = zygote
        self._folder = folder
        self._job: dict[str, Any] = {
            "database": {"NAME": database},
            "hosts": [vendor.removeprefix("http://")],
            "stop": str(folder / "stop"),
        }
        self._workers: dict[str, tuple[str, Worker]] = {}

    def start(self, chore: str, name: str, **job: Any) -> None:
        """Begin a chore in a process of its own."""
        receipt = str(self._folder / f"{name}.json")
        worker = self._zygote.start(do=chore, name=name, receipt=receipt, **self._job, **job)
        self._workers[name] = (chore, worker)

    def wait(self, chore: str) -> None:
        """Wait for the end of those that do this chore."""
        for what, worker in self._workers.values():
            if what == chore:
                worker.wait(seconds=LONGEST)

    def stop(self) -> None:
        """Tell the others to stop, and wait for them."""
        Path(self._job["stop"]).touch()
        for _what, worker in self._workers.values():
            if not worker.wait(seconds=60):
                worker.kill()

    def names(self, chore: str) -> list[str]:
        """Who does this chore."""
        return [name for name, (what, _worker) in self._workers.items() if what == chore]

    def receipt(self, name: str) -> dict[str, Any]:
        """What one of them did; its last words when it left no receipt."""
        file = self._folder / f"{name}.json"
        if file.exists():
            content: dict[str, Any] = json.loads(file.read_text())
            return content
        said = self._workers[name][1].said()
        return {"done": 0, "wrong": [f"it ended early: {said}"], "longest": 0.0}

    def _said(self, name: str) -> str:
        return self._workers[name][1].said()

    def promises(self, seconds: float) -> list[Promise]:
        """A line for each chore."""
        lines = []
        for chore, called in (("write", "small writes"), ("sync", "syncs"), ("read", "page views")):
            receipts = {name: self.receipt(name) for name in self.names(chore)}
            done = sum(one["done"] for one in receipts.values())
            wrong = [f"{name}: {what}" for name, one in receipts.items() for what in one["wrong"]]
            wrong += [f"{name}'s log: {self._said(name)}" for name in receipts if wrong]
            longest = max(one["longest"] for one in receipts.values())
            figures = {"each second": done / seconds, "longest s": longest}
            lines.append(Promise(f"{called} that met no lock", done, wrong, figures))
        return lines


def _people(number: int) -> list[int]:
    from people.models import Person

    return list(Person.objects.order_by("pk").values_list("pk", flat=True)[:number])


def _nothing_lost(crowd: _Crowd, people: Sequence[int], writes: int) -> Promise:
    """Every save left its event, and each person has the title of the last one."""
    from people.models import Event, Person

    wrong = []
    for name in crowd.names("write"):
        events = Event.objects.filter(actor=name).count()
        if events != writes:
            wrong.append(f"{name}: {writes} saves, {events} events")
    last = {
        row["object_id"]: row["changes"]["title"][1]
        for row in Event.objects.filter(source="admin", object_id__in=people, object="person")
        .order_by("pk")
        .values("object_id", "changes")
    }
    for person, title in Person.objects.filter(pk__in=people).values_list("pk", "title"):
        if title != last.get(person):
            wrong.append(f'person {person}: "{title}" instead of "{last.get(person)}"')
    return Promise("nothing lost", writes * WRITERS, wrong)


if __name__ == "__main__":
    sys.exit(main())
