"""`manage.py sync`: integrations here and now, with a progress bar on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from integrations import services
from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as, exit_of, exit_of_error, worst
from integrations.errors import AlreadyRunning, IntegrationsError, LeaseLost, did_you_mean
from integrations.explain import Witness, as_lines, explain
from integrations.models import Integration, RecordIssue, SyncRun
from integrations.reports import plan_rows, write_runs
from integrations.sync import execute
from integrations.worker import cancel, free_lost_runs

_SHOWN_ISSUES = 20
Show = Callable[[str, int, int | None], None]


class Command(BaseCommand):
    """Queues a run and does it in this process, integration by integration."""

    help = "Run integrations here and now; with --plan only say what they would do."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", metavar="NAME", nargs="*", help="names of integrations")
        parser.add_argument("--all", action="store_true", help="every active integration")
        parser.add_argument("--plan", action="store_true", help="store and print the plan only")
        parser.add_argument("--person", metavar="EMAIL", default="", help="only this person")
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")
        add_as(parser)

    def run(self, options: dict[str, Any]) -> Exit:
        kind = SyncRun.Kind.PREVIEW if options["plan"] else SyncRun.Kind.SYNC
        may = "preview" if options["plan"] else "run"
        by = acting(options["user"], [f"integrations.{may}_integration"])
        runs, errors, explained, codes = [], [], [], []
        for integration in self._integrations(options):
            try:
                run, told = self._do(integration, kind, by, options)
            except IntegrationsError as error:
                codes.append(exit_of_error(error))
                errors.append({"name": integration.name, "message": error.message})
                self.stderr.write(f"{integration.name}: {error.message}")
                continue
            runs.append(run)
            codes.append(exit_of(run))
            if run.kind != kind:
                # M-6: it came to own fields of another, and nobody has looked at that yet.
                codes.append(Exit.HELD)
                message = "Only previewed, because it came to own fields: look, then run it again."
                errors.append({"name": integration.name, "message": message})
                self.say(f"{integration.name}: {message}")
            if told is not None:
                explained.append({"run": run.pk, **told})
            if not options["json"]:
                self._print(run, told)
        if options["json"]:
            extra = {"errors": errors} | ({"person": explained} if options["person"] else {})
            write_runs(self.write_piece, runs, extra=extra)
        return worst(codes)

    def _integrations(self, options: dict[str, Any]) -> list[Integration]:
        names = list(dict.fromkeys(options["names"]))
        if bool(names) == options["all"]:
            raise self.wrong("Name the integrations, or say --all.")
        if options["all"]:
            # Owners of fields first: what they write, the others need not.
            active = Integration.objects.filter(state=Integration.State.ACTIVE)
            return list(active.order_by("priority", "name"))
        known = {one.name: one for one in Integration.objects.all()}
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known)
                raise self.wrong(f'There is no integration "{name}".{hint}')
        return [known[name] for name in names]

    def _do(
        self, integration: Integration, kind: str, by: str, options: dict[str, Any]
    ) -> tuple[SyncRun, dict[str, Any] | None]:
        """One run from the queue to its end. Raises NotReady, AlreadyRunning."""
        _finish_lost_run(integration)
        run = services.queue_run(integration, kind=kind, by=by, person=options["person"])
        witness = Witness(run, options["person"]) if options["person"] else None
        with self._progress(integration.name) as show:

            def on_progress(step: str, done: int, total: int | None) -> None:
                if witness is not None:
                    witness.look()
                show(step, done, total)

            try:
                ended = execute(run.pk, on_progress=on_progress)
            except (AlreadyRunning, LeaseLost):
                # A worker was quicker; the run is the same.
                ended = _follow(run.pk, show)
            except KeyboardInterrupt:
                cancel(run.pk, by=by)
                ended = SyncRun.objects.get(pk=run.pk)
        return ended, explain(ended, witness) if witness is not None else None

    @contextmanager
    def _progress(self, name: str) -> Iterator[Show]:
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

    def _print(self, run: SyncRun, told: dict[str, Any] | None) -> None:
        if told is not None:
            for line in as_lines(told):
                self.stdout.write(_printable(line))
        elif run.kind == SyncRun.Kind.PREVIEW:
            for row in plan_rows(run):
                self._print_row(row)
        self.stdout.write(f"{run}: {run.get_state_display().lower()}. {_in_words(run.counts)}")
        if run.error_message:
            self.stderr.write(run.error_message)
        for warning in run.warnings:
            self.stderr.write(f"Warning: {_printable(warning)}")
        self._print_issues(run)

    def _print_row(self, row: dict[str, Any]) -> None:
        reason = f"  ({row['reason']})" if row["reason"] else ""
        head = f"{row['action']:<11}{row['object'].replace('_', ' '):<10} {row['key']}{reason}"
        self.stdout.write(_printable(head))
        for field, (old, new) in row["changes"].items():
            self.stdout.write(_printable(f"    {field}: {_value(old)} -> {_value(new)}"))

    def _print_issues(self, run: SyncRun) -> None:
        issues = RecordIssue.objects.filter(run=run, severity=RecordIssue.Severity.ISSUE)
        for issue in issues[:_SHOWN_ISSUES]:
            self.stderr.write(_printable(f"Issue: {issue.key}: {issue.reason}"))
        count = issues.aggregate(count=Count("pk"))["count"]
        if count > _SHOWN_ISSUES:
            self.stderr.write(f"... and {count - _SHOWN_ISSUES} more issues; --json lists all.")


def _finish_lost_run(integration: Integration) -> None:
    """Do a run whose process died, or it would stand in the way for as long as no worker runs."""
    free_lost_runs()
    begun = SyncRun.objects.filter(
        integration=integration, state=SyncRun.State.QUEUED, attempts__gt=0
    ).first()
    if begun is None:
        return
    sys.stderr.write(f"Run {begun.pk} was left by a process that died; finishing it first.\n")
    try:
        execute(begun.pk)
    except (AlreadyRunning, LeaseLost):
        _follow(begun.pk, lambda _step, _done, _total: None)


def _follow(run_id: int, show: Show) -> SyncRun:
    """Watch a run that another process does until it ends."""
    sys.stderr.write(f"Run {run_id} is done by a worker; waiting for its end.\n")
    while True:
        run = SyncRun.objects.get(pk=run_id)
        if run.state not in SyncRun.ACTIVE_STATES:
            return run
        show(run.step, run.progress_done, run.progress_total)
        time.sleep(0.5)


def _in_words(counts: dict[str, Any]) -> str:
    """`500 seen. People: 3 created, 2 updated. ...`: only what is not zero."""
    parts = [f"{counts.get('seen', 0)} seen"]
    for key, label in (("people", "People"), ("saas_users", "SaaS users"), ("roles", "Roles")):
        numbers = [f"{number} {word}" for word, number in counts.get(key, {}).items() if number]
        if numbers:
            parts.append(f"{label}: {', '.join(numbers)}")
    for key, label in (("issues", "Issues"), ("removals_not_applied", "Removals, not applied yet")):
        if counts.get(key):
            parts.append(f"{label}: {counts[key]}")
    return ". ".join(parts) + "."


def _value(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, dict):
        scope = value.get("scope")
        return f"{value.get('role')} ({scope})" if scope else str(value.get("role"))
    return str(value)


def _printable(text: str) -> str:
    """A vendor's text must not be able to move the cursor."""
    return "".join(character if character.isprintable() else "�" for character in text)
