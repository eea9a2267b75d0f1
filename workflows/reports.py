"""Runs of workflows as commands and other programs tell them: JSON of a fixed shape, and words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.commands import Exit
from workflows.engine.finish import counts_of
from workflows.models import RunItem, WorkflowRun
from workflows.starts import LEFT_OUT
from workflows.storms import HELD_STARTS

LETTER = "w"
"""Before the number of a run, where `plans` names what it holds."""
_ISSUES = (RunItem.State.FAILED,)
_CHUNK = 2_000
_EXITS = {
    WorkflowRun.State.DONE: Exit.DONE,
    WorkflowRun.State.PARTIAL: Exit.ISSUES,
    WorkflowRun.State.HELD: Exit.HELD,
    WorkflowRun.State.QUEUED: Exit.HELD,
    WorkflowRun.State.RUNNING: Exit.HELD,
}


def exit_of_run(run: WorkflowRun) -> Exit:
    """The code of a run by its state: 4 while something of it waits, or is held."""
    return _EXITS.get(WorkflowRun.State(run.state), Exit.FAILED)


def run_as_json(run: WorkflowRun) -> dict[str, Any]:
    """A run as every command tells it. About six queries."""
    counts = counts_of([run.pk])[run.pk]
    report: dict[str, Any] = {
        "id": run.pk,
        "name": run.name,
        "kind": "workflow",
        "state": run.state,
        "version": run.version.number,
        "trigger": run.trigger,
        "started_by": run.started_by,
        "counts": {**counts, "already_under_way": run.already_under_way},
        "issues": list(issues_of(run)),
        "warnings": [],
        "held": None,
        "error": None,
    }
    if counts["held"]:
        report["held"] = {
            "why": _why_held(run),
            "plan": f"{LETTER}{run.pk}",
            "removals": _removals_held(run),
        }
    if run.error_code == LEFT_OUT:
        warning = {"key": "", "code": LEFT_OUT, "reason": run.error_message, "detail": ""}
        report["warnings"].append(warning)
    elif run.error_code or run.error_message:
        report["error"] = {"code": run.error_code, "message": run.error_message}
    return report


def issues_of(run: WorkflowRun) -> Iterator[dict[str, str]]:
    """The records that failed, with why and at which block. One query."""
    rows = RunItem.objects.filter(run=run.pk, state__in=_ISSUES).order_by("pk")
    found = rows.values_list("label", "code", "note", "block")
    for label, code, note, block in found.iterator(chunk_size=_CHUNK):
        yield {"key": label, "code": code or "failed", "reason": note, "detail": f"block {block}"}


def _removals_held(run: WorkflowRun) -> int:
    """How many removals wait for a person; starts that are held take nothing away (M-20)."""
    held = RunItem.objects.filter(run=run.pk, state=RunItem.State.HELD)
    return held.exclude(code__in=HELD_STARTS).count()


def _why_held(run: WorkflowRun) -> str:
    if run.held_because:
        return run.held_because
    rows = RunItem.objects.filter(run=run.pk, state=RunItem.State.HELD)
    return rows.order_by("pk").values_list("note", flat=True).first() or ""


def in_words(counts: Mapping[str, Any]) -> str:
    """`12 matched: 10 done, 2 failed. Calls: 12 done.`: only what is not zero."""
    words = {
        "done": "done",
        "failed": "failed",
        "waiting": "waiting",
        "held": "held",
        "no_longer_applies": "no longer apply",
        "cancelled": "cancelled",
    }
    parts = [f"{counts[key]} {word}" for key, word in words.items() if counts.get(key)]
    calls = [f"{number} {word}" for word, number in counts["operations"].items() if number]
    text = f"{counts['matched']} matched"
    text += f": {', '.join(parts)}." if parts else "."
    if counts.get("already_under_way"):
        text += f" {counts['already_under_way']} already under way."
    return text + (f" Calls that change something: {', '.join(calls)}." if calls else "")
