"""The tick finds what waits, and lets a child do it where no message reaches a worker (M-31)."""

from __future__ import annotations

import base64
import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone
from kombu.connection import Connection
from redis import Redis, RedisError

from config.health import readiness
from integrations import services
from integrations.broker import wake
from integrations.models import Integration, SyncRun, WorkingProcess
from integrations.tick import Tick
from tests.integrations.sync.worlds import World

from .conftest import CELERY, CLOSED, REDIS, TICK, Start, wait_for, worker_is_there

MINE = os.getpid()


def queue_all(integrations: list[Integration]) -> None:
    for one in integrations:
        services.queue_run(Integration.objects.get(pk=one.pk), by="test")


def ended() -> QuerySet[SyncRun]:
    # Partly done: another run wrote the same person at the same moment.
    return SyncRun.objects.filter(state__in=["done", "partial"])


def all_done() -> bool:
    return ended().count() == SyncRun.objects.count()


def children() -> list[psutil.Process]:
    """What the tick of this process has started and that has not ended."""
    living = [one for one in psutil.Process(MINE).children() if one.status() != "zombie"]
    return [one for one in living if "run_due" in command_of(one)]


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it ended since; so does a zombie
        return []


@pytest.fixture
def tick() -> Iterator[Tick]:
    one = Tick()
    yield one
    one.stop()
    one.loop()  # which ends its child


def make_worker(**fields: Any) -> None:
    values = {"kind": "worker", "slots": 4, "busy": 0, **fields}
    WorkingProcess.objects.create(name="elsewhere:1", **values)


def note() -> str:
    return WorkingProcess.objects.values_list("note", flat=True).get(kind="tick")


def test_without_a_worker_exactly_one_child_does_what_waits(
    integrations: list[Integration], start: Start, tick: Tick, queue_folder: Path
) -> None:
    queue_all(integrations)

    for _tick in range(3):
        tick.once(timezone.now())
    working = children()

    assert len(working) == 1
    assert "No worker lives" in note()
    assert wait_for(all_done)
    assert wait_for(lambda: not children())


def test_nothing_is_started_while_nothing_waits(
    world: World, tick: Tick, queue_folder: Path
) -> None:
    tick.once(timezone.now())

    assert children() == []


def test_as_many_messages_are_sent_as_workers_have_free_slots(
    integrations: list[Integration], tick: Tick, queue_folder: Path
) -> None:
    queue_all(integrations)
    make_worker(slots=4, busy=2)
    for message in queue_folder.iterdir():
        message.unlink()

    tick.once(timezone.now())

    assert len(list(queue_folder.iterdir())) == 2
    assert (children(), note()) == ([], "")


def test_a_piece_that_waits_too_long_while_slots_are_free_is_done_by_a_child(
    integrations: list[Integration], start: Start, tick: Tick, queue_folder: Path
) -> None:
    """F-10: messages are lost on their way."""
    queue_all(integrations[:1])
    SyncRun.objects.update(queued_at=timezone.now() - timedelta(seconds=25))
    make_worker()

    tick.once(timezone.now())

    assert "do not reach the workers" in note()
    assert wait_for(all_done)


def test_without_a_broker_pages_and_queueing_work_and_the_child_does_it(
    integrations: list[Integration], start: Start, tick: Tick, settings: Any, it_admin: User
) -> None:
    """F-10, G-04: and the health page answers at once."""
    settings.CELERY_BROKER_URL = CLOSED
    make_worker()
    client = Client()
    client.force_login(it_admin)
    began = time.monotonic()

    queue_all(integrations)
    saved = client.post("/admin/integrations/globalvariable/add/", {"key": "A.B", "value": "c"})
    health = orjson.loads(readiness().content)
    took = time.monotonic() - began
    tick.once(timezone.now())

    assert (saved.status_code, health["broker"]) == (302, "unreachable")
    assert took < 30
    assert "unreachable" in note()
    assert wait_for(all_done)


def test_messages_hold_no_address_and_no_secret(
    integrations: list[Integration], world: World, queue_folder: Path
) -> None:
    """S-04: nothing but the name of the one task."""
    queue_all(integrations)

    found = [orjson.loads(one.read_bytes()) for one in queue_folder.iterdir()]

    assert len(found) == len(integrations)
    secret = world.sandbox.credentials("bamboohr")["secrets"]["value"]
    for message in found:
        body = base64.b64decode(message["body"]).decode()
        text = orjson.dumps(message).decode() + body
        assert orjson.loads(body)[:2] == [[], {}]
        assert message["content-type"] == "application/json"
        assert secret not in text
        assert "acme.example" not in text


