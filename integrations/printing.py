"""How commands that do runs tell of them: a progress bar, counts in words, plans line by line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db.models import Q
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from integrations.errors import AlreadyRunning, LeaseLost
from integrations.models import Integration, SyncRun
from integrations.sync import execute
from integrations.worker import cancel, free_lost_runs

Show = Callable[[str, int, int | None], None]


@contextmanager
def progress_bar(name: str) -> Iterator[Show]:
    """A bar on standard error when that is a terminal, else nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _step, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)

        def show(step: str, done: int, total: int | None) -> None:
            label = f"{name}: {step}"
            progress.update(task, description=label, completed=done, total=total)

        yield show


def plan_lines(row: Mapping[str, Any]) -> Iterator[str]:
    """A row of a plan as lines: what is done to whom and why, then old -> new per field."""
    reason = f"  ({row['reason']})" if row["reason"] else ""
    head = f"{row['action']:<11}{row['object'].replace('_', ' '):<10} {row['key']}{reason}"
    yield printable(head)
    for field, (old, new) in row["changes"].items():
        yield printable(f"    {field}: {_value(old)} -> {_value(new)}")


def finish_lost_run(integration: Integration) -> None:
    """Do a run whose process died, or it would stand in the way for as long as no worker runs.

    So would one of a local integration that waits for a command, such as an approved removal.
    """
    free_lost_runs()
    begun = (
        SyncRun.objects.filter(integration=integration, state=SyncRun.State.QUEUED)
        .filter(Q(attempts__gt=0) | (Q(integration__installation="local") & ~Q(kind="undo")))
        .first()
    )
    if begun is None:
        return
    sys.stderr.write(f"Run {begun.pk} was left by a process that died; finishing it first.\n")
    try:
        execute(begun.pk)
    except (AlreadyRunning, LeaseLost):
        follow(begun.pk, lambda _step, _done, _total: None)


def do_here(
    run: SyncRun, title: str, *, by: str, look: Callable[[], None] | None = None
) -> SyncRun:
    """Do a queued run in this process, or watch whoever was quicker; gives it back ended.

    `look` is called at each step. Ctrl-C cancels the run. One that the vendor asked to wait comes
    back queued.
    """
    with progress_bar(title) as show:

        def on_progress(step: str, done: int, total: int | None) -> None:
            if look is not None:
                look()
            show(step, done, total)

        try:
            return execute(run.pk, on_progress=on_progress)
        except (AlreadyRunning, LeaseLost):
            return follow(run.pk, show)
        except KeyboardInterrupt:
            cancel(run.pk, by=by)
            return SyncRun.objects.get(pk=run.pk)


def held_lines(run: SyncRun) -> Iterator[str]:
    """Why the removals of a run are held, and the next command."""
    held = run.counts.get("held") or 0
    if run.state == SyncRun.State.HELD and held:
        yield f"{held} removal{' is' if held == 1 else 's are'} held. {run.held_because}"
        yield f"Look at them with: plans show {run.pk}"


def follow(run_id: int, show: Show) -> SyncRun:
    """Watch a run that another process does until it ends, or is put off by the vendor."""
    sys.stderr.write(f"Run {run_id} is done by a worker; waiting for its end.\n")
    while True:
        run = SyncRun.objects.get(pk=run_id)
        parked = run.due_at is not None and run.due_at > timezone.now()
        if parked or run.state not in SyncRun.ACTIVE_STATES:
            return run
        show(run.step, run.progress_done, run.progress_total)
        time.sleep(0.5)


def in_words(counts: dict[str, Any]) -> str:
    """`500 seen. People: 3 created, 2 updated. ...`: only what is not zero."""
    parts = [f"{counts['seen']} seen"] if "seen" in counts else []
    for key, label in (("people", "People"), ("saas_users", "SaaS users"), ("roles", "Roles")):
        numbers = [f"{number} {word}" for word, number in counts.get(key, {}).items() if number]
        if numbers:
            parts.append(f"{label}: {', '.join(numbers)}")
    for key, label in (("issues", "Issues"), ("held", "Removals held")):
        if counts.get(key):
            parts.append(f"{label}: {counts[key]}")
    return ". ".join(parts or ["Nothing"]) + "."


def _value(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, dict):
        scope = value.get("scope")
        return f"{value.get('role')} ({scope})" if scope else str(value.get("role"))
    return str(value)


def printable(text: str) -> str:
    """A vendor's text must not be able to move the cursor."""
    return "".join(character if character.isprintable() else "�" for character in text)
