"""`manage.py run_workflow`: a workflow here and now, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import orjson
from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as
from integrations.errors import AlreadyRunning, InstallationPaused
from integrations.installation import find_pause
from integrations.printing import plan_lines, printable, progress_bar
from workflows.cancelling import cancel_run
from workflows.errors import CannotDecide, CannotStart, NotAllowed, WorkflowInvalid
from workflows.finding import find_record_ids, find_workflow
from workflows.here import carry_on_local, work_here
from workflows.models import RunItem, Workflow, WorkflowRun
from workflows.preview import RecordPreview, preview, preview_all
from workflows.reports import exit_of_run, in_words, run_as_json
from workflows.schedule import is_busy
from workflows.starts import start_run
from workflows.versions import read_definition

_RUN = "workflows.run_workflow"
_READ = "workflows.view_workflow"


class Command(BaseCommand):
    """Starts a run and works on it until only time, or a person, helps."""

    help = (
        "Run a workflow here and now for all records that match, or for those that are named; with "
        "--plan fill in every request and send nothing."
    )
    reads_references = True

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the name of the workflow")
        parser.add_argument(
            "--record",
            metavar="KEY",
            action="append",
            dest="records",
            help="only this record: e-mail or ID; may be given several times",
        )
        parser.add_argument(
            "--plan", action="store_true", help="print what it would do; send and write nothing"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")
        add_as(parser)

    def run(self, options: dict[str, Any]) -> Exit:
        by = acting(options["user"], [_READ if options["plan"] else _RUN])
        user = User.objects.get(username=by) if options["user"] else None
        try:
            workflow = find_workflow(options["name"])
            ids = find_record_ids(workflow, options["records"]) if options["records"] else None
            if options["plan"]:
                return self._plan(workflow, ids, user, as_json=options["json"])
            return self._run(workflow, ids, by, as_json=options["json"])
        except WorkflowInvalid as problem:
            text = "\n".join(
                f"{one.block or 'workflow'}: {one.message}" for one in problem.mistakes
            )
            raise CommandError(text, returncode=Exit.WRONG) from None
        except (CannotStart, NotAllowed) as problem:
            raise CommandError(problem.message, returncode=Exit.WRONG) from None

    # Doing it -----------------------------------------------------------------------------------

    def _run(self, workflow: Workflow, ids: list[int] | None, by: str, *, as_json: bool) -> Exit:
        _check_free(workflow, ids)
        run = None
        with progress_bar(workflow.name) as show:
            try:
                carry_on_local(workflow, show=show)
                run = start_run(
                    workflow, trigger=WorkflowRun.Trigger.COMMAND, started_by=by, ids=ids
                )
                run = work_here(run.pk, show=show)
            except KeyboardInterrupt:
                if run is None:
                    raise
                run = _stop(run, by)
        self._tell(run, as_json=as_json)
        return exit_of_run(run)

    def _tell(self, run: WorkflowRun, *, as_json: bool) -> None:
        report = run_as_json(run)
        if as_json:
            self.stdout.write(orjson.dumps({"runs": [report]}).decode())
            return
        state = run.get_state_display().lower()
        self.stdout.write(printable(f"{run}: {state}. {in_words(report['counts'])}"))
        if run.error_message:
            self.stderr.write(printable(run.error_message))
        for issue in report["issues"]:
            line = f"{issue['key']}: {issue['reason'] or issue['code']} ({issue['detail']})"
            self.stderr.write(printable(line))
        if report["held"]:
            held = report["held"]
            number = report["counts"]["held"]
            self.stderr.write(printable(f"{number} records are held. {held['why']}"))
            self.stderr.write(f"Look at them with: plans show {held['plan']}")

    # Saying what it would do --------------------------------------------------------------------

    def _plan(
        self, workflow: Workflow, ids: list[int] | None, user: User | None, *, as_json: bool
    ) -> Exit:
        """Of the version that runs; of a draft, the newest one."""
        version = workflow.active_version or workflow.versions.order_by("-number").first()
        if version is None:
            raise CannotStart(f'"{workflow}" has no version that could be previewed.')
        about: dict[str, Any] = {"now": timezone.now(), "user": user, "version": version}
        definition = read_definition(version)
        found: Iterable[RecordPreview] = (
            preview_all(workflow, definition, **about)
            if ids is None
            else preview(workflow, definition, ids, **about)
        )
        counted = _Counted(found)
        if as_json:
            self._write_plan(workflow, counted)
        else:
            for one in counted:
                self._print_plan(one)
            self.stdout.write(f"{workflow}: {counted.matched} records match. Nothing was sent.")
        return Exit.ISSUES if counted.issues else Exit.DONE

    def _write_plan(self, workflow: Workflow, counted: _Counted) -> None:
        """One JSON object, however many rows it has."""
        head = {"id": None, "name": workflow.name, "kind": "workflow", "state": "done"}
        self.write_piece('{"runs": [' + orjson.dumps(head).decode()[:-1] + ', "plan": [')
        separator = "\n"
        for one in counted:
            for row in one.as_rows():
                self.write_piece(separator + orjson.dumps(row, default=str).decode())
                separator = ",\n"
        tail = {"counts": counted.as_json(), "issues": counted.issues, "held": None}
        self.write_piece("], " + orjson.dumps(tail).decode()[1:] + "]}\n")

    def _print_plan(self, one: RecordPreview) -> None:
        for row in one.as_rows():
            for line in plan_lines(row):
                self.stdout.write(line)
            if row.get("request"):
                text = orjson.dumps(row["request"], default=str).decode()
                self.stdout.write(printable(f"    {text}"))
            for warning in row.get("warnings") or ():
                self.stdout.write(printable(f"    Warning: {warning}"))


class _Counted:
    """Previews as they pass by: how many match, and what would not be done."""

    def __init__(self, found: Iterable[RecordPreview]) -> None:
        self._found = found
        self.matched = 0
        self.issues: list[dict[str, str]] = []

    def __iter__(self) -> Iterator[RecordPreview]:
        for one in self._found:
            self.matched += one.matches
            for step in one.way:
                if step.problem:
                    issue = {"key": one.key, "code": "problem", "reason": step.problem}
                    self.issues.append({**issue, "detail": f"block {step.key}"})
            yield one

    def as_json(self) -> dict[str, Any]:
        nothing = dict.fromkeys(("done", "failed", "waiting", "no_longer_applies"), 0)
        operations = {"done": 0, "refused": 0, "unknown": 0}
        return {"matched": self.matched, **nothing, "operations": operations}


def _check_free(workflow: Workflow, ids: list[int] | None) -> None:
    """Raise AlreadyRunning (4) where the same is under way, InstallationPaused (4) while paused."""
    pause = find_pause()
    if pause is not None:
        raise InstallationPaused(pause.because)
    if ids is None:
        local = workflow.active_version is not None and workflow.active_version.local
        if is_busy(workflow) and not local:
            raise AlreadyRunning(workflow.name, None)
        return
    items = RunItem.objects.filter(
        workflow=workflow, record_id__in=ids, state__in=RunItem.OPEN_STATES
    )
    label = items.values_list("label", flat=True).first()
    if label is not None:
        raise AlreadyRunning(f"{workflow}, for {label},", None)


def _stop(run: WorkflowRun, by: str) -> WorkflowRun:
    """Ctrl-C ends the run, unless it ended by itself at that moment."""
    with suppress(CannotDecide):
        cancel_run(run, by=by)
    return WorkflowRun.objects.select_related("workflow", "version").get(pk=run.pk)
