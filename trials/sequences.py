"""Every way in which six runs can end: is the error state as M-32 says, and are the mails (G-19)?

All 1,092 sequences of success, failed connection and partial run, of length one to six, go through
the code that ends runs; a sample goes through syncs over HTTP, and a sample is killed in each step.
"""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from trials.database import die, fork, own_database
from trials.report import Promise, finish, make_parser, progress

if TYPE_CHECKING:
    from integrations.models import Integration, SyncRun
    from tests.integrations.sync.worlds import World

ENDS = "SFP"  # success, failed connection, partly done
LONGEST, SHORT_LONGEST = 6, 4
KILLED, SHORT_KILLED = 60, 5
REAL, SHORT_REAL = ("FFFFSFFPFFFS", "FPFFSFFFFPSF"), ("FFSFFFFP",)
CODES = (
    "connection", "dns", "tls", "timeout", "server_error", "html", "unauthorized", "forbidden",
    "refresh_refused",
)  # fmt: skip
_SEED = 32


@dataclass(frozen=True)
class Standing:
    """What M-32 speaks of: failures in a row, whether in error state, and the mails so far."""

    in_a_row: int
    in_error: bool
    mails: int


def expected(sequence: str) -> Standing:
    """Read M-32 off the text of a sequence: each three or more F without a break are an episode."""
    in_a_row = len(sequence) - len(sequence.rstrip("F"))
    return Standing(in_a_row, in_a_row >= len("FFF"), len(re.findall("FFF+", sequence)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial on a database of its own."""
    options = make_parser(__doc__).parse_args(arguments)
    with own_database("sequences"):
        longest = SHORT_LONGEST if options.short else LONGEST
        promises = [
            _try_all(longest),
            _try_killed(SHORT_KILLED if options.short else KILLED),
            _try_real(SHORT_REAL if options.short else REAL),
        ]
    return finish("Ends of runs and the error state (M-32, G-19)", promises, as_json=options.json)


def _sequences(longest: int) -> Iterator[str]:
    for length in range(1, longest + 1):
        yield from ("".join(ends) for ends in product(ENDS, repeat=length))


def _try_all(longest: int) -> Promise:
    tried, broken, codes = 0, [], 0
    for sequence in _sequences(longest):
        integration = _integration(sequence)
        for end in sequence:
            _end(_running(integration), end, CODES[codes % len(CODES)])
            codes += 1
        tried += 1
        broken += _differences(sequence, integration)
        if tried % 200 == 0:
            progress(f"{tried} sequences")
    return Promise("state and mails of every sequence", tried, broken)


def _try_killed(number: int) -> Promise:
    """Each end is begun by a process that is killed before, or right after, its commit."""
    from integrations.errors import LeaseLost

    chance = random.Random(_SEED)  # noqa: S311 - no secret
    broken, kills = [], 0
    for attempt in range(number):
        sequence = "".join(chance.choices("SFFFP", k=LONGEST))
        integration = _integration(f"{sequence}, killed, {attempt}")
        for end in sequence:
            run = _running(integration)
            late = chance.random() < 1 / 2
            os.waitpid(fork(partial(_die_ending, run, end, late=late)), 0)
            kills += 1
            try:
                _end(run, end, "timeout")
            except LeaseLost:
                broken += [] if late else [f"{sequence}: an end was kept that was not committed"]
        broken += _differences(sequence, integration)
    return Promise("the same when each end is killed", number, broken, {"kills": kills})


def _die_ending(run: SyncRun, end: str, *, late: bool) -> None:
    from django.db import transaction

    if late:
        _end(run, end, "timeout")
        die()
    with transaction.atomic():
        _end(run, end, "timeout")
        die()


def _try_real(sequences: Iterable[str]) -> Promise:
    """Syncs of a sandbox over HTTP; judged after each."""
    from django.conf import settings

    from integrations.sandbox.server import Sandbox
    from tests.integrations.sync.worlds import NO_LIMIT, World

    tried, broken = 0, []
    with Sandbox(people=0, seed=1, settings={"aha": NO_LIMIT}) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        world = World(sandbox)
        for sequence in sequences:
            integration = world.integration("aha", notify=["it@example.com"])
            for length, end in enumerate(sequence, 1):
                broken += _sync(world, integration, end)
                broken += _differences(sequence[:length], integration)
                tried += 1
            type(integration).objects.filter(pk=integration.pk).update(state="paused")
    return Promise("the same in syncs over HTTP", tried, broken)


def _sync(world: World, integration: Integration, end: str) -> list[str]:
    """One sync that is to end like this; a sentence when it did not."""
    from tests.integrations.sync.worlds import run_sync

    world.aha.heal()
    if end == "F":
        world.aha.fault("status", status=401)
    elif end == "P":
        world.aha.fault("set_values", values={"users.0.id": None})
    run = run_sync(integration)
    wanted = {"S": "done", "F": "failed", "P": "partial"}[end]
    return [] if run.state == wanted else [f"a sync ended {run.state}, not {wanted}"]


def _integration(name: str) -> Integration:
    from integrations.models import Integration

    return Integration.objects.create(
        name=name, vendor="aha", load="users", notify=["it@example.com"]
    )


def _running(integration: Integration) -> SyncRun:
    from integrations.models import SyncRun

    return SyncRun.objects.create(
        integration=integration, name=integration.name, state="running", started_by="trial", fence=1
    )


def _end(run: SyncRun, end: str, code: str) -> None:
    """Through the same code that ends every run. Raises LeaseLost when it has ended."""
    from integrations.sync.ending import end_run, fail_run
    from integrations.sync.lease import Lease

    lease: Any = Lease(run.pk, run.fence)
    if end == "F":
        fail_run(lease, code, "It could not connect.")
    else:
        end_run(lease, {"S": "done", "P": "partial"}[end])


def _differences(sequence: str, integration: Integration) -> list[str]:
    integration.refresh_from_db(fields=["failed_connections", "error_since"])
    mails = list(integration.notifications.values_list("kind", flat=True))
    found = Standing(
        integration.failed_connections, integration.error_since is not None, len(mails)
    )
    wrong = [f"{sequence}: mails of kind {kind}" for kind in mails if kind != "error_state"]
    if found != expected(sequence):
        wrong.append(f"{sequence}: {found} instead of {expected(sequence)}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
