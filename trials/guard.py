"""The guard of removals, row by row: what passes, what is held, what an approval does (F-26, G-08).

Each row is a company of its own that people leave, at each vendor where the row says so, on SQLite
and PostgreSQL. Processes that apply approved removals are killed; time passes by making removals in
the database older. Besides: protected records (F-27), and a broken record beside a vendor that
is down (S-25).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from trials.database import fork, kill
from trials.report import Promise
from trials.sides import fresh_world, run_on_both

if TYPE_CHECKING:
    from tests.integrations.removals.leavers import Company
    from tests.integrations.sync.worlds import World

VENDORS = ("aha", "bamboohr")
KILLS, SHORT_KILLS = 10, 2
APPROVED, SHORT_APPROVED = 120, 60
LONGEST_S25 = 60.0
LIMIT_OF_200 = 20
HELD = 6  # of 30, one more than the limit; the listing is not short by it
Check = Callable[["World"], Iterator[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial."""
    return run_on_both("guard", "The guard (F-26, F-27, S-25, G-08)", __doc__, arguments, _try_all)


def _try_all(options: argparse.Namespace) -> list[Promise]:
    rows: list[tuple[str, Check]] = []
    for vendor in VENDORS:
        rows += [
            (f"{vendor}: 200 active, 20 pass", partial(_leave, vendor, 200, 20, "done")),
            (f"{vendor}: 200 active, 21 held", partial(_leave, vendor, 200, 21, "held")),
            (f"{vendor}: 3 active, 2 held", partial(_leave, vendor, 3, 2, "held")),
            (f"{vendor}: 6 % four times a day", partial(_drip, vendor)),
        ]
    rows += [
        ("a changed row is refused, the others go", _changed),
        ("a later sync keeps the approval", _kept),
    ]
    promises = [_try(name, check) for name, check in rows]
    promises += [_protected(vendor) for vendor in VENDORS]
    promises.append(_killed(short=options.short))
    promises.append(_broken_neighbours())
    return promises


def _try(name: str, check: Check) -> Promise:
    with fresh_world() as world:
        return Promise(name, 1, list(check(world)))


def _load(world: World, vendor: str, active: int) -> Company:
    """So many active records; the owner of Aha!'s key is one of them."""
    from tests.integrations.removals.leavers import load

    return load(world, vendor, active - 1 if vendor == "aha" else active)


def _leave(vendor: str, active: int, leavers: int, state: str, world: World) -> Iterator[str]:
    from tests.integrations.removals.leavers import gone, kind_of

    company = _load(world, vendor, active)
    company.leave(*company.ids[:leavers])
    run = company.sync()
    removed = gone(kind_of(company))
    if (run.state, removed) != (state, leavers if state == "done" else 0):
        yield f"{leavers} of {active} left: the run ended {run.state}, {removed} were removed"


def _drip(vendor: str, world: World) -> Iterator[str]:
    from tests.integrations.removals.leavers import a_day_passes, gone, kind_of

    company = _load(world, vendor, 200)
    ended = []
    for number in range(4):
        company.leave(*company.ids[12 * number : 12 * (number + 1)])
        ended.append(company.sync().state)
        a_day_passes(hours=6)
    removed = gone(kind_of(company))
    if ended[0] != "done" or "held" not in ended or removed > LIMIT_OF_200:
        yield f"the runs ended {', '.join(ended)}; {removed} were removed"


def _changed(world: World) -> Iterator[str]:
    """One account gets a role between the page and the approval, which the next sync sees."""
    from integrations import approvals
    from saas.models import SaaSUser, SaaSUserRole
    from tests.integrations.removals.leavers import gone, shown

    company = _load(world, "aha", 30)
    company.leave(*company.ids[:HELD])
    seen = shown(company.sync())
    one = SaaSUser.objects.get(external_id=company.ids[0])
    SaaSUserRole.objects.filter(saas_user=one).update(role="Owner")
    company.sync()
    decision = approvals.approve(seen, by="ann")
    _do_queued()
    if (decision.decided, len(decision.refused)) != (HELD - 1, 1):
        yield f"{decision.decided} approved, {len(decision.refused)} refused"
    one.refresh_from_db()
    if gone() != HELD - 1 or one.status != "active":
        yield f"{gone()} were removed; the changed one is {one.status}"


def _kept(world: World) -> Iterator[str]:
    from integrations import approvals
    from people.models import Event
    from tests.integrations.removals.leavers import gone, shown

    company = _load(world, "aha", 30)
    company.leave(*company.ids[:HELD])
    approvals.approve(shown(company.sync()), by="ann")
    company.vendor.fault("status", path=r"users/\d+$", status=403)
    _do_queued()
    if gone():
        yield f"{gone()} were removed without proof"
    company.vendor.heal()
    company.sync()
    if gone() != HELD or Event.objects.filter(approved_by="ann").count() != HELD:
        yield f"{gone()} of {HELD} approved ones were removed"


