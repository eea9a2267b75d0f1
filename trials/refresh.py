"""Tokens that many refresh at once, and processes that die on the way (F-29, F-30, G-16).

The vendor rotates its refresh tokens: who sends a spent one loses the whole grant. In each race
eight processes find the access token ended at the same moment; in each kill a process dies without
a word after the vendor has rotated and before the new tokens are committed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from trials.database import die, fork, kill
from trials.report import Promise, progress
from trials.sides import run_on_both

RACES, SHORT_RACES = 100, 5
KILLS, SHORT_KILLS = 20, 3
WORKERS = 8
_ASKED_AFTERWARDS = 3
_LEASE_OF_THE_KILLED = 2.0
_LONGEST_RACE = 120.0
_SCOPE = "identity:"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial on both databases, each against a token server on loopback."""
    return run_on_both("refresh", "Tokens that many refresh at once", __doc__, arguments, _try_all)


def _try_all(options: argparse.Namespace) -> list[Promise]:
    with _vendor() as sandbox:
        races = _try_races(sandbox, SHORT_RACES if options.short else RACES)
        return [*races, _try_kills(sandbox, SHORT_KILLS if options.short else KILLS)]


@contextmanager
def _vendor() -> Iterator[Any]:
    from django.conf import settings

    from integrations.sandbox.server import Sandbox

    rotating = {_vendor_key(): {"rotate": True, "per_second": None}}
    with Sandbox(people=0, seed=1, settings=rotating) as sandbox:
        settings.EGRESS_EXTRA_HOSTS = [sandbox.url.removeprefix("http://")]
        settings.EGRESS_ALLOW_HTTP = True
        yield sandbox


def _vendor_key() -> str:
    """The first vendor that signs people in by OAuth 2.0."""
    from integrations.registry import vendors

    return next(one.key for one in vendors().values() if one.manifest.auth.oauth2)


def _make_credentials(sandbox: Any, name: str) -> int:
    """Credentials with a grant of their own; gives the id."""
    from integrations.models import Credentials
    from integrations.sealing import Edit, write_edit

    key = _vendor_key()
    oauth = sandbox.state[key].oauth
    grant = oauth.store.add_grant(time.time(), _SCOPE)
    secrets = {
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret,
        "refresh_token": grant.refresh,
    }
    row = Credentials(
        name=name,
        vendor=key,
        type="oauth2",
        settings={"token_url": f"{sandbox.url}/{key}/oauth/token"},
    )
    write_edit(row, Edit(by="trial", secrets=secrets))
    return row.pk


def _counts(sandbox: Any) -> dict[str, int]:
    return dict(sandbox.state[_vendor_key()].oauth.store.counts)


# Races -------------------------------------------------------------------------------------------


def _try_races(sandbox: Any, races: int) -> list[Promise]:
    from django.utils import timezone

    from integrations.models import Credentials

    pk = _make_credentials(sandbox, "Raced for")
    gate = multiprocessing.get_context("fork").Barrier(WORKERS + 1, timeout=_LONGEST_RACE)
    reports = [os.pipe() for _worker in range(WORKERS)]
    pids = [fork(partial(_race, end, pk, races, gate)) for _begin, end in reports]
    refreshes, seconds = [], []
    try:
        for number in range(races):
            past = timezone.now() - timedelta(seconds=1)
            Credentials.objects.filter(pk=pk).update(token_expires_at=past)
            before = _counts(sandbox).get("token.refresh", 0)
            gate.wait()
            began = time.monotonic()
            gate.wait()
            seconds.append(time.monotonic() - began)
            refreshes.append(_counts(sandbox).get("token.refresh", 0) - before)
            if number % 10 == 0:
                progress(f"{number + 1} races")
        told = [json.loads(os.read(begin, 1 << 20)) for begin, _end in reports]
    finally:
        for pid in pids:
            kill(pid)
    revoked = _counts(sandbox).get("token.family_revoked", 0)
    return _judge_races(refreshes, seconds, told, revoked)


