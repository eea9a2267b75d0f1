"""A canary as the vendor's key: nowhere but in the signed request, whatever goes wrong."""

from __future__ import annotations

import base64
import io
import logging
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations import services
from integrations.client import VendorClient
from integrations.errors import NotReady, SecretsUnreadable, VendorError
from integrations.models import Credentials, GlobalVariable, Integration, SyncRun
from integrations.registry import get_vendor
from integrations.secrets import seal
from integrations.worker import cancel
from people.models import Event
from tests.integrations.bad_input import canary
from tests.integrations.bad_input.processes import ROOT, environment
from tests.integrations.bad_input.world import CANARY, SOONER, World, mend
from tests.makers import make_user

BASIC = base64.b64encode(f"{CANARY}:x".encode()).decode()
ECHO = {"X-BambooHR-Error-Message": f"Bad key {CANARY}", "X-Echo": CANARY}

# More than thirty kinds of errors together with those below; many echo the key.
ERRORS: list[tuple[str, dict[str, Any]]] = [
    *(
        ("status", {"status": status, "body": f'{{"error": "{CANARY}"}}', "headers": ECHO | SOONER})
        for status in (400, 401, 403, 404, 406, 409, 418, 422, 500, 502, 503, 504, 598)
    ),
    ("status", {"status": 429, "retry_after": 86_400, "headers": ECHO}),
    ("redirect", {"location": f"https://evil.example/?key={CANARY}"}),
    ("html", {}),
    ("truncate", {}),
    ("wrong_type", {"content_type": f"text/{CANARY}"}),
    ("gzip_bomb", {"size": 10**9}),
    ("body", {"body": f"<html>{CANARY}</html>", "content_type": "text/html"}),
    ("body", {"body": CANARY}),
    ("body", {"body": f'"{CANARY}"'}),
    ("body", {"body": f'{{"error": "{CANARY}"}}'}),
    ("body", {"body": f'{{"users": "{CANARY}", "employees": "{CANARY}"}}'}),
    ("body", {"body": f'{{"users": [{{"{CANARY}": '}),
    ("body", {"body": f'{{"{CANARY}": {"[" * 500}{"]" * 500}}}'}),
    ("body", {"body": f"\x1f\x8b{CANARY}", "headers": {"Content-Encoding": "gzip"}}),
    ("body", {"body": "{}", "headers": {"Content-Encoding": CANARY}}),
    ("empty", {"form": "nothing"}),
    ("empty", {"form": "null"}),
]


@pytest.fixture
def planted(world: World) -> World:
    """A vendor whose right key is the canary."""
    mend(world)
    side: Any = world.sandbox.state[world.vendor]
    side.key = CANARY
    credentials = Credentials.objects.get(pk=world.credentials.pk)
    seal(credentials, {"value": CANARY}, by="admin")
    credentials.save()
    return world


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All loggers at DEBUG, into a handler that masks nothing."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    before = (
        root.level,
        {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict},
    )
    root.addHandler(handler)
    for name in ("", *before[1]):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(before[0])
    for name, level in before[1].items():
        logging.getLogger(name).setLevel(level)


def add_to_url(world: World) -> None:
    """Send the key as a parameter of the URL, where the vendor's folder lets one choose."""
    credentials = Credentials.objects.get(pk=world.credentials.pk)
    credentials.settings = {"token_name": "api_key", "add_to": "url"}
    credentials.save()


