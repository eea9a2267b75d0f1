"""`manage.py undo`: what a run wrote is written back, here and now."""

from __future__ import annotations

from typing import Any

import orjson
from django.core.management.base import CommandParser

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as, exit_of
from integrations.errors import UndoRefused
from integrations.models import SyncRun
from integrations.printing import (
    do_here,
    finish_lost_run,
    in_words,
    plan_lines,
    printable,
)
from integrations.reports import run_as_json, write_runs
from integrations.sync.undo_plan import UndoPlan, plan_undo
from integrations.undo_report import plan_as_json
from integrations.undoing import queue_undo, why_not_undone


class Command(BaseCommand):
    """Queues the undo of a run and does it in this process."""

    help = "Write back what a run wrote; with --plan only say what that would do."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="RUN", type=int, help="the number of the run")
        parser.add_argument("--plan", action="store_true", help="print the plan, change nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")
        add_as(parser)

    def run(self, options: dict[str, Any]) -> Exit:
        by = acting(options["user"], ["integrations.undo_syncrun"])
        run = SyncRun.objects.select_related("integration").filter(pk=options["number"]).first()
        if run is None:
            raise self.wrong(f"There is no run {options['number']}.")
        if options["plan"]:
            return self._plan(run, as_json=options["json"])
        return self._undo(run, by, as_json=options["json"])

    def _plan(self, run: SyncRun, *, as_json: bool) -> Exit:
        if reason := why_not_undone(run):
            raise UndoRefused(f"Run {run.pk} cannot be undone. {reason}")
        plan = plan_undo(run)
        report = plan_as_json(plan)
        if as_json:
            self.stdout.write(orjson.dumps({"runs": [report]}).decode())
        else:
            self._print_plan(plan, report)
        return Exit.ISSUES if plan.left else Exit.DONE

    def _print_plan(self, plan: UndoPlan, report: dict[str, Any]) -> None:
        for row in report["plan"]:
            for line in plan_lines(row):
                self.stdout.write(line)
        for issue in report["issues"]:
            self.stderr.write(printable(f"Left: {issue['key']}: {issue['reason']}"))
        self.stdout.write(f"Undo of {plan.run}: {_in_words(report['counts'])}")
        self.stdout.write(
            f"The integration is paused. Its next sync would write {plan.again} of these again, "
            "if the vendor still says the same."
        )

    def _undo(self, run: SyncRun, by: str, *, as_json: bool) -> Exit:
        # One that is under way, or was left by a process that died, is the one to wait for.
        begun = run.undone_by.filter(state__in=SyncRun.ACTIVE_STATES).first()
        if run.integration is not None:
            finish_lost_run(run.integration)
        undo = begun or queue_undo(run, by=by)
        ended = do_here(undo, f"Undo of {run}", by=by)
        if as_json:
            write_runs(self.write_piece, [ended])
        else:
            self._print(ended)
        return exit_of(ended)

    def _print(self, ended: SyncRun) -> None:
        state = ended.get_state_display().lower()
        self.stdout.write(f"{ended}: undo, {state}. {_in_words(ended.counts)}")
        if ended.error_message:
            self.stderr.write(ended.error_message)
        for issue in run_as_json(ended)["issues"]:
            self.stderr.write(printable(f"Left: {issue['key']}: {issue['reason']}"))
        self.say("The integration is paused; resume it when the cause is mended.")


def _in_words(counts: dict[str, Any]) -> str:
    """The counts without that of a listing: an undo reads none."""
    return in_words({name: value for name, value in counts.items() if name != "seen"})
