"""What the doctor asks about the machine: disk, zones, clocks, the file of the keys."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.utils import timezone

from integrations.errors import IntegrationsError
from integrations.models import Integration
from integrations.schedules import read_schedule

OK, WARN, BAD = "ok", "warn", "bad"
Rows = Iterator[tuple[str, str]]
_CLOCKS_MAY_DIFFER = 5.0
_FEW_BYTES, _VERY_FEW_BYTES = 2**30, 2**27


def disk(_now: datetime) -> Rows:
    free = shutil.disk_usage(settings.DATA_DIR).free
    state = BAD if free < _VERY_FEW_BYTES else WARN if free < _FEW_BYTES else OK
    more = "" if state == OK else " The operator makes room."
    yield state, f"{free / 2**30:.1f} GB are free in DATA_DIR.{more}"


def zones(_now: datetime) -> Rows:
    try:
        ZoneInfo(settings.TIME_ZONE)
    except (LookupError, ValueError, OSError):
        yield BAD, f"TIME_ZONE {settings.TIME_ZONE} is unknown here. The operator mends it."
        return
    well = True
    for name, given in Integration.objects.exclude(schedule={}).values_list("name", "schedule"):
        try:
            read_schedule(given)
        except (IntegrationsError, LookupError, ValueError) as problem:
            well = False
            yield BAD, f'The schedule of "{name}" cannot be read: {problem} An IT admin sets it.'
    if well:
        yield OK, f"TIME_ZONE is {settings.TIME_ZONE}; every schedule and its zone are known."


def clock(_now: datetime) -> Rows:
    if connection.vendor != "postgresql":
        yield OK, "The database has this machine's clock."
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        there = cursor.fetchone()[0]
    # Asked here, not passed in: what is compared is this moment on both clocks.
    apart = abs((there - timezone.now()).total_seconds())
    if apart > _CLOCKS_MAY_DIFFER:
        yield (
            WARN,
            f"The database's clock is {apart:.0f} s off. The operator sets the clocks (NTP).",
        )
    else:
        yield OK, "The clocks of this machine and of the database agree."


def keys_file(_now: datetime) -> Rows:
    file = Path(settings.SECRETS_FILE)
    if not file.exists():
        yield OK, "The keys come from the environment."
    elif stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield BAD, f"Others may read {file}. The operator runs `chmod 600` on it."
    elif Path(settings.DATA_DIR) in file.resolve().parents:
        yield BAD, f"{file} lies in DATA_DIR, beside the data. The operator moves it elsewhere."
    else:
        yield OK, f"Only its owner may read {file}."