def test_no_error_shows_the_key_in_a_log_a_message_or_an_issue(
    planted: World, everything_logged: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """S-05, M-8: at DEBUG and unmasked; the key in the header, and for Aha! in the URL too."""
    placed = [lambda _world: None, add_to_url] if planted.vendor == "aha" else [lambda _world: None]
    failed = 0

    for place in placed:
        place(planted)
        for kind, values in ERRORS:
            planted.fault(kind, **values)
            run = planted.sync()
            planted.heal()
            failed += run.state == "failed" or cancel(run.pk, by="test")  # parked, where asked to
            told = services_error(planted, kind, values)
            assert not canary.find(CANARY, told.encode()), (kind, values)

    logging.getLogger("integrations.transport").debug("everything is logged")
    written = capfd.readouterr()
    assert failed >= len(ERRORS) - 1
    assert "everything is logged" in everything_logged.getvalue()
    for sink in (everything_logged.getvalue(), written.out, written.err):
        assert not canary.find(CANARY, sink.encode())
        assert BASIC not in sink
    assert not canary.find(CANARY, canary.every_cell())


def services_error(world: World, kind: Any, values: dict[str, Any]) -> str:
    """The test button under the same fault: its traceback, with every exception behind it."""
    world.fault(kind, path=".", **values)
    try:
        services.test_credentials(world.credentials, world.integration.inputs, now=None)
    except VendorError:
        return traceback.format_exc()
    finally:
        world.heal()
    return ""


def test_errors_of_the_network_show_no_key_either(
    planted: World, everything_logged: io.StringIO, settings: Any
) -> None:
    """S-05, S-18: refused, reset, cut, no such host, no certificate; no wait is really waited."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    origin = planted.sandbox.url.removeprefix("http://")
    settings.EGRESS_EXTRA_HOSTS = [origin, f"127.0.0.1:{port}", "nobody.invalid:443"]
    right = planted.credentials.base_url
    places = {
        "connection": f"http://127.0.0.1:{port}/api",
        "dns": "https://nobody.invalid/api",
        "tls": f"https://{origin}/api",
        "reset": right,
        "cut": right,
    }
    seen = {}

    for name, base_url in places.items():
        if base_url == right:
            planted.sandbox.faults.add(name)  # type: ignore[arg-type]
        Credentials.objects.filter(pk=planted.credentials.pk).update(base_url=base_url)
        credentials = Credentials.objects.get(pk=planted.credentials.pk)
        client = VendorClient(
            get_vendor(planted.vendor),
            services.access_for(credentials),
            inputs=planted.integration.inputs,
            sleep=lambda _seconds: None,
        )
        with pytest.raises(VendorError) as error:
            client.test()
        client.close()
        planted.heal()
        seen[name] = error.value.code
        told = "".join(traceback.format_exception(error.value)) + repr(client.access)
        assert not canary.find(CANARY, told.encode()), name

    assert seen["tls"] == "tls"
    assert seen["dns"] == "dns"
    assert seen["connection"] == "connection"
    assert not canary.find(CANARY, everything_logged.getvalue().encode())


def test_an_error_of_ours_is_logged_without_the_key(
    planted: World, everything_logged: io.StringIO
) -> None:
    """S-05: what a run notes for the next one was damaged, which the log tells in full."""
    planted.sync()
    SyncRun.objects.update(listing={"complete": True, "records": "many"})

    run = planted.sync()

    assert (run.state, run.error_code) == ("failed", "internal")
    assert f"Run {run.pk} of" in everything_logged.getvalue()
    assert "Traceback" in everything_logged.getvalue()
    assert not canary.find(CANARY, everything_logged.getvalue().encode())
    assert not canary.find(CANARY, run.error_message.encode())


def test_the_command_line_of_no_process_shows_the_key(planted: World) -> None:
    """S-26: looked at in /proc while the command works; its output and its log at DEBUG too."""
    planted.fault("delay", seconds=1.0)
    command = [sys.executable, "manage.py", "sync", planted.integration.name, "--json"]
    worker = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(LOG_LEVEL="DEBUG"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    seen: set[bytes] = set()
    while worker.poll() is None:
        seen |= set(command_lines())
        time.sleep(0.05)
    out, errors = worker.communicate(timeout=30)

    assert any(b"manage.py" in line for line in seen)  # it was looked at while it ran
    assert SyncRun.objects.get().state == "done", errors.decode()
    for sink in (*seen, out, errors):
        assert not canary.find(CANARY, sink)
        assert BASIC.encode() not in sink


def command_lines() -> Iterator[bytes]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes()
        except OSError:  # it ended meanwhile
            continue


def test_a_stolen_database_holds_no_key_in_any_spelling(planted: World) -> None:
    """S-01: twelve keys, sealed, changed, used well and badly; a control is found everywhere."""
    control = "control/77aa+19c4e0d2=b35f60917c"
    # No run of one letter: the pages still hold what tests before this one wrote and deleted.
    secrets = [f"canary/{number:02}+{number * 7919 + 1:04x}-xq7-{number:02}-vw3=end"
               for number in range(12)]  # fmt: skip
    for number, secret in enumerate(secrets):
        plant(f"Key {number}", secret)
    wanted = {name: text for name, text in canary.spellings(control).items() if name != "utf-16"}
    for number, spelling in enumerate(wanted.values()):
        GlobalVariable.objects.create(key=f"Control{number}", value=spelling.decode())
    planted.sync()
    planted.fault("status", status=403, body=CANARY)
    planted.sync()
    planted.heal()
    services.test_credentials(planted.credentials, planted.integration.inputs, now=None)
    Credentials.objects.filter(name="Key 3").delete()
    sinks = {"cells": canary.every_cell()}
    if connection.vendor == "sqlite":
        sinks["raw pages"] = canary.raw_files()
    elif shutil.which("pg_dump"):
        sinks["dump"] = canary.dump()

    for sink, content in sinks.items():
        assert set(canary.find(control, content)) == set(wanted), sink
        for secret in (CANARY, *secrets):
            assert canary.find(secret, content) == [], sink
    assert Event.objects.exists()


def plant(name: str, secret: str) -> None:
    credentials = Credentials(name=name, vendor="aha", type=Credentials.Type.API_KEY)
    seal(credentials, {"value": "before" + secret[::-1][:6]}, by="admin")
    credentials.save()
    seal(credentials, {"value": secret}, by="admin")
    credentials.save()


def swap_sealed(one: int, other: int) -> None:
    """Swap two ciphertexts with SQL, as somebody with the database in hand would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, sealed FROM integrations_credentials WHERE id IN (%s, %s)", [one, other]
        )
        sealed = dict(cursor.fetchall())
        for pk, text in ((one, sealed[other]), (other, sealed[one])):
            cursor.execute(
                "UPDATE integrations_credentials SET sealed = %s WHERE id = %s", [text, pk]
            )


