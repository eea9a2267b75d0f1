"""Is everything well: one row per check, with who can mend it and where. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Max, Q
from django.utils import timezone

from integrations import doctor_host
from integrations.broker import find_broker_problem
from integrations.doctor_host import BAD, OK, WARN, Rows
from integrations.installation import drift, find_pause
from integrations.keeping import keycheck
from integrations.keeping.rotation import every_sealed
from integrations.models import Credentials, Installation, Integration, Operation, SyncRun
from integrations.oauth.telling import WARN_DAYS, ends_at
from integrations.outbox import undelivered
from integrations.pending import held_rows
from integrations.presence import FRESH_SECONDS, find_tick, find_workers
from integrations.sync.lease import lost_runs

_STUCK_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Finding:
    """One row: `state` is ok, warn or bad; a bad one needs a person."""

    check: str
    state: str
    sentence: str


def examine(now: datetime) -> list[Finding]:
    """Make every check; one that fails itself is a finding too. About twenty queries."""
    found = list(_made("database", _database, now))
    if any(one.state == BAD for one in found):
        return found  # the others would only say so again
    for name, check in CHECKS.items():
        found.extend(_made(name, check, now))
    return found


def _made(
    name: str, check: Callable[[datetime], Iterator[Any]], now: datetime
) -> Iterator[Finding]:
    """The rows of one check, or one that says that all is well."""
    try:
        rows = [Finding(name, state, sentence) for state, sentence in check(now)]
    except Error as problem:
        rows = [Finding(name, BAD, f"The database did not answer ({type(problem).__name__}).")]
    yield from rows


def _database(_now: datetime) -> Rows:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield (
            BAD,
            f"{len(missing)} migrations are not applied. The operator runs `manage.py migrate`.",
        )
    elif connection.vendor == "sqlite":
        yield from _sqlite()
    else:
        yield OK, "PostgreSQL answers; every migration is applied."


def _sqlite() -> Rows:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    if mode.lower() != "wal":
        yield (
            BAD,
            (
                f"SQLite's journal mode is {mode}, not WAL: pages and syncs block each other. The "
                "operator puts DATA_DIR on a local disk; network folders do not allow it."
            ),
        )
    else:
        yield OK, "SQLite answers, with a write-ahead log; every migration is applied."


def _pause(_now: datetime) -> Rows:
    pause = find_pause()
    if pause is None:
        yield OK, "Rolecall is not paused."
        return
    yield (
        BAD,
        (
            f"Paused since {timezone.localtime(pause.since):%-d %b %Y, %H:%M %Z}: {pause.because}. "
            "An IT admin looks at previews and says go (banner of the admin, `manage.py resume`)."
        ),
    )
    for one in drift(pause):
        yield (OK if one.is_looked_at else WARN), f"{one.name}: {one.in_words}"


def _broker(_now: datetime) -> Rows:
    problem = find_broker_problem()
    if problem:
        yield WARN, f"{problem} Work goes on by the tick, slower. The operator checks the broker."
    else:
        yield OK, "The broker can be reached."


def _tick(_now: datetime) -> Rows:
    seconds, hindrance = find_tick()
    if seconds is None or seconds > FRESH_SECONDS:
        yield (
            BAD,
            (
                "No tick was seen lately: schedules start nothing. The operator keeps `manage.py "
                "start`, or `manage.py run_due --loop`, running."
            ),
        )
    else:
        yield (WARN if hindrance else OK), hindrance or f"The tick was seen {seconds:.0f} s ago."


def _workers(_now: datetime) -> Rows:
    workers = find_workers()
    if workers.number:
        yield OK, f"{workers.number} workers live; {workers.busy} of {workers.slots} places busy."
    else:
        yield (
            WARN,
            "No worker lives; the tick's own child does what waits. The operator starts one.",
        )


def _secrets(_now: datetime) -> Rows:
    openers = keycheck.rings()
    closed, old, every = [], 0, 0
    for row in every_sealed():
        every += 1
        number = keycheck.number_of_key(row.token, openers)
        if number is None:
            closed.append(row.name)
        old += bool(number)
    for name in closed:
        yield (
            BAD,
            (
                f'The secrets of "{name}" open with none of the keys in FERNET_KEYS. The '
                "operator puts the key back, or an IT admin enters them again (Credentials)."
            ),
        )
    if old:
        yield WARN, f"{old} secrets are sealed with an older key. `manage.py rotate_keys` mends it."
    if not closed and not old:
        yield OK, f"All {every} secrets open with the newest key."


def _expiry(now: datetime) -> Rows:
    today = timezone.localdate(now)
    days = Installation.the().warn_before_expiry_days
    soon = Credentials.objects.filter(
        expires_on__isnull=False, expires_on__lte=today + timedelta(days=days)
    )
    rows = list(soon.order_by("expires_on").values_list("name", "expires_on"))
    for name, day in rows:
        over = day is not None and day < today
        yield (
            BAD if over else WARN,
            (
                f'"{name}" {"expired" if over else "expires"} on {day:%-d %b %Y}. An IT admin '
                "enters a new key (Security > Credentials)."
            ),
        )
    if not rows:
        yield OK, f"No credentials expire within {days} days."


def _connections(now: datetime) -> Rows:
    """OAuth grants that are gone or near their end, and secrets that only commands can read."""
    gone = Credentials.objects.filter(reconnect_since__isnull=False).order_by("name")
    for name in gone.values_list("name", flat=True):
        yield (
            BAD,
            (
                f'"{name}" has to be connected again: the vendor does not renew its access. An IT '
                "admin presses Connect (Security > Credentials)."
            ),
        )
    connected = Credentials.objects.filter(
        type=Credentials.Type.OAUTH2, reconnect_since__isnull=True, refreshed_at__isnull=False
    ).order_by("name")
    for row in connected.only("name", "vendor", "refreshed_at"):
        end = ends_at(row)
        if end is not None and end - timedelta(days=WARN_DAYS) <= now:
            yield (
                WARN,
                (
                    f'"{row.name}" was last renewed on {row.refreshed_at:%-d %b %Y}, and its '
                    f"connection ends on {end:%-d %b %Y}. The operator looks why nothing renews it."
                ),
            )
    outside = Credentials.objects.filter(stored=Credentials.Stored.REFERENCE).order_by("name")
    for name in outside.values_list("name", flat=True):
        yield (
            OK,
            (
                f'The secret of "{name}" is kept outside and cannot be checked here: `manage.py '
                f'check_vendors --live "{name}"` does, where the secret is.'
            ),
        )


def _integrations(_now: datetime) -> Rows:
    launched = Integration.objects.exclude(state=Integration.State.DRAFT)
    ended = launched.filter(runs__finished_at__isnull=False, runs__kind=SyncRun.Kind.SYNC)
    last = dict(ended.annotate(last=Max("runs__pk")).values_list("pk", "last"))
    failed = dict(
        SyncRun.objects.filter(pk__in=last.values(), state=SyncRun.State.FAILED).values_list(
            "integration_id", "error_message"
        )
    )
    well = True
    for row in launched.order_by("name").only("pk", "name", "error_since"):
        if row.error_since is None and row.pk not in failed:
            continue
        well = False
        reason = failed.get(row.pk, "")
        what = "cannot connect, three times in a row" if row.error_since else "failed the last time"
        yield (
            BAD if row.error_since else WARN,
            f'"{row.name}" {what}. {reason} An IT admin looks at its last run.',
        )
    if well:
        yield OK, "No integration is in error."


def _removals(_now: datetime) -> Rows:
    number = held_rows().count()
    if number:
        yield BAD, f"{number} removals are held. An IT admin approves or rejects them (Runs, Plan)."
    else:
        yield OK, "No removal is held."


def _stuck(now: datetime) -> Rows:
    lost = lost_runs().count()
    waiting = SyncRun.objects.filter(
        state=SyncRun.State.QUEUED, due_at__isnull=True, queued_at__lt=now - _STUCK_AFTER
    ).count()
    if lost:
        yield WARN, f"{lost} runs lost their process; the tick puts them back within a minute."
    if waiting:
        yield (
            BAD,
            f"{waiting} runs have waited for over an hour. The operator looks at the workers.",
        )
    if not lost and not waiting:
        yield OK, "No run is stuck."


def _mails(_now: datetime) -> Rows:
    number = undelivered().count()
    if number:
        yield (
            WARN,
            (
                f"{number} mails could not be delivered for certain. An IT admin looks at "
                "Notifications; the operator checks EMAIL_URL."
            ),
        )
    else:
        yield OK, "Every mail was delivered."


def _operations(now: datetime) -> Rows:
    state = Operation.State
    counts = Operation.objects.aggregate(
        asks=Count("pk", filter=Q(state=state.ASKS)),
        unknown=Count("pk", filter=Q(state=state.UNKNOWN)),
        late=Count("pk", filter=Q(state=state.PLANNED, created_at__lt=now - _STUCK_AFTER)),
    )
    if counts["asks"]:
        yield (
            BAD,
            (
                f"{counts['asks']} vendor calls ask for a person: nobody knows whether they went "
                "through. An IT admin looks at the vendor and settles them (Operations)."
            ),
        )
    if counts["unknown"]:
        yield WARN, f"{counts['unknown']} vendor calls may have gone through; they are looked up."
    if counts["late"]:
        yield (
            WARN,
            (
                f"{counts['late']} vendor calls have waited for over an hour. An IT admin looks at "
                "what they wait for (Operations)."
            ),
        )
    if not any(counts.values()):
        yield OK, "It is known of every vendor call how it ended."


# The app above adds its own.
CHECKS: dict[str, Callable[[datetime], Rows]] = {
    "pause": _pause,
    "broker": _broker,
    "tick": _tick,
    "workers": _workers,
    "secrets": _secrets,
    "credentials": _expiry,
    "connections": _connections,
    "integrations": _integrations,
    "removals": _removals,
    "runs": _stuck,
    "mails": _mails,
    "operations": _operations,
    "disk": doctor_host.disk,
    "zones": doctor_host.zones,
    "clock": doctor_host.clock,
    "keys file": doctor_host.keys_file,
}
