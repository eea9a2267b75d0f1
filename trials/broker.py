"""Wake-up calls that are lost, come three times, or never: work is done once all the same.

F-10, F-11, F-15, G-04, G-05. Needs Redis: database 5 of TRIAL_BROKER_URL's server is emptied. Works
on a database of its own beside the one that DATABASE_URL names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis import Redis

from trials.database import fork, own_database
from trials.flows.unwoken import Flows
from trials.report import Promise, finish, make_parser, progress

if TYPE_CHECKING:
    from integrations.models import Integration
    from integrations.sandbox.server import Sandbox
    from tests.integrations.sync.worlds import World

REDIS = os.environ.get("TRIAL_BROKER_URL", "redis://127.0.0.1:6379/5")
CLOSED = "redis://127.0.0.1:1/5"
PIECES, SHORT_PIECES = 500, 12
THRICE, SHORT_THRICE = 60, 8
ALONE, SHORT_ALONE = 20, 3
CLICKS, CLICKERS = 50, 5
FEW, MANY = 2, 4  # workers
KEYS = 10
WITHIN_SECONDS = 60.0
_PATIENCE = 240.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial on a database of its own; empties the broker before and after."""
    options = make_parser(__doc__).parse_args(arguments)
    os.environ["CELERY_BROKER_URL"] = REDIS
    broker = Redis.from_url(REDIS)
    broker.flushdb()
    short = options.short
    number = SHORT_PIECES if short else PIECES
    with own_database("broker"), _company(number) as (sandbox, integrations):
        flows = Flows(sandbox, SHORT_THRICE if short else THRICE)
        promises = [
            _try_clicks(integrations[0]),
            *_try_flushed(integrations, broker, flows),
            *_try_thrice(integrations[: flows.number], flows),
            _try_absent(integrations[: SHORT_ALONE if short else ALONE]),
        ]
    broker.flushdb()
    return finish("Work without trust in the broker", promises, as_json=options.json)


@contextmanager
def _company(number: int) -> Iterator[tuple[Sandbox, list[Integration]]]:
    """Three people at one vendor, read by so many integrations with ten keys."""
    from django.conf import settings

    from integrations.sandbox.server import Sandbox
    from tests.integrations.bad_input.processes import environment
    from tests.integrations.sync.worlds import NO_LIMIT, World

    limits = dict.fromkeys(("aha", "bamboohr", "betterworks"), NO_LIMIT)
    with Sandbox(people=0, seed=1, settings=limits) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        os.environ |= environment(LOG_LEVEL="ERROR")
        yield sandbox, list(_make_integrations(World(sandbox), number))


def _make_integrations(world: World, number: int) -> Iterator[Integration]:
    from tests.integrations.sync.worlds import EMPLOYEES, sync, without

    for one in range(3):
        world.employ(f"p{one}")
    mappings = without(EMPLOYEES, "status", "deactivation_date")
    keys: list[Any] = []
    for one in range(number):
        given: dict[str, Any] = {"credentials": keys[one % KEYS]} if one >= KEYS else {}
        made = world.integration("bamboohr", mappings=mappings, **given)
        keys.append(made.credentials)
        if one == 0:
            sync(made)  # so that all others find the people, and write nothing at once
        yield made
    progress(f"{number} integrations are made")