def spoil_sealed(world: World, token: bytes) -> None:
    with connection.cursor() as cursor:
        sql = "UPDATE integrations_credentials SET sealed = %s WHERE id = %s"
        cursor.execute(sql, [token, world.credentials.pk])


def test_secrets_that_were_swapped_in_the_database_are_not_used(planted: World) -> None:
    """S-02, M-34: no request is sent, the run says why, and putting them back mends it."""
    plant("Another", "canary-of-another-vendor-4b1d")
    other = Credentials.objects.get(name="Another")
    swap_sealed(planted.credentials.pk, other.pk)

    run = planted.sync()
    asked = len(planted.requests())
    with pytest.raises(SecretsUnreadable):
        services.access_for(Credentials.objects.get(pk=other.pk))
    swap_sealed(planted.credentials.pk, other.pk)
    mended = planted.sync()

    assert run.state == "failed"
    assert asked == 0
    assert f'The secrets stored with "{planted.credentials.name}"' in run.error_message
    assert "sealed for other credentials" in run.error_message
    assert "enter the secrets again" in run.error_message
    assert mended.state == "done"


PAGES = (
    "index",
    "integrations_integration_changelist",
    "integrations_credentials_changelist",
    "integrations_syncrun_changelist",
    "integrations_recordissue_changelist",
)


@pytest.mark.parametrize("page", PAGES)
def test_no_list_reads_the_secrets_so_that_a_lost_key_breaks_no_page(
    planted: World, client: Client, page: str
) -> None:
    """M-34: deferred in every list; what does not open is nobody's business but the run's."""
    planted.sync()
    spoil_sealed(planted, b"x")
    client.force_login(make_user("reader"))

    with CaptureQueriesContext(connection) as asked:
        response = client.get(reverse(f"admin:{page}"))

    assert response.status_code == 200
    assert not [one["sql"] for one in asked if "sealed" in one["sql"]]


@pytest.mark.parametrize("token", [b"", b"x", b"gAAAAABl", b"{}", b"gAAAAAB" + b"A" * 120])
def test_secrets_that_do_not_open_are_told_and_nothing_is_sent(
    planted: World, token: bytes
) -> None:
    """S-02, M-34: another key in FERNET_KEYS looks the same."""
    spoil_sealed(planted, token)

    run = planted.sync()

    assert run.state == "failed"
    assert run.error_code != "internal"
    assert "secret" in run.error_message
    assert planted.requests() == []


def test_an_integration_of_another_vendor_gets_no_secret_of_this_one(planted: World) -> None:
    """S-10: credentials of another vendor are refused before they are opened."""
    vendor = "aha" if planted.vendor == "bamboohr" else "bamboohr"
    Credentials.objects.filter(pk=planted.credentials.pk).update(vendor=vendor)
    integration = Integration.objects.get(pk=planted.integration.pk)

    with pytest.raises(NotReady) as refused:
        services.queue_run(integration, by="admin")

    assert "belong to another vendor" in str(refused.value)
    assert planted.requests() == []
