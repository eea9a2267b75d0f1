"""Runs as commands, and later other programs, tell them: JSON of a fixed shape, plans streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from integrations.models import PlannedChange, RecordIssue, SyncRun
from integrations.sync.work import new_counts

_CHUNK = 2_000
_ISSUE_KEYS = ("key", "code", "reason", "detail")


# Writes a piece of text: a command's standard output, or a file.
Write = Callable[[str], object]


def run_as_json(run: SyncRun, *, with_plan: bool = False) -> dict[str, Any]:
    """A run as every command tells it, with `warnings` and, where it failed, `error` besides.

    Two queries, one more for a held run, and one for the plan, which is read as a whole;
    `write_runs` streams it.
    """
    report: dict[str, Any] = {
        "id": run.pk,
        "name": run.name,
        "kind": run.kind,
        "state": run.state,
        "counts": {**new_counts(), **run.counts},
        "issues": list(_told(run, RecordIssue.Severity.ISSUE)),
        "warnings": [
            *({"key": "", "code": "run", "reason": text, "detail": ""} for text in run.warnings),
            *_told(run, RecordIssue.Severity.WARNING),
        ],
        "held": _held(run),
        "error": None,
    }
    if run.kind == SyncRun.Kind.UNDO:
        report["undoes"] = run.undoes_id
    if run.error_code or run.error_message:
        report["error"] = {"code": run.error_code, "message": run.error_message}
    if with_plan:
        report["plan"] = list(plan_rows(run))
    return report


def _held(run: SyncRun) -> dict[str, Any] | None:
    """Why removals are held, how many, and the id that `plans` knows them by."""
    if run.state != SyncRun.State.HELD:
        return None
    removals = PlannedChange.objects.filter(run=run, state=PlannedChange.State.HELD).count()
    return {"why": run.held_because, "plan": run.pk, "removals": removals}


def _told(run: SyncRun, severity: str) -> Iterator[dict[str, Any]]:
    rows = RecordIssue.objects.filter(run=run, severity=severity).order_by("pk")
    yield from rows.values(*_ISSUE_KEYS).iterator(chunk_size=_CHUNK)


def plan_rows(run: SyncRun) -> Iterator[dict[str, Any]]:
    """The rows of a run's plan in their order; `state` says what became of each. One query."""
    rows = PlannedChange.objects.filter(run=run).order_by("pk")
    keys = ("action", "object", "key", "reason", "changes", "state")
    yield from rows.values(*keys).iterator(chunk_size=_CHUNK)


def write_runs(
    write: Write,
    runs: list[SyncRun],
    *,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write the one JSON object of all commands; a preview's plan of any length passes through.

    `extra` are further keys of the object. Queries as `run_as_json`, per run.
    """
    write('{"runs": [')
    for number, run in enumerate(runs):
        write(",\n" if number else "\n")
        text = orjson.dumps(run_as_json(run)).decode()
        if run.kind != SyncRun.Kind.PREVIEW:
            write(text)
            continue
        write(f'{text[:-1]}, "plan": [')
        for row_number, row in enumerate(plan_rows(run)):
            separator = ",\n" if row_number else "\n"
            write(separator + orjson.dumps(row).decode())
        write("]}")
    write("]")
    for key, value in (extra or {}).items():
        write(f", {orjson.dumps(key).decode()}: {orjson.dumps(value).decode()}")
    write("}\n")
