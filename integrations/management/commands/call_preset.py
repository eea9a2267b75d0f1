"""`manage.py call_preset`: one preset for one person or SaaS user."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from integrations.commands import Command as BaseCommand
from integrations.commands import Exit, acting, add_as
from integrations.errors import did_you_mean
from integrations.models import Credentials
from integrations.presets.calling import call_now, plan_call
from integrations.presets.report import (
    call_lines,
    call_report,
    exit_of_report,
    plan_lines,
    plan_report,
)
from integrations.printing import printable
from integrations.registry import get_preset
from integrations.values import write_json

PERMISSION = "integrations.call_preset"


class Command(BaseCommand):
    """Renders, checks and sends one call; what changes something goes through the journal."""

    help = (
        "Call one preset for one person or SaaS user; with --plan only print the request. "
        "`check_vendors` lists the presets."
    )
    reads_references = True

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "preset", metavar="PRESET", help="the vendor and the name, with a dot between them"
        )
        parser.add_argument("--credentials", metavar="NAME", required=True)
        parser.add_argument(
            "--record",
            metavar="KEY",
            required=True,
            help="e-mail, username, employee ID or ID of a person, or ID or e-mail of a SaaS user",
        )
        parser.add_argument(
            "--input",
            metavar="NAME=VALUE",
            action="append",
            default=[],
            dest="inputs",
            help="an input of the preset, or of the vendor; may be repeated. No secrets here.",
        )
        parser.add_argument("--plan", action="store_true", help="print the request, send nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object; logs on stderr")
        add_as(parser)

    def run(self, options: dict[str, Any]) -> Exit:
        get_preset(options["preset"])  # a wrong name is told before anything else
        by = acting(options["user"], [PERMISSION])
        user = User.objects.get(username=by) if options["user"] else None
        given = self._inputs(options["inputs"])
        what = (options["preset"], self._credentials(options["credentials"]), options["record"])
        if options["plan"]:
            report = plan_report(*plan_call(*what, given, user=user))
        else:
            self._confirm(*what[::2])
            key = f"command:{uuid.uuid4()}"
            report = call_report(call_now(*what, given, key=key, started_by=by, user=user))
        self._tell(report, as_json=options["json"])
        return exit_of_report(report)

    def _confirm(self, preset_id: str, record: str) -> None:
        """At a terminal, ask before something destructive is sent (GT-29). Scripts have decided."""
        preset = get_preset(preset_id)[1]
        if preset.change is None or not preset.change.destructive or not sys.stdin.isatty():
            return
        what = f'{preset.label} for "{record}" takes access away; --plan shows the call.'
        self.stderr.write(printable(f'{what} Type "{record}" to send it:'))
        if sys.stdin.readline().strip() != record:
            raise self.wrong("Nothing was sent: that was not the record.")

    def _credentials(self, name: str) -> Credentials:
        names = {one.name: one for one in Credentials.objects.all()}
        if name not in names:
            hint = did_you_mean(name, names)
            raise self.wrong(f'There are no credentials "{name}".{hint}')
        return names[name]

    def _inputs(self, typed: Sequence[str]) -> dict[str, Any]:
        """`NAME=VALUE` pairs by name; a name that stands several times gives a list."""
        given: dict[str, list[str]] = {}
        for pair in typed:
            name, sign, value = pair.partition("=")
            if not sign or not name.strip():
                raise self.wrong(f'"{pair}" is no input; write --input NAME=VALUE.')
            given.setdefault(name.strip(), []).append(value)
        return {name: values[0] if len(values) == 1 else values for name, values in given.items()}

    def _tell(self, report: dict[str, Any], *, as_json: bool) -> None:
        for warning in report["warnings"]:
            self.stderr.write(printable(f"Warning: {warning['reason']}"))
        if report["held"]:
            self.stderr.write(printable(f"Nothing was sent. {report['held']['why']}"))
        if as_json:
            self.write_piece(f"{write_json({'runs': [report]})}\n")
            return
        lines = plan_lines(report) if "plan" in report else call_lines(report)
        for line in lines:
            self.stdout.write(line)
