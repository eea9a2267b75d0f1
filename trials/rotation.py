"""Keys are rotated under load and killed on the way: no secret is lost, no use of one fails (S-23).

Processes open secrets and call a vendor with them, one enters secrets anew, and `rotate_keys` is
killed without a word again and again, each time on the way to another key. In the end everything
opens with the last key alone, and a copy of the first tokens does not.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from trials.database import fork, kill, own_database
from trials.report import Promise, finish, make_parser, progress

CREDENTIALS, SHORT_CREDENTIALS = 1_000, 60
KILLS, SHORT_KILLS = 20, 4
USERS, SHORT_USERS = 4, 2
_CALL_EVERY = 20  # openings per call of the vendor
_SEED = 23


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial on a database of its own, against a vendor on loopback."""
    options = make_parser(__doc__).parse_args(arguments)
    short = options.short
    with own_database("rotation"):
        from django.conf import settings

        from integrations.sandbox.server import Sandbox

        limits = {"aha": {"per_minute": None, "per_second": None}}
        from tests.integrations.sync.worlds import World

        with Sandbox(people=0, seed=1, settings=limits) as sandbox:
            settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
            settings.EGRESS_ALLOW_HTTP = True
            World(sandbox)  # the account that the vendor's key belongs to
            promises = _try_rotations(
                sandbox,
                number=SHORT_CREDENTIALS if short else CREDENTIALS,
                kills=SHORT_KILLS if short else KILLS,
                users=SHORT_USERS if short else USERS,
            )
    return finish("Keys that are rotated under load (S-23, G-15)", promises, as_json=options.json)


def _try_rotations(sandbox: Any, *, number: int, kills: int, users: int) -> list[Promise]:
    from django.conf import settings

    from integrations.keeping.rotation import every_sealed, rotate_keys

    keys = [f"key-{one}-{os.urandom(16).hex()}" for one in range(kills + 2)]
    every_key = keys[::-1]  # who uses secrets has all of them, the newest first
    settings.FERNET_KEYS = every_key
    _make_credentials(sandbox, number)
    settings.FERNET_KEYS = [keys[0], *every_key]
    began = time.monotonic()
    rotate_keys()
    took = time.monotonic() - began
    old_tokens = [row.token for row in every_sealed()]
    settings.FERNET_KEYS = every_key
    reports = [os.pipe() for _user in range(users + 1)]
    pids = [
        fork(partial(_use, end, sandbox, one, enters=one == users))
        for one, (_begin, end) in enumerate(reports)
    ]
    for _begin, end in reports:
        os.close(end)
    try:
        killed = _kill_rotations(keys, every_key, kills, longest=took)
        settings.FERNET_KEYS = every_key
        done = rotate_keys()
    finally:
        for pid in pids:
            os.kill(pid, 15)
        told = [_read_all(begin) for begin, _end in reports]
        for pid in pids:
            os.waitpid(pid, 0)
    return _judge(keys, done, old_tokens, told, killed)


def _make_credentials(sandbox: Any, number: int) -> None:
    from integrations.models import Credentials
    from integrations.secrets import seal

    given = sandbox.credentials("aha")
    for one in range(number):
        row = Credentials(
            name=f"Key {one}",
            vendor="aha",
            type="api_key",
            settings=given["settings"],
            base_url=sandbox.base_url("aha"),
            overrides={"rate.per_minute": 1_000_000, "rate.per_second": 10_000},
        )
        seal(row, {"value": given["secrets"]["value"]}, by="trial")
        row.save()


def _kill_rotations(
    keys: Sequence[str], every_key: Sequence[str], kills: int, *, longest: float
) -> int:
    """Begin a rotation to each next key and kill it; how many were killed on their way."""
    from django.conf import settings

    from integrations.keeping.rotation import rotate_keys

    chance = random.Random(_SEED)  # noqa: S311 - moments, no secret
    killed = 0
    for one in range(kills):
        settings.FERNET_KEYS = [keys[one + 1], *every_key]
        pid = fork(rotate_keys)  # type: ignore[arg-type]
        began = time.monotonic()
        end = began + chance.uniform(0, longest)
        while time.monotonic() < end and os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(0.005)
        if time.monotonic() >= end:
            kill(pid)
            killed += 1
        progress(f"{one + 1} rotations begun, {killed} killed on their way")
    return killed


def _use(report: int, sandbox: Any, number: int, *, enters: bool) -> None:
    """Open secrets and use them until SIGTERM; each failure and the count go into the pipe."""
    import signal

    from integrations.client import VendorClient
    from integrations.models import Credentials
    from integrations.registry import get_vendor
    from integrations.secrets import open_sealed, seal
    from integrations.services import access_for

    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    expected = sandbox.credentials("aha")["secrets"]["value"]
    inputs = sandbox.state["aha"].inputs()
    chance = random.Random(number)  # noqa: S311 - no secret
    ids = list(Credentials.objects.values_list("pk", flat=True))
    uses = calls = entered = 0
    while going:
        try:
            row = Credentials.objects.get(pk=chance.choice(ids))
            uses += 1
            if open_sealed(row)["value"] != expected:
                os.write(report, b"another secret came out\n")
            if enters and chance.random() < 1 / _CALL_EVERY:
                seal(row, {"value": expected}, by="trial")
                row.save(update_fields=["sealed", "hints"])
                entered += 1
            elif uses % _CALL_EVERY == 0:
                calls += 1
                with VendorClient(get_vendor("aha"), access_for(row), inputs=inputs) as client:
                    client.test()
        except Exception as problem:  # noqa: BLE001 - each is a broken promise
            os.write(report, f"{type(problem).__name__}: {problem}\n".encode())
    os.write(report, f"= {uses} {calls} {entered}\n".encode())


def _read_all(pipe: int) -> list[str]:
    with os.fdopen(pipe) as file:
        return file.read().splitlines()


def _judge(
    keys: Sequence[str],
    done: Any,
    old_tokens: Sequence[bytes],
    told: Sequence[Sequence[str]],
    killed: int,
) -> list[Promise]:
    from cryptography.fernet import Fernet
    from fernet_fields.hkdf import derive_fernet_key

    from integrations.keeping.keycheck import number_of_key
    from integrations.keeping.rotation import every_sealed

    last = [Fernet(derive_fernet_key(keys[-1]))]
    rows = list(every_sealed())
    closed = [row.name for row in rows if number_of_key(row.token, last) is None]
    opened = [token for token in old_tokens if number_of_key(token, last) is not None]
    lines = [line for one in told for line in one]
    counts = [list(map(int, line.split()[1:])) for line in lines if line.startswith("=")]
    uses, calls, entered = (sum(column) for column in zip(*counts, strict=True))
    failed = [line for line in lines if not line.startswith("=")]
    failed += [f"a process ended early, {len(counts)} of {len(told)} told"] * (
        len(counts) != len(told)
    )
    left = [] if done.is_complete else ["the command did not say that the old key can go"]
    return [
        Promise("secrets that open after the kills", len(rows), list(done.unreadable),
                {"kills": killed, "sealed again at last": done.changed}),
        Promise("uses that worked meanwhile", uses, failed,
                {"vendor calls": calls, "entered anew": entered}),
        Promise("the old keys can be removed", len(rows), closed + left),
        Promise("old copies are closed to the new key", len(old_tokens),
                ["an old token opened"] * len(opened)),
    ]  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
