"""`manage.py sync`: integrations here and now, with a progress bar on a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count

from integrations import services
from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as, exit_of, exit_of_error, worst
from integrations.errors import IntegrationsError, did_you_mean
from integrations.explain import Witness, as_lines, explain
from integrations.models import Integration, RecordIssue, SyncRun
from integrations.printing import (
    do_here,
    finish_lost_run,
    held_lines,
    in_words,
    plan_lines,
    printable,
)
from integrations.reports import plan_rows, write_runs

_SHOWN_ISSUES = 20


class Command(BaseCommand):
    """Queues a run and does it in this process, integration by integration."""

    reads_references = True
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
        finish_lost_run(integration)
        run = services.queue_run(integration, kind=kind, by=by, person=options["person"])
        witness = Witness(run, options["person"]) if options["person"] else None
        ended = do_here(run, integration.name, by=by, look=witness.look if witness else None)
        return ended, explain(ended, witness) if witness is not None else None

    def _print(self, run: SyncRun, told: dict[str, Any] | None) -> None:
        if told is not None:
            for line in as_lines(told):
                self.stdout.write(printable(line))
        elif run.kind == SyncRun.Kind.PREVIEW:
            for row in plan_rows(run):
                for line in plan_lines(row):
                    self.stdout.write(line)
        self.stdout.write(f"{run}: {run.get_state_display().lower()}. {in_words(run.counts)}")
        if run.error_message:
            self.stderr.write(run.error_message)
        for warning in run.warnings:
            self.stderr.write(f"Warning: {printable(warning)}")
        self._print_issues(run)
        for line in held_lines(run):
            self.stderr.write(printable(line))

    def _print_issues(self, run: SyncRun) -> None:
        issues = RecordIssue.objects.filter(run=run, severity=RecordIssue.Severity.ISSUE)
        for issue in issues[:_SHOWN_ISSUES]:
            self.stderr.write(printable(f"Issue: {issue.key}: {issue.reason}"))
        count = issues.aggregate(count=Count("pk"))["count"]
        if count > _SHOWN_ISSUES:
            self.stderr.write(f"... and {count - _SHOWN_ISSUES} more issues; --json lists all.")
