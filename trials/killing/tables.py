"""The oracle: every row that a run leaves, by names instead of ids, against the undisturbed run."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.apps import apps
from django.db import models

from integrations.models import RecordLink, SyncRun
from people.models import Department, Person
from saas.models import SaaSUser

APPS = ("people", "saas", "integrations")
# Rows about processes instead of people.
LEFT_OUT_TABLES = {"workingprocess", "pace"}
# A column that says how the run was done, not what it did. Ids are left out everywhere; of a time
# only whether there is one, unless it is the vendor's.
LEFT_OUT = {
    # Workflows look at its events a moment later, whoever works then.
    "syncrun": {
        "fence",
        "attempts",
        "worker",
        "progress_done",
        "progress_total",
        "events_dispatched_at",
        "settling",
    },
    "credentials": {"base_url"},  # each trial has a port of its own
}
VENDOR_TIMES = {("saasuser", "last_activity")}
# Numbers that name a row without being a foreign key.
_POINTERS = {
    ("event", "object_id"): "object",
    ("plannedchange", "target_id"): "object",
    ("plannedchange", "link_id"): None,
}
LONGEST_ROW = 400
Names = dict[str, dict[int, str]]


@dataclass(frozen=True)
class Difference:
    """How tables differ from the undisturbed ones: rows by what went wrong with them."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.twice or self.forbidden or self.other)


@dataclass(frozen=True)
class Tables:
    """All rows by table, and a hash of each table."""

    rows: dict[str, Counter[str]]
    hashes: dict[str, str]


def read_tables(alias: str) -> Tables:
    """Read every table of ours in the database with this alias. Some forty queries."""
    names = _names(alias)
    rows, hashes = {}, {}
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            table = model._meta.model_name or ""
            if table.removeprefix("historical") in LEFT_OUT_TABLES:
                continue
            found = sorted(_rows(model, alias, names))
            rows[table] = Counter(found)
            hashes[table] = hashlib.sha256("\n".join(found).encode()).hexdigest()
    return Tables(rows, hashes)


def everything(alias: str) -> str:
    """A hash of every cell of every table of ours, times and ids included."""
    digest = hashlib.sha256()
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            if model._meta.model_name not in LEFT_OUT_TABLES:
                found = model._base_manager.using(alias).order_by("pk").values_list()
                digest.update(orjson.dumps([list(row) for row in found], default=str))
    return digest.hexdigest()


def compare(before: Tables, expected: Tables, found: Tables) -> Difference:
    """What the found tables lack, have twice, have removed, or else have that they should not.

    A row that is as it was before the run is told by the one that is missing in its place.
    """
    difference = Difference()
    for table, digest in expected.hashes.items():
        if found.hashes[table] == digest:
            continue
        missing = expected.rows[table] - found.rows[table]
        extra = found.rows[table] - expected.rows[table]
        difference.lost.extend(f"{table} lacks {_short(row)}" for row in missing)
        for row in extra:
            sentence = f"{table} has {_short(row)}"
            if row in expected.rows[table]:
                difference.twice.append(sentence)
            elif row in before.rows[table]:
                continue
            elif _removes(table, row):
                difference.forbidden.append(sentence)
            else:
                difference.other.append(sentence)
    return difference


def wrong_counts(alias: str, run_id: int) -> list[str]:
    """Where the counters of the run differ from the rows that it changed (F-02). Three queries."""
    run = SyncRun.objects.using(alias).get(pk=run_id)
    applied = run.plan.filter(state="applied").exclude(action__in=["link", "skip"])
    actions = Counter(applied.values_list("object", "action"))
    wrong = []
    for kind, part in (("person", "people"), ("saas_user", "saas_users")):
        for action in ("create", "update", "deactivate", "reactivate"):
            counted = run.counts.get(part, {}).get(f"{action.removesuffix('e')}ed", 0)
            if counted != actions[kind, action]:
                wrong.append(
                    f"the run counts {counted} x {action} {kind}, {actions[kind, action]} rows say"
                )
    return wrong


def _names(alias: str) -> Names:
    """How rows are called in the tables that others point to."""
    called = ((Person, "email"), (SaaSUser, "external_id"), (RecordLink, "external_id"),
              (Department, "name"))  # fmt: skip
    return {
        model._meta.model_name or "": dict(
            model._base_manager.using(alias).values_list("pk", column)
        )
        for model, column in called
    }


def _rows(model: type[models.Model], alias: str, names: Names) -> list[str]:
    table = (model._meta.model_name or "").removeprefix("historical")
    left_out = LEFT_OUT.get(table, set())
    fields = [
        one
        for one in model._meta.concrete_fields
        if one.attname not in left_out and (not one.primary_key or table == "syncrun")
    ]
    columns = [one.attname for one in fields]
    rows = []
    for values in model._base_manager.using(alias).values_list(*columns):
        row = dict(zip(columns, values, strict=True))
        told = {one.attname: _told(table, one, row, names) for one in fields}
        rows.append(orjson.dumps(told, default=str, option=orjson.OPT_SORT_KEYS).decode())
    return rows


def _told(table: str, column: Any, row: dict[str, Any], names: Names) -> Any:
    value = row[column.attname]
    if value is None:
        return None
    if isinstance(column, models.DateTimeField) and (table, column.attname) not in VENDOR_TIMES:
        return "a time"
    if (table, column.attname) in _POINTERS:
        by = _POINTERS[table, column.attname]
        target = "recordlink" if by is None else row[by].replace("_", "")
        return names[target].get(value, "nobody")
    if column.remote_field is not None:
        target = column.remote_field.model._meta.model_name
        return names.get(target, {}).get(value, value)
    return value


def _removes(table: str, row: str) -> bool:
    """Whether a row says that somebody is deactivated or was removed."""
    content = orjson.loads(row)
    return bool(
        content.get("status") in {"deactivated", "suspended"}
        or (table == "event" and content["kind"] == "archive")
        or (table == "plannedchange" and content["action"] == "deactivate")
    )


def _short(row: str) -> str:
    return row if len(row) <= LONGEST_ROW else f"{row[:LONGEST_ROW]}..."