def _judge_races(
    refreshes: Sequence[int], seconds: Sequence[float], told: Sequence[Any], revoked: int
) -> list[Promise]:
    odd = [
        f"race {number}: {count} refreshes" for number, count in enumerate(refreshes) if count != 1
    ]
    failed = [line for one in told for line in one if line.startswith("!")]
    rounds = zip(*told, strict=True)
    several = [
        f"race {number}: {len(set(tokens))} tokens"
        for number, tokens in enumerate(rounds)
        if len(set(tokens)) != 1
    ]
    took = {"median s": statistics.median(seconds), "longest s": max(seconds)}
    return [
        Promise("one refresh per race of eight", len(refreshes), odd,
                {"refreshes": sum(refreshes), **took}),
        Promise("all eight got the same token", len(refreshes) * WORKERS, failed + several),
        Promise("no grant was revoked", len(refreshes), ["a family was revoked"] * revoked,
                {"revoked families": revoked}),
    ]  # fmt: skip


def _race(report: int, pk: int, races: int, gate: Any) -> None:
    """Ask for the token in each race; tell a digest of each, or what went wrong."""
    import hashlib

    from integrations.models import Credentials
    from integrations.oauth import DatabaseTokens

    told = []
    for _number in range(races):
        gate.wait()
        try:
            token = DatabaseTokens(Credentials.objects.get(pk=pk)).current()
            told.append(hashlib.sha256(token.encode()).hexdigest()[:12])
        except Exception as problem:  # noqa: BLE001 - each is a broken promise
            told.append(f"! {type(problem).__name__}: {problem}")
        if _number == races - 1:
            os.write(report, json.dumps(told).encode())
        gate.wait()


# Kills -------------------------------------------------------------------------------------------


def _try_kills(sandbox: Any, kills: int) -> Promise:
    broken: list[str] = []
    requests = []
    for number in range(kills):
        pk = _make_credentials(sandbox, f"Killed {number}")
        kill_pid = fork(partial(_refresh_and_die, pk))
        os.waitpid(kill_pid, 0)
        after = _token_requests(sandbox)
        time.sleep(_LEASE_OF_THE_KILLED + 0.2)
        for pid in [fork(partial(_ask_again, pk)) for _worker in range(WORKERS)]:
            os.waitpid(pid, 0)
        requests.append(_token_requests(sandbox) - after)
        broken += [f"kill {number}: {why}" for why in _judge_kill(pk, requests[-1])]
        progress(f"{number + 1} processes killed between rotation and commit")
    figures = {"further token requests, most": max(requests), "processes that asked": WORKERS}
    return Promise("killed between rotation and commit", kills, broken, figures)


def _judge_kill(pk: int, requests: int) -> Iterator[str]:
    from integrations.models import Credentials, Notification

    if requests > 1:
        yield f"{requests} further token requests"
    if Credentials.objects.get(pk=pk).reconnect_since is None:
        yield "the credentials do not say that they have to be connected again"
    mails = Notification.objects.filter(episode__startswith=f"reconnect:{pk}:").count()
    if mails != 1:
        yield f"{mails} notifications"


def _token_requests(sandbox: Any) -> int:
    counts = _counts(sandbox)
    return counts.get("token.refresh", 0) + counts.get("refused", 0)


def _refresh_and_die(pk: int) -> None:
    """Have the vendor rotate, and die before anything of it is committed."""
    from integrations.models import Credentials
    from integrations.oauth import DatabaseTokens

    class Dying(DatabaseTokens):
        def _store(self, lease: Any, granted: Any) -> bool:
            del lease, granted
            die()
            return False  # not reached

    Dying(Credentials.objects.get(pk=pk), lease_seconds=_LEASE_OF_THE_KILLED).current()


def _ask_again(pk: int) -> None:
    """Ask as runs would, again and again; every time it is refused without a request but one."""
    from integrations.errors import AskPerson
    from integrations.models import Credentials
    from integrations.oauth import DatabaseTokens

    for _time in range(_ASKED_AFTERWARDS):
        try:
            DatabaseTokens(Credentials.objects.get(pk=pk)).current()
        except AskPerson:
            continue


if __name__ == "__main__":
    raise SystemExit(main())