def _do_queued() -> object:
    from integrations.models import SyncRun
    from integrations.sync import execute

    queued = SyncRun.objects.filter(state="queued").first()
    return execute(queued.pk) if queued else None


def _protected(vendor: str) -> Promise:
    """F-27: by e-mail, by id, the user of the integration, the owner of the key."""
    broken: list[str] = []
    cases = ("by e-mail", "by id", "runs as", "owner")
    for case in cases:
        with fresh_world() as world:
            broken += [f"{case}: {one}" for one in _protect(world, vendor, case)]
    return Promise(f"{vendor}: protected ones stay", len(cases), broken)


def _protect(world: World, vendor: str, case: str) -> Iterator[str]:
    from django.contrib.auth.models import User

    from integrations.models import Integration
    from tests.integrations.removals.leavers import states

    company = _load(world, vendor, 12)
    one, other = company.ids[1], company.ids[2]
    if case == "runs as":
        User.objects.update(email="p001@acme.example")
    elif case == "owner":
        body = f'{{"id": "{one}", "user": {{"id": "{one}"}}}}'.encode()
        company.vendor.fault("body", path=r"/me$|employees/0", body=body)
    else:
        Integration.objects.update(protected=["P001@acme.example" if case == "by e-mail" else one])
    company.leave(one, other)
    run = company.sync()
    if states(run) != {one: "skipped", other: "applied"}:
        yield f"{states(run)}"
    if not any("protected removals were left out" in text for text in run.warnings):
        yield "the run does not say so"


def _killed(*, short: bool) -> Promise:
    """Approved removals, applied by processes of which most are killed: each exactly once."""
    from integrations import approvals
    from integrations.models import SyncRun
    from integrations.worker import free_lost_runs
    from tests.integrations.removals.leavers import gone, load, shown

    broken: list[str] = []
    leavers, kills = (SHORT_APPROVED if short else APPROVED), 0
    wanted = SHORT_KILLS if short else KILLS
    for attempt in range(wanted):
        with fresh_world() as world:
            company = load(world, "aha", 2 * leavers)
            company.leave(*company.ids[:leavers])
            approvals.approve(shown(company.sync()), by="ann")
            run = SyncRun.objects.get(state="queued")
            worker = fork(partial(_execute, run.pk))
            done_before = leavers * (attempt + 1) // (wanted + 1)
            while len([one for one in world.sandbox.log if "/users/" in one.path]) < done_before:
                time.sleep(0.002)
            kill(worker)
            run.refresh_from_db()
            kills += run.state == "running"
            free_lost_runs(now=_later())
            _do_queued()
            broken += _exactly_once(leavers, gone())
    return Promise("killed while approved ones go", wanted, broken, {"kills": kills})


def _execute(run_id: int) -> None:
    from integrations.sync import execute

    execute(run_id)


def _later() -> datetime:
    from django.utils import timezone

    return timezone.now() + timedelta(hours=1)


def _exactly_once(leavers: int, removed: int) -> Iterator[str]:
    from integrations.models import SyncRun
    from people.models import Event

    events = Counter(Event.objects.filter(kind="archive").values_list("object_id", flat=True))
    if removed != leavers or len(events) != leavers or set(events.values()) != {1}:
        yield f"{removed} of {leavers} removed, with {sum(events.values())} events"
    run = SyncRun.objects.get(kind="removals")
    counted = run.counts["saas_users"]["deactivated"]
    if (run.state, counted) != ("done", leavers):
        yield f"the run ended {run.state} and counted {counted}"


def _broken_neighbours() -> Promise:
    """S-25: Aha! is down and one of BambooHR's records is broken; all of its leavers go in time."""
    from tests.integrations.removals.leavers import gone, load
    from tests.integrations.sync.worlds import run_sync

    with fresh_world() as world:
        aha = load(world, "aha", 20)
        company = load(world, "bamboohr", 60)
        company.leave(*company.ids[:6])
        aha.vendor.fault("status", status=500, retry_after=0)
        company.vendor.change(company.ids[20], hireDate="0000-99-99", firstName="\x00" * 9)
        began = time.monotonic()
        down = run_sync(aha.integration)
        company.sync()
        seconds = time.monotonic() - began
        removed = gone("person")
    broken = [] if removed == 6 else [f"{removed} of 6 were removed"]  # noqa: PLR2004
    broken += [] if seconds <= LONGEST_S25 else [f"it took {seconds:.0f} s"]
    broken += [] if down.state == "failed" else [f"the vendor that is down ended {down.state}"]
    return Promise("a vendor down, a record broken", 6, broken, {"seconds": seconds})


if __name__ == "__main__":
    sys.exit(main())