def _try_clicks(integration: Integration) -> Promise:
    """Click "Run now" in five processes with ten threads each, all at one moment."""
    from integrations.models import SyncRun

    before = SyncRun.objects.count()
    at = time.monotonic() + 1
    read, write = os.pipe()
    clickers = [
        fork(lambda: _click_at(at, integration.pk, CLICKS // CLICKERS, write))
        for _number in range(CLICKERS)
    ]
    for pid in clickers:
        os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        answers = Counter(pipe.read().split())
    runs = SyncRun.objects.count() - before
    broken = [] if answers == {"queued": 1, "AlreadyRunning": CLICKS - 1} else [str(dict(answers))]
    broken += [] if runs == 1 else [f"{runs} runs"]
    SyncRun.objects.filter(state="queued").delete()
    return Promise("clicks at once make one run", CLICKS, broken)


def _click_at(moment: float, integration_id: int, number: int, write: int) -> None:
    from django.db import connections

    from integrations import services
    from integrations.models import Integration

    def click() -> None:
        try:
            integration = Integration.objects.get(pk=integration_id)
            time.sleep(max(0.0, moment - time.monotonic()))
            services.queue_run(integration, by="trial")
            answer = "queued"
        except Exception as problem:  # noqa: BLE001 - any other answer breaks the promise
            answer = type(problem).__name__
        finally:
            connections.close_all()
        os.write(write, f"{answer}\n".encode())

    threads = [threading.Thread(target=click) for _number in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _try_flushed(integrations: list[Integration], broker: Redis, flows: Flows) -> list[Promise]:
    """Queue all, empty the broker, then let workers and tick come back."""
    ids = _queue(integrations)
    runs = flows.start()
    broker.flushdb()
    with _programs(*(_worker(4) for _number in range(FEW)), _tick()):
        _wait(lambda: _workers() == FEW)
        took = _time(lambda: _all_ended(ids) and flows.have_ended(runs))
    broken = _judge(ids)
    if took > WITHIN_SECONDS:
        broken.append(f"all done only after {took:.0f} s")
    name = "done after the broker forgot them"
    return [
        Promise(name, len(ids), broken, {"seconds": round(took)}),
        Promise(f"workflows: {name}", len(runs), flows.judge(runs)),
    ]


def _try_thrice(integrations: list[Integration], flows: Flows) -> list[Promise]:
    """Send three messages for each piece to four workers at once."""
    from integrations.broker import wake

    with _programs(*(_worker(2) for _number in range(MANY))):
        _wait(lambda: _workers() == MANY)
        began = time.monotonic()
        ids = _queue(integrations)
        runs = flows.start()
        wake(2 * (len(ids) + len(runs)))  # one each was sent when it was queued
        _wait(lambda: _all_ended(ids) and flows.have_ended(runs))
        took = round(time.monotonic() - began, 1)
    name = "nothing twice, three messages each"
    return [
        Promise(name, len(ids), _judge(ids), {"seconds": took}),
        Promise(f"workflows: {name}", len(runs), flows.judge(runs)),
    ]


def _try_absent(integrations: list[Integration]) -> Promise:
    """Queue without a broker and without a worker: the tick's child does it."""
    from django.conf import settings

    settings.CELERY_BROKER_URL = CLOSED
    began = time.monotonic()
    ids = _queue(integrations)
    queued = time.monotonic() - began
    with _programs(_tick(CELERY_BROKER_URL=CLOSED)):
        took = _time(lambda: _all_ended(ids))
    return Promise(
        "done by the tick's child without a broker",
        len(ids),
        _judge(ids),
        {"seconds": took, "queueing one": round(queued / len(ids), 3)},
    )


def _queue(integrations: list[Integration]) -> list[int]:
    from integrations import services

    return [services.queue_run(one, by="trial").pk for one in integrations]


def _judge(ids: list[int]) -> list[str]:
    """A sentence for each run that was lost, begun twice or ended badly, and each event twice."""
    from integrations.models import SyncRun
    from people.models import Event

    broken = [
        f"run {run.pk}: {run.state}, begun {run.fence} times, {run.error_message}"
        for run in SyncRun.objects.filter(pk__in=ids)
        if (run.state, run.fence, run.attempts) != ("done", 1, 1)
    ]
    events = Counter(
        Event.objects.filter(run_id__in=ids).values_list("run_id", "object", "object_id")
    )
    return broken + [f"event {event} is there {n} times" for event, n in events.items() if n > 1]


def _all_ended(ids: list[int]) -> bool:
    from integrations.models import SyncRun

    return not SyncRun.objects.filter(pk__in=ids, state__in=SyncRun.ACTIVE_STATES).exists()


def _workers() -> int:
    from integrations.presence import find_workers

    return find_workers().number


def _worker(threads: int) -> subprocess.Popen[bytes]:
    return _start(
        "-m", "celery", "--app", "config", "--quiet", "worker", "--pool", "threads",
        "--concurrency", str(threads), "--without-gossip", "--without-mingle",
        "--without-heartbeat", "--hostname", f"{threading.get_ident()}-{time.monotonic_ns()}@trial",
        "--loglevel", "ERROR",
    )  # fmt: skip


def _tick(**more: str) -> subprocess.Popen[bytes]:
    return _start("manage.py", "run_due", "--loop", **more)


def _start(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments], env={**os.environ, **more}, stdout=2
    )


@contextmanager
def _programs(*running: subprocess.Popen[bytes]) -> Iterator[None]:
    """End them in order, however the trial goes."""
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(40)


def _time(condition: Callable[[], bool]) -> float:
    """How many seconds it takes until it holds."""
    began = time.monotonic()
    _wait(condition)
    return round(time.monotonic() - began, 1)


def _wait(condition: Callable[[], bool]) -> None:
    """Until it holds, or for so long that what is judged next says what is missing."""
    end = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