def test_old_rows_of_processes_go(world: World, tick: Tick, queue_folder: Path) -> None:
    make_worker(seen_at=timezone.now() - timedelta(days=2))

    tick.once(timezone.now())

    assert list(WorkingProcess.objects.values_list("kind", flat=True)) == ["tick"]


def test_a_tick_that_is_told_to_end_ends_its_child(
    world: World, integrations: list[Integration], start: Start
) -> None:
    """F-06: the run that the child was in goes on elsewhere."""
    fault = world.sandbox.faults.add("delay", vendor="bamboohr", seconds=600)
    queue_all(integrations[:1])
    process = start(*TICK, STOP_WITHIN_SECONDS="0.5")
    assert wait_for(lambda: world.sandbox.faults.fired(fault))
    (child,) = psutil.Process(process.pid).children()

    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert not child.is_running()
    run = SyncRun.objects.get()
    assert (run.state, run.attempts) == ("queued", 0)


def test_a_worker_that_is_told_to_end_parks_what_it_cannot_finish(
    world: World, integrations: list[Integration], start: Start, tmp_path: Path
) -> None:
    """F-06, S-04: and before that it refused a message that was no JSON."""
    fault = world.sandbox.faults.add("delay", vendor="bamboohr", seconds=600, count=1)
    process = start(*CELERY, STOP_WITHIN_SECONDS="0.5")
    assert wait_for(worker_is_there)
    queue = tmp_path / "queue"
    send_pickle(queue, tmp_path / "opened")
    queue_all(integrations)
    send_json(queue)
    assert wait_for(lambda: world.sandbox.faults.fired(fault))
    assert wait_for(lambda: ended().count() == len(integrations) - 1)
    began = time.monotonic()

    process.send_signal(signal.SIGTERM)
    process.wait(120)

    assert time.monotonic() - began < 60
    assert not SyncRun.objects.filter(state="running").exists()
    parked = SyncRun.objects.filter(state="queued", fence=2)
    assert list(parked.values_list("attempts", flat=True)) == [0]
    assert not WorkingProcess.objects.exists()
    assert not (tmp_path / "opened").exists()
    world.sandbox.faults.clear()
    again = start(*CELERY)
    assert wait_for(worker_is_there)
    send_json(queue)
    assert wait_for(all_done)
    again.send_signal(signal.SIGTERM)
    assert again.wait(60) == 0


def folders(queue: Path) -> dict[str, str]:
    return {
        "data_folder_in": str(queue / "messages"),
        "data_folder_out": str(queue / "messages"),
        "processed_folder": str(queue / "taken"),
        "control_folder": str(queue / "control"),
    }


class Opened:
    """Writes a file when somebody unpickles it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (Path.touch, (self.file,))


def send_pickle(queue: Path, file: Path) -> None:
    with Connection("filesystem://localhost", transport_options=folders(queue)) as connection:
        connection.SimpleQueue("rolecall", serializer="pickle").put(Opened(file))


def send_json(queue: Path) -> None:
    from celery import current_app

    with Connection("filesystem://localhost", transport_options=folders(queue)) as connection:
        for _message in range(4):
            current_app.send_task("integrations.do_work", connection=connection)


@pytest.fixture
def redis(settings: Any) -> Iterator[Any]:
    client = Redis.from_url(REDIS)
    try:
        client.flushdb()
    except RedisError:
        if os.environ.get("REQUIRE_ALL"):
            raise
        pytest.skip("needs Redis")
    settings.CELERY_BROKER_URL = REDIS
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    yield client
    client.flushdb()
    client.close()


def test_work_that_was_queued_before_the_broker_forgot_everything_is_done(
    integrations: list[Integration], start: Start, redis: Any, tick: Tick
) -> None:
    """F-10, G-04: also by a worker that was connected all the time."""
    process = start(*CELERY, CELERY_BROKER_URL=REDIS)
    assert wait_for(worker_is_there)
    process.send_signal(signal.SIGSTOP)
    queue_all(integrations)
    redis.flushdb()
    process.send_signal(signal.SIGCONT)

    tick.once(timezone.now())

    assert children() == []
    assert wait_for(all_done)
    assert wake()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
